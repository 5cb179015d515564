//! Why nothing is happening, and all the control: from the counters to the status
//! topic and systemd's one line.

use std::time::Duration;

use super::state::{CaptureState, View};
use super::status_line::{CONNECTED, CONNECTING, CameraWords, NO_BROKER, StatusLine};
use crate::clock::Moment;
use crate::contract::in_force::Author;
use crate::contract::payload::Counts;
use crate::contract::payload::{DeviceStatus, Reason, ReasonCode, SCHEMA_VERSION, rfc3339};
use crate::control::changes::ControlState;
use crate::mqtt::stats::Stats;

/// What one look at the daemon finds.
#[derive(Clone, Debug)]
pub struct Observation {
    pub at: Moment,
    pub started: Duration,
    pub camera: String,
    pub capture: CaptureState,
    pub view: View,
    pub counts: Counts,
    pub frames_per_second: f32,
    pub inference: Option<Duration>,
    pub age: Option<Duration>,
    pub temperature_c: Option<f32>,
    /// Why the board is slower than it could be, if it is.
    pub strain: Option<String>,
    /// Why times are wrong, if they may be.
    pub clock: Option<&'static str>,
    pub mqtt: Stats,
    pub model: String,
    /// Newer models that were refused, and why.
    pub refused_models: Vec<String>,
    /// What was changed while running.
    pub control: ControlState,
    pub identifying: bool,
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
            CaptureState::NotACamera(why) => add(ReasonCode::NotACamera, true, why),
            CaptureState::Failed(why) => add(ReasonCode::NoCamera, true, why),
            CaptureState::Paused => {
                let why = match &self.control.in_force.paused.from {
                    Author::Group(group) => format!("its group {group} is paused"),
                    _ => "its owner has paused it; send resume".to_owned(),
                };
                add(ReasonCode::Paused, true, &why);
            }
            CaptureState::Running(open) if self.view.light.dark => {
                let asked = if open.low_light { ", even with longer exposures" } else { "" };
                let message = format!("it is too dark to find a face{asked}: light, or a cover?");
                add(ReasonCode::Dark, true, &message);
            }
            CaptureState::Running(_) if self.view.faces == 0 => {
                add(ReasonCode::NoFace, true, "nobody is in the picture");
            }
            _ => {}
        }
        for why in &self.refused_models {
            let message = format!("{why}; {} runs instead", self.model);
            add(ReasonCode::ModelRefused, false, &message);
        }
        if let Some(why) = &self.strain {
            let message = format!("{why}: fewer frames are looked at");
            add(ReasonCode::Throttled, false, &message);
        }
        if let Some(why) = self.clock {
            add(ReasonCode::ClockNotSet, false, why);
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
            identifying: self.identifying,
            runtime: self.control.runtime,
            groups: self.control.groups.clone(),
            in_force: self.control.in_force.clone(),
            reasons: self.reasons(),
            frames_per_second: self.frames_per_second,
            inference_ms: self.inference.map(|time| time.as_secs_f32() * 1e3),
            frame_age_ms: self.age.map(|time| time.as_secs_f32() * 1e3),
            idle: self.view.light.idle,
            low_light: self.asks_for_light(),
            temperature_c: self.temperature_c,
            frames: self.counts,
            mqtt: self.mqtt.clone(),
        }
    }

    /// For `systemctl status`.
    pub fn line(&self) -> String {
        let light = if self.asks_for_light() { ", longer exposures in low light" } else { "" };
        let camera = match &self.capture {
            CaptureState::Failed(why) => CameraWords::Failed(why.clone()),
            CaptureState::NotACamera(why) => CameraWords::NotACamera(why.clone()),
            CaptureState::Paused => CameraWords::Paused,
            CaptureState::Opening => CameraWords::Other("opening the camera".to_owned()),
            CaptureState::Running(_) if self.view.light.idle => {
                CameraWords::Other(format!("watching for motion{light}"))
            }
            CaptureState::Running(_) => {
                CameraWords::Other(format!("{:.0} frames/s{light}", self.frames_per_second))
            }
            CaptureState::Ended => CameraWords::Other("all pictures were played".to_owned()),
        };
        let broker = match (&self.mqtt.connected, &self.mqtt.last_error) {
            (true, _) => CONNECTED.to_owned(),
            (false, Some(why)) => format!("{NO_BROKER}{why}; {} events wait", self.mqtt.waiting),
            (false, None) => CONNECTING.to_owned(),
        };
        StatusLine { identifying: self.identifying, camera, broker }.to_string()
    }

    /// Whether longer exposures are asked for.
    pub fn asks_for_light(&self) -> bool {
        matches!(&self.capture, CaptureState::Running(open) if open.low_light)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::attention::Light;
    use crate::contract::in_force::InForce;
    use crate::contract::tuning::Tuning;
    use crate::control::groups::{GroupSettings, SettingsByGroup};
    use crate::control::overrides::Overrides;
    use crate::name::Name;
    use crate::pipeline::state::Open;

    fn control(runtime: &Overrides) -> ControlState {
        let groups = [Name::new("hall").expect("valid")];
        ControlState {
            groups: vec!["hall".to_owned()],
            runtime: runtime.tuning,
            in_force: InForce::of(Tuning::default(), false, &groups, runtime),
        }
    }

    fn observation() -> Observation {
        Observation {
            at: Moment { monotonic: Duration::from_secs(60), wall: SystemTime::now() },
            started: Duration::from_secs(10),
            camera: "door".to_owned(),
            capture: CaptureState::Running(Open::default()),
            view: View { faces: 1, ..View::default() },
            counts: Counts::default(),
            frames_per_second: 14.6,
            inference: None,
            age: None,
            temperature_c: None,
            strain: None,
            clock: None,
            mqtt: Stats::default(),
            model: "m".to_owned(),
            refused_models: Vec::new(),
            control: control(&Overrides::default()),
            identifying: false,
        }
    }

    fn codes(observation: &Observation) -> Vec<ReasonCode> {
        observation.reasons().into_iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn every_state_has_its_reason() {
        assert_eq!(codes(&observation()), []);
        let nobody = Observation { view: View::default(), ..observation() };
        assert_eq!(codes(&nobody), [ReasonCode::NoFace]);
        let night = View { light: Light { dark: true, ..Light::default() }, ..View::default() };
        assert_eq!(codes(&Observation { view: night, ..observation() }), [ReasonCode::Dark]);
        let receiver = CaptureState::NotACamera("a CSI camera's receiver".to_owned());
        let wrong = Observation { capture: receiver, ..observation() };
        assert_eq!(codes(&wrong), [ReasonCode::NotACamera]);
        let open = CaptureState::Running(Open { low_light: true, ..Open::default() });
        let evening = Observation { capture: open, ..observation() };
        assert!(evening.device_status().low_light && evening.line().contains("low light"));
        let closed = GroupSettings { paused: true, ..GroupSettings::default() };
        let groups = SettingsByGroup::from([("hall".to_owned(), closed)]);
        let control = control(&Overrides { groups, ..Overrides::default() });
        let by_group = Observation { capture: CaptureState::Paused, control, ..observation() };
        assert_eq!(codes(&by_group), [ReasonCode::Paused]);
        assert!(by_group.reasons()[0].message.contains("group hall"));
        let hot = Observation { strain: Some("hot".to_owned()), ..observation() };
        assert_eq!(codes(&hot), [ReasonCode::Throttled]);
        let blind = Observation { refused_models: vec!["n: blind".to_owned()], ..observation() };
        assert_eq!(codes(&blind), [ReasonCode::ModelRefused]);
        assert_eq!(blind.reasons()[0].message, "n: blind; m runs instead");
        let gone = CaptureState::Failed("it was unplugged".to_owned());
        let both = Observation { capture: gone, clock: Some("not set"), ..observation() };
        assert_eq!(codes(&both), [ReasonCode::NoCamera, ReasonCode::ClockNotSet]);
        assert_eq!(both.line(), "no camera: it was unplugged; connecting to the broker");
        assert_eq!(both.device_status().uptime_s, 50);
    }
}
