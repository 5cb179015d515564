//! MQTT inside WebSockets (MQTT 5 and 3.1.1, section 6; RFC 6455): the bytes of binary
//! messages, one behind the other, as a stream like any other.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

use crate::mqtt::client::error::ConnectionError;
use crate::mqtt::settings::LARGEST_PACKET;
use crate::mqtt::url::BrokerUrl;

/// Of one message: the largest packet and what stands around it. A broker
/// may put packets together in one message or spread one over several.
const MOST_BYTES: usize = LARGEST_PACKET + 1024;

/// Asks the web server behind `stream` for a WebSocket that speaks MQTT.
///
/// # Errors
///
/// It is no web server, has nothing at that path, or speaks no MQTT there.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    broker: &BrokerUrl,
    path: &str,
) -> Result<WebSocket<S>, ConnectionError> {
    // The scheme is read for the port only: TLS is around `stream` already.
    let url = format!("ws://{}{path}", broker.authority());
    let mut request = url.into_client_request().map_err(refused)?;
    // The client must ask for it (MQTT 5, 6.0).
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MOST_BYTES))
        .max_frame_size(Some(MOST_BYTES));
    let outcome = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    let (inner, _) = outcome.map_err(refused)?;
    Ok(WebSocket { inner, unread: Bytes::new() })
}

const HANGS_UP: &str = "it hangs up unanswered (a port for plain MQTT, or is TLS wanted: wss://?)";

fn refused(error: Error) -> ConnectionError {
    let reason = match error {
        Error::Io(error) => match error.into() {
            ConnectionError::Cut => HANGS_UP.to_owned(),
            other => return other,
        },
        Error::Http(answer) => format!("the web server there answers {}", answer.status()),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => HANGS_UP.to_owned(),
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            "the web server there offers no MQTT".to_owned()
        }
        other => other.to_string(),
    };
    ConnectionError::WebSocket(reason)
}

/// The stream of bytes.
pub(super) struct WebSocket<S> {
    inner: WebSocketStream<S>,
    /// Of the message that is being read.
    unread: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                // Both say that nothing follows, which is what no bytes mean.
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                // MQTT is never in text (MQTT 5, 6.0).
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::Error::other("text instead of MQTT")));
                }
                // Pings are answered by the library.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.inner).poll_ready(context)).map_err(io_error)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.inner).start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context).map_err(io_error)
    }
}

/// A peer that leaves without a word of WebSocket has cut the connection.
fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            io::ErrorKind::UnexpectedEof.into()
        }
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Mosquitto does at a port for plain MQTT.
    #[tokio::test]
    async fn whoever_hangs_up_unanswered_speaks_no_websocket_there() {
        let (ours, theirs) = tokio::io::duplex(4096);
        drop(theirs);
        let broker = "ws://localhost:1883".parse().expect("a URL");
        let refused = open(ours, &broker, "/mqtt").await.err().expect("refused");
        let ConnectionError::WebSocket(words) = &refused else { panic!("{refused}") };
        assert!(words.contains("plain MQTT"), "{words}");
    }
}
