//! From faces over time to what the world is told: events and the camera's state.

mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use self::shown::{MOVES_AFTER, Seen, State};
use super::clock_step::ClockStep;
use crate::annotate::snapshot::Legend;
use crate::attention::Findings;
use crate::clock::{Moment, rfc3339};
use crate::config::Config;
use crate::contract::payload::{CameraState, SCHEMA_VERSION, ZoneState};
use crate::events::{Event, Origin, Recorder, system_randomness};
use crate::geometry::{Rect, Size};
use crate::name::Name;
use crate::publish::Publisher;
use crate::tracks::grouping::Grouping;
use crate::tracks::{Change, ChangeKind, Filter, TrackedFace, Tracker};
use crate::zones::occupancy::{Occupancy, Person, Use};
use crate::zones::trial::Trial;
use crate::zones::{self, Admission, Imposed, Masks, ZoneSet, Zones};

/// Follows the faces of one camera and publishes what changes about them.
pub(crate) struct Reporter {
    /// Its name in topics.
    pub camera: Name,
    /// Names of what is told: groups, where there are any.
    classes: Vec<String>,
    /// Follows the faces.
    pub tracker: Tracker,
    recorder: Recorder,
    publisher: Publisher,
    /// Of the last picture.
    size: Size,
    changes: Vec<Change>,
    zones: Zones,
    occupancy: Occupancy,
    /// What the page tries beside them.
    trial: Option<Trial>,
    told: Option<Told>,
}

/// The state as last published.
#[derive(Debug)]
struct Told {
    state: State,
    /// When that became so.
    since: Moment,
    /// When it was said, on the monotonic clock.
    at: Duration,
    /// The clock was set since: it was said with a wrong time.
    wrong: bool,
}

impl Reporter {
    /// No face is followed and no state published yet; `classes` are
    /// the names of what is told (groups, where there are any). Only faces outside of the masks
    /// of `zones` are told, and those in the others are counted there.
    fn new(
        camera: Name,
        classes: Vec<String>,
        zones: Zones,
        tracker: Tracker,
        recorder: Recorder,
        publisher: Publisher,
    ) -> Self {
        Self {
            camera,
            classes,
            tracker,
            recorder,
            publisher,
            size: Size::default(),
            changes: Vec::new(),
            zones,
            occupancy: Occupancy::default(),
            trial: None,
            told: None,
        }
    }

    /// As the settings say, of what the model of this id sees, which tells so many classes apart.
    pub(crate) fn of(
        config: &Config,
        model: &str,
        class_count: usize,
        grouping: &Grouping,
        camera: &Name,
        publisher: &Publisher,
    ) -> Self {
        let classes = grouping.told().to_vec();
        let origin = Origin {
            device: publisher.topics().device().to_string(),
            camera: camera.to_string(),
            model: model.to_owned(),
            classes: classes.clone(),
        };
        let (tracking, expression) = (config.tracking.clone(), config.expression.clone());
        let tracker = Tracker::new(tracking, expression, class_count).telling(grouping);
        let recorder = Recorder::new(origin, system_randomness());
        let zones = Zones::new(&config.zone);
        Self::new(camera.clone(), classes, zones, tracker, recorder, publisher.clone())
    }

    /// Other zones may hold from now on, or others be `imposed` by a command or a group; then
    /// what the network must not see.
    pub(crate) fn obey(&mut self, zones: ZoneSet, imposed: Imposed) -> Option<Masks> {
        let imposes = self.zones.set_imposed(imposed);
        if !self.zones.set_active(zones) && !imposes {
            return None;
        }
        if let Some(trial) = &mut self.trial {
            trial.follow(&self.zones);
        }
        Some(self.masks())
    }

    /// Tries zones beside those of the settings, or none any more; what the network must not
    /// see then.
    pub(crate) fn try_zones(&mut self, zones: Option<&[zones::Settings]>) -> Masks {
        self.trial = zones.map(|zones| Trial::new(zones, &self.zones));
        self.masks()
    }

    /// What the network must not see.
    pub(crate) fn masks(&self) -> Masks {
        self.zones.masks().and(self.tried(Trial::masks))
    }

    fn tried(&self, masks: fn(&Trial) -> Masks) -> Masks {
        self.trial.as_ref().map(masks).unwrap_or_default()
    }

    /// Where events and states go.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// For pictures of what is seen, which leave the device: what is tried hides more there.
    pub(crate) fn legend(&self) -> Legend<'_> {
        Legend { classes: &self.classes, masks: self.blackened().and(self.tried(Trial::blackened)) }
    }

    /// What the page's picture may not show either. Under a mask that is only tried it shows
    /// the room: whoever draws must see which edges it has to reach.
    pub(crate) fn blackened(&self) -> Masks {
        self.zones.blackened()
    }

    /// How many of `faces` are in each zone, by its name: in those that are tried, if any are.
    pub(crate) fn counts(&self, faces: &[TrackedFace]) -> BTreeMap<String, usize> {
        let tracks: Vec<u64> = faces.iter().map(|face| face.track).collect();
        match &self.trial {
            Some(trial) => trial.counts(&tracks),
            None => self.occupancy.counts(&self.zones, &tracks),
        }
    }

    /// How many faces are followed.
    pub(crate) fn faces(&self) -> usize {
        self.told.as_ref().map_or(0, |told| told.state.everywhere.faces)
    }

    /// Takes in what was found in a picture that was taken at `at`.
    pub(crate) fn see(&mut self, at: Moment, findings: &Findings) -> Vec<Event> {
        let size = findings.picture;
        self.size = size;
        let (zones, trial) = (&self.zones, self.trial.as_ref());
        let tracking = self.tracker.tracking().clone();
        let filter = Filter {
            looked: |face: &Rect| findings.covers(face),
            admission: |face: &Rect| {
                let tried = trial.map_or(Admission::Any, |trial| trial.admission(*face, size));
                tracking.admission(face, size, zones).min(tried)
            },
        };
        self.tracker.update_where(at.monotonic, &findings.detections, &filter, &mut self.changes);
        self.tell(at)
    }

    /// There is no picture, only time that passes: faces leave by it.
    pub(crate) fn wait(&mut self, now: Moment) -> Vec<Event> {
        self.tracker.pass(now.monotonic, &mut self.changes);
        self.tell(now)
    }

    /// Nothing more will be seen: every face leaves.
    pub(crate) fn end(&mut self, now: Moment) -> Vec<Event> {
        self.tracker.end_all(&mut self.changes);
        self.tell(now)
    }

    /// The wall clock was set: what has been so since before is told again with the right time,
    /// and what waits for the broker is as old as it was.
    pub(crate) fn correct(&mut self, step: ClockStep) {
        self.publisher.clock_was_set();
        self.occupancy.correct(|wall| step.corrected(wall));
        if let Some(told) = &mut self.told {
            told.since.wall = step.corrected(told.since.wall);
            told.wrong = true;
            for (zone, _, usage) in &mut told.state.zones {
                *usage = self.occupancy.usage(*zone);
            }
        }
    }

    /// Publishes the changes, and the camera's state if it is another now.
    pub(crate) fn tell(&mut self, at: Moment) -> Vec<Event> {
        let faces = self.tracker.tracks(at.monotonic);
        let tentative = self.tracker.tentative(at.monotonic).map(|face| person(&face, false));
        let confirmed = faces.iter().map(|face| person(face, true));
        let people: Vec<Person> = confirmed.chain(tentative).collect();
        self.occupancy.update(at, &people, self.size, &self.zones);
        if let Some(trial) = &mut self.trial {
            trial.update(at, &people, self.size);
        }
        let mut events = Vec::new();
        for change in self.changes.drain(..) {
            let zones = self.zones.names(self.occupancy.of(change.track));
            let event = self.recorder.record(&change, at, self.size, zones);
            if change.kind == ChangeKind::FaceLeft {
                self.occupancy.leave(change.track, change.lasted);
                if let Some(trial) = &mut self.trial {
                    trial.leave(change.track, change.lasted);
                }
            }
            announce(&event);
            if let Err(refused) = self.publisher.publish_event(&self.camera, &event.track, &event) {
                log::error!("event {}: {refused}", event.id);
            }
            events.push(event);
        }
        let state = self.look(&faces);
        if let Some(since) = self.to_be_told(at, &state) {
            let payload = self.camera_state(since, &faces, &state);
            self.told = Some(Told { state, since, at: at.monotonic, wrong: false });
            if let Err(refused) = self.publisher.set_camera_state(&self.camera, &payload) {
                log::error!("state of {}: {refused}", self.camera);
            }
        }
        events
    }

    /// Since when this is so, if it is to be published.
    fn to_be_told(&self, now: Moment, state: &State) -> Option<Moment> {
        match &self.told {
            Some(told) if told.state == *state => {
                if told.wrong {
                    return Some(told.since);
                }
                let waited = now.monotonic.saturating_sub(told.at) >= MOVES_AFTER;
                (waited && state.has_moved(&told.state)).then_some(told.since)
            }
            _ => Some(now),
        }
    }

    /// What is seen of these faces, largest first, everywhere and in each zone.
    fn look(&self, faces: &[TrackedFace]) -> State {
        let before = self.told.as_ref().map(|told| &told.state);
        let zones = self.zones.counted().map(|(zone, _)| {
            let inside = |face: &&TrackedFace| self.occupancy.of(face.track).contains(zone);
            let inside: Vec<TrackedFace> = faces.iter().filter(inside).copied().collect();
            let earlier = before.and_then(|state| state.zones.iter().find(|(n, ..)| *n == zone));
            let seen = Seen::of(&inside, earlier.map(|(_, seen, _)| *seen));
            (zone, seen, self.occupancy.usage(zone))
        });
        State {
            everywhere: Seen::of(faces, before.map(|state| state.everywhere)),
            zones: zones.collect(),
        }
    }

    /// The payload of a state that has been so since then.
    fn camera_state(&self, since: Moment, faces: &[TrackedFace], state: &State) -> CameraState {
        let shown = |seen: &Seen| {
            let (_, track) = seen.shown?;
            let face = faces.iter().find(|face| face.track == track)?;
            let (class, share) = face.expression?;
            let name = self.classes[class].clone();
            Some((name, share.clamp(0.0, 1.0), self.recorder.track(track)))
        };
        let name = |number: usize| {
            let mut counted = self.zones.counted();
            counted.find(|(n, _)| *n == number).map(|(_, name)| name.to_owned())
        };
        let zone = |(number, seen, used): &(usize, Seen, Use)| {
            let (expression, confidence, track) = unzip(shown(seen));
            let zone = ZoneState {
                faces: seen.faces,
                expression,
                confidence,
                track,
                since: used.since.map(|since| rfc3339(since.wall)),
                // A millisecond is finer than frames come.
                dwell_s: used.dwell.map(|dwell| (dwell.as_secs_f32() * 1e3).round() / 1e3),
            };
            Some((name(*number)?, zone))
        };
        let (expression, confidence, track) = unzip(shown(&state.everywhere));
        CameraState {
            schema: SCHEMA_VERSION,
            time: rfc3339(since.wall),
            faces: state.everywhere.faces,
            expression,
            confidence,
            track,
            zones: state.zones.iter().filter_map(zone).collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Where a face should be by now says nothing: who walks out of the picture would be told to
/// have left from beyond it.
fn person(face: &TrackedFace, confirmed: bool) -> Person {
    let TrackedFace { track, rect, age, unseen, .. } = *face;
    Person { track, rect, age, seen: unseen.is_zero(), confirmed }
}

fn unzip<A, B, C>(all: Option<(A, B, C)>) -> (Option<A>, Option<B>, Option<C>) {
    match all {
        Some((a, b, c)) => (Some(a), Some(b), Some(c)),
        None => (None, None, None),
    }
}

/// A line for a person, with fields for the journal.
fn announce(event: &Event) {
    let words = match &event.previous_class {
        Some(previous) => format!("{previous} -> {}", event.class),
        None => event.class.clone(),
    };
    log::info!(
        camera = event.camera.as_str(),
        track_id = event.track.as_str(),
        event_id = event.id.to_string().as_str(),
        event = event.event_type.name();
        "{:<18} {words} ({:.2})",
        event.event_type.name(),
        event.confidence
    );
}

#[cfg(test)]
pub(super) mod tests;
