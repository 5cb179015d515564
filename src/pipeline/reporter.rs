//! From faces over time to what the world is told: events and the camera's state.

use crate::clock::Moment;
use crate::contract::payload::{CameraState, SCHEMA_VERSION, rfc3339};
use crate::detector::Detection;
use crate::events::{Event, Recorder};
use crate::geometry::Size;
use crate::name::Name;
use crate::publish::Publisher;
use crate::tracks::{Change, Snapshot, Tracker};

/// Follows the faces of one camera and publishes what changes about them.
pub struct Reporter {
    pub camera: Name,
    /// In the order of the model.
    classes: Vec<String>,
    pub tracker: Tracker,
    recorder: Recorder,
    publisher: Publisher,
    /// Of the last picture.
    size: Size,
    changes: Vec<Change>,
    /// Faces, and class and track of the one shown, as last published.
    state: Option<(usize, Option<(usize, u64)>)>,
}

impl Reporter {
    pub fn new(
        camera: Name,
        classes: Vec<String>,
        tracker: Tracker,
        recorder: Recorder,
        publisher: Publisher,
    ) -> Self {
        let (size, changes, state) = (Size::default(), Vec::new(), None);
        Self { camera, classes, tracker, recorder, publisher, size, changes, state }
    }

    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many faces are followed.
    pub fn faces(&self) -> usize {
        self.state.map_or(0, |(faces, _)| faces)
    }

    /// Takes in what was found in a picture of `size` that was taken at `at`.
    pub fn see(&mut self, at: Moment, size: Size, detections: &[Detection]) -> Vec<Event> {
        self.size = size;
        self.tracker.update(at.monotonic, detections, &mut self.changes);
        self.tell(at)
    }

    /// There is no picture, only time that passes: faces leave by it.
    pub fn wait(&mut self, now: Moment) -> Vec<Event> {
        self.tracker.pass(now.monotonic, &mut self.changes);
        self.tell(now)
    }

    /// Nothing more will be seen: every face leaves.
    pub fn end(&mut self, now: Moment) -> Vec<Event> {
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
        let shown = faces.iter().find_map(|face| Some((face.expression?.0, face.track)));
        let state = Some((faces.len(), shown));
        if self.state != state {
            self.state = state;
            let payload = self.camera_state(at, &faces);
            if let Err(refused) = self.publisher.set_camera_state(&self.camera, &payload) {
                log::error!("state of {}: {refused}", self.camera);
            }
        }
        events
    }

    /// What the camera sees now: the largest face that has an expression.
    fn camera_state(&self, at: Moment, faces: &[Snapshot]) -> CameraState {
        let shown = faces.iter().find_map(|face| Some((face, face.expression?)));
        CameraState {
            schema: SCHEMA_VERSION,
            time: rfc3339(at.wall),
            faces: faces.len(),
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
