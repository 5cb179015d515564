//! The one task that owns the connection.
//!
//! Every connection begins with a clean session: what must be sent again is decided by
//! the [`Queue`](super::queue::Queue) alone, and an entry leaves it when the broker has
//! acknowledged it. A session that the broker keeps would repeat messages out of turn,
//! and is lost with a broker that forgets. Which of the two protocols is spoken, only
//! [`wire`] knows.

mod addresses;
pub(crate) mod closing;
mod endpoints;
pub(crate) mod error;
mod in_flight;
mod limit;
pub(crate) mod options;
pub(crate) mod probe;
mod reconnect;
mod refusal;
pub(crate) mod session;
mod subscribed;
pub(super) mod told;
pub(super) mod wire;

use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use self::addresses::Addresses;
use self::error::ConnectionError;
use self::limit::Limit;
use self::options::ConnectOptions;
use self::session::{Context, Session, stopped};
use self::wire::Connection;
use super::message::Subscriptions;
use super::url::BrokerUrl;

/// Keeps a connection for as long as the program runs.
pub(super) struct Client {
    context: Context,
    options: ConnectOptions,
    addresses: Addresses,
    subscriptions: Subscriptions,
    /// What each address takes.
    limits: Vec<Limit>,
    /// Nothing was told since a connection was: it need not be told that there is another.
    is_told: bool,
}

impl Client {
    /// `brokers` are the addresses of one broker, at least one.
    pub(super) fn new(
        context: Context,
        options: ConnectOptions,
        brokers: Vec<BrokerUrl>,
        subscriptions: Subscriptions,
    ) -> Self {
        let limits = vec![Limit::default(); brokers.len()];
        let addresses = Addresses::new(brokers, &options.labels.device, options.reconnect_max);
        Self { context, options, addresses, subscriptions, limits, is_told: false }
    }

    /// Connects, serves, and connects again, until told to stop.
    pub(super) async fn run(mut self) {
        loop {
            let (index, due) = self.addresses.next();
            let wait = due.saturating_sub(self.now());
            tokio::select! {
                () = sleep(wait) => {}
                () = stopped(&mut self.context.stop) => return,
            }
            let (outcome, connected) = self.connect_once(index).await;
            let reason = outcome.err().map(|error| error.to_string());
            self.context.shared.queue().lost(reason.clone());
            let Some(reason) = reason else { return };
            let now = self.now();
            if self.addresses.has_lasted(index, now) {
                self.context.told.forget();
            }
            self.addresses.lost(index, now, (self.context.jitter)(), connected);
            self.complain(index, &reason, connected);
        }
    }

    /// The life of one connection, and whether there was one. `Ok` means that we were told
    /// to stop.
    async fn connect_once(&mut self, index: usize) -> (Result<(), ConnectionError>, bool) {
        let (broker, endpoints) = self.addresses.get(index);
        let outcome = tokio::select! {
            outcome = wire::connect(broker, endpoints, &self.options) => outcome,
            () = stopped(&mut self.context.stop) => return (Ok(()), false),
        };
        let (connection, address) = match outcome {
            Ok(connected) => connected,
            Err(error) => return (Err(error), false),
        };
        self.welcome(index, &connection, address);
        let served = Session::run(
            connection,
            &mut self.context,
            &mut self.subscriptions,
            &mut self.limits[index],
            self.options.last_will.as_ref(),
        )
        .await;
        // Of several hosts behind the name, another is tried first.
        self.addresses.get(index).1.failed(address);
        (served, true)
    }

    fn welcome(&mut self, index: usize, connection: &Connection, address: SocketAddr) {
        let now = self.now();
        self.addresses.connected(index, now);
        let (broker, _) = self.addresses.get(index);
        // Two clients with one id throw each other out for ever.
        let new = self.context.told.is_new(format!("{broker}: connected"));
        let told = mem::replace(&mut self.is_told, true) && !new;
        let level = if told { log::Level::Debug } else { log::Level::Info };
        log::log!(level, broker:%, address:%, mqtt = connection.protocol.name();
            "connected to the broker");
        self.context.shared.queue().reached(broker.to_string(), address);
    }

    /// One line per kind of trouble, not one per try: an outage may last weeks, and so may
    /// connections that break as soon as they are made. Where the last line says that there is a
    /// connection, that none can be made is told again.
    fn complain(&mut self, index: usize, reason: &str, connected: bool) {
        let wait = self.addresses.next().1.saturating_sub(self.now());
        let (broker, _) = self.addresses.get(index);
        let new =
            self.context.told.is_new(format!("{broker}: {reason}")) || (self.is_told && !connected);
        let level = if new { log::Level::Warn } else { log::Level::Debug };
        self.is_told &= !new;
        log::log!(level, broker:%, retry_s = wait.as_secs_f32();
            "no connection to the broker: {reason}");
    }

    fn now(&self) -> Duration {
        self.context.clock.now().monotonic
    }
}
