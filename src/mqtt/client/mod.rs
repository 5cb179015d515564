//! The one task that owns the connection.
//!
//! rumqttc keeps its own list of unacknowledged messages, loses it with a clean
//! session and repeats it out of turn with a persistent one. So every connection
//! gets a fresh event loop and a clean session, and what must be sent again is
//! decided by the [`Queue`](super::queue::Queue) alone: an entry leaves it when
//! the broker has acknowledged it. Which of the two protocols is spoken, only
//! [`wire`] knows.

pub(crate) mod error;
mod in_flight;
pub(crate) mod options;
pub mod probe;
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
use crate::backoff::jitter;

/// Keeps a connection for as long as the program runs.
pub(super) struct Client {
    context: Context,
    options: ConnectOptions,
    subscriptions: Subscriptions,
    /// Connect without listening: the last connection broke over a message that
    /// was too large. If it is retained it waits for us, and without this nothing
    /// would ever be published again.
    deaf: bool,
}

impl Client {
    pub fn new(context: Context, options: ConnectOptions, subscriptions: Subscriptions) -> Self {
        Self { context, options, subscriptions, deaf: false }
    }

    /// Connects, serves, and connects again, until told to stop.
    pub async fn run(mut self) {
        let mut reconnect = Reconnect::new(self.options.reconnect_max);
        let mut last_reason = None;
        loop {
            let outcome = self.connect_once(&mut reconnect, &mut last_reason).await;
            let lost = outcome.err();
            self.deaf = lost.as_ref().is_some_and(ConnectionError::by_oversized_message);
            let reason = lost.map(|lost| lost.to_string());
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
        let link = tokio::select! {
            link = wire::connect(&self.options) => link?,
            () = stopped(&mut self.context.stop) => return Ok(()),
        };
        reconnect.connected(self.context.clock.now().monotonic);
        log::info!(broker:% = self.options.url, mqtt = link.protocol.name();
            "connected to the broker");
        *last_reason = None;
        // Later we would only hear ourselves.
        let sweep = std::mem::take(&mut self.subscriptions.sweep);
        let lasting = if self.deaf { &[][..] } else { &self.subscriptions.lasting };
        let farewell = self.options.last_will.as_ref();
        Session::run(link, &mut self.context, lasting, sweep, farewell).await
    }
}
