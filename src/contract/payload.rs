//! What retained topics say. Schemas: `docs/ref/camera-state.schema.json` and
//! `docs/ref/status.schema.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::in_force::InForce;
use super::tuning::Tuning;
pub use crate::mqtt::message::{OFFLINE, ONLINE};
use crate::mqtt::stats::Stats;
use crate::source::SourceError;

/// Version of the retained payloads; rises when a reader must change.
pub const SCHEMA_VERSION: u32 = 1;

/// The status is repeated this often, changed or not, so that its numbers stay fresh.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(30);

/// A status that is older than this was left by a device that does not run, or does not
/// reach the broker: six repetitions did not arrive.
pub const STATUS_STALE: Duration = STATUS_INTERVAL.saturating_mul(6);

/// What one camera sees now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CameraState {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// When this became so, RFC 3339 in UTC.
    pub time: String,
    /// Faces that are followed now.
    pub faces: usize,
    /// Expression of the largest face that has one; none without a face. Another face
    /// takes its place when it is larger by a third.
    pub expression: Option<String>,
    /// Smoothed confidence of that expression, 0 to 1.
    pub confidence: Option<f32>,
    /// Track of that face, as events name it.
    pub track: Option<String>,
    /// What is seen in each zone that counts, by its name.
    pub zones: BTreeMap<String, ZoneState>,
}

/// What one camera sees now in one zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ZoneState {
    /// Faces that are in it now.
    pub faces: usize,
    /// Expression of the largest face in it that has one, as for the camera.
    pub expression: Option<String>,
    /// Smoothed confidence of that expression, 0 to 1.
    pub confidence: Option<f32>,
    /// Track of that face, as events name it.
    pub track: Option<String>,
    /// Since when somebody has been in it, RFC 3339 in UTC; none while it is empty.
    pub since: Option<String>,
    /// Seconds that the face that left it last had been in it; none before the first.
    pub dwell_s: Option<f32>,
}

/// Why a device does less than it should; `docs/ref/mqtt.md` lists the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// The camera is not there or was unplugged.
    NoCamera,
    /// The device delivers no pictures.
    NotACamera,
    /// Frames come, and none of them can be read.
    BadFrames,
    /// The same picture comes again and again.
    Frozen,
    /// The lens is covered.
    Covered,
    /// The camera looks elsewhere than it did.
    Turned,
    /// The picture is too dark to find a face.
    Dark,
    /// Paused; the camera is closed.
    Paused,
    /// A newer model failed a check, and an older one runs.
    ModelRefused,
    /// The board is too hot or has too little power, and looks around half as often.
    Throttled,
    /// The wall clock was never set or is not synchronized.
    ClockNotSet,
    /// All works, nobody is in the picture.
    NoFace,
}

impl ReasonCode {
    /// Every code, in the order of `docs/ref/mqtt.md`.
    pub const ALL: [ReasonCode; 12] = [
        ReasonCode::NoCamera,
        ReasonCode::NotACamera,
        ReasonCode::BadFrames,
        ReasonCode::Frozen,
        ReasonCode::Covered,
        ReasonCode::Turned,
        ReasonCode::Dark,
        ReasonCode::Paused,
        ReasonCode::ModelRefused,
        ReasonCode::Throttled,
        ReasonCode::ClockNotSet,
        ReasonCode::NoFace,
    ];

    /// Whether it says that the camera gives no picture.
    pub const fn is_blind(self) -> bool {
        matches!(self, ReasonCode::NoCamera | ReasonCode::NotACamera | ReasonCode::BadFrames)
    }

    /// Whether it says that a camera, though frames come, does not show what it is meant
    /// to show.
    pub const fn is_tampering(self) -> bool {
        matches!(self, ReasonCode::Frozen | ReasonCode::Covered | ReasonCode::Turned)
    }

    /// The name in payloads.
    pub const fn name(self) -> &'static str {
        match self {
            ReasonCode::NoCamera => "no_camera",
            ReasonCode::NotACamera => "not_a_camera",
            ReasonCode::BadFrames => "bad_frames",
            ReasonCode::Frozen => "frozen",
            ReasonCode::Covered => "covered",
            ReasonCode::Turned => "turned",
            ReasonCode::Dark => "dark",
            ReasonCode::Paused => "paused",
            ReasonCode::ModelRefused => "model_refused",
            ReasonCode::Throttled => "throttled",
            ReasonCode::ClockNotSet => "clock_not_set",
            ReasonCode::NoFace => "no_face",
        }
    }
}

/// Why there is no picture, where the source could not be opened or was lost.
impl From<&SourceError> for ReasonCode {
    fn from(error: &SourceError) -> Self {
        match error {
            SourceError::NotACamera(_) => ReasonCode::NotACamera,
            _ => ReasonCode::NoCamera,
        }
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One reason, for a machine and for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// For a machine.
    pub code: ReasonCode,
    /// The camera it is about; none when it is about the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

/// What happened to frames since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames that the source delivered.
    pub captured: u64,
    /// Frames that were truncated, corrupt or flagged by the driver.
    pub bad: u64,
    /// Frames that the detector looked at.
    pub detected: u64,
    /// Frames that were passed over because nothing happened or enough had been seen.
    pub rested: u64,
    /// How often the source had to be opened again.
    pub reopened: u64,
}

/// What a device does and why nothing happens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceStatus {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// When this was so, RFC 3339 in UTC.
    pub time: String,
    /// Version of the daemon.
    pub version: String,
    /// Name of the loaded model; none while there is none.
    pub model: Option<String>,
    /// Whether its owner has paused it: the camera is closed.
    pub paused: bool,
    /// Whether it was told to make itself known just now.
    pub identifying: bool,
    /// What was set by a command, instead of what groups and the settings file say.
    pub runtime: Tuning,
    /// The groups that it belongs to, the one whose word counts most last.
    pub groups: Vec<String>,
    /// What counts now of all that, and who said it.
    pub in_force: InForce,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Why less happens than could, the most important first; empty when all is well.
    pub reasons: Vec<Reason>,
    /// Frames looked at per second.
    pub frames_per_second: f32,
    /// Time of one inference in milliseconds; none before the first.
    pub inference_ms: Option<f32>,
    /// Age of the last frame in milliseconds, from the driver's stamp until its faces
    /// were known; none before the first.
    pub frame_age_ms: Option<f32>,
    /// Whether nothing has happened for a while, so that frames are only glanced at.
    pub idle: bool,
    /// How far the camera sees; none before the first picture.
    pub reach: Option<Reach>,
    /// Whether longer exposures are asked for because it is dark.
    pub low_light: bool,
    /// Temperature of the processor in °C; none where the board does not tell.
    pub temperature_c: Option<f32>,
    /// How many watch the live picture on the device's page; 0 where that is off.
    pub viewers: usize,
    /// What happened to frames since the start.
    pub frames: Counts,
    /// Numbers of the connection and the outbox.
    pub mqtt: Stats,
}

/// How far a camera sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reach {
    /// `attention.farthest_face` in metres.
    pub wanted_m: f32,
    /// How far away the smallest face is that can be told, in metres, with a camera of the
    /// usual angle of 70 degrees. Less than `wanted_m` where the picture has too few pixels.
    pub sees_m: f32,
    /// Height of such a face, in pixels.
    pub face_px: f32,
}
