//! From faces over time to what the world is told: events and the camera's state.

use std::collections::BTreeMap;

use crate::annotate::snapshot::Legend;
use crate::attention::Findings;
use crate::clock::Moment;
use crate::contract::payload::{CameraState, SCHEMA_VERSION, ZoneState, rfc3339};
use crate::events::{Event, Recorder};
use crate::geometry::{Rect, Size};
use crate::name::Name;
use crate::publish::Publisher;
use crate::tracks::{Change, ChangeKind, Filter, TrackedFace, Tracker};
use crate::zones::occupancy::{Occupancy, Person, Use};
use crate::zones::{Masks, ZoneSet, Zones};

/// Follows the faces of one camera and publishes what changes about them.
pub(crate) struct Reporter {
    /// Its name in topics.
    pub camera: Name,
    /// In the order of the model.
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
    /// As last published.
    state: Option<State>,
}

/// What the camera's state says, as far as it must be said again when it changes.
#[derive(Debug, PartialEq)]
struct State {
    everywhere: Seen,
    /// By the number of the zone.
    zones: Vec<(usize, Seen, Use)>,
}

/// How many faces, and class and track of the one shown.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    faces: usize,
    shown: Option<(usize, u64)>,
}

/// The camera's state shows another face only when that is larger by this factor in
/// area: two people beside each other would otherwise replace one another at frame rate
/// in a retained message.
const CLEARLY_LARGER: f32 = 1.3;

/// Of `faces`, largest first, the one that the camera's state shows: the largest that
/// has an expression, or the one `shown` before while no other is clearly larger.
fn face_to_show(faces: &[TrackedFace], shown: Option<u64>) -> Option<(&TrackedFace, (usize, f32))> {
    let judged = || faces.iter().filter_map(|face| Some((face, face.expression?)));
    let (largest, _) = judged().next()?;
    let still = |face: &TrackedFace| {
        Some(face.track) == shown && largest.rect.area() < CLEARLY_LARGER * face.rect.area()
    };
    judged().find(|(face, _)| still(face)).or_else(|| judged().next())
}

impl Reporter {
    /// No face is followed and no state published yet; `classes` in the model's order.
    pub(crate) fn new(
        camera: Name,
        classes: Vec<String>,
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
            zones: Zones::default(),
            occupancy: Occupancy::default(),
            state: None,
        }
    }

    /// Only faces outside of masks; those in `zones` are counted there.
    pub(crate) fn within(self, zones: Zones) -> Self {
        Self { zones, ..self }
    }

    /// Other zones may hold from now on; then what the network must not see.
    pub(crate) fn obey(&mut self, zones: ZoneSet) -> Option<Masks> {
        self.zones.set_active(zones).then(|| self.zones.masks())
    }

    /// Where events and states go.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// For pictures of what is seen.
    pub(crate) fn legend(&self) -> Legend<'_> {
        Legend { classes: &self.classes, masks: self.zones.blackened() }
    }

    /// How many faces are followed.
    pub(crate) fn faces(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.everywhere.faces)
    }

    /// Takes in what was found in a picture that was taken at `at`.
    pub(crate) fn see(&mut self, at: Moment, findings: &Findings) -> Vec<Event> {
        let size = findings.picture;
        self.size = size;
        let (zones, tracking) = (&self.zones, self.tracker.tracking().clone());
        let filter = Filter {
            looked: |face: &Rect| findings.covers(face),
            admission: |face: &Rect| {
                let by_size = tracking.admission(face.height / size.height as f32);
                zones.admission(*face, size).min(by_size)
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

    /// Publishes the changes, and the camera's state if it is another now.
    fn tell(&mut self, at: Moment) -> Vec<Event> {
        let faces = self.tracker.tracks(at.monotonic);
        // Where a face should be by now says nothing: who walks out of the picture would
        // be told to have left from beyond it.
        let seen = faces.iter().filter(|face| face.unseen.is_zero());
        let people: Vec<Person> = seen.map(Person::from).collect();
        self.occupancy.update(at, &people, self.size, &self.zones);
        let mut events = Vec::new();
        for change in self.changes.drain(..) {
            let zones = self.zones.names(self.occupancy.of(change.track));
            let event = self.recorder.record(&change, at, self.size, zones);
            if change.kind == ChangeKind::FaceLeft {
                self.occupancy.leave(change.track, change.lasted);
            }
            announce(&event);
            if let Err(refused) = self.publisher.publish_event(&self.camera, &event.track, &event) {
                log::error!("event {}: {refused}", event.id);
            }
            events.push(event);
        }
        let state = self.look(&faces);
        if self.state.as_ref() != Some(&state) {
            let payload = self.camera_state(at, &faces, &state);
            self.state = Some(state);
            if let Err(refused) = self.publisher.set_camera_state(&self.camera, &payload) {
                log::error!("state of {}: {refused}", self.camera);
            }
        }
        events
    }

    /// What is seen of these faces, largest first, everywhere and in each zone.
    fn look(&self, faces: &[TrackedFace]) -> State {
        let before = self.state.as_ref();
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

    /// The payload of a state.
    fn camera_state(&self, at: Moment, faces: &[TrackedFace], state: &State) -> CameraState {
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
            time: rfc3339(at.wall),
            faces: state.everywhere.faces,
            expression,
            confidence,
            track,
            zones: state.zones.iter().filter_map(zone).collect::<BTreeMap<_, _>>(),
        }
    }
}

impl Seen {
    /// Of `faces`, largest first; `before` was seen last.
    fn of(faces: &[TrackedFace], before: Option<Self>) -> Self {
        let before = before.and_then(|seen| seen.shown).map(|(_, track)| track);
        let shown = face_to_show(faces, before);
        let shown = shown.map(|(face, (class, _))| (class, face.track));
        Self { faces: faces.len(), shown }
    }
}

impl From<&TrackedFace> for Person {
    fn from(face: &TrackedFace) -> Self {
        Self { track: face.track, rect: face.rect, age: face.age }
    }
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
mod tests {
    use super::*;

    fn face(track: u64, height: f32, expression: Option<usize>) -> TrackedFace {
        TrackedFace {
            track,
            rect: Rect::new(0.0, 0.0, height, height),
            expression: expression.map(|class| (class, 0.9)),
            age: std::time::Duration::ZERO,
            unseen: std::time::Duration::ZERO,
        }
    }

    /// Plays pictures of faces; returns which was shown in each.
    fn shown(pictures: impl IntoIterator<Item = Vec<TrackedFace>>) -> Vec<Option<u64>> {
        let mut before = None;
        let follow = |mut faces: Vec<TrackedFace>| {
            faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
            before = face_to_show(&faces, before).map(|(face, _)| face.track);
            before
        };
        pictures.into_iter().map(follow).collect()
    }

    /// A face that is just as small as one may be, give or take a tenth, stays one face.
    #[test]
    fn a_face_of_the_smallest_size_does_not_come_and_go() {
        use crate::tracks::{ExpressionSettings, TrackingSettings};
        let mut changes = Vec::new();
        let mut play = |heights: &[f32]| {
            let tracking = TrackingSettings { smallest_face: 0.1, ..TrackingSettings::default() };
            let expression = ExpressionSettings::default();
            let mut tracker = Tracker::new(tracking.clone(), expression, 1);
            changes.clear();
            for frame in 0..200_usize {
                let height = heights[frame % heights.len()];
                let rect = Rect::new(100.0, 100.0, 40.0, height);
                let found = [crate::detector::Detection { class: 0, confidence: 0.9, rect }];
                let filter = Filter {
                    looked: |_: &Rect| true,
                    admission: |face: &Rect| tracking.admission(face.height / 500.0),
                };
                let now = std::time::Duration::from_millis(100) * frame as u32;
                tracker.update_where(now, &found, &filter, &mut changes);
            }
            changes.iter().filter(|change| change.kind == ChangeKind::FaceAppeared).count()
        };
        assert_eq!(play(&[49.0, 51.0, 46.0, 54.0]), 1);
        assert_eq!(play(&[49.0]), 0, "too small to begin with");
    }

    #[test]
    fn two_people_of_equal_size_do_not_replace_one_another() {
        let jitter = (0..20).map(|frame| {
            let (a, b) = if frame % 2 == 0 { (100.0, 104.0) } else { (104.0, 100.0) };
            vec![face(1, a, Some(0)), face(2, b, Some(1))]
        });
        assert_eq!(shown(jitter), [Some(2); 20]);
    }

    #[test]
    fn a_clearly_larger_face_and_one_whose_expression_is_known_are_shown() {
        let nearer = vec![face(1, 100.0, Some(0)), face(2, 150.0, Some(1))];
        let gone = vec![face(1, 100.0, Some(0))];
        let undecided = vec![face(1, 100.0, None), face(2, 50.0, Some(1))];
        let pictures = [gone.clone(), nearer, gone, undecided, vec![]];
        assert_eq!(shown(pictures), [Some(1), Some(2), Some(1), Some(2), None]);
    }
}
