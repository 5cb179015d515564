//! Looks at the daemon once a second and says what it sees: to the broker when it
//! changed, to systemd, and to the watchdog when the threads came on.

use std::sync::Arc;
use std::time::Duration;

use super::alarms::Alarms;
use super::capture::CaptureState;
use super::counters::Counters;
use super::inference::View;
use super::rate::Rate;
use super::status::Observation;
use super::strain::Strain;
use crate::board;
use crate::clock::Clock;
use crate::contract::in_force::InForce;
use crate::contract::payload::Reason;
use crate::contract::tuning::Tuning;
use crate::name::Name;
use crate::publish::Publisher;
use crate::service::Service;

/// A status that did not change is published again after this many looks, so that
/// its numbers stay fresh.
const REPEAT: u32 = 30;

/// How long the device makes itself known when told to.
const IDENTIFY: Duration = Duration::from_secs(10);

/// What stays the same between looks.
pub struct Watcher {
    pub publisher: Publisher,
    pub service: Service,
    pub counters: Arc<Counters>,
    pub clock: Arc<dyn Clock>,
    pub camera: Name,
    pub model: String,
    /// Newer models that were refused, and why.
    pub refused_models: Vec<String>,
    pub started: Duration,
    strain: Strain,
    /// Of frames looked at.
    rate: Rate,
    /// What was changed while running.
    pub numbers: Numbers,
    /// Until when the device makes itself known.
    identify_until: Duration,
    alarms: Alarms,
    last: Last,
}

/// What was changed while running.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// The groups that the device belongs to.
    pub groups: Vec<String>,
    /// Numbers set by a command.
    pub runtime: Tuning,
    pub in_force: InForce,
}

/// What is published at once when it changes: reasons, numbers that were changed, whether
/// the device makes itself known and whether longer exposures are asked for.
type Said = (Vec<Reason>, Numbers, bool, bool);

/// What the last look saw.
#[derive(Default)]
struct Last {
    beats: (u64, u64),
    said: Option<Said>,
    available: Option<bool>,
    looks: u32,
}

impl Watcher {
    pub fn new(
        publisher: Publisher,
        counters: Arc<Counters>,
        clock: Arc<dyn Clock>,
        camera: Name,
        model: String,
        hot_c: f32,
        numbers: Numbers,
    ) -> Self {
        let started = clock.now().monotonic;
        let last = Last::default();
        let service = Service::default();
        Self {
            publisher,
            service,
            counters,
            clock,
            camera,
            model,
            refused_models: Vec::new(),
            started,
            strain: Strain::new(hot_c),
            rate: Rate::default(),
            numbers,
            identify_until: Duration::ZERO,
            alarms: Alarms::default(),
            last,
        }
    }

    /// Says for a while, in every status, that it is this device.
    pub fn identify(&mut self) {
        self.identify_until = self.clock.now().monotonic + IDENTIFY;
        let device = self.publisher.topics().device();
        log::warn!("identify: this is device {device}, camera {}", self.camera);
    }

    /// Says whether the board is strained.
    pub fn look(&mut self, capture: &CaptureState, view: View) -> bool {
        let observation = self.observe(capture, view);
        self.service.status(&observation.line());
        let available = matches!(capture, CaptureState::Running(_));
        if self.last.available.replace(available) != Some(available) {
            self.publisher.set_camera_available(&self.camera, available);
        }
        let (identifying, low_light) = (observation.identifying, observation.asks_for_light());
        let said = Some((observation.reasons(), self.numbers.clone(), identifying, low_light));
        if self.last.said != said || self.last.looks.is_multiple_of(REPEAT) {
            self.last.said = said;
            if let Err(refused) = self.publisher.set_status(&observation.device_status()) {
                log::error!("status: {refused}");
            }
        }
        self.last.looks += 1;
        let strain = observation.strain.as_deref();
        for (alarm, words) in self.alarms.look(observation.at, &observation.mqtt, strain) {
            log::error!(message_id = alarm.id(); "{words}");
        }
        self.feed_watchdog();
        observation.strain.is_some()
    }

    fn observe(&mut self, capture: &CaptureState, view: View) -> Observation {
        let (at, counts) = (self.clock.now(), self.counters.read());
        let frames_per_second = self.rate.update(at.monotonic, counts.detected);
        let temperature_c = board::temperature();
        let strain = self.strain.update(at.monotonic, temperature_c, board::throttled());
        let strain = strain.map(str::to_owned);
        Observation {
            at,
            started: self.started,
            camera: self.camera.to_string(),
            capture: capture.clone(),
            view,
            counts,
            frames_per_second,
            inference: self.counters.last_inference(),
            age: self.counters.last_age(),
            temperature_c,
            strain,
            clock: board::clock_trouble(at.wall),
            mqtt: self.publisher.stats(),
            model: self.model.clone(),
            refused_models: self.refused_models.clone(),
            numbers: self.numbers.clone(),
            identifying: at.monotonic < self.identify_until,
        }
    }

    /// Only when both threads came round since the last time: a timer would prove
    /// nothing but itself.
    fn feed_watchdog(&mut self) {
        let (capture, inference) = self.counters.beats();
        if capture > self.last.beats.0 && inference > self.last.beats.1 {
            self.last.beats = (capture, inference);
            self.service.alive();
        }
    }
}
