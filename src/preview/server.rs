//! The thread `preview`: listens, encodes pictures while somebody watches, and answers.
//! Nothing that happens here can be waited for by the pipeline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use rustls::ServerConfig;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connections::Connection;
use super::gate::Gate;
use super::live::Live;
use super::patience::Patience;
use super::picture::{Picture, encode};
use super::service::Service;
use super::sessions::SessionFile;
use super::settings::Settings;
use super::store::SettingsStore;
use super::token::TokenHash;
use super::trial::{PageOrder, Trial};
use super::tunable::Tunable;
use crate::clock::Clock;
use crate::tracks::grouping::Grouping;

/// So long the TLS handshake or a request's head may take; also how long a connection
/// may wait for its next request.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// So long nothing at all may be taken of what is sent.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// So long a machine may acknowledge nothing. Longer than [`SEND_LIMIT`]: it also ends whoever is
/// there and does not read, who is left by that limit once the kernel's buffers are full.
const GONE_LIMIT: Duration = Duration::from_secs(30);
/// So much of what is sent waits in the kernel, in bytes: a picture or two. The kernel by itself
/// takes megabytes, and on a slow link what is seen is as old as they take to be carried.
const SEND_BYTES: usize = 48 * 1024;
/// All headers of a request together, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// An address that is in use, or not there yet, is tried again.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);
/// How soon it is noticed that nobody watches any more.
const LOOK: Duration = Duration::from_secs(1);
/// A page that is loaded again watches again within fewer looks.
const LEFT: u32 = 5;

/// What the server is started with.
pub(crate) struct Start {
    pub settings: Settings,
    pub address: SocketAddr,
    pub live: Arc<Live>,
    pub tls: Option<Arc<ServerConfig>>,
    /// This machine's names.
    pub hosts: Vec<String>,
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn SettingsStore>,
    /// Where what must survive a new start is kept, if anywhere.
    pub state_dir: Option<PathBuf>,
    /// As the settings give it.
    pub tunable: Tunable,
    /// What the model's classes are told as.
    pub told: Grouping,
    /// What the page is told once.
    pub about: Value,
}

/// Starts the thread, which ends with the process. What the page wants comes out of the
/// receiver.
///
/// # Errors
///
/// The system has no room for another thread.
pub(crate) fn start(start: Start) -> io::Result<mpsc::UnboundedReceiver<PageOrder>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // A driver that hangs keeps one while cameras are listed, and one while its picture
        // is taken, and a silent broker one while it is tried; there is another to save settings.
        .max_blocking_threads(4)
        .thread_name("preview-setup")
        .build()?;
    let (orders, ordered) = mpsc::unbounded_channel();
    let work = move || runtime.block_on(serve(start, orders));
    std::thread::Builder::new().name("preview".to_owned()).spawn(work)?;
    Ok(ordered)
}

async fn serve(start: Start, orders: mpsc::UnboundedSender<PageOrder>) {
    let listener = listen(start.address).await;
    let address = listener.local_addr().unwrap_or(start.address);
    let scheme = start.settings.scheme();
    log::info!("page: {scheme}://{}/", reachable(address));
    if start.settings.needs_token() && start.tls.is_none() && !address.ip().is_loopback() {
        log::warn!(
            "page: without a certificate (preview.cert_file) token and pictures cross the \
             network in plain text"
        );
    }
    let (show, pictures) = watch::channel(None);
    let token = TokenHash::parse(&start.settings.token_hash).ok();
    let file = start.state_dir.filter(|_| start.settings.needs_token());
    let sessions = file.and_then(|folder| SessionFile::new(&folder, &start.settings.token_hash));
    let known = sessions.as_ref().map(|file| file.read(start.clock.now().monotonic));
    let gate = Gate::new(token, start.hosts, scheme, address.port())
        .with_sessions(known.unwrap_or_default());
    let trial = Trial::new(Arc::clone(&start.live), orders, start.told, start.tunable);
    let service = Arc::new(Service {
        live: Arc::clone(&start.live),
        gate: Arc::new(Mutex::new(gate)),
        sessions: sessions.map(Arc::new),
        trial: Mutex::new(trial),
        store: start.store,
        pictures,
        clock: Arc::clone(&start.clock),
        listing: Arc::new(Semaphore::new(1)),
        testing: Arc::new(Semaphore::new(1)),
        about: start.about,
    });
    tokio::join!(
        accept(listener, start.tls.map(TlsAcceptor::from), &service),
        encode_all(&start.live, &*start.clock, &show),
        forget_what_was_left(&service, &show),
    );
}

async fn listen(address: SocketAddr) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !std::mem::replace(&mut told, true) => {
                log::error!(
                    "page: cannot listen on {address} (preview.listen): {error}; trying again"
                );
            }
            Err(_) => {}
        }
        sleep(LISTEN_AGAIN).await;
    }
}

/// An address for a browser on this machine, where all addresses are listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, service: &Arc<Service>) {
    let open = Arc::default();
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // No descriptors left, say (accept(2)): others may be closed meanwhile.
            sleep(LOOK).await;
            continue;
        };
        let peer = peer.ip().to_canonical();
        let Some(connection) = Connection::open(&open, peer) else { continue };
        let (service, tls) = (Arc::clone(service), tls.clone());
        tokio::spawn(async move {
            connect(stream, tls, service, peer).await;
            drop(connection);
        });
    }
}

async fn connect(stream: TcpStream, tls: Option<TlsAcceptor>, service: Arc<Service>, peer: IpAddr) {
    prepare(&stream);
    let stream = Patience::new(stream, SEND_LIMIT);
    match tls {
        None => converse(stream, service, peer).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HEAD_LIMIT, tls.accept(stream)).await {
                converse(stream, service, peer).await;
            }
        }
    }
}

fn prepare(stream: &TcpStream) {
    // Pictures are written in one piece; waiting for a fuller packet only delays them.
    let _ = stream.set_nodelay(true);
    // What a viewer is sent without pictures is too little for a write to wait: only the kernel
    // knows that a machine which is gone takes none of it (tcp(7), `TCP_USER_TIMEOUT`).
    let _ = set_tcp_user_timeout(stream, GONE_LIMIT.as_millis() as u32);
    // Who is slow is to see fewer pictures, not older ones.
    let _ = set_socket_send_buffer_size(stream, SEND_BYTES);
}

async fn converse<S>(stream: S, service: Arc<Service>, peer: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // A task of its own: with the connection of a browser that is gone its answer would go, too,
    // and what it has asked for may have been read already.
    let answer = service_fn(move |request| {
        let service = Arc::clone(&service);
        tokio::spawn(async move { service.answer(request, peer).await })
    });
    let outcome = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = outcome {
        log::debug!("page: the connection from {peer} ended: {error}");
    }
}

/// Each picture once, however many watch.
async fn encode_all(live: &Live, clock: &dyn Clock, show: &watch::Sender<Option<Picture>>) {
    loop {
        live.shots.notified().await;
        let Some(shot) = live.take_shot() else { continue };
        match encode(&shot, clock.now().monotonic) {
            Ok(picture) if live.shows_pictures() => {
                show.send_replace(Some(picture));
            }
            Ok(_) => {}
            Err(reason) => log::debug!("page: a frame is not shown: {reason}"),
        }
        // Those who watch are served before the next picture is encoded.
        tokio::task::yield_now().await;
    }
}

async fn forget_what_was_left(service: &Service, show: &watch::Sender<Option<Picture>>) {
    let (mut tick, mut alone, mut known) = (interval(LOOK), 0, None);
    loop {
        tick.tick().await;
        let watched = service.live.watching() > 0;
        if !watched || !service.live.shows_pictures() {
            show.send_if_modified(|picture| picture.take().is_some());
        }
        let mut trial = service.trial();
        // Also what somebody tries who does not watch at all, as a script does.
        let version = trial.version();
        let trying = known.replace(version) != Some(version);
        alone = if watched || trying { 0 } else { alone + 1 };
        if alone >= LEFT {
            trial.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::{socket_send_buffer_size, tcp_user_timeout};

    use super::*;

    async fn prepared() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).await.expect("connected");
        prepare(&stream);
        stream
    }

    #[tokio::test]
    async fn the_kernel_gives_up_a_machine_that_is_gone() {
        assert_eq!(tcp_user_timeout(prepared().await).expect("told"), 30_000);
    }

    #[tokio::test]
    async fn the_kernel_holds_no_seconds_of_pictures_on_a_slow_link() {
        // It doubles what it is told, for its own bookkeeping (socket(7), `SO_SNDBUF`).
        let held = socket_send_buffer_size(prepared().await).expect("told");
        assert_eq!(held, 2 * SEND_BYTES);
    }
}
