//! The reason codes and properties of MQTT 5 in what a broker answers.

use std::time::Duration;

use bytes::{Buf, Bytes};

use crate::mqtt::client::refusal::{Refusal, Why};

/// A code from here on is a refusal (2.4).
pub(super) const FIRST_FAILURE: u8 = 0x80;

/// What the broker refused, in words that lead to the remedy. One table for all
/// packets: MQTT 5 gives a code the same meaning in each (2.4).
pub(super) fn why(code: u8) -> Why {
    let name = match code {
        0x80 => "unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "implementation specific error",
        0x84 => return Why::Protocol,
        0x85 => return Why::ClientId,
        0x86 | 0x8c => return Why::Login,
        0x87 => return Why::Forbidden,
        0x88 | 0x89 | 0x96 | 0x9f => return Why::Busy,
        0x8a | 0x98 => return Why::Administrator,
        0x8b => return Why::ShuttingDown,
        0x8d => return Why::Silence,
        0x8e => return Why::TakenOver,
        0x8f | 0x90 => return Why::Topic,
        0x91 => "packet identifier in use",
        0x92 => "packet identifier not found",
        0x93 => "receive maximum exceeded",
        0x94 => "topic alias invalid",
        0x95 => return Why::TooLarge,
        0x97 => return Why::Quota,
        0x99 => "payload format invalid",
        0x9a => return Why::NoRetained,
        0x9b => return Why::NoQos,
        0x9c | 0x9d => return Why::Elsewhere,
        0x9e => "shared subscriptions not supported",
        0xa0 => "maximum connect time",
        0xa1 => "subscription identifiers not supported",
        0xa2 => "wildcard subscriptions not supported",
        code => return Why::Other(format!("reason code 0x{code:02x}")),
    };
    Why::Other(name.to_owned())
}

/// The properties that we act on, of all that a broker may send (2.2.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// Messages without an acknowledgement at most.
    pub receive_maximum: Option<u16>,
    /// Bytes of the largest packet that the broker takes.
    pub maximum_packet: Option<u32>,
    pub maximum_qos: Option<u8>,
    pub retain_available: Option<bool>,
    /// Whether a filter may have wildcards.
    pub wildcards: Option<bool>,
    /// Zero switches probes off.
    pub keep_alive: Option<Duration>,
    pub reason: Option<String>,
    /// The broker that it sends us to.
    pub server: Option<String>,
}

impl Properties {
    /// Takes the properties from the front of `bytes`. What is not there has none: a
    /// packet may end before them (3.4.2.2.1, 3.14.2.2.1). Nothing is read behind a
    /// property that the standard does not have.
    pub(super) fn take(bytes: &mut Bytes) -> Self {
        let mut found = Self::default();
        let length = take_varint(bytes).unwrap_or(0).min(bytes.len());
        let mut rest = bytes.split_to(length);
        while rest.has_remaining() && found.property(&mut rest).is_some() {}
        found
    }

    fn property(&mut self, rest: &mut Bytes) -> Option<()> {
        match rest.try_get_u8().ok()? {
            0x13 => self.keep_alive = Some(Duration::from_secs(rest.try_get_u16().ok()?.into())),
            0x1c => self.server = Some(take_text(rest)?),
            0x1f => self.reason = Some(take_text(rest)?),
            0x21 => self.receive_maximum = Some(rest.try_get_u16().ok()?),
            0x24 => self.maximum_qos = Some(rest.try_get_u8().ok()?),
            0x25 => self.retain_available = Some(rest.try_get_u8().ok()? != 0),
            0x27 => self.maximum_packet = Some(rest.try_get_u32().ok()?),
            0x28 => self.wildcards = Some(rest.try_get_u8().ok()? != 0),
            // Of no use to us; their types say how long they are.
            0x01 | 0x17 | 0x19 | 0x29 | 0x2a => drop(rest.try_get_u8().ok()?),
            0x22 | 0x23 => drop(rest.try_get_u16().ok()?),
            0x02 | 0x11 | 0x18 => drop(rest.try_get_u32().ok()?),
            0x0b => drop(take_varint(rest)?),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a => drop(take_binary(rest)?),
            0x26 => drop((take_binary(rest)?, take_binary(rest)?)),
            _ => return None,
        }
        Some(())
    }

    /// The refusal that `code` is, with what the broker said about it.
    pub(super) fn refusal(self, why: Why) -> Refusal {
        Refusal::new(why, self.server.or(self.reason))
    }
}

/// A number in one to four bytes (1.5.5).
fn take_varint(bytes: &mut Bytes) -> Option<usize> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let byte = bytes.try_get_u8().ok()?;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Two bytes of length and as many bytes as they say.
pub(super) fn take_binary(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

pub(super) fn take_text(bytes: &mut Bytes) -> Option<String> {
    Some(String::from_utf8_lossy(&take_binary(bytes)?).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_we_act_on_is_found_among_what_we_do_not() {
        let bytes: &[u8] = &[
            35, 0x12, 0, 1, b'x', 0x26, 0, 1, b'a', 0, 1, b'b', 0x21, 0, 9, 0x27, 0, 0, 16, 0,
            0x24, 0, 0x25, 0, 0x28, 0, 0x0b, 0x81, 1, 0x1f, 0, 4, b'f', b'u', b'l', b'l', 0x80,
        ];
        let mut bytes = Bytes::from_static(bytes);
        let found = Properties::take(&mut bytes);
        let expected = Properties {
            receive_maximum: Some(9),
            maximum_packet: Some(4096),
            maximum_qos: Some(0),
            retain_available: Some(false),
            wildcards: Some(false),
            reason: Some("full".into()),
            ..Properties::default()
        };
        assert_eq!(found, expected);
        assert_eq!(bytes[..], [0x80], "the next field is still there");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            Properties::take(&mut Bytes::from(bytes));
        }
    }
}
