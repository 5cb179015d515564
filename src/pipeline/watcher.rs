//! Looks at the daemon once a second and says what it sees: to the broker when it
//! changed, to systemd, and to the watchdog when the threads came on.

use std::sync::Arc;
use std::time::Duration;

use super::alarms::Alarms;
use super::shared::Shared;
use super::state::CaptureState;
use super::status::Observation;
use crate::board;
use crate::contract::payload::{Counts, Reason, STATUS_INTERVAL};
use crate::control::changes::ControlState;
use crate::name::Name;
use crate::publish::Publisher;
use crate::service::Service;

/// How long the device makes itself known when told to.
const IDENTIFY: Duration = Duration::from_secs(10);

/// What is watched.
pub struct Subject {
    pub camera: Name,
    pub model: String,
    /// Newer models that were refused, and why.
    pub refused_models: Vec<String>,
    /// From this temperature on, in °C, the board counts as strained.
    pub hot_c: f32,
}

/// Looks and tells.
pub struct Watcher {
    pub publisher: Publisher,
    pub service: Service,
    /// What was changed while running.
    pub control: ControlState,
    shared: Arc<Shared>,
    subject: Subject,
    started: Duration,
    /// Until when the device makes itself known.
    identify_until: Duration,
    alarms: Alarms,
    last: Last,
}

/// What is published at once when it changes.
#[derive(PartialEq)]
struct Urgent {
    reasons: Vec<Reason>,
    control: ControlState,
    identifying: bool,
    low_light: bool,
    /// A new connection begins with the status of before, which says that there is none.
    connections: u64,
}

/// What the last look saw.
#[derive(Default)]
struct Last {
    at: Duration,
    counts: Counts,
    beats: (u64, u64),
    /// What was published last, and when.
    published: Option<(Urgent, Duration)>,
    available: Option<bool>,
}

impl Watcher {
    pub fn new(
        publisher: Publisher,
        shared: Arc<Shared>,
        subject: Subject,
        control: ControlState,
    ) -> Self {
        let started = shared.clock.now().monotonic;
        Self {
            publisher,
            service: Service::default(),
            control,
            shared,
            subject,
            started,
            identify_until: Duration::ZERO,
            alarms: Alarms::default(),
            last: Last { at: started, ..Last::default() },
        }
    }

    /// Says for a while, in every status, that it is this device.
    pub fn identify(&mut self) {
        self.identify_until = self.shared.clock.now().monotonic + IDENTIFY;
        let device = self.publisher.topics().device();
        log::warn!("identify: this is device {device}, camera {}", self.subject.camera);
    }

    /// Says whether the board is strained.
    pub fn look(&mut self) -> bool {
        let observation = self.observe();
        self.service.status(&observation.line());
        let available = matches!(observation.capture, CaptureState::Running(_));
        if self.last.available.replace(available) != Some(available) {
            self.publisher.set_camera_available(&self.subject.camera, available);
        }
        let (now, urgent) = (observation.at.monotonic, self.urgent(&observation));
        let current = self.last.published.as_ref().is_some_and(|(published, at)| {
            *published == urgent && now.saturating_sub(*at) < STATUS_INTERVAL
        });
        if !current {
            self.last.published = Some((urgent, now));
            if let Err(refused) = self.publisher.set_status(&observation.device_status()) {
                log::error!("status: {refused}");
            }
        }
        let strain = observation.strain.as_deref();
        for (alarm, words) in self.alarms.look(observation.at, &observation.mqtt, strain) {
            log::error!(message_id = alarm.id(); "{words}");
        }
        self.feed_watchdog();
        observation.strain.is_some()
    }

    fn urgent(&self, observation: &Observation) -> Urgent {
        Urgent {
            reasons: observation.reasons(),
            control: self.control.clone(),
            identifying: observation.identifying,
            low_light: observation.asks_for_light(),
            connections: observation.mqtt.connections,
        }
    }

    fn observe(&mut self) -> Observation {
        let (at, counts) = (self.shared.clock.now(), self.shared.counters.read());
        let elapsed = at.monotonic.saturating_sub(self.last.at).as_secs_f32();
        let frames = counts.detected - self.last.counts.detected;
        (self.last.at, self.last.counts) = (at.monotonic, counts);
        let temperature_c = board::temperature();
        let hot = temperature_c.is_some_and(|degrees| degrees >= self.subject.hot_c);
        // The same words for every degree: another reason is published at once.
        let strain = board::throttled().map(str::to_owned).or_else(|| {
            hot.then(|| format!("the processor is hotter than {} °C", self.subject.hot_c))
        });
        Observation {
            at,
            started: self.started,
            camera: self.subject.camera.to_string(),
            capture: self.shared.capture.borrow().clone(),
            view: *self.shared.view.borrow(),
            counts,
            frames_per_second: if elapsed > 0.0 { frames as f32 / elapsed } else { 0.0 },
            inference: self.shared.counters.last_inference(),
            age: self.shared.counters.last_age(),
            temperature_c,
            strain,
            clock: board::clock_trouble(at.wall),
            mqtt: self.publisher.stats(),
            model: self.subject.model.clone(),
            refused_models: self.subject.refused_models.clone(),
            control: self.control.clone(),
            identifying: at.monotonic < self.identify_until,
        }
    }

    /// Only when both threads came round since the last time: a timer would prove
    /// nothing but itself.
    fn feed_watchdog(&mut self) {
        let (capture, inference) = self.shared.counters.beats();
        if capture > self.last.beats.0 && inference > self.last.beats.1 {
            self.last.beats = (capture, inference);
            self.service.alive();
        }
    }
}
