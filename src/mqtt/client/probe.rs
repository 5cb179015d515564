//! Tries the broker as this device would use it, without being this device: another
//! client id, no last will, nothing retained. A daemon that runs is not disturbed.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{ConnectionError, Trouble};
use super::in_flight::InFlight;
use super::options::ConnectOptions;
use super::wire::{Connection, Event, Events, Requests, connect};
use crate::mqtt::access::Access;
use crate::mqtt::message::{Class, Labels, Message, Qos, Received};
use crate::mqtt::settings::Settings;
use crate::mqtt::url::BrokerUrl;

/// For each step: a broker across the world answers within a second.
const STEP: Duration = Duration::from_secs(5);

/// How long the broker may take to tell what it keeps and to give back what we sent.
const LISTEN: Duration = Duration::from_secs(2);

/// The step at which a broker could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its name could not be turned into an address.
    Resolve,
    /// Nothing answered at that address.
    Connect,
    /// The encryption could not be agreed on, or a certificate did not convince.
    Tls,
    /// The broker did not let us in.
    Login,
}

/// Where and why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub step: Step,
    /// What was seen, and what to do.
    pub reason: String,
}

/// What the broker let us do and what it told.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Filters that the broker refused to let us hear.
    pub refused: Vec<String>,
    /// Whether something that we wrote to a topic of this device came back.
    pub echoed: bool,
    pub messages: Vec<Received>,
}

/// Resolves the broker's name and opens a connection, without a word of MQTT.
pub async fn reach(broker: &BrokerUrl) -> Result<SocketAddr, Stopped> {
    let stop = |step, reason: String| Stopped { step, reason };
    let found = timeout(STEP, lookup_host((broker.host.as_str(), broker.port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(stop(Step::Resolve, error.to_string())),
        Err(_) => return Err(stop(Step::Resolve, "no name server answers".to_owned())),
    };
    let mut reason = "it has no address".to_owned();
    for address in addresses {
        match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(address),
            Ok(Err(error)) => reason = ConnectionError::from(error).to_string(),
            Err(_) => reason = format!("{address} does not answer (a firewall, another network?)"),
        }
    }
    Err(stop(Step::Connect, reason))
}

/// Who visits the broker, what he listens to and what he writes.
pub struct Visitor {
    /// At most 23 characters, which every broker must take (MQTT 3.1.1, 3.1.3.1).
    pub client_id: String,
    pub labels: Labels,
    pub filters: Vec<String>,
    /// Topic and payload of a message that should come back.
    pub echo: (String, Vec<u8>),
}

/// Logs in, listens where the device listens and writes where it may write.
pub async fn visit(
    settings: &Settings,
    broker: &BrokerUrl,
    access: &Access,
    visitor: Visitor,
) -> Result<Heard, Stopped> {
    let Visitor { client_id, labels, filters, echo: (topic, payload) } = visitor;
    let access = access.clone();
    // Without a last will: the device must not seem gone when the visitor leaves.
    let options = ConnectOptions::new(settings, broker.clone(), settings.version, labels, access)
        .with_client_id(client_id);
    let accepted = timeout(STEP, connect(&options)).await;
    let silent = "the broker does not answer: is it one?".to_owned();
    let Connection { requests, events, .. } =
        accepted.map_err(|_| Stopped { step: Step::Login, reason: silent })?.map_err(stopped)?;
    let (heard, asked) = (Heard::default(), InFlight::default());
    let mut visit = Visit { requests, events, heard, asked };
    let (qos, class) = (Qos::AtLeastOnce, Class::Trial);
    visit.listen(filters, Message { topic, payload, class, qos, expiry: None }).await?;
    // A courtesy: without it the broker logs an error.
    let _ = visit.requests.disconnect();
    let _ = timeout(STEP, async { while visit.events.poll().await.is_ok() {} }).await;
    Ok(visit.heard)
}

fn stopped(lost: ConnectionError) -> Stopped {
    let step = match lost.trouble() {
        Trouble::Tls => Step::Tls,
        Trouble::Login => Step::Login,
        Trouble::Network => Step::Connect,
    };
    Stopped { step, reason: lost.to_string() }
}

struct Visit {
    requests: Requests,
    events: Events,
    heard: Heard,
    /// Filters whose answer is due.
    asked: InFlight<String>,
}

impl Visit {
    async fn listen(&mut self, filters: Vec<String>, echo: Message) -> Result<(), Stopped> {
        for filter in filters {
            self.requests.subscribe(&filter).map_err(stopped)?;
            self.asked.handed_over(filter);
        }
        let topic = echo.topic.clone();
        let mut unwritten = Some(echo);
        let mut end = Instant::now() + STEP;
        while let Ok(event) = timeout_at(end, self.events.poll()).await {
            self.note(event.map_err(stopped)?, &topic);
            // Only when all is answered: else the echo might be missed.
            if self.asked.len() == 0
                && let Some(echo) = unwritten.take()
            {
                // A broker that takes no packet of this size is of no use anyway.
                let _ = self.requests.publish(echo);
                end = Instant::now() + LISTEN;
            }
        }
        Ok(())
    }

    fn note(&mut self, event: Event, echo: &str) {
        match event {
            Event::Asked(id) => drop(self.asked.left(id)),
            Event::Subscribed(id, outcome) => {
                let filter = self.asked.acknowledged(id);
                self.heard.refused.extend(filter.filter(|_| outcome.is_err()));
            }
            Event::Received(received) if received.topic == echo => self.heard.echoed = true,
            Event::Received(received) => self.heard.messages.push(received),
            _ => {}
        }
    }
}
