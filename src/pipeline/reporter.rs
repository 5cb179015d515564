//! From faces over time to what the world is told: events and the camera's state.

use crate::attention::Findings;
use crate::clock::Moment;
use crate::contract::payload::{CameraState, SCHEMA_VERSION, rfc3339};
use crate::events::{Event, Recorder};
use crate::geometry::{Rect, Size};
use crate::name::Name;
use crate::publish::Publisher;
use crate::tracks::{Change, TrackedFace, Tracker};

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
    /// Faces, and class and track of the one shown, as last published.
    state: Option<(usize, Option<(usize, u64)>)>,
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
        let (size, changes, state) = (Size::default(), Vec::new(), None);
        Self { camera, classes, tracker, recorder, publisher, size, changes, state }
    }

    /// Where events and states go.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// In the order of the model.
    pub(crate) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many faces are followed.
    pub(crate) fn faces(&self) -> usize {
        self.state.map_or(0, |(faces, _)| faces)
    }

    /// Takes in what was found in a picture that was taken at `at`.
    pub(crate) fn see(&mut self, at: Moment, findings: &Findings) -> Vec<Event> {
        self.size = findings.picture;
        let looked = |rect: &Rect| findings.covers(rect);
        self.tracker.update_where(at.monotonic, &findings.detections, looked, &mut self.changes);
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
        let mut events = Vec::new();
        for change in self.changes.drain(..) {
            let event = self.recorder.record(&change, at, self.size);
            announce(&event);
            if let Err(refused) = self.publisher.publish_event(&self.camera, &event.track, &event) {
                log::error!("event {}: {refused}", event.id);
            }
            events.push(event);
        }
        let faces = self.tracker.tracks(at.monotonic);
        let before = self.state.and_then(|(_, shown)| shown).map(|(_, track)| track);
        let shown = face_to_show(&faces, before);
        let state = Some((faces.len(), shown.map(|(face, (class, _))| (class, face.track))));
        if self.state != state {
            self.state = state;
            let payload = self.camera_state(at, faces.len(), shown);
            if let Err(refused) = self.publisher.set_camera_state(&self.camera, &payload) {
                log::error!("state of {}: {refused}", self.camera);
            }
        }
        events
    }

    /// What the camera sees now: how many faces, and the one that is shown.
    fn camera_state(
        &self,
        at: Moment,
        faces: usize,
        shown: Option<(&TrackedFace, (usize, f32))>,
    ) -> CameraState {
        CameraState {
            schema: SCHEMA_VERSION,
            time: rfc3339(at.wall),
            faces,
            expression: shown.map(|(_, (class, _))| self.classes[class].clone()),
            confidence: shown.map(|(_, (_, share))| share.clamp(0.0, 1.0)),
            track: shown.map(|(face, _)| self.recorder.track(face.track)),
        }
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
