//! What is let into the queue.

use super::message::packet_size;

/// Why a message was refused at the door.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "a message of {size} bytes for {topic} exceeds mqtt.max_packet_bytes = {limit}: \
         it would break the connection"
    )]
    Oversized { topic: String, size: usize, limit: usize },
    #[error("the topic '{0}' is empty or holds a wildcard or a control character")]
    Topic(String),
    #[error("there is no connection to the broker, and a picture is not kept for later")]
    NotConnected,
    #[error("the message cannot be written as JSON: {0}")]
    Json(String),
}

/// Whether a payload of `size` bytes may go to `topic` in a packet of `limit` at most.
pub(super) fn admit(topic: &str, size: usize, limit: usize) -> Result<(), Refused> {
    if topic.is_empty() || topic.contains(|c: char| c == '+' || c == '#' || c.is_control()) {
        return Err(Refused::Topic(topic.to_owned()));
    }
    let size = packet_size(topic, size);
    if size > limit {
        return Err(Refused::Oversized { topic: topic.to_owned(), size, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_never_published_to() {
        for topic in ["", "a/+", "a/#", "a\0"] {
            assert_eq!(admit(topic, 0, 4096), Err(Refused::Topic(topic.into())));
        }
    }
}
