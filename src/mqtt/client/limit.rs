//! A limit that a broker did not announce: it ended a connection over a packet.

use std::time::Duration;

use tokio::time::Instant;

/// Such a limit is forgotten after this: its owner may have raised it, and finding out costs
/// one connection.
pub(super) const FORGET: Duration = Duration::from_secs(3600);

/// What is known of one address of `mqtt.url`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limit(Option<(usize, Instant)>);

impl Limit {
    /// It ended a connection over a packet of so many bytes, at least one: that is believed until
    /// then.
    pub(super) fn learn(&mut self, size: usize, until: Instant) {
        self.0 = Some((size, until));
    }

    /// Bytes of the largest packet for a broker that `announced` another limit or none. Where
    /// that is less, until when.
    pub(super) fn largest(&self, announced: usize, now: Instant) -> (usize, Option<Instant>) {
        match self.0 {
            Some((size, until)) if size <= announced && now < until => (size - 1, Some(until)),
            _ => (announced, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_holds_for_an_hour_and_below_what_is_announced() {
        let begun = Instant::now();
        let mut limit = Limit::default();
        assert_eq!(limit.largest(5000, begun), (5000, None));
        let until = begun + FORGET;
        limit.learn(3000, until);
        assert_eq!(limit.largest(5000, begun), (2999, Some(until)));
        assert_eq!(limit.largest(2999, begun), (2999, None));
        assert_eq!(limit.largest(5000, until), (5000, None));
    }
}
