//! The handle that the rest of the program holds: it never waits for the broker.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::access::Access;
use super::client::Client;
use super::client::options::{ConnectOptions, LastWill};
use super::client::session::Context;
use super::client::told::Told;
use super::credentials::Credentials;
#[cfg(feature = "embedded-broker")]
use super::embedded::EmbeddedBroker;
use super::error::StartError;
use super::message::{Class, Labels, MessageError, Subscriptions};
#[cfg(feature = "embedded-broker")]
use super::protocol::Version;
use super::queue::Queue;
use super::received;
use super::settings::Settings;
use super::shared::Shared;
use super::stats::Stats;
use super::storing::Storing;
use super::url::BrokerUrl;
use crate::clock::Clock;
use crate::outbox::Outbox;

/// What a client is started with.
pub(crate) struct Parameters {
    pub settings: Settings,
    /// What MQTT 5 tells of each message.
    pub labels: Labels,
    pub last_will: LastWill,
    /// Where the outbox survives; `None` keeps it in memory only.
    pub state_dir: Option<PathBuf>,
    /// Where passwords, keys and certificates are looked for.
    pub credentials: Credentials,
    /// What to hear, on every connection.
    pub subscriptions: Subscriptions,
    pub clock: Arc<dyn Clock>,
    /// From 0 to 1, by chance.
    pub jitter: fn() -> f64,
}

/// Hands messages over without ever waiting. Clones share one connection.
#[derive(Clone)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    brokers: Arc<[BrokerUrl]>,
    stop: Arc<watch::Sender<bool>>,
    done: watch::Receiver<bool>,
    #[cfg(feature = "embedded-broker")]
    _embedded: Option<Arc<EmbeddedBroker>>,
}

impl Handle {
    /// Starts the task that keeps the connection, on the current tokio runtime,
    /// and with no broker configured a broker as well. Messages to the
    /// subscriptions come out of the receiver.
    pub(crate) fn start(parameters: Parameters) -> Result<(Self, received::Receiver), StartError> {
        let Parameters { settings, labels, last_will, state_dir, credentials, .. } = parameters;
        let (subscriptions, clock) = (parameters.subscriptions, parameters.clock);
        let (access, version) = (Access::read(&settings, &credentials)?, settings.version);
        #[cfg(feature = "embedded-broker")]
        let (access, version, embedded) =
            with_broker_inside(access, version, settings.embedded_port)?;
        let brokers = access.brokers.clone();
        if access.password.is_some() {
            warn_of_plain_text(&brokers);
        }
        let options = ConnectOptions::new(&settings, version, labels, access);
        let outbox = match &state_dir {
            Some(folder) => Outbox::open(settings.outbox.clone(), folder, clock.now_with_sleep())?,
            None => Outbox::new(settings.outbox.clone()),
        };
        let shared = Arc::new(Shared::new(Queue::new(&settings, outbox)));
        let (stop, stopping) = watch::channel(false);
        let (finished, done) = watch::channel(false);
        let (received_in, received) = received::channel(subscriptions.states.clone());
        let context = Context {
            shared: Arc::clone(&shared),
            received: received_in,
            stop: stopping,
            clock: Arc::clone(&clock),
            jitter: parameters.jitter,
            told: Told::default(),
            announced: false,
        };
        let client =
            Client::new(context, options.with_last_will(last_will), brokers.clone(), subscriptions);
        // An outbox in memory has nothing to store.
        let storing = state_dir
            .map(|_| Storing::start(Arc::clone(&shared), Arc::clone(&clock)))
            .transpose()
            .map_err(StartError::Thread)?;
        tokio::spawn(async move {
            run(client, storing).await;
            finished.send_replace(true);
        });
        let handle = Self {
            shared,
            clock,
            brokers: brokers.into(),
            stop: Arc::new(stop),
            done,
            #[cfg(feature = "embedded-broker")]
            _embedded: embedded,
        };
        Ok((handle, received))
    }

    /// The addresses of the broker we talk to, to be announced.
    pub(crate) fn brokers(&self) -> &[BrokerUrl] {
        &self.brokers
    }

    /// Queues an event. Events with the same `track` arrive in order.
    pub(crate) fn push_event(
        &self,
        topic: String,
        track: String,
        payload: Vec<u8>,
    ) -> Result<(), MessageError> {
        let now = self.clock.now_with_sleep();
        let outcome = self.shared.queue().push_event(topic, track, payload, now);
        self.shared.wake.notify_one();
        self.shared.stored.notify_one();
        outcome
    }

    /// Sends a picture once, now or not at all.
    pub(crate) fn push_snapshot(&self, topic: String, jpeg: Vec<u8>) -> Result<(), MessageError> {
        let now = self.clock.now_with_sleep();
        let outcome = self.shared.queue().push_snapshot(topic, jpeg, now);
        self.shared.wake.notify_one();
        outcome
    }

    /// Bytes of the largest packet that may go to the broker now.
    pub(crate) fn largest_packet(&self) -> usize {
        self.shared.queue().largest_packet()
    }

    /// Takes a picture back that has not left yet. Whether there was one.
    pub(crate) fn withdraw_snapshot(&self) -> bool {
        self.shared.queue().withdraw_snapshot()
    }

    /// Sets what a retained topic says; the latest wins, an empty payload removes it.
    pub(crate) fn set_retained(
        &self,
        class: Class,
        topic: String,
        payload: Vec<u8>,
    ) -> Result<(), MessageError> {
        let outcome = self.shared.queue().set_retained(class, topic, payload);
        self.shared.wake.notify_one();
        outcome
    }

    /// Says every retained message again.
    pub(crate) fn repeat_retained(&self) {
        self.shared.queue().repeat_retained();
        self.shared.wake.notify_one();
    }

    /// Says this retained message again.
    pub(crate) fn say_again(&self, class: Class, topic: String) {
        self.shared.queue().say_again(class, topic);
        self.shared.wake.notify_one();
    }

    /// The wall clock was set: what waits is as old as it was, on the disk, too.
    pub(crate) fn clock_was_set(&self) {
        let now = self.clock.now_with_sleep();
        self.shared.queue().outbox().clock_was_set(now);
        self.shared.stored.notify_one();
    }

    /// Counts a command that was refused.
    pub(crate) fn count_refused_command(&self) {
        self.shared.queue().count_refused_command();
    }

    pub(crate) fn stats(&self) -> Stats {
        self.shared.queue().stats()
    }

    /// Delivers what it can in half a second, says the last will's words, waits for the
    /// broker to have them, disconnects, and forces what still waits to the disk. Takes
    /// [`CLOSE_LIMIT`](super::client::closing::CLOSE_LIMIT) at most, and where the disk
    /// does not answer [`END_LIMIT`](crate::storage::END_LIMIT) more.
    pub(crate) async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut done = self.done.clone();
        // An error means the task is gone already.
        let _ = done.wait_for(|done| *done).await;
    }
}

fn warn_of_plain_text(brokers: &[BrokerUrl]) {
    if let Some(broker) = brokers.iter().find(|to| !to.tls && !to.is_loopback()) {
        log::warn!(broker:%; "the password goes over the network in plain text: use mqtts://");
    }
}

/// Keeps the connection until it is told to stop, and the disk up with the outbox, if there is one.
async fn run(client: Client, storing: Option<Storing>) {
    match storing {
        None => client.run().await,
        Some(storing) => {
            tokio::select! {
                () = client.run() => {}
                never = storing.run() => never,
            }
            storing.end().await;
        }
    }
}

/// With a broker of our own, where no other is configured.
#[cfg(feature = "embedded-broker")]
fn with_broker_inside(
    access: Access,
    version: Version,
    port: u16,
) -> Result<(Access, Version, Option<Arc<EmbeddedBroker>>), StartError> {
    if !access.brokers.is_empty() {
        return Ok((access, version, None));
    }
    let broker = EmbeddedBroker::start(port)?;
    let access = Access { brokers: vec![broker.url()], ..access };
    // It would hang up on MQTT 5: do not try.
    Ok((access, Version::V311, Some(Arc::new(broker))))
}
