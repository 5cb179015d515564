//! Looks at the daemon once a second and says what it sees: to the broker when it
//! changed, to systemd, and to the watchdog when the threads came on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::alarms::Alarms;
use super::availability::Availability;
use super::plan::Plan;
use super::rate::Rate;
use super::shared::Shared;
use super::state::SNAPSHOT_LIMIT;
use super::status::Observation;
use super::strain::Strain;
use crate::board;
use crate::contract::payload::{Reason, STATUS_INTERVAL};
use crate::control::changes::ControlState;
use crate::name::Name;
use crate::publish::Publisher;
use crate::service::Service;

/// How long the device makes itself known when told to.
const IDENTIFY: Duration = Duration::from_secs(10);

/// What is watched.
pub(crate) struct Subject {
    /// Its name in topics.
    pub camera: Name,
    /// `name@version+sha`.
    pub model: String,
    /// Models that were refused, why, and what does their work.
    pub refused_models: Vec<String>,
    /// From this temperature on, in °C, the board counts as strained.
    pub hot_c: f32,
}

impl Subject {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            camera: plan.camera.clone(),
            model: plan.networks.info().id.clone(),
            refused_models: plan.networks.refused(),
            hot_c: plan.config.pace.hot_c,
        }
    }
}

/// Looks and tells.
pub(crate) struct Watcher {
    /// Where the status goes.
    pub publisher: Publisher,
    /// systemd, which is told as well.
    pub service: Service,
    /// What was changed while running.
    pub control: ControlState,
    /// How often that could not be written to the disk.
    pub change_errors: u64,
    shared: Arc<Shared>,
    subject: Subject,
    started: Duration,
    /// Until when the device makes itself known.
    identify_until: Duration,
    strain: Strain,
    /// Of frames looked at.
    rate: Rate,
    alarms: Alarms,
    availability: Availability,
    last: Last,
}

/// What is published at once when it changes.
#[derive(PartialEq)]
struct Urgent {
    reasons: Vec<Reason>,
    control: ControlState,
    identifying: bool,
    low_light: bool,
    viewers: usize,
    /// A new connection begins with the status of before, which says that there is none.
    connections: u64,
}

/// What the last look saw.
#[derive(Default)]
struct Last {
    beats: (u64, u64),
    /// What was published last, and when.
    published: Option<(Urgent, Duration)>,
    available: Option<bool>,
}

impl Watcher {
    /// Nothing was told yet.
    pub(crate) fn new(
        publisher: Publisher,
        shared: Arc<Shared>,
        subject: Subject,
        control: ControlState,
    ) -> Self {
        let started = shared.clock.now().monotonic;
        let strain = Strain::new(subject.hot_c);
        Self {
            publisher,
            service: Service::default(),
            control,
            change_errors: 0,
            shared,
            subject,
            started,
            identify_until: Duration::ZERO,
            strain,
            rate: Rate::default(),
            alarms: Alarms::default(),
            availability: Availability::default(),
            last: Last::default(),
        }
    }

    /// Says for a while, in every status, that it is this device.
    pub(crate) fn identify(&mut self) {
        self.identify_until = self.shared.clock.now().monotonic + IDENTIFY;
        let device = self.publisher.topics().device();
        log::warn!("identify: this is device {device}, camera {}", self.subject.camera);
    }

    /// Says that nobody looks through the camera any more: its topic outlives the process.
    pub(crate) fn leave(&mut self) {
        self.last.available = Some(false);
        self.publisher.set_camera_available(&self.subject.camera, false);
    }

    /// Says whether the board is strained.
    pub(crate) fn look(&mut self) -> bool {
        let observation = self.observe();
        self.service.status(&observation.line());
        let late = self.shared.take_late_request();
        if late > 0 {
            // No frame has come that could answer for it.
            let why = observation.no_picture().map(|why| format!(": {why}")).unwrap_or_default();
            let limit = SNAPSHOT_LIMIT.as_secs();
            let why = format!("no picture came within {limit} s{why}");
            self.publisher.refuse_snapshots(late, &why);
        }
        let now = observation.at.monotonic;
        // Not by its state: a pause may have come and gone between two looks, and nothing is
        // known yet of a camera that is being opened.
        let lost = observation.is_lost();
        let available = self.availability.update(now, observation.delivers(), lost);
        if self.last.available.replace(available) != Some(available) {
            self.publisher.set_camera_available(&self.subject.camera, available);
        }
        if let Some(live) = &self.shared.live {
            live.camera_is_well.store(observation.is_well(), Ordering::Relaxed);
            live.status.send_replace(Some(observation.device_status()));
        }
        let urgent = self.urgent(&observation);
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
        let tampered = observation.tampered();
        let raised = self.alarms.look(observation.at, &observation.mqtt, strain, tampered);
        for (alarm, words) in raised {
            log::error!(message_id = alarm.id(); "{words}");
        }
        self.feed_watchdog();
        observation.strain.is_some()
    }

    /// Takes a picture back that waits for the broker. Whether there was one.
    pub(crate) fn withdraw_snapshot(&self) -> bool {
        self.publisher.withdraw_snapshot()
    }

    fn urgent(&self, observation: &Observation) -> Urgent {
        Urgent {
            reasons: observation.reasons(),
            control: self.control.clone(),
            identifying: observation.identifying,
            low_light: observation.asks_for_light(),
            viewers: observation.viewers,
            connections: observation.mqtt.connections,
        }
    }

    fn observe(&mut self) -> Observation {
        let (at, counts) = (self.shared.clock.now(), self.shared.counters.read());
        let frames_per_second = self.rate.update(at.monotonic, counts.detected);
        let temperature_c = board::temperature();
        let strain = self.strain.update(at.monotonic, temperature_c, board::throttled());
        let mut mqtt = self.publisher.stats();
        // The events' disk is the changes' disk.
        mqtt.store_errors += self.change_errors;
        let strain = strain
            .map(|why| format!("{why}: it looks around half as often, at faces nearby as before"));
        Observation {
            at,
            started: self.started,
            camera: self.subject.camera.to_string(),
            capture: self.shared.capture.borrow().clone(),
            frames: self.shared.frames.borrow().clone(),
            view: *self.shared.view.borrow(),
            counts,
            frames_per_second,
            inference: self.shared.counters.last_inference(),
            age: self.shared.counters.last_age(),
            temperature_c,
            strain,
            clock: board::clock_trouble(at.wall),
            mqtt,
            model: self.subject.model.clone(),
            refused_models: self.subject.refused_models.clone(),
            control: self.control.clone(),
            identifying: at.monotonic < self.identify_until,
            viewers: self.shared.live.as_ref().map_or(0, |live| live.watching()),
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
