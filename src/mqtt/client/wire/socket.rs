//! The way to the broker in bytes: its name becomes an address, a TCP connection is
//! opened, and TLS is put around it. Each step has a limit.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::mqtt::client::error::ConnectionError;
use crate::mqtt::client::options::ConnectOptions;
use crate::mqtt::url::BrokerUrl;

/// For one address, the TLS handshake, and the broker's word: a broker across the world
/// answers within a second.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(5);

/// For the name. resolv.conf(5) waits five seconds for the first name server before it
/// asks the second: a shorter limit would make a house with one dead server offline.
const NAME_LIMIT: Duration = Duration::from_secs(12);

/// A name may have many addresses, most of which may be dead.
const MOST_ADDRESSES: usize = 4;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A TCP connection to the first address of the broker that answers, in the order in
/// which the system gives them, and that address.
///
/// # Errors
///
/// [`ConnectionError::Name`] when the name has no address, otherwise what the last
/// address answered.
pub(in crate::mqtt::client) async fn connect(
    broker: &BrokerUrl,
) -> Result<(TcpStream, SocketAddr), ConnectionError> {
    let unknown = |reason: String| ConnectionError::Name { host: broker.host.clone(), reason };
    let lookup = timeout(NAME_LIMIT, lookup_host((broker.host.as_str(), broker.port))).await;
    let addresses = lookup
        .map_err(|_| unknown("no name server answers".to_owned()))?
        .map_err(|error| unknown(error.to_string()))?;
    let mut last = unknown("it has no address".to_owned());
    for address in addresses.take(MOST_ADDRESSES) {
        match timeout(STEP_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = ConnectionError::Unreachable(address),
        }
    }
    Err(last)
}

/// Encrypted where the options say so; there is no way from there to plain text.
pub(super) async fn open(options: &ConnectOptions) -> Result<Box<dyn Stream>, ConnectionError> {
    let (stream, _) = connect(&options.url).await?;
    // Nagle's algorithm would hold back an event until the one before is acknowledged.
    stream.set_nodelay(true)?;
    let Some(tls) = &options.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(options.url.host.clone())
        .map_err(|error| ConnectionError::Tls(format!("{}: {error}", options.url.host)))?;
    let handshake = TlsConnector::from(tls.clone()).connect(name, stream);
    match timeout(STEP_LIMIT, handshake).await {
        Ok(outcome) => Ok(Box::new(outcome?)),
        Err(_) => Err(ConnectionError::Tls(
            "no answer to the TLS handshake in time: is TLS spoken at that port?".to_owned(),
        )),
    }
}
