//! What a packet from the broker says, in both protocols.

use bytes::{Buf, Bytes};

use super::frame::Frame;
use super::reason::{FIRST_FAILURE, Properties, take_text, why};
use crate::mqtt::client::refusal::{Refusal, Why};
use crate::mqtt::message::Received;
use crate::mqtt::protocol::Protocol;

/// A packet that a broker sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// CONNACK: the broker's limits, or why it does not want us.
    Accepted(Result<Properties, Refusal>),
    /// PUBLISH; `id` is there at QoS 1 and asks for a PUBACK.
    Publish { id: Option<u16>, received: Received },
    /// The beginning of a PUBLISH of `size` bytes that is not read.
    Oversized { id: Option<u16>, topic: String, size: usize },
    /// PUBACK: the broker has the message with this id, or does not want it.
    Acknowledged(u16, Result<(), Refusal>),
    /// SUBACK, the answer to the SUBSCRIBE with this id.
    Subscribed(u16, Result<(), Refusal>),
    /// UNSUBACK.
    Unsubscribed(u16),
    /// DISCONNECT (MQTT 5 only).
    Ended(Refusal),
    /// PINGRESP.
    Pong,
}

/// A packet that no broker may send, with its first byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub u8);

/// Reads one packet.
///
/// # Errors
///
/// A type that only clients send, or a packet that ends too early.
pub(super) fn decode(protocol: Protocol, frame: Frame) -> Result<Incoming, Malformed> {
    let first = frame.first;
    let mut body = frame.body.freeze();
    let is_message = first >> 4 == PUBLISH;
    let found = match frame.oversized {
        Some(size) if is_message => message(protocol, first, &mut body)
            .map(|(id, received)| Incoming::Oversized { id, topic: received.topic, size }),
        // Answers are short: one that is not is none.
        Some(_) => None,
        None if is_message => message(protocol, first, &mut body)
            .map(|(id, received)| Incoming::Publish { id, received }),
        None => answer(protocol, first >> 4, &mut body),
    };
    found.ok_or(Malformed(first))
}

/// Types of packets (2.1.2).
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const UNSUBACK: u8 = 11;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;

fn message(protocol: Protocol, first: u8, body: &mut Bytes) -> Option<(Option<u16>, Received)> {
    let topic = take_text(body)?;
    let id = match (first >> 1) & 3 {
        0 => None,
        1 => Some(body.try_get_u16().ok()?),
        // We subscribe at QoS 0, and no more may come (3.8.4). A broker that sends QoS 1 all
        // the same gets its answer; for QoS 2 we have none.
        _ => return None,
    };
    if protocol == Protocol::V5 {
        Properties::take(body);
    }
    Some((id, Received { topic, payload: body.to_vec(), retained: first & 1 == 1 }))
}

fn answer(protocol: Protocol, kind: u8, body: &mut Bytes) -> Option<Incoming> {
    match kind {
        CONNACK => connack(protocol, body),
        PUBACK => {
            let id = body.try_get_u16().ok()?;
            Some(Incoming::Acknowledged(id, outcome(protocol, body)))
        }
        SUBACK => suback(protocol, body),
        UNSUBACK => Some(Incoming::Unsubscribed(body.try_get_u16().ok()?)),
        PINGRESP => Some(Incoming::Pong),
        DISCONNECT if protocol == Protocol::V5 => {
            // Without a code it is 0, normal disconnection (3.14.2.1).
            let code = body.try_get_u8().unwrap_or(0);
            let why = if code == 0 { Why::Other("normal disconnection".into()) } else { why(code) };
            Some(Incoming::Ended(Properties::take(body).refusal(why)))
        }
        _ => None,
    }
}

/// MQTT 3.1.1 has no code here, and MQTT 5 may leave out the one for success (3.4.2.1).
fn outcome(protocol: Protocol, body: &mut Bytes) -> Result<(), Refusal> {
    if protocol == Protocol::V311 {
        return Ok(());
    }
    match body.try_get_u8() {
        Ok(code) if code >= FIRST_FAILURE => Err(Properties::take(body).refusal(why(code))),
        _ => Ok(()),
    }
}

fn connack(protocol: Protocol, body: &mut Bytes) -> Option<Incoming> {
    let _session_present = body.try_get_u8().ok()?;
    let code = body.try_get_u8().ok()?;
    // A broker of MQTT 3.1.1 answers a CONNECT of MQTT 5 with its own codes.
    let why = match code {
        0 => None,
        1 => Some(Why::Protocol),
        2 => Some(Why::ClientId),
        3 => Some(Why::Busy),
        4 | 5 => Some(Why::Login),
        _ if protocol == Protocol::V311 => Some(Why::Other(format!("return code {code}"))),
        code => Some(why(code)),
    };
    let properties = match protocol {
        Protocol::V311 => Properties::default(),
        Protocol::V5 => Properties::take(body),
    };
    let accepted = match why {
        None => Ok(properties),
        // Here, and only here, it is about who we are.
        Some(Why::Forbidden) => Err(properties.refusal(Why::Login)),
        Some(why) => Err(properties.refusal(why)),
    };
    Some(Incoming::Accepted(accepted))
}

fn suback(protocol: Protocol, body: &mut Bytes) -> Option<Incoming> {
    let id = body.try_get_u16().ok()?;
    let properties = match protocol {
        Protocol::V311 => Properties::default(),
        Protocol::V5 => Properties::take(body),
    };
    let refused = body.iter().copied().find(|code| *code >= FIRST_FAILURE).map(|code| match code {
        // 3.1.1 has only this code, and 5 brokers use it as well where a list forbids.
        0x80 => Why::Forbidden,
        code => why(code),
    });
    Some(Incoming::Subscribed(id, refused.map_or(Ok(()), |why| Err(properties.refusal(why)))))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn read(protocol: Protocol, first: u8, body: &[u8]) -> Result<Incoming, Malformed> {
        decode(protocol, Frame { first, body: BytesMut::from(body), oversized: None })
    }

    fn refused(incoming: Result<Incoming, Malformed>) -> String {
        match incoming.expect("understood") {
            Incoming::Acknowledged(_, Err(refusal))
            | Incoming::Subscribed(_, Err(refusal))
            | Incoming::Accepted(Err(refusal))
            | Incoming::Ended(refusal) => refusal.to_string(),
            other => panic!("no refusal: {other:?}"),
        }
    }

    #[test]
    fn mosquitto_s_answers_that_rumqttc_cannot_read() {
        let five = |first, body: &[u8]| refused(read(Protocol::V5, first, body));
        assert!(five(0x40, &[0, 7, 0x95]).contains("too large"));
        assert!(five(0x40, &[0, 7, 0xf0]).contains("reason code 0xf0"));
        assert!(five(0xe0, &[0x9b]).contains("QoS 0 only"));
        assert!(five(0xe0, &[0x8e, 0]).contains("the same mqtt.client_id"));
        assert!(five(0xe0, &[]).contains("normal disconnection"));
        assert!(five(0x90, &[0, 7, 0, 0xa2]).contains("wildcard"));
        assert!(five(0x20, &[0, 0xa7, 0]).contains("0xa7"));
    }

    #[test]
    fn success_needs_no_words() {
        for body in [&[0, 7][..], &[0, 7, 0], &[0, 7, 0x10], &[0, 7, 0, 0]] {
            let acknowledged = Ok(Incoming::Acknowledged(7, Ok(())));
            assert_eq!(read(Protocol::V5, 0x40, body), acknowledged, "{body:?}");
        }
        assert_eq!(read(Protocol::V311, 0x40, &[0, 7]), Ok(Incoming::Acknowledged(7, Ok(()))));
        assert_eq!(read(Protocol::V311, 0x90, &[0, 7, 1, 0]), Ok(Incoming::Subscribed(7, Ok(()))));
    }

    #[test]
    fn a_message_is_read_in_either_protocol() {
        let expected = Incoming::Publish {
            id: Some(258),
            received: Received { topic: "t".into(), payload: b"x".to_vec(), retained: true },
        };
        let old = read(Protocol::V311, 0x33, &[0, 1, b't', 1, 2, b'x']);
        let new = read(Protocol::V5, 0x33, &[0, 1, b't', 1, 2, 2, 1, 1, b'x']);
        assert_eq!(old, Ok(expected));
        assert_eq!(new, old);
        assert_eq!(read(Protocol::V5, 0x34, &[0, 1, b't', 1, 2, 0]), Err(Malformed(0x34)));
    }

    #[test]
    fn a_login_that_is_refused_is_told_in_either_protocol() {
        for (protocol, code) in [
            (Protocol::V311, 4),
            (Protocol::V311, 5),
            (Protocol::V5, 0x86),
            (Protocol::V5, 0x87),
            (Protocol::V5, 5),
        ] {
            let words = refused(read(protocol, 0x20, &[0, code]));
            assert!(words.contains("mqtt.password_file"), "{code}: {words}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(
            first in any::<u8>(),
            body in prop::collection::vec(any::<u8>(), 0..60),
            oversized in proptest::option::of(60usize..1000),
        ) {
            for protocol in [Protocol::V311, Protocol::V5] {
                let body = BytesMut::from(&body[..]);
                let _ = decode(protocol, Frame { first, body, oversized });
            }
        }
    }
}
