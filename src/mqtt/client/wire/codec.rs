//! What we send, in either protocol, written by rumqttc's codec.

use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use crate::mqtt::client::options::ConnectOptions;
use crate::mqtt::message::{Class, Labels, Message};
use crate::mqtt::protocol::Protocol;

/// Payload Format Indicator: UTF-8 text (MQTT 5, 3.3.2.3.2).
const TEXT: u8 = 1;

/// A packet in the protocol of its connection.
#[expect(clippy::large_enum_variant, reason = "one at a time, written as soon as it is made")]
pub(super) enum Packet {
    V311(v4::Packet),
    V5(v5::Packet),
}

impl Packet {
    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::V311(packet) => packet.size(),
            Self::V5(packet) => packet.size(),
        }
    }

    /// Appends it to `buffer`.
    pub(super) fn write(&self, buffer: &mut BytesMut) {
        let before = buffer.len();
        let written = match self {
            Self::V311(packet) => packet.write(buffer, usize::MAX).map_err(|e| e.to_string()),
            Self::V5(packet) => packet.write(buffer, None).map_err(|e| e.to_string()),
        };
        // Ids are never 0, and the settings' check keeps sizes below what MQTT can say.
        debug_assert!(written.is_ok(), "{written:?}");
        if let Err(error) = written {
            log::error!("a packet cannot be written: {error}");
            buffer.truncate(before);
        }
    }
}

/// A clean start, and no session that outlives the connection: a Session Expiry
/// Interval that is absent is 0 (MQTT 5, 3.1.2.11.2). What must be sent again is for
/// the queue to say, not for the broker.
pub(super) fn connect(protocol: Protocol, options: &ConnectOptions) -> Packet {
    // At most 3600, says the settings' check.
    let keep_alive = options.keep_alive.as_secs() as u16;
    let client_id = options.client_id.clone();
    let (will, login) = (options.last_will.as_ref(), options.login.as_ref());
    match protocol {
        Protocol::V311 => Packet::V311(v4::Packet::Connect(v4::Connect {
            keep_alive,
            last_will: will.map(|will| {
                let qos = rumqttc::QoS::AtLeastOnce;
                v4::LastWill::new(&will.topic, will.payload.clone(), qos, true)
            }),
            login: login.map(|(user, password)| v4::Login::new(user, password)),
            ..v4::Connect::new(client_id)
        })),
        Protocol::V5 => {
            let properties = Some(v5::ConnectProperties {
                // At most 16 MiB, says the settings' check.
                max_packet_size: Some(options.max_packet as u32),
                ..v5::ConnectProperties::new()
            });
            let connect = v5::Connect { keep_alive, client_id, clean_start: true, properties };
            let will = will.map(|will| {
                let qos = rumqttc::v5::mqttbytes::QoS::AtLeastOnce;
                let properties = Some(will_properties(&options.labels, &will.topic));
                v5::LastWill::new(&will.topic, will.payload.clone(), qos, true, properties)
            });
            let login = login.map(|(user, password)| v5::Login::new(user, password));
            Packet::V5(v5::Packet::Connect(connect, will, login))
        }
    }
}

/// As those of our own `offline`; no delay, which a session without expiry would cut
/// short anyway (3.1.3.2.2).
fn will_properties(labels: &Labels, topic: &str) -> v5::LastWillProperties {
    v5::LastWillProperties {
        delay_interval: None,
        payload_format_indicator: Some(TEXT),
        message_expiry_interval: None,
        content_type: Some(Class::Availability.content_type().to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: labels.of(Class::Availability, topic),
    }
}

/// With an `id` at QoS 1, without one at QoS 0.
pub(super) fn publish(
    protocol: Protocol,
    labels: &Labels,
    id: Option<u16>,
    message: Message,
) -> Packet {
    let retain = message.class.retained();
    match protocol {
        Protocol::V311 => {
            use rumqttc::QoS;
            let qos = if id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            let mut packet = v4::Publish::new(message.topic, qos, message.payload);
            (packet.pkid, packet.retain) = (id.unwrap_or(0), retain);
            Packet::V311(v4::Packet::Publish(packet))
        }
        Protocol::V5 => {
            use rumqttc::v5::mqttbytes::QoS;
            let properties = Some(publish_properties(labels, &message));
            let qos = if id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            let mut packet = v5::Publish::new(message.topic, qos, message.payload, properties);
            (packet.pkid, packet.retain) = (id.unwrap_or(0), retain);
            Packet::V5(v5::Packet::Publish(packet))
        }
    }
}

fn publish_properties(labels: &Labels, message: &Message) -> v5::PublishProperties {
    let class = message.class;
    // 0 would be over at once, and the field ends at 136 years.
    let seconds = |expiry: Duration| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX).max(1);
    v5::PublishProperties {
        payload_format_indicator: (class != Class::Snapshot).then_some(TEXT),
        message_expiry_interval: message.expiry.map(seconds),
        content_type: Some(class.content_type().to_owned()),
        user_properties: labels.of(class, &message.topic),
        ..v5::PublishProperties::default()
    }
}

/// Asks to hear what matches `filter`, at QoS 0. Our session ends with the connection, so a
/// broker has nobody to repeat a message to, and TCP repeats within the connection. At QoS 1
/// clusters keep what costs a device its way back: RabbitMQ (3.10) a durable queue on the node
/// of the connection, which no other node gives while that one is dead, and NATS (2.9) a
/// replicated consumer for each filter.
pub(super) fn subscribe(protocol: Protocol, id: u16, filter: &str) -> Packet {
    match protocol {
        Protocol::V311 => {
            let mut packet = v4::Subscribe::new(filter, rumqttc::QoS::AtMostOnce);
            packet.pkid = id;
            Packet::V311(v4::Packet::Subscribe(packet))
        }
        Protocol::V5 => {
            let qos = rumqttc::v5::mqttbytes::QoS::AtMostOnce;
            let mut packet = v5::Subscribe::new(v5::Filter::new(filter, qos), None);
            packet.pkid = id;
            Packet::V5(v5::Packet::Subscribe(packet))
        }
    }
}

pub(super) fn unsubscribe(protocol: Protocol, id: u16, filter: &str) -> Packet {
    match protocol {
        Protocol::V311 => {
            let mut packet = v4::Unsubscribe::new(filter);
            packet.pkid = id;
            Packet::V311(v4::Packet::Unsubscribe(packet))
        }
        Protocol::V5 => {
            let mut packet = v5::Unsubscribe::new(filter, None);
            packet.pkid = id;
            Packet::V5(v5::Packet::Unsubscribe(packet))
        }
    }
}

/// Says that a message has arrived here.
pub(super) fn acknowledge(protocol: Protocol, id: u16) -> Packet {
    match protocol {
        Protocol::V311 => Packet::V311(v4::Packet::PubAck(v4::PubAck::new(id))),
        Protocol::V5 => Packet::V5(v5::Packet::PubAck(v5::PubAck::new(id, None))),
    }
}

pub(super) fn ping(protocol: Protocol) -> Packet {
    match protocol {
        Protocol::V311 => Packet::V311(v4::Packet::PingReq),
        Protocol::V5 => Packet::V5(v5::Packet::PingReq(v5::PingReq)),
    }
}

pub(super) fn disconnect(protocol: Protocol) -> Packet {
    match protocol {
        Protocol::V311 => Packet::V311(v4::Packet::Disconnect),
        Protocol::V5 => {
            let reason = v5::DisconnectReasonCode::NormalDisconnection;
            Packet::V5(v5::Packet::Disconnect(v5::Disconnect::new(reason)))
        }
    }
}
