//! What is told to the world: one type, one schema.
//!
//! `docs/ref/event.schema.json` and `docs/ref/events.md` are the contract; tests hold
//! them against this type.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::clock::{Moment, rfc3339};
use crate::geometry::{Rect, Size};
use crate::hexadecimal::hexadecimal;
use crate::random;
use crate::tracks::{Change, ChangeKind};

/// Version of [`Event`]'s layout; rises when a reader must change.
pub const SCHEMA: u32 = 1;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// A face was followed for `tracking.confirm_s`.
    FaceAppeared,
    /// An expression held for `expression.hold_s`.
    ExpressionStarted,
    /// Another expression took its place.
    ExpressionChanged,
    /// The expression faded, or the face left.
    ExpressionEnded,
    /// The face was unseen for `tracking.lost_s`.
    FaceLeft,
}

impl EventType {
    /// Each once, in the order in which one face has them.
    pub const ALL: [EventType; 5] = [
        EventType::FaceAppeared,
        EventType::ExpressionStarted,
        EventType::ExpressionChanged,
        EventType::ExpressionEnded,
        EventType::FaceLeft,
    ];

    /// The name in payloads and topics.
    pub const fn name(self) -> &'static str {
        match self {
            EventType::FaceAppeared => "face_appeared",
            EventType::ExpressionStarted => "expression_started",
            EventType::ExpressionChanged => "expression_changed",
            EventType::ExpressionEnded => "expression_ended",
            EventType::FaceLeft => "face_left",
        }
    }
}

/// One event, flat, so that a template of two words reaches every field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Version of this layout.
    pub schema: u32,
    /// UUIDv7 (RFC 9562): unique for ever, ordered by time; drop doubles by it.
    pub id: String,
    /// What happened.
    pub event_type: EventType,
    /// The device's id, as in topics.
    pub device: String,
    /// The camera's name, as in topics.
    pub camera: String,
    /// The face, unique across restarts: run, then number.
    pub track: String,
    /// Counts the events of this run, from 1: a gap is a lost event.
    pub sequence: u64,
    /// When it happened: RFC 3339 in UTC, milliseconds.
    pub time: String,
    /// How long what ended lasted, in milliseconds of the monotonic clock; 0 for
    /// beginnings.
    pub duration_ms: u64,
    /// The expression it is about; for `face_appeared`, the one that leads.
    pub class: String,
    /// Of `expression_changed`: what it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_class: Option<String>,
    /// The smoothed share of belief in `class`, 0 to 1.
    pub confidence: f32,
    /// Where the face is, in pixels of `frame`, to a tenth.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// Names of the zones in which the face is, in the settings' order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Size of the upright picture, in pixels.
    pub frame: Size,
    /// Which model saw it: `name@version+sha`.
    pub model: String,
    /// Delivered after an outage; `time` is when it happened all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// Where events come from; the same for all of one run.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The device's id, as in topics.
    pub device: String,
    /// The camera's name, as in topics.
    pub camera: String,
    /// `name@version+sha`.
    pub model: String,
    /// Names of what is told, by number: groups, where there are any.
    pub classes: Vec<String>,
}

/// Ten random bytes for an id.
pub type Randomness = Box<dyn FnMut() -> [u8; 10] + Send>;

/// Makes events of a tracker's changes: gives them ids, sequence numbers, times and the
/// names of classes.
pub struct Recorder {
    origin: Origin,
    randomness: Randomness,
    run: String,
    sequence: u64,
}

impl Recorder {
    /// `randomness` also names this run; see [`system_randomness`].
    pub fn new(origin: Origin, mut randomness: Randomness) -> Self {
        let run = hexadecimal(&randomness()[..4]);
        Self { origin, randomness, run, sequence: 0 }
    }

    /// The track's name in events; `number` is the tracker's, unique within the run.
    pub fn track(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// The event that tells of `change`, seen in a frame of `frame` taken at `at`; it
    /// happened in `zones`.
    pub fn record(
        &mut self,
        change: &Change,
        at: Moment,
        frame: Size,
        zones: Vec<String>,
    ) -> Event {
        self.sequence += 1;
        let class = |number: usize| self.origin.classes.get(number).cloned().unwrap_or_default();
        let (event_type, previous_class) = match change.kind {
            ChangeKind::FaceAppeared => (EventType::FaceAppeared, None),
            ChangeKind::ExpressionStarted => (EventType::ExpressionStarted, None),
            ChangeKind::ExpressionChanged(from) => {
                (EventType::ExpressionChanged, Some(class(from)))
            }
            ChangeKind::ExpressionEnded => (EventType::ExpressionEnded, None),
            ChangeKind::FaceLeft => (EventType::FaceLeft, None),
        };
        Event {
            schema: SCHEMA,
            id: id(at.wall, &(self.randomness)()).to_string(),
            event_type,
            device: self.origin.device.clone(),
            camera: self.origin.camera.clone(),
            track: self.track(change.track),
            sequence: self.sequence,
            time: rfc3339(at.wall),
            duration_ms: u64::try_from(change.lasted.as_millis()).unwrap_or(u64::MAX),
            class: class(change.class),
            previous_class,
            confidence: round(change.confidence, 1000.0).clamp(0.0, 1.0),
            rect: tidy(change.rect.clipped(frame)),
            zones,
            frame,
            model: self.origin.model.clone(),
            late: false,
        }
    }
}

/// The system's randomness.
pub fn system_randomness() -> Randomness {
    Box::new(random::bytes)
}

/// UUIDv7 (RFC 9562, 5.7). A wall clock before 1970 counts as 1970: the id is then
/// unique by its random part alone.
fn id(time: SystemTime, random: &[u8; 10]) -> Uuid {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

fn round(value: f32, per: f32) -> f32 {
    (value * per).round() / per
}

/// To a tenth of a pixel, which is finer than any detector's boxes.
fn tidy(rect: Rect) -> Rect {
    let tenth = |value| round(value, 10.0);
    Rect::new(tenth(rect.x), tenth(rect.y), tenth(rect.width), tenth(rect.height))
}
