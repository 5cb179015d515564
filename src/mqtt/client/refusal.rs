//! What a broker says when it does not want something: the reason codes of MQTT 5
//! (2.4) and the few of MQTT 3.1.1 (3.2.2.3), in words that lead to the remedy.

use std::fmt;

/// A refusal and what the broker said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub why: Why,
    /// The broker's own words, or the name of the broker it sends us to.
    detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    #[error(
        "user or password are not accepted: check mqtt.username and mqtt.password_file, and \
         whether the broker ties them to a client id (mqtt.client_id)"
    )]
    Login,
    #[error("not authorized: check the broker's access list")]
    Forbidden,
    #[error("the client id is not accepted: set another mqtt.client_id")]
    ClientId,
    #[error("this version of MQTT is not spoken: set mqtt.version, or use another listener")]
    Protocol,
    #[error("the topic is not accepted: set another mqtt.base_topic")]
    Topic,
    #[error("the packet is too large for the broker: lower mqtt.max_packet_bytes")]
    TooLarge,
    #[error("a quota of the broker is used up")]
    Quota,
    #[error("the broker keeps no retained messages, and states need them: switch them on there")]
    NoRetained,
    #[error("the broker acknowledges nothing (QoS 0 only), and events need it: raise its limit")]
    NoQos,
    #[error("another broker should be used: change mqtt.url")]
    Elsewhere,
    #[error("another client has connected with the same mqtt.client_id: give each its own")]
    TakenOver,
    #[error("nothing arrived for too long: the network or this device is too slow")]
    Silence,
    #[error("the broker is shutting down")]
    ShuttingDown,
    #[error("the broker is too busy now")]
    Busy,
    #[error("an administrator has banned this device or ended its connection")]
    Administrator,
    /// A reason without a remedy of its own, by its name in the standard.
    #[error("{0}")]
    Other(String),
}

impl Refusal {
    pub(super) fn new(why: Why, detail: Option<String>) -> Self {
        Self { why, detail }
    }
}

/// Of the broker's own words, so many characters go into a line of the log.
const MOST_DETAIL: usize = 200;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)?;
        // Text from outside: no line of it may look like one of ours.
        if let Some(detail) = self.detail.as_deref().filter(|detail| !detail.is_empty()) {
            let detail = detail.chars().take(MOST_DETAIL).flat_map(char::escape_debug);
            write!(f, " (the broker: \"{}\")", detail.collect::<String>())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_s_own_words_stay_on_one_short_line() {
        let refusal = Refusal::new(Why::Quota, Some("full\n".to_owned() + &"x".repeat(1000)));
        let text = refusal.to_string();
        assert!(text.starts_with("a quota of the broker is used up (the broker: \"full\\n"));
        assert!(text.len() < 300 && text.lines().count() == 1, "{text}");
    }
}
