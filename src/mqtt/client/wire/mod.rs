//! One connection to a broker, whichever protocol it speaks: what the client asks of it
//! and what it is told. Everything that only one protocol knows ends here.
//!
//! Packets are written by rumqttc's codec. They are read by [`decode`], because
//! rumqttc 0.25.1 ends the connection over answers that brokers do give (a PUBACK with
//! "packet too large", any code that it does not list), and takes a DISCONNECT without
//! properties for an unfinished packet, so that the broker's reason is lost
//! (`docs/design/faults.md`).

mod codec;
mod connection;
mod decode;
mod frame;
mod reason;
pub(super) mod socket;

pub(super) use self::connection::{Connection, Event, NotSent, Token};
use super::error::ConnectionError;
use super::options::ConnectOptions;
use crate::mqtt::protocol::{Protocol, Version};

/// Connects in the newest protocol that is wanted and that the broker takes. What
/// was found holds for this connection only: brokers are replaced, and one that hung
/// up because it was busy must not keep us in the old protocol for ever.
///
/// Every step has a limit of its own, so this ends within a minute at most.
pub(super) async fn connect(options: &ConnectOptions) -> Result<Connection, ConnectionError> {
    match options.version {
        Version::V311 => connect_in(options, Protocol::V311).await,
        Version::V5 => connect_in(options, Protocol::V5).await,
        Version::Auto => match connect_in(options, Protocol::V5).await {
            Err(error) if error.may_be_the_protocol() => {
                log::debug!(broker:% = options.url; "MQTT 5 is not taken, trying 3.1.1: {error}");
                connect_in(options, Protocol::V311).await
            }
            outcome => outcome,
        },
    }
}

async fn connect_in(
    options: &ConnectOptions,
    protocol: Protocol,
) -> Result<Connection, ConnectionError> {
    let stream = socket::open(options).await?;
    Connection::open(stream, options, protocol).await
}
