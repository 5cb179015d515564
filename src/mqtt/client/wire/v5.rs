//! MQTT 5, protocol level 5: messages that expire, properties, and reasons.

use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, ConnectReturnCode, DisconnectReasonCode, LastWill, LastWillProperties,
    Packet, PubAck, PubAckReason, Publish, PublishProperties, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error as CodecError, QoS};
use rumqttc::v5::{AsyncClient, ConnectionError as Failure, EventLoop, MqttOptions, StateError};

use super::event::{Event, Link, NUMBERS, NotSent, REQUESTS, WINDOW};
use crate::mqtt::client::error::ConnectionError;
use crate::mqtt::client::options::ConnectOptions;
use crate::mqtt::client::refusal::{Refusal, Why};
use crate::mqtt::message::Received;
use crate::mqtt::message::{Class, Labels, Message, Qos};
use crate::mqtt::protocol::Protocol;

/// Payload Format Indicator: UTF-8 text (3.3.2.3.2).
const TEXT: u8 = 1;

pub(in super::super) struct Requests {
    client: AsyncClient,
    labels: Labels,
    /// Largest packet that the broker takes.
    largest: usize,
}

pub(super) async fn connect(
    options: &ConnectOptions,
) -> Result<Link<Requests, EventLoop>, ConnectionError> {
    let (client, mut events) = AsyncClient::new(mqtt_options(options), REQUESTS);
    // The first poll ends with the CONNACK or an error.
    let limits = match poll_raw(&mut events).await? {
        rumqttc::v5::Event::Incoming(Packet::ConnAck(ack)) => ack.properties,
        _ => None,
    };
    if events.options.keep_alive().is_zero() {
        // The broker wants no probes (Server Keep Alive 0), but we do: without them
        // a dead link goes unnoticed. rumqttc would probe without a pause.
        events.options.set_keep_alive(options.keep_alive);
    }
    Ok(Link {
        protocol: Protocol::V5,
        window: window(limits.as_ref()),
        keep_alive: events.options.keep_alive(),
        requests: Requests {
            client,
            labels: options.labels.clone(),
            largest: limits
                .and_then(|limits| limits.max_packet_size)
                .map_or(usize::MAX, |largest| largest as usize),
        },
        events,
    })
}

/// Half the numbers that rumqttc has, which it takes from the broker's Receive
/// Maximum (3.2.2.3.3) when that is less than ours.
fn window(limits: Option<&ConnAckProperties>) -> usize {
    let numbers = limits.and_then(|limits| limits.receive_max).unwrap_or(NUMBERS).min(NUMBERS);
    usize::from((numbers / 2).clamp(1, WINDOW))
}

/// A clean start, and no session that outlives the connection: a Session Expiry
/// Interval that is absent is 0 (3.1.2.11.2).
fn mqtt_options(options: &ConnectOptions) -> MqttOptions {
    let mut mqtt = MqttOptions::new(&options.client_id, &options.url.host, options.url.port);
    mqtt.set_keep_alive(options.keep_alive)
        .set_clean_start(true)
        .set_outgoing_inflight_upper_limit(NUMBERS)
        // At most 16 MiB, says the settings' check.
        .set_max_packet_size(Some(options.max_packet as u32))
        .set_transport(options.transport());
    if let Some(will) = &options.last_will {
        let properties = Some(will_properties(&options.labels));
        let will =
            LastWill::new(&will.topic, will.payload.clone(), QoS::AtLeastOnce, true, properties);
        mqtt.set_last_will(will);
    }
    if let Some((user, password)) = &options.login {
        mqtt.set_credentials(user, password);
    }
    mqtt
}

/// As those of our own `offline`; no delay, which a session without expiry would cut
/// short anyway (3.1.3.2.2).
fn will_properties(labels: &Labels) -> LastWillProperties {
    LastWillProperties {
        delay_interval: None,
        payload_format_indicator: Some(TEXT),
        message_expiry_interval: None,
        content_type: Some(Class::Availability.content_type().to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: labels.of(Class::Availability),
    }
}

fn properties(labels: &Labels, message: &Message) -> PublishProperties {
    let class = message.class;
    // 0 would be over at once, and the field ends at 136 years.
    let seconds = |expiry: Duration| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX).max(1);
    PublishProperties {
        payload_format_indicator: (class != Class::Snapshot).then_some(TEXT),
        message_expiry_interval: message.expiry.map(seconds),
        content_type: Some(class.content_type().to_owned()),
        user_properties: labels.of(class),
        ..PublishProperties::default()
    }
}

impl Requests {
    pub fn publish(&self, message: Message) -> Result<(), NotSent> {
        let properties = properties(&self.labels, &message);
        let qos = match message.qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
        };
        let retain = message.class.retained();
        let packet = Publish::new(&message.topic, qos, message.payload, Some(properties));
        // Its number is not known yet.
        let size = packet.size() + size_of::<u16>();
        if size > self.largest {
            return Err(NotSent::TooLarge { size, limit: self.largest });
        }
        let properties = packet.properties.unwrap_or_default();
        self.client
            .try_publish_with_properties(message.topic, qos, retain, packet.payload, properties)
            .map_err(|_| NotSent::Full)
    }

    pub fn subscribe(&self, filter: &str) -> Result<(), ConnectionError> {
        self.client.try_subscribe(filter, QoS::AtLeastOnce).map_err(|_| ConnectionError::Queue)
    }

    pub fn unsubscribe(&self, filter: String) -> Result<(), ConnectionError> {
        self.client.try_unsubscribe(filter).map_err(|_| ConnectionError::Queue)
    }

    pub fn disconnect(&self) -> Result<(), ConnectionError> {
        self.client.try_disconnect().map_err(|_| ConnectionError::Queue)
    }
}

pub(super) async fn poll(events: &mut EventLoop) -> Result<Event, ConnectionError> {
    poll_raw(events).await.map(translate)
}

async fn poll_raw(events: &mut EventLoop) -> Result<rumqttc::v5::Event, ConnectionError> {
    match events.poll().await {
        Ok(event) => Ok(event),
        Err(Failure::MqttState(StateError::ServerDisconnect { reason_code, reason_string })) => {
            let said = server_reference(events).or(reason_string);
            Err(ConnectionError::Ended(Refusal::new(ended(reason_code), said)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the broker sends us. The error does not tell, the packet that caused it does.
fn server_reference(events: &EventLoop) -> Option<String> {
    events.state.events.iter().rev().find_map(|event| match event {
        rumqttc::v5::Event::Incoming(Packet::Disconnect(packet)) => {
            packet.properties.as_ref()?.server_reference.clone()
        }
        _ => None,
    })
}

fn translate(event: rumqttc::v5::Event) -> Event {
    use rumqttc::v5::Event::{Incoming, Outgoing as Gone};
    match event {
        Gone(Outgoing::Publish(id)) => Event::Left(id),
        Gone(Outgoing::Subscribe(id)) => Event::Asked(id),
        Gone(Outgoing::Disconnect) => Event::Disconnected,
        Incoming(Packet::PubAck(ack)) => Event::Acknowledged(ack.pkid, acknowledged(ack)),
        Incoming(Packet::Publish(publish)) => Event::Received(Received {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            retained: publish.retain,
        }),
        Incoming(Packet::SubAck(ack)) => Event::Subscribed(ack.pkid, subscribed(ack)),
        _ => Event::Other,
    }
}

fn acknowledged(ack: PubAck) -> Result<(), Refusal> {
    let why = match ack.reason {
        // Nobody listens: that is not the broker's fault, nor ours.
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return Ok(()),
        PubAckReason::NotAuthorized => Why::Forbidden,
        PubAckReason::TopicNameInvalid => Why::Topic,
        PubAckReason::QuotaExceeded => Why::Quota,
        other => Why::Other(format!("{other:?}")),
    };
    Err(Refusal::new(why, ack.properties.and_then(|properties| properties.reason_string)))
}

fn subscribed(ack: SubAck) -> Result<(), Refusal> {
    let refused = ack.return_codes.iter().find_map(|code| match code {
        SubscribeReasonCode::Success(_) => None,
        SubscribeReasonCode::NotAuthorized | SubscribeReasonCode::Failure => Some(Why::Forbidden),
        SubscribeReasonCode::TopicFilterInvalid => Some(Why::Topic),
        SubscribeReasonCode::QuotaExceeded => Some(Why::Quota),
        other => Some(Why::Other(format!("{other:?}"))),
    });
    let Some(why) = refused else { return Ok(()) };
    Err(Refusal::new(why, ack.properties.and_then(|properties| properties.reason_string)))
}

impl From<Failure> for ConnectionError {
    fn from(error: Failure) -> Self {
        match error {
            Failure::ConnectionRefused(code)
            | Failure::MqttState(StateError::ConnFail { reason: code }) => {
                Self::Refused(Refusal::new(refused(code), None))
            }
            Failure::Io(error) => error.into(),
            Failure::Tls(error) => error.into(),
            Failure::Timeout(_) => Self::NoAnswer,
            Failure::MqttState(state) => broken(state),
            other => Self::Other(other.to_string()),
        }
    }
}

fn broken(state: StateError) -> ConnectionError {
    match state {
        StateError::AwaitPingResp => ConnectionError::Silent,
        StateError::ConnectionAborted => ConnectionError::Cut,
        StateError::Deserialization(CodecError::PayloadSizeLimitExceeded { pkt_size, .. }) => {
            ConnectionError::Oversized(pkt_size)
        }
        StateError::Io(error) | StateError::Deserialization(CodecError::Io(error)) => error.into(),
        other => ConnectionError::Other(other.to_string()),
    }
}

fn refused(code: ConnectReturnCode) -> Why {
    use ConnectReturnCode as Code;
    match code {
        Code::BadUserNamePassword | Code::NotAuthorized | Code::BadAuthenticationMethod => {
            Why::Login
        }
        Code::BadClientId | Code::ClientIdentifierNotValid => Why::ClientId,
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => Why::Protocol,
        Code::TopicNameInvalid => Why::Topic,
        Code::PacketTooLarge => Why::TooLarge,
        Code::QuotaExceeded => Why::Quota,
        Code::RetainNotSupported => Why::NoRetained,
        Code::QoSNotSupported => Why::NoQos,
        Code::UseAnotherServer | Code::ServerMoved => Why::Elsewhere,
        Code::Banned => Why::Administrator,
        Code::ServiceUnavailable
        | Code::ServerUnavailable
        | Code::ServerBusy
        | Code::ConnectionRateExceeded => Why::Busy,
        other => Why::Other(format!("{other:?}")),
    }
}

fn ended(code: DisconnectReasonCode) -> Why {
    use DisconnectReasonCode as Code;
    match code {
        Code::NotAuthorized => Why::Forbidden,
        Code::ServerBusy | Code::MessageRateTooHigh | Code::ConnectionRateExceeded => Why::Busy,
        Code::ServerShuttingDown => Why::ShuttingDown,
        Code::KeepAliveTimeout => Why::Silence,
        Code::SessionTakenOver => Why::TakenOver,
        Code::TopicFilterInvalid | Code::TopicNameInvalid => Why::Topic,
        Code::PacketTooLarge => Why::TooLarge,
        Code::QuotaExceeded => Why::Quota,
        Code::AdministrativeAction => Why::Administrator,
        Code::RetainNotSupported => Why::NoRetained,
        Code::QoSNotSupported => Why::NoQos,
        Code::UseAnotherServer | Code::ServerMoved => Why::Elsewhere,
        other => Why::Other(format!("{other:?}")),
    }
}
