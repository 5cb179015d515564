//! One message on its way to the broker.

use std::time::Duration;

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

/// On an availability topic: it works.
pub const ONLINE: &[u8] = b"online";
/// On an availability topic: it does not.
pub const OFFLINE: &[u8] = b"offline";

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// [`ONLINE`] or [`OFFLINE`] of the process or a camera; retained.
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
    /// Where it goes: no wildcard, no control character.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// What it is for.
    pub class: Class,
    /// MQTT's promise of delivery.
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

/// A message that arrived on a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Where it came.
    pub topic: String,
    /// What it says; at most `mqtt.max_packet_bytes`.
    pub payload: Vec<u8>,
    /// Kept by the broker from before: a state, not a command of this moment.
    pub retained: bool,
}

/// Topic filters to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    /// For as long as there is a connection.
    pub lasting: Vec<String>,
    /// For the first seconds of the first connection: what the broker keeps of an
    /// earlier run. Later we would only hear ourselves.
    pub sweep: Vec<String>,
    /// Those of them of which only the latest message counts: it is heard, however much else
    /// arrives. Topics, without wildcards.
    pub states: Vec<String>,
}

/// What MQTT 5 tells of each message beside its payload, as user properties (3.3.2.3.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Id of the device, at most 64 characters.
    pub device: String,
    /// Version of the schema of events.
    pub event_schema: u32,
    /// Version of the schema of states.
    pub state_schema: u32,
    /// States whose schema has a version of its own: topic and version.
    pub own_schemas: Vec<(String, u32)>,
}

impl Labels {
    /// Name and value of each property of a message of this class to `topic`.
    pub(super) fn of(&self, class: Class, topic: &str) -> Vec<(String, String)> {
        let own = || self.own_schemas.iter().find(|(of, _)| of == topic);
        let schema = match class {
            Class::Event => Some(self.event_schema),
            Class::State => Some(own().map_or(self.state_schema, |(_, version)| *version)),
            Class::Availability | Class::Discovery | Class::Snapshot | Class::Trial => None,
        };
        let schema = schema.map(|version| ("schema".to_owned(), version.to_string()));
        schema.into_iter().chain([("device".to_owned(), self.device.clone())]).collect()
    }
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is larger than the settings allow.
    #[error(
        "a message of {size} bytes for {topic} exceeds mqtt.max_packet_bytes = {limit}: \
         it would break the connection"
    )]
    Oversized {
        /// Where it was to go.
        topic: String,
        /// Bytes of its packet, at most.
        size: usize,
        /// `mqtt.max_packet_bytes`.
        limit: usize,
    },
    /// This topic cannot be published to.
    #[error("the topic '{0}' is empty or holds a wildcard or a control character")]
    Topic(String),
    /// A picture is sent now or never.
    #[error("there is no connection to the broker, and a picture is not kept for later")]
    NotConnected,
    /// It cannot be written as JSON, for this reason.
    #[error("the message cannot be written as JSON: {0}")]
    Json(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_carries_the_version_of_its_own_schema() {
        let labels = Labels {
            device: "d1".into(),
            event_schema: 1,
            state_schema: 2,
            own_schemas: vec![("d1/inventory".into(), 3)],
        };
        let schema = |class, topic| {
            let properties = labels.of(class, topic).into_iter();
            properties.filter(|(name, _)| name == "schema").map(|(_, version)| version).next()
        };
        assert_eq!(schema(Class::Event, "d1/front/event").as_deref(), Some("1"));
        assert_eq!(schema(Class::State, "d1/status").as_deref(), Some("2"));
        assert_eq!(schema(Class::State, "d1/inventory").as_deref(), Some("3"));
        assert_eq!(schema(Class::Availability, "d1/availability"), None);
    }
}
