//! Why nothing is happening, and all the rest: from the counters to the status
//! topic and systemd's one line.

use std::time::Duration;

use super::frame_health::FrameHealth;
use super::state::{CaptureState, View};
use super::status_line::{CONNECTED, CONNECTING, CameraWords, NO_BROKER, StatusLine, is_trouble};
use crate::attention::tamper::Tampering;
use crate::clock::{Moment, rfc3339};
use crate::contract::in_force::Author;
use crate::contract::payload::Counts;
use crate::contract::payload::{DeviceStatus, Reach, Reason, ReasonCode, SCHEMA_VERSION};
use crate::control::changes::ControlState;
use crate::mqtt::stats::Stats;
use crate::source::remedy_for_broken;

/// A camera that is opened for so long has a driver that hangs.
const LONG_OPENING: Duration = Duration::from_secs(5);
const NO_ANSWER: &str =
    "its driver does not answer while the camera is opened: unplug it and plug it in again";

/// What one look at the daemon finds.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// When it looked.
    pub at: Moment,
    /// When the daemon was started, on the monotonic clock.
    pub started: Duration,
    /// The camera's name.
    pub camera: String,
    /// What the camera is doing.
    pub capture: CaptureState,
    /// Whether its frames can be read.
    pub frames: FrameHealth,
    /// What the picture is like.
    pub view: View,
    /// Since the start.
    pub counts: Counts,
    /// Frames looked at per second.
    pub frames_per_second: f32,
    /// The network's time for the last frame; none before the first.
    pub inference: Option<Duration>,
    /// How old the last frame was when its faces were known; none before the first.
    pub age: Option<Duration>,
    /// Of the processor, in °C; none where the board does not tell.
    pub temperature_c: Option<f32>,
    /// Why the board is slower than it could be, if it is.
    pub strain: Option<String>,
    /// Why times are wrong, if they may be.
    pub clock: Option<&'static str>,
    /// The connection and what waits for it.
    pub mqtt: Stats,
    /// `name@version+sha`.
    pub model: String,
    /// Models that were refused, why, and what does their work.
    pub refused_models: Vec<String>,
    /// What was changed while running.
    pub control: ControlState,
    /// Whether the device makes itself known just now.
    pub identifying: bool,
    /// How many watch the live picture.
    pub viewers: usize,
}

impl Observation {
    /// Why less happens than could, the most important first.
    pub(crate) fn reasons(&self) -> Vec<Reason> {
        let of_camera = self.camera_trouble().map(|(code, message)| Reason {
            code,
            camera: Some(self.camera.clone()),
            message,
        });
        let mut reasons: Vec<Reason> = of_camera.into_iter().collect();
        let mut add = |code, message| reasons.push(Reason { code, camera: None, message });
        for why in &self.refused_models {
            add(ReasonCode::ModelRefused, why.clone());
        }
        if let Some(why) = &self.strain {
            add(ReasonCode::Throttled, why.clone());
        }
        if let Some(why) = self.clock {
            add(ReasonCode::ClockNotSet, why.to_owned());
        }
        // Many look at the first only, and an empty room must not hide from them what is wrong.
        reasons.sort_by_key(|reason| reason.code == ReasonCode::NoFace);
        reasons
    }

    /// Why the camera brings no faces.
    fn camera_trouble(&self) -> Option<(ReasonCode, String)> {
        match &self.capture {
            CaptureState::Ended => None,
            CaptureState::Failed(code, why) => Some((*code, why.clone())),
            CaptureState::Paused if self.is_paused() => {
                let why = match self.pausing_group() {
                    Some(group) => format!("its group {group} is paused"),
                    None => "its owner has paused it; send resume".to_owned(),
                };
                Some((ReasonCode::Paused, why))
            }
            CaptureState::Opening { .. } | CaptureState::Running(_)
                if self.frames.cause().is_some() =>
            {
                let why = self.frames.cause().unwrap_or_default();
                let remedy = remedy_for_broken(self.capture.plays());
                let message = format!("{why}; try {remedy}");
                Some((ReasonCode::BadFrames, message))
            }
            CaptureState::Opening { since }
                if self.at.monotonic.saturating_sub(*since) >= LONG_OPENING =>
            {
                Some((ReasonCode::NoCamera, NO_ANSWER.to_owned()))
            }
            // Of a camera that opens at each try and delivers nothing, all would be well
            // each time.
            CaptureState::Opening { .. } | CaptureState::Running(_)
                if self.frames.lost().is_some() =>
            {
                self.frames.lost().cloned()
            }
            CaptureState::Opening { .. } | CaptureState::Paused => None,
            // What the picture shows is told only once one could be read.
            CaptureState::Running(_) if !self.frames.is_known() => None,
            CaptureState::Running(_) => {
                self.picture().map(|(code, words)| (code, words.to_owned()))
            }
        }
    }

    /// Why no picture comes, as far as it is known.
    pub(crate) fn no_picture(&self) -> Option<String> {
        // With pictures that come, the camera's reason is what they show.
        if self.delivers() {
            return None;
        }
        self.camera_trouble().map(|(_, why)| why)
    }

    /// What the picture is like, when no face is or can be found in it.
    fn picture(&self) -> Option<(ReasonCode, &'static str)> {
        // In the dark it cannot be seen whether what was wrong before is so still.
        self.tampered().or_else(|| match self.view {
            View { conditions, .. } if conditions.dark => Some((ReasonCode::Dark, self.darkness())),
            View { faces: 0, .. } => Some((ReasonCode::NoFace, "nobody is in the picture")),
            View { .. } => None,
        })
    }

    fn darkness(&self) -> &'static str {
        if self.asks_for_light() {
            "it is too dark to find a face, even with longer exposures: light, or a cover?"
        } else {
            "it is too dark to find a face: light, or a cover?"
        }
    }

    /// Why the camera does not show what it is meant to show, if it does not, by the last picture:
    /// that none comes just now, or a dark one, mends nothing.
    pub(crate) fn tampered(&self) -> Option<(ReasonCode, &'static str)> {
        Some(match self.view.conditions.tampering? {
            Tampering::Frozen => (
                ReasonCode::Frozen,
                "the same picture again and again: does what feeds the camera hang?",
            ),
            Tampering::Covered => {
                (ReasonCode::Covered, "nothing has an edge: something covers the lens")
            }
            Tampering::Turned => (
                ReasonCode::Turned,
                "it looks elsewhere than before: turn it back, or restart if it is meant so",
            ),
        })
    }

    /// Whether the camera is closed and its owner wants that: the answer to `resume` comes before
    /// the camera's thread has noticed.
    fn is_paused(&self) -> bool {
        self.capture == CaptureState::Paused && self.control.in_force.paused.value
    }

    /// The group that has closed the camera; none where its owner has.
    fn pausing_group(&self) -> Option<&str> {
        match &self.control.in_force.paused.from {
            Author::Group(group) => Some(group),
            _ => None,
        }
    }

    /// Whether pictures come in which something can be seen.
    pub(crate) fn delivers(&self) -> bool {
        matches!(self.capture, CaptureState::Running(_)) && self.frames.is_known()
    }

    /// Whether something is wrong with the camera, so that no pictures come which can be read.
    /// Of one that was closed, and is opened again already, nothing is known yet.
    pub(crate) fn is_lost(&self) -> bool {
        let failed = matches!(self.capture, CaptureState::Failed(..));
        failed || self.frames.lost().is_some() || self.frames.cause().is_some()
    }

    /// Whether the camera does what it should: it delivers, or is closed for good reason.
    pub(crate) fn is_well(&self) -> bool {
        self.delivers() || self.is_paused() || self.capture == CaptureState::Ended
    }

    /// The payload of the status topic.
    pub(crate) fn device_status(&self) -> DeviceStatus {
        DeviceStatus {
            schema: SCHEMA_VERSION,
            time: rfc3339(self.at.wall),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: Some(self.model.clone()),
            uptime_s: self.at.monotonic.saturating_sub(self.started).as_secs(),
            paused: self.is_paused(),
            identifying: self.identifying,
            runtime: self.control.runtime,
            groups: self.control.groups.clone(),
            in_force: self.control.in_force.clone(),
            reasons: self.reasons(),
            frames_per_second: self.frames_per_second,
            inference_ms: self.inference.map(|time| time.as_secs_f32() * 1e3),
            frame_age_ms: self.age.map(|time| time.as_secs_f32() * 1e3),
            idle: self.view.conditions.idle,
            reach: self.view.conditions.reach.map(|reach| Reach {
                wanted_m: reach.wanted,
                sees_m: reach.metres,
                face_px: reach.face,
            }),
            low_light: self.asks_for_light(),
            temperature_c: self.temperature_c,
            viewers: self.viewers,
            frames: self.counts,
            mqtt: self.mqtt.clone(),
        }
    }

    /// For `systemctl status`.
    pub(crate) fn line(&self) -> String {
        let camera = self.trouble().unwrap_or_else(|| self.progress());
        let broker = match (&self.mqtt.connected, &self.mqtt.last_error) {
            (true, _) => CONNECTED.to_owned(),
            (false, Some(why)) => format!("{NO_BROKER}{why}; {} events wait", self.mqtt.waiting),
            (false, None) => CONNECTING.to_owned(),
        };
        StatusLine { identifying: self.identifying, camera, broker }.to_string()
    }

    /// The first of the camera's reasons that says why no face can be found.
    fn trouble(&self) -> Option<CameraWords> {
        let reason = self.reasons().into_iter().find(|reason| is_trouble(reason.code))?;
        Some(CameraWords::Trouble(reason.code, reason.message))
    }

    /// What a camera without trouble does.
    fn progress(&self) -> CameraWords {
        let light = if self.asks_for_light() { ", longer exposures in low light" } else { "" };
        match &self.capture {
            CaptureState::Paused if self.is_paused() => {
                CameraWords::Paused(self.pausing_group().map(ToString::to_string))
            }
            // One that failed is a trouble.
            CaptureState::Opening { .. } | CaptureState::Paused | CaptureState::Failed(..) => {
                CameraWords::Other("opening the camera".to_owned())
            }
            CaptureState::Running(_) if self.view.conditions.idle => {
                CameraWords::Other(format!("watching for motion{light}"))
            }
            CaptureState::Running(_) => {
                CameraWords::Other(format!("{:.0} frames/s{light}", self.frames_per_second))
            }
            CaptureState::Ended => CameraWords::Other("all pictures were played".to_owned()),
        }
    }

    /// Whether longer exposures are asked for.
    pub(crate) fn asks_for_light(&self) -> bool {
        matches!(&self.capture, CaptureState::Running(open) if open.low_light)
    }
}

#[cfg(test)]
mod tests;
