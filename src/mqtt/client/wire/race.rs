//! From a broker's name to a TCP connection: every address gets its chance.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::socket::STEP_LIMIT;
use crate::mqtt::client::error::ConnectionError;
use crate::mqtt::url::BrokerUrl;

/// For the name. resolv.conf(5) waits five seconds for the first name server before it
/// asks the second: a shorter limit would make a house with one dead server offline.
const NAME_LIMIT: Duration = Duration::from_secs(12);

/// A name may have many addresses, most of which may be dead.
const MOST_ADDRESSES: usize = 8;

/// The next address is tried when the one before has not answered for so long (RFC 8305, 5):
/// a dead IPv6 costs a quarter of a second instead of [`STEP_LIMIT`].
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses that did not answer, and why.
pub(in crate::mqtt::client) type Failures = Vec<(SocketAddr, ConnectionError)>;

/// The addresses of the broker, at least one, in the order in which the system gives them.
/// It asks on a thread of its own: getaddrinfo(3) cannot be interrupted.
///
/// # Errors
///
/// [`ConnectionError::Name`].
pub(in crate::mqtt::client) async fn resolve(
    broker: &BrokerUrl,
) -> Result<Vec<SocketAddr>, ConnectionError> {
    let unknown = |reason: String| ConnectionError::Name { host: broker.host.clone(), reason };
    let lookup = timeout(NAME_LIMIT, lookup_host((broker.host.as_str(), broker.port))).await;
    let found: Vec<_> = lookup
        .map_err(|_| unknown("no name server answers".to_owned()))?
        .map_err(|error| unknown(error.to_string()))?
        .collect();
    if found.is_empty() { Err(unknown("it has no address".to_owned())) } else { Ok(found) }
}

/// A connection to the first of the addresses that answers, and those that had failed by
/// then. Several are tried at a time, each begun [`ATTEMPT_DELAY`] after the one before or
/// when one has failed.
///
/// # Errors
///
/// None answers.
pub(super) async fn race(
    addresses: &[SocketAddr],
) -> (Result<(TcpStream, SocketAddr), ()>, Failures) {
    race_every(ATTEMPT_DELAY, addresses).await
}

async fn race_every(
    delay: Duration,
    addresses: &[SocketAddr],
) -> (Result<(TcpStream, SocketAddr), ()>, Failures) {
    let mut failures = Failures::new();
    let mut waiting = addresses.iter().copied().take(MOST_ADDRESSES);
    // Dropping it ends the attempts that are not needed any more.
    let mut attempts = JoinSet::new();
    loop {
        match waiting.next() {
            Some(address) => {
                attempts.spawn(async move { (address, attempt(address).await) });
            }
            None if attempts.is_empty() => return (Err(()), failures),
            None => {}
        }
        tokio::select! {
            Some(Ok((address, outcome))) = attempts.join_next() => match outcome {
                Ok(stream) => return (Ok((stream, address)), failures),
                Err(error) => failures.push((address, error)),
            },
            () = sleep(delay), if waiting.len() > 0 => {}
        }
    }
}

/// One address, within [`STEP_LIMIT`].
pub(in crate::mqtt::client) async fn attempt(
    address: SocketAddr,
) -> Result<TcpStream, ConnectionError> {
    match timeout(STEP_LIMIT, TcpStream::connect(address)).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(ConnectionError::Unreachable(address)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn at(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(at(0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    /// A port that is taken and refuses.
    fn refusing() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(at(0)).expect("a free port");
        let address = socket.local_addr().expect("bound");
        (socket, address)
    }

    /// A port whose queue of connections is full: it answers nobody more (listen(2)).
    fn silent() -> (TcpListener, Vec<std::net::TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(at(0)).expect("a free port");
        let listener = socket.listen(0).expect("it listens");
        let address = listener.local_addr().expect("bound");
        let connect = || std::net::TcpStream::connect_timeout(&address, ATTEMPT_DELAY).ok();
        let waiting = std::iter::from_fn(connect).collect();
        (listener, waiting, address)
    }

    #[tokio::test]
    async fn one_that_refuses_gives_way_at_once() {
        let ((_taken, dead), (_listener, alive)) = (refusing(), listening().await);
        // Nothing but the refusal can begin the second attempt while this test waits.
        let hour = Duration::from_secs(3600);
        let found = timeout(NAME_LIMIT, race_every(hour, &[dead, alive])).await;
        let (outcome, failures) = found.expect("at once");
        assert_eq!(outcome.expect("connected").1, alive);
        assert_eq!(failures.iter().map(|(address, _)| *address).collect::<Vec<_>>(), [dead]);
        let (outcome, failures) = race(&[dead]).await;
        assert!(outcome.is_err() && failures.len() == 1);
    }

    #[tokio::test]
    async fn one_that_is_silent_costs_a_moment() {
        let ((_full, _waiting, silent), (_listener, alive)) = (silent(), listening().await);
        let (outcome, failures) = race(&[silent, alive]).await;
        assert_eq!(outcome.expect("connected").1, alive);
        // Its own limit, which it shares with the others, was not waited for.
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_named() {
        let broker: BrokerUrl = "mqtt://nowhere.invalid".parse().expect("an address");
        let error = resolve(&broker).await.expect_err("no such name").to_string();
        assert!(error.contains("nowhere.invalid"), "{error}");
    }
}
