//! When to try again after a lost connection: a state without clock or socket.

use std::time::Duration;

use crate::backoff::Backoff;

/// A connection that lasted this long was a good one: the next loss starts with
/// a short wait again. A broker that accepts and drops at once (two clients with
/// one id, a refused packet) is left alone longer and longer.
const STABLE: Duration = Duration::from_secs(20);

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);

/// Back-off that knows how long the last connection lasted.
#[derive(Clone, Debug)]
pub(super) struct Reconnect {
    backoff: Backoff,
    connected_at: Option<Duration>,
}

impl Reconnect {
    /// `most` bounds the wait between two tries.
    pub(super) fn new(most: Duration) -> Self {
        Self { backoff: Backoff::new(FIRST.min(most), most), connected_at: None }
    }

    /// The broker accepted us at monotonic time `now`.
    pub(super) fn connected(&mut self, now: Duration) {
        self.connected_at = Some(now);
    }

    /// Whether there is a connection that was a good one, should it break now.
    pub(super) fn has_lasted(&self, now: Duration) -> bool {
        self.connected_at.is_some_and(|start| now.saturating_sub(start) >= STABLE)
    }

    /// The try failed or the connection broke: how long to wait. `jitter` from 0
    /// to 1 spreads a fleet.
    pub(super) fn lost(&mut self, now: Duration, jitter: f64) -> Duration {
        if self.has_lasted(now) {
            self.backoff.reset();
        }
        self.connected_at = None;
        self.backoff.next_delay(jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_longer_until_a_connection_lasts() {
        let mut reconnect = Reconnect::new(s(8));
        let waits: Vec<_> = (0..5).map(|_| reconnect.lost(s(0), 0.0)).collect();
        assert_eq!(waits, [s(1), s(2), s(4), s(8), s(8)]);
        reconnect.connected(s(100));
        assert_eq!(reconnect.lost(s(101), 0.0), s(8), "dropped at once: not a success");
        reconnect.connected(s(200));
        assert_eq!(reconnect.lost(s(220), 0.0), s(1));
    }
}
