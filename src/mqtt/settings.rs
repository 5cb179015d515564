//! Section `[mqtt]`: which broker, who we are to it, how much waits for it.

use serde::{Deserialize, Serialize};

use super::message::{Class, Qos};
use super::protocol::{MOST_TEXT, Version};
use super::tls;
use super::urls::BrokerUrls;
use crate::limits::{Mistake, within};
use crate::name;
use crate::outbox::OutboxSettings;

/// Most bytes of a packet, either way.
pub(super) const LARGEST_PACKET: usize = 16 << 20;

/// Section `[mqtt]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The broker, `mqtt://host[:port]` or `mqtts://host[:port]` for TLS, or for WebSockets
    /// `ws://host[:port][/path]` or `wss://...`; or a list of addresses of one broker, of
    /// which any will do. Default: empty, which starts one inside this process, on
    /// 127.0.0.1 only.
    pub url: BrokerUrls,
    /// Version of the protocol: `"auto"`, `"3.1.1"` or `"5"`. Default: `"auto"`, which
    /// takes 5 where the broker does and 3.1.1 otherwise; the broker inside speaks
    /// 3.1.1 only.
    pub version: Version,
    /// Port of the broker inside this process, 0 to 65535. Default: 0, which
    /// takes 1883 when it is free and any other port otherwise.
    pub embedded_port: u16,
    /// First levels of every topic. Default: `expressiond`.
    pub base_topic: String,
    /// Client id; two clients with one id throw each other out. Default: empty,
    /// which takes `expressiond-<device id>`.
    pub client_id: String,
    /// User name at the broker. Default: empty, which is anonymous.
    pub username: String,
    /// File with the password in UTF-8, read at start; a byte order mark before it and
    /// blanks and line ends after it are ignored. A relative path is looked up in
    /// systemd's `$CREDENTIALS_DIRECTORY` first. Default: empty.
    pub password_file: String,
    /// Seconds of silence after which the connection is probed, 5 to 3600. A
    /// broken link is noticed after twice this time at the latest, and one over which a
    /// single message takes longer counts as broken. Default: 15.
    pub keep_alive_s: u16,
    /// Longest wait between two tries to connect, in seconds, 1 to 3600.
    /// Default: 30.
    pub reconnect_max_s: u64,
    /// Largest packet sent or accepted, in bytes, 4096 to 16777216. What is
    /// larger is refused before it could break the connection. Default: 262144.
    pub max_packet_bytes: usize,
    /// Quality of service of events, 0 or 1. Default: 1.
    pub event_qos: Qos,
    /// Quality of service of states and status, 0 or 1. Default: 1.
    pub state_qos: Qos,
    /// Whom to trust when `url` begins with `mqtts://` or `wss://`.
    pub tls: tls::Settings,
    /// How much waits for a broker that is away.
    pub outbox: OutboxSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: BrokerUrls::default(),
            version: Version::Auto,
            embedded_port: 0,
            base_topic: "expressiond".into(),
            client_id: String::new(),
            username: String::new(),
            password_file: String::new(),
            keep_alive_s: 15,
            reconnect_max_s: 30,
            max_packet_bytes: 256 << 10,
            event_qos: Qos::AtLeastOnce,
            state_qos: Qos::AtLeastOnce,
            tls: tls::Settings::default(),
            outbox: OutboxSettings::default(),
        }
    }
}

impl Settings {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        let brokers = self.url.brokers().map_err(|error| ("url", error.to_string()))?;
        if brokers.is_empty() && self.version == Version::V5 {
            let remedy =
                "is \"5\", which the broker inside does not speak: set mqtt.url, or \"auto\"";
            return Err(("version", remedy.into()));
        }
        self.tls.check(brokers.iter().any(|broker| broker.tls))?;
        name::check_topic(&self.base_topic).map_err(|error| ("base_topic", error.to_string()))?;
        if !self.password_file.is_empty() && self.username.is_empty() {
            let remedy = "is set, and mqtt.username is empty: a password needs a user name (MQTT \
                          3.1.1, 3.1.2.9)";
            return Err(("password_file", remedy.into()));
        }
        for (key, text) in [("username", &self.username), ("client_id", &self.client_id)] {
            if text.len() > MOST_TEXT {
                let why = format!("is longer than {MOST_TEXT} bytes, which MQTT cannot send");
                return Err((key, why));
            }
            if text.contains('\0') {
                // MQTT 3.1.1, 1.5.3 and 5, 1.5.4: whoever receives it ends the connection.
                return Err((key, "holds the character U+0000, which MQTT cannot send".into()));
            }
        }
        within("keep_alive_s", self.keep_alive_s, 5, 3600)?;
        within("reconnect_max_s", self.reconnect_max_s, 1, 3600)?;
        within("max_packet_bytes", self.max_packet_bytes, 4096, LARGEST_PACKET)?;
        self.outbox.check()
    }

    /// MQTT's promise for messages of this class.
    pub const fn qos(&self, class: Class) -> Qos {
        match class {
            // A device that is silently not there is worse than one more round trip.
            Class::Availability | Class::Discovery | Class::Trial => Qos::AtLeastOnce,
            Class::State => self.state_qos,
            Class::Event => self.event_qos,
            Class::Snapshot => Qos::AtMostOnce,
        }
    }

    /// The client id: configured, or made of the id of the device.
    pub fn client_id(&self, device: &str) -> String {
        if self.client_id.is_empty() {
            format!("expressiond-{device}")
        } else {
            self.client_id.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_survive_toml() {
        let settings = Settings::default();
        assert_eq!(settings.check(), Ok(()));
        let text = serde_json::to_string(&settings).expect("serializes");
        assert_eq!(serde_json::from_str::<Settings>(&text).expect("reads back"), settings);
    }

    #[test]
    fn impossible_values_name_their_key() {
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().expect_err("refused").0
        };
        assert_eq!(wrong(|s| s.url = "broker".into()), "url");
        assert_eq!(wrong(|s| s.version = Version::V5), "version");
        assert_eq!(wrong(|s| s.base_topic = "a/#".into()), "base_topic");
        assert_eq!(wrong(|s| s.password_file = "p".into()), "password_file");
        assert_eq!(wrong(|s| s.tls.ca_file = "ca.crt".into()), "tls");
        assert_eq!(wrong(|s| s.client_id = "c".repeat(70_000)), "client_id");
        assert_eq!(wrong(|s| s.client_id = "c\0".into()), "client_id");
        assert_eq!(wrong(|s| s.username = "\0".into()), "username");
        assert_eq!(wrong(|s| s.keep_alive_s = 0), "keep_alive_s");
        assert_eq!(wrong(|s| s.max_packet_bytes = 1), "max_packet_bytes");
        assert_eq!(wrong(|s| s.outbox.max_events = 0), "outbox.max_events");
    }

    #[test]
    fn a_version_may_be_written_as_a_number() {
        let read = |text| serde_json::from_str::<Settings>(text).map(|settings| settings.version);
        assert_eq!(read(r#"{"version":5}"#).expect("read"), Version::V5);
        assert_eq!(read(r#"{"version":"3.1.1"}"#).expect("read"), Version::V311);
        let error = read(r#"{"version":"3"}"#).expect_err("refused").to_string();
        assert!(error.contains(r#""auto", "3.1.1" or "5""#), "{error}");
    }

    #[test]
    fn a_quality_of_service_of_two_is_refused() {
        let error = serde_json::from_str::<Settings>(r#"{"event_qos":2}"#).expect_err("refused");
        assert!(error.to_string().contains("0 or 1"), "{error}");
    }
}
