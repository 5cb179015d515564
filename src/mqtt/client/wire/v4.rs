//! MQTT 3.1.1, protocol level 4.

use rumqttc::mqttbytes::Error as CodecError;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, LastWill, SubscribeReasonCode};
use rumqttc::{
    AsyncClient, ConnectionError as Failure, EventLoop, MqttOptions, Outgoing, Packet, QoS,
    StateError,
};

use super::event::{Event, Link, NUMBERS, NotSent, REQUESTS, WINDOW};
use crate::mqtt::client::error::ConnectionError;
use crate::mqtt::client::options::ConnectOptions;
use crate::mqtt::client::refusal::{Refusal, Why};
use crate::mqtt::message::Received;
use crate::mqtt::message::{Message, Qos};
use crate::mqtt::protocol::Protocol;

pub(super) async fn connect(
    options: &ConnectOptions,
) -> Result<Link<AsyncClient, EventLoop>, ConnectionError> {
    let (client, mut events) = AsyncClient::new(mqtt_options(options), REQUESTS);
    // The first poll ends with the CONNACK or an error.
    events.poll().await?;
    Ok(Link {
        protocol: Protocol::V311,
        requests: client,
        events,
        window: usize::from(WINDOW),
        keep_alive: options.keep_alive,
    })
}

fn mqtt_options(options: &ConnectOptions) -> MqttOptions {
    let mut mqtt = MqttOptions::new(&options.client_id, &options.url.host, options.url.port);
    mqtt.set_keep_alive(options.keep_alive)
        .set_clean_session(true)
        .set_inflight(NUMBERS)
        .set_max_packet_size(options.max_packet, options.max_packet)
        .set_transport(options.transport());
    if let Some(will) = &options.last_will {
        mqtt.set_last_will(LastWill::new(
            &will.topic,
            will.payload.clone(),
            QoS::AtLeastOnce,
            true,
        ));
    }
    if let Some((user, password)) = &options.login {
        mqtt.set_credentials(user, password);
    }
    mqtt
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

impl From<Failure> for ConnectionError {
    fn from(error: Failure) -> Self {
        match error {
            Failure::ConnectionRefused(code) => Self::Refused(Refusal::new(refused(code), None)),
            Failure::Io(error) => error.into(),
            Failure::Tls(error) => error.into(),
            Failure::NetworkTimeout | Failure::FlushTimeout => Self::NoAnswer,
            Failure::MqttState(state) => broken(state),
            other => Self::Other(other.to_string()),
        }
    }
}

fn broken(state: StateError) -> ConnectionError {
    match state {
        StateError::AwaitPingResp => ConnectionError::Silent,
        StateError::ConnectionAborted => ConnectionError::Cut,
        StateError::Deserialization(CodecError::PayloadSizeLimitExceeded(size)) => {
            ConnectionError::Oversized(size)
        }
        StateError::Io(error) | StateError::Deserialization(CodecError::Io(error)) => error.into(),
        other => ConnectionError::Other(other.to_string()),
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
