//! Both protocols behind one face: what the client asks of a connection and what
//! it is told. Everything that only one of them knows ends here.

mod v4;
mod v5;

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::super::message::Message;
use super::Received;
use super::lost::Lost;
use super::refusal::Refusal;
use super::way::Way;

/// Messages on the wire without an acknowledgement at most. Small enough that a
/// live event waits for little, large enough for a long round trip.
const WINDOW: u16 = 32;

/// rumqttc numbers packets up to this and reuses a number once it is acknowledged.
/// Twice the window, so that one late acknowledgement does not stop the others.
const NUMBERS: u16 = 2 * WINDOW;

/// rumqttc's queue: the window, the subscriptions and the DISCONNECT fit.
const REQUESTS: usize = 2 * WINDOW as usize;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    V311,
    V5,
}

impl Protocol {
    /// As payloads and `mqtt.version` name it.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::V311 => "3.1.1",
            Protocol::V5 => "5",
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A connection that the broker has accepted.
pub(super) struct Link {
    pub protocol: Protocol,
    pub requests: Requests,
    pub events: Events,
    /// Messages without an acknowledgement at most: our bound or the broker's.
    pub window: usize,
    /// Silence after which the connection is probed: ours, or as the broker wants it.
    pub keep_alive: Duration,
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// A PUBLISH of ours left with this packet id, which is 0 at QoS 0.
    Left(u16),
    /// The broker has that packet, or does not want it.
    Acknowledged(u16, Result<(), Refusal>),
    Received(Received),
    /// A SUBSCRIBE of ours left with this packet id.
    Asked(u16),
    /// The broker's answer to that packet.
    Subscribed(u16, Result<(), Refusal>),
    /// Our DISCONNECT has left.
    Disconnected,
    /// A sign of life.
    Other,
}

/// Why a message was not handed over.
pub(super) enum NotSent {
    Full,
    /// The broker would end the connection over it (MQTT 5, 3.2.2.3.6).
    TooLarge {
        size: usize,
        limit: usize,
    },
}

/// Where requests go in.
pub(super) enum Requests {
    V311(rumqttc::AsyncClient),
    V5(v5::Requests),
}

/// Where events come out.
pub(super) enum Events {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<rumqttc::v5::EventLoop>),
}

/// Connects and waits for the broker's word.
pub(super) async fn connect(way: &Way, protocol: Protocol) -> Result<Link, Lost> {
    match protocol {
        Protocol::V311 => v4::connect(way).await,
        Protocol::V5 => v5::connect(way).await,
    }
}

impl Requests {
    pub fn publish(&self, message: Message) -> Result<(), NotSent> {
        match self {
            Self::V311(client) => v4::publish(client, message),
            Self::V5(requests) => requests.publish(message),
        }
    }

    pub fn subscribe(&self, filter: &str) -> Result<(), Lost> {
        match self {
            Self::V311(client) => {
                client.try_subscribe(filter, rumqttc::QoS::AtLeastOnce).map_err(|_| Lost::Queue)
            }
            Self::V5(requests) => requests.subscribe(filter),
        }
    }

    pub fn unsubscribe(&self, filter: String) -> Result<(), Lost> {
        match self {
            Self::V311(client) => client.try_unsubscribe(filter).map_err(|_| Lost::Queue),
            Self::V5(requests) => requests.unsubscribe(filter),
        }
    }

    pub fn disconnect(&self) -> Result<(), Lost> {
        match self {
            Self::V311(client) => client.try_disconnect().map_err(|_| Lost::Queue),
            Self::V5(requests) => requests.disconnect(),
        }
    }
}

impl Events {
    /// What happened next. Must not be dropped half way, or a packet may be lost
    /// while rumqttc believes it sent.
    pub async fn poll(&mut self) -> Result<Event, Lost> {
        match self {
            Self::V311(events) => Ok(v4::translate(events.poll().await?)),
            Self::V5(events) => v5::poll(events).await,
        }
    }
}
