//! The one task that owns the connection.
//!
//! rumqttc keeps its own list of unacknowledged messages, loses it with a clean
//! session and repeats it out of turn with a persistent one. So every connection
//! gets a fresh event loop and a clean session, and what must be sent again is
//! decided by the [`Queue`](super::queue::Queue) alone: an entry leaves it when
//! the broker has acknowledged it. Which of the two protocols is spoken, only
//! [`wire`] knows.

mod flight;
mod lost;
pub mod probe;
mod reconnect;
mod refusal;
mod serving;
mod way;
mod wire;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use self::lost::Lost;
use self::reconnect::Reconnect;
pub use self::serving::CLOSE_LIMIT;
use self::serving::Serving;
pub(super) use self::way::Way;
use self::wire::Link;
pub use self::wire::Protocol;
use super::publisher::Shared;
use super::settings::Version;
use crate::clock::Clock;

/// A message that arrived on a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Kept by the broker from before: a state, not a command of this moment.
    pub retained: bool,
}

/// Topic filters to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    /// For as long as there is a connection.
    pub lasting: Vec<String>,
    /// For the first seconds of the first connection: what the broker keeps of an
    /// earlier run. Later we would only hear ourselves.
    pub sweep: Vec<String>,
}

pub(super) struct Client {
    pub shared: Arc<Shared>,
    pub way: Way,
    pub subscriptions: Subscriptions,
    pub received: mpsc::Sender<Received>,
    pub stop: watch::Receiver<bool>,
    pub clock: Arc<dyn Clock>,
    /// Connect without listening: the last connection broke over a message that
    /// was too large. If it is retained it waits for us, and without this nothing
    /// would ever be published again.
    pub deaf: bool,
}

impl Client {
    /// Connects, serves, and connects again, until told to stop.
    pub async fn run(mut self) {
        let mut reconnect = Reconnect::new(self.way.reconnect_max);
        let mut last_reason = None;
        loop {
            let outcome = self.connect_once(&mut reconnect, &mut last_reason).await;
            let lost = outcome.err();
            self.deaf = lost.as_ref().is_some_and(Lost::by_oversized_message);
            let reason = lost.map(|lost| lost.to_string());
            self.shared.queue().lost(reason.clone());
            let Some(reason) = reason else { return };
            let wait = reconnect.lost(self.clock.now().monotonic, random());
            // One line per kind of trouble, not one per try: an outage may last weeks.
            let level = if last_reason.as_ref() == Some(&reason) {
                log::Level::Debug
            } else {
                log::Level::Warn
            };
            log::log!(level, broker:% = self.way.url, retry_s = wait.as_secs_f32();
                "no connection to the broker: {reason}");
            last_reason = Some(reason);
            tokio::select! {
                () = sleep(wait) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    /// The life of one connection. `Ok` means that we were told to stop.
    async fn connect_once(
        &mut self,
        reconnect: &mut Reconnect,
        last_reason: &mut Option<String>,
    ) -> Result<(), Lost> {
        let link = tokio::select! {
            link = connect(&self.way) => link?,
            () = stopped(&mut self.stop) => return Ok(()),
        };
        reconnect.connected(self.clock.now().monotonic);
        log::info!(broker:% = self.way.url, mqtt = link.protocol.name();
            "connected to the broker");
        *last_reason = None;
        let sweep = std::mem::take(&mut self.subscriptions.sweep);
        Serving::run(link, self, sweep).await
    }

    fn deliver(&self, received: Received) {
        if self.received.try_send(received).is_err() {
            self.shared.queue().count_dropped_command();
        }
    }
}

/// Connects in the newest protocol that is wanted and that the broker takes. What
/// was found holds for this connection only: brokers are replaced, and one that hung
/// up because it was busy must not keep us in the old protocol for ever.
async fn connect(way: &Way) -> Result<Link, Lost> {
    match way.version {
        Version::V311 => wire::connect(way, Protocol::V311).await,
        Version::V5 => wire::connect(way, Protocol::V5).await,
        Version::Auto => match wire::connect(way, Protocol::V5).await {
            Err(lost) if lost.may_be_the_protocol() => {
                log::debug!(broker:% = way.url; "MQTT 5 is not taken, trying 3.1.1: {lost}");
                wire::connect(way, Protocol::V311).await
            }
            outcome => outcome,
        },
    }
}

/// Ends when we were told to stop, or nobody is left to tell us.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// From 0 to 1, different in every process: the standard library seeds its
/// hashers from the system's randomness.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    bits as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_in_its_range_and_varies() {
        let values: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(values.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
