//! The one task that owns the connection.
//!
//! Every connection begins with a clean session: what must be sent again is decided by
//! the [`Queue`](super::queue::Queue) alone, and an entry leaves it when the broker has
//! acknowledged it. A session that the broker keeps would repeat messages out of turn,
//! and is lost with a broker that forgets. Which of the two protocols is spoken, only
//! [`wire`] knows.

pub(crate) mod error;
pub(crate) mod options;
pub(crate) mod probe;
mod reconnect;
mod refusal;
pub(crate) mod session;
mod wire;

use tokio::time::sleep;

use self::error::ConnectionError;
use self::options::ConnectOptions;
use self::reconnect::Reconnect;
use self::session::{Context, Session, stopped};
use super::message::Subscriptions;
use crate::random::jitter;

/// Keeps a connection for as long as the program runs.
pub(super) struct Client {
    context: Context,
    options: ConnectOptions,
    subscriptions: Subscriptions,
}

impl Client {
    pub(super) fn new(
        context: Context,
        options: ConnectOptions,
        subscriptions: Subscriptions,
    ) -> Self {
        Self { context, options, subscriptions }
    }

    /// Connects, serves, and connects again, until told to stop.
    pub(super) async fn run(mut self) {
        let mut reconnect = Reconnect::new(self.options.reconnect_max);
        let mut last_reason = None;
        loop {
            let outcome = self.connect_once(&mut reconnect, &mut last_reason).await;
            let reason = outcome.err().map(|error| error.to_string());
            self.context.shared.queue().lost(reason.clone());
            let Some(reason) = reason else { return };
            let wait = reconnect.lost(self.context.clock.now().monotonic, jitter());
            // One line per kind of trouble, not one per try: an outage may last weeks.
            let level = if last_reason.as_ref() == Some(&reason) {
                log::Level::Debug
            } else {
                log::Level::Warn
            };
            log::log!(level, broker:% = self.options.url, retry_s = wait.as_secs_f32();
                "no connection to the broker: {reason}");
            last_reason = Some(reason);
            tokio::select! {
                () = sleep(wait) => {}
                () = stopped(&mut self.context.stop) => return,
            }
        }
    }

    /// The life of one connection. `Ok` means that we were told to stop.
    async fn connect_once(
        &mut self,
        reconnect: &mut Reconnect,
        last_reason: &mut Option<String>,
    ) -> Result<(), ConnectionError> {
        let connection = tokio::select! {
            connection = wire::connect(&self.options) => connection?,
            () = stopped(&mut self.context.stop) => return Ok(()),
        };
        reconnect.connected(self.context.clock.now().monotonic);
        log::info!(broker:% = self.options.url, mqtt = connection.protocol.name();
            "connected to the broker");
        *last_reason = None;
        let last_will = self.options.last_will.as_ref();
        Session::run(connection, &mut self.context, &mut self.subscriptions, last_will).await
    }
}
