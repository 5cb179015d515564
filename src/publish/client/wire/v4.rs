//! MQTT 3.1.1, protocol level 4.

use rumqttc::mqttbytes::Error as CodecError;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, LastWill, SubscribeReasonCode};
use rumqttc::{AsyncClient, ConnectionError, MqttOptions, Outgoing, Packet, QoS, StateError};

use super::super::super::message::{Message, Qos};
use super::super::super::payload::OFFLINE;
use super::super::Received;
use super::super::lost::Lost;
use super::super::refusal::{Refusal, Why};
use super::super::way::Way;
use super::{Event, Events, Link, NUMBERS, NotSent, Protocol, REQUESTS, Requests, WINDOW};

pub(super) async fn connect(way: &Way) -> Result<Link, Lost> {
    let (client, mut events) = AsyncClient::new(options(way), REQUESTS);
    // The first poll ends with the CONNACK or an error.
    events.poll().await?;
    Ok(Link {
        protocol: Protocol::V311,
        requests: Requests::V311(client),
        events: Events::V311(Box::new(events)),
        window: usize::from(WINDOW),
        keep_alive: way.keep_alive,
    })
}

fn options(way: &Way) -> MqttOptions {
    let mut options = MqttOptions::new(&way.client_id, &way.url.host, way.url.port);
    options
        .set_keep_alive(way.keep_alive)
        .set_clean_session(true)
        .set_inflight(NUMBERS)
        .set_max_packet_size(way.max_packet, way.max_packet)
        .set_transport(way.transport());
    if let Some(topic) = &way.last_will {
        options.set_last_will(LastWill::new(topic, OFFLINE, QoS::AtLeastOnce, true));
    }
    if let Some((user, password)) = &way.login {
        options.set_credentials(user, password);
    }
    options
}

pub(super) fn publish(client: &AsyncClient, message: Message) -> Result<(), NotSent> {
    let qos = match message.qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
    };
    client
        .try_publish(message.topic, qos, message.class.retained(), message.payload)
        .map_err(|_| NotSent::Full)
}

pub(super) fn translate(event: rumqttc::Event) -> Event {
    use rumqttc::Event::{Incoming, Outgoing as Gone};
    match event {
        Gone(Outgoing::Publish(id)) => Event::Left(id),
        Gone(Outgoing::Subscribe(id)) => Event::Asked(id),
        Gone(Outgoing::Disconnect) => Event::Disconnected,
        Incoming(Packet::PubAck(ack)) => Event::Acknowledged(ack.pkid, Ok(())),
        Incoming(Packet::Publish(publish)) => Event::Received(Received {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            retained: publish.retain,
        }),
        Incoming(Packet::SubAck(ack)) => {
            let failed = ack.return_codes.contains(&SubscribeReasonCode::Failure);
            let refusal = failed.then(|| Refusal::new(Why::Forbidden, None));
            Event::Subscribed(ack.pkid, refusal.map_or(Ok(()), Err))
        }
        _ => Event::Other,
    }
}

impl From<ConnectionError> for Lost {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => {
                Self::Refused(Refusal::new(refused(code), None))
            }
            ConnectionError::Io(error) => error.into(),
            ConnectionError::Tls(error) => error.into(),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Self::NoAnswer,
            ConnectionError::MqttState(state) => broken(state),
            other => Self::Other(other.to_string()),
        }
    }
}

fn broken(state: StateError) -> Lost {
    match state {
        StateError::AwaitPingResp => Lost::Silent,
        StateError::ConnectionAborted => Lost::Cut,
        StateError::Deserialization(CodecError::PayloadSizeLimitExceeded(size)) => {
            Lost::Oversized(size)
        }
        StateError::Io(error) | StateError::Deserialization(CodecError::Io(error)) => error.into(),
        other => Lost::Other(other.to_string()),
    }
}

fn refused(code: ConnectReturnCode) -> Why {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => Why::Login,
        ConnectReturnCode::BadClientId => Why::ClientId,
        ConnectReturnCode::RefusedProtocolVersion => Why::Protocol,
        _ => Why::Busy,
    }
}
