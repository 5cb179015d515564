//! Both protocols behind one face: what the client asks of a connection and what
//! it is told. Everything that only one of them knows ends here.

mod event;
mod v4;
mod v5;

use super::error::ConnectionError;
use super::options::ConnectOptions;
use crate::mqtt::message::Message;
use crate::mqtt::protocol::{Protocol, Version};
use event::Link;
pub(super) use event::{Event, NotSent};

/// A connection in either protocol.
pub(super) type Connection = Link<Requests, Events>;

/// Where requests go in.
pub(super) enum Requests {
    V311(rumqttc::AsyncClient),
    V5(v5::Requests),
}

/// Where events come out.
pub(super) enum Events {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<rumqttc::v5::EventLoop>),
}

/// Connects in the newest protocol that is wanted and that the broker takes. What
/// was found holds for this connection only: brokers are replaced, and one that hung
/// up because it was busy must not keep us in the old protocol for ever.
pub(super) async fn connect(options: &ConnectOptions) -> Result<Connection, ConnectionError> {
    match options.version {
        Version::V311 => connect_in(options, Protocol::V311).await,
        Version::V5 => connect_in(options, Protocol::V5).await,
        Version::Auto => match connect_in(options, Protocol::V5).await {
            Err(lost) if lost.may_be_the_protocol() => {
                log::debug!(broker:% = options.url; "MQTT 5 is not taken, trying 3.1.1: {lost}");
                connect_in(options, Protocol::V311).await
            }
            outcome => outcome,
        },
    }
}

/// Connects and waits for the broker's word.
async fn connect_in(
    options: &ConnectOptions,
    protocol: Protocol,
) -> Result<Connection, ConnectionError> {
    match protocol {
        Protocol::V311 => {
            let boxed = |events| Events::V311(Box::new(events));
            Ok(v4::connect(options).await?.map(Requests::V311, boxed))
        }
        Protocol::V5 => {
            let boxed = |events| Events::V5(Box::new(events));
            Ok(v5::connect(options).await?.map(Requests::V5, boxed))
        }
    }
}

impl Requests {
    pub fn publish(&self, message: Message) -> Result<(), NotSent> {
        match self {
            Self::V311(client) => v4::publish(client, message),
            Self::V5(requests) => requests.publish(message),
        }
    }

    pub fn subscribe(&self, filter: &str) -> Result<(), ConnectionError> {
        match self {
            Self::V311(client) => client
                .try_subscribe(filter, rumqttc::QoS::AtLeastOnce)
                .map_err(|_| ConnectionError::Queue),
            Self::V5(requests) => requests.subscribe(filter),
        }
    }

    pub fn unsubscribe(&self, filter: String) -> Result<(), ConnectionError> {
        match self {
            Self::V311(client) => {
                client.try_unsubscribe(filter).map_err(|_| ConnectionError::Queue)
            }
            Self::V5(requests) => requests.unsubscribe(filter),
        }
    }

    pub fn disconnect(&self) -> Result<(), ConnectionError> {
        match self {
            Self::V311(client) => client.try_disconnect().map_err(|_| ConnectionError::Queue),
            Self::V5(requests) => requests.disconnect(),
        }
    }
}

impl Events {
    /// What happened next. Must not be dropped half way, or a packet may be lost
    /// while rumqttc believes it sent.
    pub async fn poll(&mut self) -> Result<Event, ConnectionError> {
        match self {
            Self::V311(events) => Ok(v4::translate(events.poll().await?)),
            Self::V5(events) => v5::poll(events).await,
        }
    }
}
