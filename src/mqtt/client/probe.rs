//! Tries the broker as this device would use it, without being this device: another
//! client id, another last will, nothing retained. A daemon that runs is not disturbed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::endpoints::Endpoints;
use super::error::{ConnectionError, Step};
use super::options::{ConnectOptions, LastWill};
use super::wire::{Connection, Event, connect, race};
use crate::mqtt::access::Access;
use crate::mqtt::message::{Class, Labels, Message, Qos, Received};
use crate::mqtt::settings::Settings;
use crate::mqtt::url::BrokerUrl;

/// For each answer: a broker across the world gives one within a second.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long the broker may take to tell what it keeps and to give back what we sent.
const LISTEN: Duration = Duration::from_secs(2);

/// Where and why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Where.
    pub step: Step,
    /// What was seen, and what to do.
    pub reason: String,
}

/// What the broker let us do and what it told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visited {
    /// Filters that the broker refused to let us hear.
    pub refused: Vec<String>,
    /// Whether something that we wrote to a topic of this device came back.
    pub echoed: bool,
    /// What the broker keeps on the filters, and what came meanwhile.
    pub messages: Vec<Received>,
}

/// A host behind the broker's name, and why it does not answer if it does not.
pub(crate) type Reached = (SocketAddr, Option<Stopped>);

/// Resolves the broker's name and opens a connection to every host behind it, without a
/// word of MQTT: those that answer come first.
///
/// # Errors
///
/// [`Step::Resolve`], or [`Step::Connect`] when none answers.
pub(crate) async fn reach(broker: &BrokerUrl) -> Result<Vec<Reached>, Stopped> {
    let mut found = race::resolve(broker).await?;
    found.sort_unstable();
    found.dedup();
    let mut attempts = JoinSet::new();
    for address in found {
        attempts.spawn(async move { (address, race::attempt(address).await.err()) });
    }
    let mut reached: Vec<Reached> = Vec::new();
    while let Some(Ok((address, error))) = attempts.join_next().await {
        reached.push((address, error.map(Stopped::from)));
    }
    reached.sort_by_key(|(address, stopped)| (stopped.is_some(), *address));
    match reached.first() {
        Some((_, Some(stopped))) => Err(stopped.clone()),
        _ => Ok(reached),
    }
}

/// Who visits the broker, what he listens to and what he writes.
pub(crate) struct Visitor {
    /// The device for which the broker is visited.
    pub labels: Labels,
    /// Topic filters to hear.
    pub filters: Vec<String>,
    /// Topic and payload of a message that should come back. The visitor has a last will there,
    /// too: a broker may refuse a will, and then refuses the daemon.
    pub echo: (String, Vec<u8>),
}

/// The client id with which `settings` are tried, so that a daemon with the id of the
/// settings is not thrown out. It begins with that id: access lists of brokers go by the
/// beginning (Mosquitto's `clientid_prefixes`, policies of AWS IoT).
pub(crate) fn client_id(settings: &Settings, device: &str) -> String {
    format!("{}-doctor", settings.client_id(device))
}

/// Logs in as the daemon does, listens where the device listens and writes where it may
/// write.
///
/// # Errors
///
/// Where the broker stopped us, in the words in which the daemon would say it.
pub(crate) async fn visit(
    settings: &Settings,
    broker: &BrokerUrl,
    access: &Access,
    visitor: Visitor,
) -> Result<Visited, Stopped> {
    let Visitor { labels, filters, echo: (topic, payload) } = visitor;
    let client_id = client_id(settings, &labels.device);
    let (access, version) = (access.clone(), settings.version);
    // As the daemon's it is retained, since 3.1.1 has no other word for a broker that keeps nothing.
    // Empty, it leaves nothing there when a visitor is interrupted (3.3.1.3).
    let last_will = LastWill { topic: topic.clone(), payload: Vec::new() };
    let mut endpoints = Endpoints::new(&labels.device);
    let options = ConnectOptions::new(settings, version, labels, access)
        .with_client_id(client_id)
        .with_last_will(last_will);
    let (connection, _) = connect(broker, &mut endpoints, &options).await?;
    let mut visit = Visit { connection, visited: Visited::default(), unanswered: HashMap::new() };
    let (qos, class) = (Qos::AtLeastOnce, Class::Trial);
    visit.listen(filters, Message { topic, payload, class, qos, expiry: None }).await?;
    // It makes the broker discard the last will.
    visit.connection.disconnect();
    let left = async {
        while !matches!(visit.connection.poll().await, Ok(Event::Disconnected) | Err(_)) {}
    };
    let _ = timeout(ANSWER_LIMIT, left).await;
    Ok(visit.visited)
}

impl From<ConnectionError> for Stopped {
    fn from(error: ConnectionError) -> Self {
        Self { step: error.step(), reason: error.to_string() }
    }
}

struct Visit {
    connection: Connection,
    visited: Visited,
    /// Filters whose answer is due, by the id of their SUBSCRIBE.
    unanswered: HashMap<u16, String>,
}

impl Visit {
    async fn listen(&mut self, filters: Vec<String>, echo: Message) -> Result<(), Stopped> {
        for filter in filters {
            // Where no wildcard is taken, what we write comes back on its own topic.
            let filter = if self.connection.takes(&filter) { filter } else { echo.topic.clone() };
            self.unanswered.insert(self.connection.subscribe(&filter), filter);
        }
        let topic = echo.topic.clone();
        let mut unwritten = Some(echo);
        let mut end = Instant::now() + ANSWER_LIMIT;
        while let Ok(event) = timeout_at(end, self.connection.poll()).await {
            self.note(event?, &topic);
            // Only when all is answered: else the echo might be missed.
            if self.unanswered.is_empty()
                && let Some(echo) = unwritten.take()
            {
                // A broker that takes no packet of this size is of no use anyway.
                let _ = self.connection.publish(echo);
                end = Instant::now() + LISTEN;
            }
        }
        Ok(())
    }

    fn note(&mut self, event: Event, echo: &str) {
        match event {
            Event::Subscribed(id, outcome) => {
                let filter = self.unanswered.remove(&id);
                self.visited.refused.extend(filter.filter(|_| outcome.is_err()));
            }
            Event::Received(received) if received.topic == echo => self.visited.echoed = true,
            Event::Received(received) => self.visited.messages.push(received),
            Event::Settled(..) | Event::Oversized { .. } | Event::Disconnected => {}
        }
    }
}
