//! What we say and when: events, states and the status, to the broker.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Clock;
use crate::contract::inventory::Inventory;
use crate::contract::payload::{CameraState, DeviceStatus, OFFLINE, ONLINE};
use crate::contract::topics::Topics;
use crate::error::{Error, Kind};
use crate::mqtt;
use crate::mqtt::client::options::LastWill;
use crate::mqtt::credentials::Credentials;
use crate::mqtt::handle::{Handle, Parameters};
use crate::mqtt::message::{Class, MessageError, Subscriptions};
use crate::mqtt::received;
use crate::mqtt::settings::Settings;
use crate::mqtt::stats::Stats;
use crate::mqtt::url::BrokerUrl;
use crate::name::{Name, NameError};

/// What a publisher is started with.
pub struct Start {
    /// Section `[mqtt]`.
    pub settings: Settings,
    /// Whose topics are written.
    pub device: Name,
    /// Where the outbox survives; `None` keeps it in memory only.
    pub state_dir: Option<PathBuf>,
    /// Where passwords, keys and certificates are looked for.
    pub credentials: Credentials,
    /// What to hear, on every connection.
    pub subscriptions: Subscriptions,
    /// By which events are dated and deadlines kept.
    pub clock: Arc<dyn Clock>,
    /// From 0 to 1, by chance: what spreads a fleet that reconnects.
    pub jitter: fn() -> f64,
}

/// Why a publisher could not be started. A broker that is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `mqtt.base_topic` cannot be part of a topic.
    #[error("mqtt.base_topic {0}")]
    Base(#[from] NameError),
    /// The client could not be started.
    #[error(transparent)]
    Mqtt(#[from] mqtt::StartError),
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Mqtt(error) => error.into(),
            StartError::Base(_) => Error::new(Kind::Config, error.to_string()),
        }
    }
}

/// Publishes without ever waiting. Clones share one connection.
#[derive(Clone)]
pub struct Publisher {
    mqtt: Handle,
    topics: Topics,
}

impl Publisher {
    /// Starts the task that keeps the connection, on the current tokio runtime,
    /// and with no broker configured a broker as well. Messages to the
    /// subscriptions come out of the receiver.
    ///
    /// # Errors
    ///
    /// There is no place for the outbox, no port for the broker inside, or TLS cannot be had.
    pub fn start(start: Start) -> Result<(Self, received::Receiver), StartError> {
        let Start { settings, device, state_dir, credentials, subscriptions, .. } = start;
        let topics = Topics::new(&settings.base_topic, device)?;
        let (mqtt, received) = Handle::start(Parameters {
            labels: topics.labels(),
            last_will: LastWill { topic: topics.availability(), payload: OFFLINE.to_vec() },
            settings,
            state_dir,
            credentials,
            subscriptions,
            clock: start.clock,
            jitter: start.jitter,
        })?;
        let publisher = Self { mqtt, topics };
        publisher.retain(Class::Availability, publisher.topics.availability(), ONLINE.to_vec());
        Ok((publisher, received))
    }

    /// The topics that are written.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The addresses of the broker we talk to, to be announced.
    pub fn brokers(&self) -> &[BrokerUrl] {
        self.mqtt.brokers()
    }

    /// Queues an event of `camera`. Events with the same `track` arrive in order.
    ///
    /// # Errors
    ///
    /// It can never be sent: longer than a packet may be.
    pub fn publish_event(
        &self,
        camera: &Name,
        track: &str,
        event: &impl Serialize,
    ) -> Result<(), MessageError> {
        let track = format!("{camera}/{track}");
        self.mqtt.push_event(self.topics.event(camera), track, json(event)?)
    }

    /// Says whether a camera delivers pictures.
    pub fn set_camera_available(&self, camera: &Name, available: bool) {
        let payload = if available { ONLINE } else { OFFLINE };
        let topic = self.topics.camera_availability(camera);
        self.retain(Class::Availability, topic, payload.to_vec());
    }

    /// Says what a camera sees now.
    ///
    /// # Errors
    ///
    /// It can never be sent: longer than a packet may be.
    pub fn set_camera_state(&self, camera: &Name, state: &CameraState) -> Result<(), MessageError> {
        self.set_retained(Class::State, self.topics.state(camera), json(state)?)
    }

    /// Says what the device does and why nothing happens, and that it is there. A broker may say
    /// the last will of an earlier connection after this one's `online`: it need not notice at
    /// once that the other broke (MQTT 3.1.1, 3.1.2.10), and a bridge hands on late what it says.
    ///
    /// # Errors
    ///
    /// It can never be sent: longer than a packet may be.
    pub fn set_status(&self, status: &DeviceStatus) -> Result<(), MessageError> {
        self.mqtt.say_again(Class::Availability, self.topics.availability());
        self.set_retained(Class::State, self.topics.status(), json(status)?)
    }

    /// Says which program, model and settings the device has.
    ///
    /// # Errors
    ///
    /// It can never be sent: longer than a packet may be.
    pub fn set_inventory(&self, inventory: &Inventory) -> Result<(), MessageError> {
        self.set_retained(Class::State, self.topics.inventory(), json(inventory)?)
    }

    /// Sends a picture of `camera` once, now or not at all.
    ///
    /// # Errors
    ///
    /// It can never be sent: longer than a packet may be.
    pub fn publish_snapshot(&self, camera: &Name, jpeg: Vec<u8>) -> Result<(), MessageError> {
        self.mqtt.push_snapshot(self.topics.snapshot(camera), jpeg)
    }

    /// Bytes of the largest packet that may go to the broker now: the settings' limit, or its own
    /// where it has told one or shown one.
    pub fn largest_packet(&self) -> usize {
        self.mqtt.largest_packet()
    }

    /// Takes a picture back that has not left yet. Whether there was one.
    pub fn withdraw_snapshot(&self) -> bool {
        self.mqtt.withdraw_snapshot()
    }

    /// Sets what a retained topic says; the latest wins, an empty payload removes it.
    ///
    /// # Errors
    ///
    /// It can never be sent: longer than a packet may be, or on an impossible topic.
    pub fn set_retained(
        &self,
        class: Class,
        topic: String,
        payload: Vec<u8>,
    ) -> Result<(), MessageError> {
        self.mqtt.set_retained(class, topic, payload)
    }

    /// Says every retained message again.
    pub fn repeat_retained(&self) {
        self.mqtt.repeat_retained();
    }

    /// The wall clock was set: events that wait are as old as they were.
    pub fn clock_was_set(&self) {
        self.mqtt.clock_was_set();
    }

    /// Counts a command that was refused, for the status.
    pub fn count_refused_command(&self) {
        self.mqtt.count_refused_command();
    }

    /// Answers for a picture that so many commands asked for and that cannot be: counts each,
    /// and says why once.
    pub(crate) fn refuse_snapshots(&self, commands: u64, why: &str) {
        (0..commands).for_each(|_| self.count_refused_command());
        match commands {
            0 => {}
            1 => log::warn!("no snapshot: {why}"),
            _ => log::warn!("no snapshot, for which {commands} commands asked: {why}"),
        }
    }

    /// For our own short messages, which cannot be refused.
    pub(crate) fn retain(&self, class: Class, topic: String, payload: Vec<u8>) {
        if let Err(refused) = self.set_retained(class, topic, payload) {
            log::error!("{refused}");
        }
    }

    /// Numbers of the connection and the outbox.
    pub fn stats(&self) -> Stats {
        self.mqtt.stats()
    }

    /// Delivers what it can in half a second, says `offline`, waits for the
    /// broker to have that, and disconnects. Takes a second at most.
    pub async fn shutdown(&self) {
        self.mqtt.shutdown().await;
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, MessageError> {
    serde_json::to_vec(value).map_err(|error| MessageError::Json(error.to_string()))
}
