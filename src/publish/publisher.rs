//! The handle that the rest of the program holds.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, mpsc, watch};

use super::access::Access;
use super::client::{Client, Received, Subscriptions, Way};
use super::credentials::{Credentials, Unreadable};
use super::message::Class;
use super::outbox::{JournalError, Outbox};
use super::payload::{CameraState, DeviceStatus, OFFLINE, ONLINE};
use super::queue::{Queue, Refused, Stats};
use super::settings::Settings;
use super::tls::TlsError;
use super::topics::{Name, NameError, Topics};
use super::url::{BrokerUrl, UrlError};
use crate::clock::Clock;
use crate::error::{self, Kind};

/// Messages that arrived and wait to be looked at.
const RECEIVED_WAITING: usize = 16;

/// What a publisher is started with.
pub struct Start {
    pub settings: Settings,
    pub device: Name,
    /// Where the outbox survives; `None` keeps it in memory only.
    pub state_dir: Option<PathBuf>,
    /// Where passwords, keys and certificates are looked for.
    pub credentials: Credentials,
    /// What to hear, on every connection.
    pub subscriptions: Subscriptions,
    pub clock: Arc<dyn Clock>,
}

/// Why a publisher could not be started. A broker that is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("mqtt.url {0}")]
    Url(#[from] UrlError),
    #[error("mqtt.base_topic {0}")]
    Base(#[from] NameError),
    #[error(transparent)]
    Secret(#[from] Unreadable),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(
        "mqtt.url is empty and this build has no broker inside: \
         set mqtt.url, for example mqtt://127.0.0.1:1883"
    )]
    NoBroker,
    #[cfg(feature = "embedded-broker")]
    #[error(transparent)]
    Broker(#[from] super::broker::BrokerError),
}

impl From<StartError> for error::Error {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            #[cfg(feature = "embedded-broker")]
            StartError::Broker(_) => Kind::Unavailable,
            StartError::Journal(_) => Kind::Output,
            _ => Kind::Config,
        };
        error::Error::new(kind, error.to_string())
    }
}

/// What callers and the client share.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// Told whenever the queue may have something new.
    pub(super) wake: Notify,
    /// Told whenever an event went into the outbox.
    stored: Notify,
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every method leaves the queue whole, so a panic elsewhere spoils nothing.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes without ever waiting. Clones share one connection.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
    topics: Topics,
    clock: Arc<dyn Clock>,
    broker: BrokerUrl,
    stop: Arc<watch::Sender<bool>>,
    done: watch::Receiver<bool>,
    #[cfg(feature = "embedded-broker")]
    _embedded: Option<Arc<super::broker::Broker>>,
}

impl Publisher {
    /// Starts the task that keeps the connection, on the current tokio runtime,
    /// and with no broker configured a broker as well. Messages to the
    /// subscriptions come out of the receiver.
    pub fn start(start: Start) -> Result<(Self, mpsc::Receiver<Received>), StartError> {
        let Start { settings, device, state_dir, credentials, subscriptions, clock } = start;
        let topics = Topics::new(&settings.base_topic, device)?;
        let Access { broker, password, tls } = Access::read(&settings, &credentials)?;
        #[cfg(feature = "embedded-broker")]
        let (broker, version, embedded) = match broker {
            Some(url) => (url, settings.version, None),
            None => {
                let broker = super::broker::Broker::start(settings.embedded_port)?;
                // It would hang up on MQTT 5: do not try.
                (broker.url(), super::settings::Version::V311, Some(Arc::new(broker)))
            }
        };
        #[cfg(not(feature = "embedded-broker"))]
        let (broker, version) = (broker.ok_or(StartError::NoBroker)?, settings.version);

        if !broker.tls && password.is_some() && !broker.is_loopback() {
            log::warn!(broker:%; "the password goes over the network in plain text: use mqtts://");
        }
        let way = Way::new(&settings, broker.clone(), version, &topics, password, tls);
        let outbox = match &state_dir {
            Some(folder) => Outbox::open(settings.outbox.clone(), folder)?,
            None => Outbox::new(settings.outbox.clone()),
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(&settings, outbox)),
            wake: Notify::new(),
            stored: Notify::new(),
        });
        let (stop, stopping) = watch::channel(false);
        let (finished, done) = watch::channel(false);
        let (received_in, received) = mpsc::channel(RECEIVED_WAITING);
        let client = Client {
            shared: Arc::clone(&shared),
            way,
            subscriptions,
            received: received_in,
            stop: stopping,
            clock: Arc::clone(&clock),
            deaf: false,
        };
        let publisher = Self {
            shared,
            topics,
            clock: Arc::clone(&clock),
            broker,
            stop: Arc::new(stop),
            done,
            #[cfg(feature = "embedded-broker")]
            _embedded: embedded,
        };
        publisher.retain(Class::Availability, publisher.topics.availability(), ONLINE.to_vec());
        let after = Duration::from_secs(settings.outbox.sync_after_s);
        let syncing = keep_synced(Arc::clone(&publisher.shared), after, clock);
        tokio::spawn(async move {
            tokio::select! {
                () = client.run() => {}
                never = syncing => never,
            }
            finished.send_replace(true);
        });
        Ok((publisher, received))
    }

    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The broker we talk to, to be announced.
    pub fn broker(&self) -> &BrokerUrl {
        &self.broker
    }

    /// Queues an event of `camera`. Events with the same `track` arrive in order.
    pub fn publish_event(
        &self,
        camera: &Name,
        track: &str,
        event: &impl Serialize,
    ) -> Result<(), Refused> {
        let payload = json(event)?;
        let track = format!("{camera}/{track}");
        let topic = self.topics.event(camera);
        let outcome = self.shared.queue().push_event(topic, track, payload, self.clock.now());
        self.shared.wake.notify_one();
        self.shared.stored.notify_one();
        outcome
    }

    /// Says whether a camera delivers pictures.
    pub fn set_camera_available(&self, camera: &Name, available: bool) {
        let payload = if available { ONLINE } else { OFFLINE };
        let topic = self.topics.camera_availability(camera);
        self.retain(Class::Availability, topic, payload.to_vec());
    }

    /// Says what a camera sees now.
    pub fn set_camera_state(&self, camera: &Name, state: &CameraState) -> Result<(), Refused> {
        self.set_retained(Class::State, self.topics.state(camera), json(state)?)
    }

    /// Says what the device does and why nothing happens.
    pub fn set_status(&self, status: &DeviceStatus) -> Result<(), Refused> {
        self.set_retained(Class::State, self.topics.status(), json(status)?)
    }

    /// Sends a picture of `camera` once, now or not at all.
    pub fn publish_snapshot(&self, camera: &Name, jpeg: Vec<u8>) -> Result<(), Refused> {
        let outcome = self.shared.queue().push_snapshot(self.topics.snapshot(camera), jpeg);
        self.shared.wake.notify_one();
        outcome
    }

    /// Sets what a retained topic says; the latest wins, an empty payload removes it.
    pub fn set_retained(
        &self,
        class: Class,
        topic: String,
        payload: Vec<u8>,
    ) -> Result<(), Refused> {
        let outcome = self.shared.queue().set_retained(class, topic, payload);
        self.shared.wake.notify_one();
        outcome
    }

    /// Says every retained message again.
    pub fn repeat_retained(&self) {
        self.shared.queue().repeat_retained();
        self.shared.wake.notify_one();
    }

    /// Counts a command that was refused, for the status.
    pub fn count_refused_command(&self) {
        self.shared.queue().count_refused_command();
    }

    /// For our own short messages, which cannot be refused.
    fn retain(&self, class: Class, topic: String, payload: Vec<u8>) {
        if let Err(refused) = self.set_retained(class, topic, payload) {
            log::error!("{refused}");
        }
    }

    pub fn stats(&self) -> Stats {
        self.shared.queue().stats()
    }

    /// Delivers what it can in half a second, says `offline`, waits for the
    /// broker to have that, and disconnects. Takes [`super::client::CLOSE_LIMIT`]
    /// at most.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut done = self.done.clone();
        // An error means the task is gone already.
        let _ = done.wait_for(|done| *done).await;
    }
}

/// Forces the outbox to disk `after` an event came that still waits, off this
/// thread. Sleeps while there is nothing to do.
async fn keep_synced(shared: Arc<Shared>, after: Duration, clock: Arc<dyn Clock>) -> ! {
    loop {
        shared.stored.notified().await;
        tokio::time::sleep(after).await;
        let file = shared.queue().to_sync(clock.now());
        let Some(file) = file else { continue };
        // A failed join means that the runtime is ending.
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || file.sync_data()).await {
            log::error!("cannot force the outbox to disk: {error}");
        }
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Refused> {
    serde_json::to_vec(value).map_err(|error| Refused::Json(error.to_string()))
}
