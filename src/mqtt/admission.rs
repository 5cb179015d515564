//! What is let into the queue.

use super::message::{MessageError, packet_size};

/// Whether a payload of `size` bytes may go to `topic` in a packet of `limit` at most.
pub(super) fn admit(topic: &str, size: usize, limit: usize) -> Result<(), MessageError> {
    if topic.is_empty() || topic.contains(|c: char| c == '+' || c == '#' || c.is_control()) {
        return Err(MessageError::Topic(topic.to_owned()));
    }
    let size = packet_size(topic, size);
    if size > limit {
        return Err(MessageError::Oversized { topic: topic.to_owned(), size, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_never_published_to() {
        for topic in ["", "a/+", "a/#", "a\0"] {
            assert_eq!(admit(topic, 0, 4096), Err(MessageError::Topic(topic.into())));
        }
    }
}
