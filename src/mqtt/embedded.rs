//! A broker inside this process, for a first try without any other: on the
//! loopback address only, with nothing kept after the end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rumqttd::protocol::v4::V4;
use rumqttd::{ConnectionSettings, LinkType, Router, RouterConfig, Server, ServerSettings};
use tokio::sync::oneshot;

use super::settings::LARGEST_PACKET;
use super::url::{BrokerUrl, PLAIN_PORT};

/// Why the broker inside could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedBrokerError {
    /// The port is taken, or may not be listened at.
    #[error(
        "cannot listen on 127.0.0.1:{port} for the broker inside: {source}. \
         Set mqtt.embedded_port to a free port, or mqtt.url to a broker of your own"
    )]
    Listen {
        /// `mqtt.embedded_port`.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room for another thread or runtime.
    #[error("cannot start the thread of the broker inside: {0}")]
    Thread(io::Error),
}

/// A running broker; dropping it ends it and all its connections.
pub struct EmbeddedBroker {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts on `port`; 0 takes 1883 when it is free, else any free port.
    ///
    /// # Errors
    ///
    /// The port is taken, or there is no thread for it.
    pub fn start(port: u16) -> Result<Self, EmbeddedBrokerError> {
        let port = free_port(port)?;
        let (stop, stopping) = oneshot::channel::<()>();
        // `rumqttd::Broker` cannot be stopped; its router and server can.
        let router = Router::new(0, router_config()).spawn();
        let mut server = Server::new(server_settings(port), router, V4);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EmbeddedBrokerError::Thread)?;
        let thread = thread::Builder::new()
            .name("broker".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        outcome = server.start(LinkType::Remote) => if let Err(error) = outcome {
                            log::error!("the broker inside ended: {error}");
                        },
                        _ = stopping => {}
                    }
                });
            })
            .map_err(EmbeddedBrokerError::Thread)?;
        wait_until_it_listens(port);
        Ok(Self { port, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn url(&self) -> BrokerUrl {
        BrokerUrl::on_loopback(self.port)
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        // Dropping the sender is the signal, too; the thread cannot be waiting for us.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Else our own client's first try would fail and be reported. One that never listens
/// is then reported by the client.
fn wait_until_it_listens(port: u16) {
    let end = Instant::now() + Duration::from_secs(2);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
}

/// A port that can be listened at: `wanted`, or for 0 the usual one or any.
pub(super) fn free_port(wanted: u16) -> Result<u16, EmbeddedBrokerError> {
    let probe = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr();
    let found = match wanted {
        0 => probe(PLAIN_PORT).or_else(|_| probe(0)),
        port => probe(port),
    };
    found
        .map(|address| address.port())
        .map_err(|source| EmbeddedBrokerError::Listen { port: wanted, source })
}

fn router_config() -> RouterConfig {
    RouterConfig {
        max_connections: 64,
        max_outgoing_packet_count: 200,
        // Per filter, in memory; the example's 100 MiB would be most of a small board.
        max_segment_size: 256 << 10,
        max_segment_count: 2,
        ..RouterConfig::default()
    }
}

fn server_settings(port: u16) -> ServerSettings {
    ServerSettings {
        name: "expressiond".into(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: Duration::from_secs(10).as_millis() as u16,
            max_payload_size: LARGEST_PACKET,
            max_inflight_count: 200,
            auth: None,
            external_auth: None,
            // Without it a topic that nobody has subscribed to is an error.
            dynamic_filters: true,
        },
    }
}
