//! One message on its way to the broker.

use serde::{Deserialize, Serialize};

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
}

impl Class {
    /// Whether the broker keeps the last message of this class for newcomers.
    pub const fn retained(self) -> bool {
        !matches!(self, Class::Event | Class::Snapshot)
    }
}

/// A message as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub class: Class,
    pub qos: Qos,
}

impl Message {
    /// `online` or `offline`: always acknowledged.
    pub fn availability(topic: &str, payload: &[u8]) -> Self {
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        Self { topic, payload, class: Class::Availability, qos: Qos::AtLeastOnce }
    }
}

/// Bytes of the PUBLISH packet around topic and payload at most: one byte of
/// header, four of remaining length, two of topic length, two of packet id
/// (MQTT 3.1.1, 2.2 and 3.3).
const PACKET_OVERHEAD: usize = 9;

/// Size of the packet that `topic` and `payload` make, at most.
pub fn packet_size(topic: &str, payload: &[u8]) -> usize {
    PACKET_OVERHEAD + topic.len() + payload.len()
}
