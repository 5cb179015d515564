//! Which of several addresses is tried next, and when: a state without clock or socket.

use std::time::Duration;

use super::endpoints::{Endpoints, rank};
use super::reconnect::Reconnect;
use crate::mqtt::url::BrokerUrl;

/// The addresses of `mqtt.url`, each with a back-off of its own.
pub(super) struct Addresses {
    /// In this device's own order.
    entries: Vec<Entry>,
    /// Until then none is tried: when a node goes, all of its devices leave at once.
    hold: Duration,
}

struct Entry {
    broker: BrokerUrl,
    endpoints: Endpoints,
    reconnect: Reconnect,
    /// When it may be tried again.
    due: Duration,
}

impl Addresses {
    /// `brokers`, at least one, in an order that depends on the device: the fleet spreads
    /// over them, and over the others when one goes.
    pub(super) fn new(mut brokers: Vec<BrokerUrl>, device: &str, most: Duration) -> Self {
        brokers.sort_by_key(|broker| rank(device, &broker.to_string()));
        let entry = |broker| Entry {
            broker,
            endpoints: Endpoints::new(device),
            reconnect: Reconnect::new(most),
            due: Duration::ZERO,
        };
        Self { entries: brokers.into_iter().map(entry).collect(), hold: Duration::ZERO }
    }

    /// The one to try next, and when: the one whose turn came first, so that each of those
    /// that may be tried is, before one is tried again.
    pub(super) fn next(&self) -> (usize, Duration) {
        let first = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.due);
        let (index, entry) = first.expect("there is always an address");
        (index, entry.due.max(self.hold))
    }

    /// The address of that number, and what is known of the hosts behind it.
    pub(super) fn get(&mut self, index: usize) -> (&BrokerUrl, &mut Endpoints) {
        let entry = &mut self.entries[index];
        (&entry.broker, &mut entry.endpoints)
    }

    /// The broker accepted us at monotonic time `now`.
    pub(super) fn connected(&mut self, index: usize, now: Duration) {
        self.entries[index].reconnect.connected(now);
    }

    /// Whether the connection there was a good one, should it break now.
    pub(super) fn has_lasted(&self, index: usize, now: Duration) -> bool {
        self.entries[index].reconnect.has_lasted(now)
    }

    /// The try failed, or, where it had `connected`, the connection broke. `jitter` from 0
    /// to 1 spreads a fleet.
    pub(super) fn lost(&mut self, index: usize, now: Duration, jitter: f64, connected: bool) {
        let entry = &mut self.entries[index];
        entry.due = now + entry.reconnect.lost(now, jitter);
        if connected {
            self.hold = entry.due;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn addresses(device: &str, count: usize) -> Addresses {
        let urls = (0..count).map(|n| format!("mqtt://node{n}").parse().expect("an address"));
        Addresses::new(urls.collect(), device, s(8))
    }

    #[test]
    fn all_are_tried_before_one_is_waited_for() {
        let mut addresses = addresses("d1", 3);
        let mut tried = Vec::new();
        for _ in 0..3 {
            let (index, at) = addresses.next();
            assert_eq!(at, s(0), "one that was not tried yet needs no waiting");
            tried.push(index);
            addresses.lost(index, s(0), 0.0, false);
        }
        assert_eq!(tried, [0, 1, 2]);
        assert_eq!(addresses.next(), (0, s(1)));
        addresses.lost(0, s(1), 0.0, false);
        assert_eq!(addresses.next(), (1, s(1)), "the first waits longer now");
    }

    #[test]
    fn a_connection_that_breaks_is_not_replaced_at_once_and_elsewhere() {
        let mut addresses = addresses("d1", 2);
        addresses.connected(0, s(10));
        addresses.lost(0, s(100), 0.0, true);
        assert_eq!(addresses.next(), (1, s(101)), "after the first wait, at the other");
        // Two clients with one id: each throws the other out, at whichever node.
        for (index, at, next) in [(1, 101, (0, s(102))), (0, 102, (1, s(104)))] {
            addresses.connected(index, s(at));
            addresses.lost(index, s(at), 0.0, true);
            assert_eq!(addresses.next(), next);
        }
    }

    #[test]
    fn a_fleet_spreads_over_the_addresses_and_over_the_rest_when_one_goes() {
        let (mut first, mut second) = ([0; 3], [0; 3]);
        for device in 0..3000 {
            let addresses = addresses(&format!("device-{device}"), 3);
            let node = |number: usize| {
                addresses.entries[number].broker.host["node".len()..]
                    .parse::<usize>()
                    .expect("a number")
            };
            first[node(0)] += 1;
            if node(0) == 0 {
                second[node(1)] += 1;
            }
        }
        assert!(first.iter().all(|count| (900..1100).contains(count)), "{first:?}");
        assert!(second[1..].iter().all(|count| (400..600).contains(count)), "{second:?}");
    }
}
