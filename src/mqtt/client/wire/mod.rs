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
pub(super) mod race;
mod reason;
mod socket;
mod web_socket;

use std::net::SocketAddr;

use tokio::net::TcpStream;

pub(super) use self::connection::{Connection, Event, NotSent, Token, is_acknowledged};
use self::frame::Frames;
use super::endpoints::Endpoints;
use super::error::ConnectionError;
use super::options::ConnectOptions;
use crate::mqtt::protocol::{Protocol, Version};
use crate::mqtt::url::BrokerUrl;

/// Connects to one of the hosts behind the broker's name, and says to which: each of them
/// is tried that answers, until one takes us.
///
/// Every step has a limit of its own, so this ends within half a minute for each host.
///
/// # Errors
///
/// What the first host said that answered; where none did, the last reason.
pub(super) async fn connect(
    broker: &BrokerUrl,
    endpoints: &mut Endpoints,
    options: &ConnectOptions,
) -> Result<(Connection, SocketAddr), ConnectionError> {
    let mut left = endpoints.ordered(race::resolve(broker).await?);
    let (mut refused, mut silent) = (None, None);
    loop {
        let (outcome, failures) = race::race(&left).await;
        for (address, error) in failures {
            endpoints.failed(address);
            left.retain(|other| *other != address);
            silent = Some(error);
        }
        // `resolve` gives one at least, and each leaves a reason here or there.
        let Ok((stream, address)) = outcome else {
            return Err(refused.or(silent).unwrap_or(ConnectionError::NoAnswer));
        };
        match log_in(stream, address, broker, options).await {
            Ok(connection) => {
                endpoints.good(address);
                return Ok((connection, address));
            }
            Err(error) => {
                endpoints.failed(address);
                left.retain(|other| *other != address);
                refused.get_or_insert(error);
            }
        }
    }
}

/// Logs in in the newest protocol that is wanted and that the broker takes. What was found
/// holds for this connection only: brokers are replaced, and one that hung up because it
/// was busy must not keep us in the old protocol for ever.
async fn log_in(
    stream: TcpStream,
    address: SocketAddr,
    broker: &BrokerUrl,
    options: &ConnectOptions,
) -> Result<Connection, ConnectionError> {
    match options.version {
        Version::V311 => log_in_with(stream, broker, options, Protocol::V311).await,
        Version::V5 => log_in_with(stream, broker, options, Protocol::V5).await,
        Version::Auto => match log_in_with(stream, broker, options, Protocol::V5).await {
            Err(error) if error.may_be_the_protocol() => {
                log::debug!(broker:%; "MQTT 5 is not taken, trying 3.1.1: {error}");
                let stream = race::attempt(address).await?;
                log_in_with(stream, broker, options, Protocol::V311).await
            }
            outcome => outcome,
        },
    }
}

async fn log_in_with(
    stream: TcpStream,
    broker: &BrokerUrl,
    options: &ConnectOptions,
    protocol: Protocol,
) -> Result<Connection, ConnectionError> {
    let stream = socket::wrap(stream, broker, options).await?;
    Connection::open(stream, options, protocol).await
}

/// For the fuzzer: what these bytes of a broker say when they arrive in pieces of this size, with
/// what is kept of each packet, up to the first that ends the connection.
#[doc(hidden)]
pub fn read_pieces(five: bool, largest: usize, piece: usize, bytes: &[u8]) -> Vec<(usize, String)> {
    let protocol = if five { Protocol::V5 } else { Protocol::V311 };
    let (mut frames, mut found) = (Frames::new(largest), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        frames.buffer().extend_from_slice(piece);
        loop {
            let (kept, read) = match frames.next() {
                Ok(Some(frame)) => (frame.body.len(), decode::decode(protocol, frame)),
                Ok(None) => break,
                Err(bad) => {
                    found.push((0, format!("{bad:?}")));
                    return found;
                }
            };
            found.push((kept, format!("{read:?}")));
            if read.is_err() {
                return found;
            }
        }
    }
    found
}
