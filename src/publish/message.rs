//! One message on its way to the broker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::payload;
use crate::events;

/// MQTT's promise of delivery. 2 is left out: an event has an id by which a
/// reader can drop the double, and the extra round trip buys nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Qos {
    /// Sent once; lost when the connection breaks at that moment.
    AtMostOnce,
    /// Sent until acknowledged.
    #[default]
    AtLeastOnce,
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            other => Err(format!("quality of service {other}: 0 or 1 is needed")),
        }
    }
}

impl From<Qos> for u8 {
    fn from(qos: Qos) -> u8 {
        match qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
        }
    }
}

/// What a message is for, in the order in which a new connection sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// `online`/`offline` of the process or a camera; retained.
    Availability,
    /// What other software needs to show this device; retained.
    Discovery,
    /// The latest value of something; retained, the latest wins.
    State,
    /// Something that happened; queued until acknowledged, never retained.
    Event,
    /// A picture that was asked for: sent once or never, kept nowhere.
    Snapshot,
    /// Something short that `doctor` sends to see whether it comes back.
    Trial,
}

impl Class {
    /// Whether the broker keeps the last message of this class for newcomers.
    pub const fn retained(self) -> bool {
        !matches!(self, Class::Event | Class::Snapshot | Class::Trial)
    }

    /// Version of the payload's schema, where it has one of ours.
    pub const fn schema(self) -> Option<u32> {
        match self {
            Class::Event => Some(events::SCHEMA),
            Class::State => Some(payload::SCHEMA_VERSION),
            Class::Availability | Class::Discovery | Class::Snapshot | Class::Trial => None,
        }
    }

    /// What the payload is, as MIME names it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Class::Availability | Class::Trial => "text/plain",
            Class::Discovery | Class::State | Class::Event => "application/json",
            Class::Snapshot => "image/jpeg",
        }
    }
}

/// A message as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub class: Class,
    pub qos: Qos,
    /// After this the broker need not deliver it any more (MQTT 5).
    pub expiry: Option<Duration>,
}

impl Message {
    /// `online` or `offline`: always acknowledged.
    pub fn availability(topic: &str, payload: &[u8]) -> Self {
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        Self { topic, payload, class: Class::Availability, qos: Qos::AtLeastOnce, expiry: None }
    }
}

/// Bytes of the PUBLISH packet around topic and payload at most: one byte of
/// header, four of remaining length, two of topic length, two of packet id
/// (MQTT 3.1.1, 2.2 and 3.3), and the properties of MQTT 5 (3.3.2.3): two of their
/// length, two of payload format, five of expiry, 19 of content type, and user
/// properties of 22 (schema) and 75 (device, at most 64 long).
pub const PACKET_OVERHEAD: usize = 9 + 2 + 2 + 5 + 19 + 22 + 75;

/// Size of the packet that `topic` and a payload of `size` bytes make, at most.
pub const fn packet_size(topic: &str, size: usize) -> usize {
    PACKET_OVERHEAD + topic.len() + size
}
