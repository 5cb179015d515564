//! What lies around a TCP connection before MQTT is spoken: TLS and WebSockets. Each step
//! has a limit.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::web_socket;
use crate::mqtt::client::error::ConnectionError;
use crate::mqtt::client::options::ConnectOptions;
use crate::mqtt::url::BrokerUrl;

/// For one address, the TLS handshake, that of WebSockets, and the broker's word: a broker
/// across the world answers within a second.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(5);

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Encrypted where the options say so; there is no way from there to plain text.
pub(super) async fn wrap(
    stream: TcpStream,
    broker: &BrokerUrl,
    options: &ConnectOptions,
) -> Result<Box<dyn Stream>, ConnectionError> {
    // Nagle's algorithm would hold back an event until the one before is acknowledged.
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match &options.tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = ServerName::try_from(broker.host.clone())
                .map_err(|error| ConnectionError::Tls(format!("{}: {error}", broker.host)))?;
            let handshake = TlsConnector::from(tls.clone()).connect(name, stream);
            let outcome = timeout(STEP_LIMIT, handshake).await;
            Box::new(outcome.map_err(|_| ConnectionError::Tls(NO_TLS.to_owned()))??)
        }
    };
    let Some(path) = &broker.web_socket else { return Ok(stream) };
    let handshake = web_socket::open(stream, broker, path);
    let outcome = timeout(STEP_LIMIT, handshake).await;
    Ok(Box::new(outcome.map_err(|_| ConnectionError::WebSocket(NO_WEB.to_owned()))??))
}

const NO_TLS: &str = "no answer to the TLS handshake in time: is TLS spoken at that port?";

const NO_WEB: &str = "no answer in time";
