//! Why nothing is happening, and all the numbers: from the counters to the status
//! topic and systemd's one line.

use std::time::{Duration, SystemTime};

use super::capture::CaptureState;
use super::counters::Counts;
use crate::clock::Moment;
use crate::publish::payload::{DeviceStatus, Reason, ReasonCode, SCHEMA_VERSION, rfc3339};
use crate::publish::queue::Stats;

/// Before this the clock was certainly never set: 2024-01-01.
const CLOCK_NEVER_SET: Duration = Duration::from_secs(1_704_067_200);

/// What one look at the daemon finds.
#[derive(Clone, Debug)]
pub struct Observation {
    pub at: Moment,
    pub started: Duration,
    pub camera: String,
    pub capture: CaptureState,
    pub faces: bool,
    pub counts: Counts,
    pub frames_per_second: f32,
    pub inference: Option<Duration>,
    pub temperature_c: Option<f32>,
    pub mqtt: Stats,
    pub model: String,
}

impl Observation {
    /// Why less happens than could, the most important first.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut add = |code, camera: bool, message: &str| {
            let camera = camera.then(|| self.camera.clone());
            reasons.push(Reason { code, camera, message: message.to_owned() });
        };
        match &self.capture {
            CaptureState::Failed(why)
                if why.contains("not a camera") || why.contains("no usable") =>
            {
                add(ReasonCode::NotACamera, true, why);
            }
            CaptureState::Failed(why) => add(ReasonCode::NoCamera, true, why),
            CaptureState::Paused => {
                add(ReasonCode::Paused, true, "its owner has paused it; send resume");
            }
            CaptureState::Running(_) if !self.faces => {
                add(ReasonCode::NoFace, true, "nobody is in the picture");
            }
            _ => {}
        }
        let since = self.at.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if since < CLOCK_NEVER_SET {
            add(
                ReasonCode::ClockNotSet,
                false,
                "the wall clock was never set: check network and NTP",
            );
        }
        reasons
    }

    pub fn device_status(&self) -> DeviceStatus {
        DeviceStatus {
            schema: SCHEMA_VERSION,
            time: rfc3339(self.at.wall),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: Some(self.model.clone()),
            uptime_s: self.at.monotonic.saturating_sub(self.started).as_secs(),
            paused: self.capture == CaptureState::Paused,
            reasons: self.reasons(),
            frames_per_second: self.frames_per_second,
            inference_ms: self.inference.map(|time| time.as_secs_f32() * 1e3),
            temperature_c: self.temperature_c,
            frames: self.counts,
            mqtt: self.mqtt.clone(),
        }
    }

    /// For `systemctl status`.
    pub fn line(&self) -> String {
        let camera = match &self.capture {
            CaptureState::Opening => "opening the camera".to_owned(),
            CaptureState::Running(_) => format!("{:.0} frames/s", self.frames_per_second),
            CaptureState::Failed(why) => format!("no camera: {why}"),
            CaptureState::Paused => "paused, the camera is closed".to_owned(),
            CaptureState::Ended => "all pictures were played".to_owned(),
        };
        let broker = match (&self.mqtt.connected, &self.mqtt.last_error) {
            (true, _) => "connected to the broker".to_owned(),
            (false, Some(why)) => format!("no broker: {why}; {} events wait", self.mqtt.waiting),
            (false, None) => "connecting to the broker".to_owned(),
        };
        format!("{camera}; {broker}")
    }
}

/// Temperature of the processor in °C, where the kernel tells it
/// (linux/Documentation/ABI/testing/sysfs-class-thermal: millidegrees).
pub fn temperature() -> Option<f32> {
    let text = std::fs::read_to_string("/sys/class/thermal/thermal_zone0/temp").ok()?;
    let millis: f32 = text.trim().parse().ok()?;
    Some(millis / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation() -> Observation {
        Observation {
            at: Moment { monotonic: Duration::from_secs(60), wall: SystemTime::now() },
            started: Duration::from_secs(10),
            camera: "door".to_owned(),
            capture: CaptureState::Running("/dev/video0".to_owned()),
            faces: true,
            counts: Counts::default(),
            frames_per_second: 14.6,
            inference: None,
            temperature_c: None,
            mqtt: Stats::default(),
            model: "m".to_owned(),
        }
    }

    fn codes(observation: &Observation) -> Vec<ReasonCode> {
        observation.reasons().into_iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn every_state_has_its_reason() {
        assert_eq!(codes(&observation()), []);
        let nobody = Observation { faces: false, ..observation() };
        assert_eq!(codes(&nobody), [ReasonCode::NoFace]);
        let gone = CaptureState::Failed("it was unplugged".to_owned());
        let wall = SystemTime::UNIX_EPOCH;
        let at = Moment { wall, ..observation().at };
        let both = Observation { capture: gone, at, ..observation() };
        assert_eq!(codes(&both), [ReasonCode::NoCamera, ReasonCode::ClockNotSet]);
        assert!(both.line().contains("unplugged"));
        assert_eq!(both.device_status().uptime_s, 50);
    }
}
