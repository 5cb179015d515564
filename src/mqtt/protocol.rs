//! The versions of MQTT: what may be asked for, and what a connection speaks.

use serde::{Deserialize, Serialize, Serializer};

/// Bytes of a text or a password (3.1.1, 1.5.3).
pub(super) const MOST_TEXT: usize = 65_535;

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "&str")]
pub enum Version {
    /// 5 where the broker takes it, else 3.1.1.
    #[default]
    Auto,
    /// 3.1.1 only.
    V311,
    /// 5 only.
    V5,
}

/// Without quotes, in an environment variable or after `--set`, 5 is a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u8),
    Text(String),
}

impl TryFrom<Written> for Version {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        [Self::Auto, Self::V311, Self::V5]
            .into_iter()
            .find(|version| <&str>::from(*version) == text)
            .ok_or_else(|| format!("MQTT \"{text}\": \"auto\", \"3.1.1\" or \"5\" is needed"))
    }
}

impl From<Version> for &str {
    fn from(version: Version) -> Self {
        match version {
            Version::Auto => "auto",
            Version::V311 => "3.1.1",
            Version::V5 => "5",
        }
    }
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5, protocol level 5.
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
