//! How often something is allowed.

use std::time::Duration;

/// A bucket of what is allowed, which fills over time.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    most: f64,
    tokens: f64,
    last: Duration,
}

impl TokenBucket {
    /// It is full again after so long.
    pub(crate) const PERIOD: Duration = Duration::from_secs(60);

    /// A full bucket at monotonic time `now`: `most` may come at once, and then in each
    /// [`Self::PERIOD`].
    pub(crate) fn new(most: u32, now: Duration) -> Self {
        let most = f64::from(most);
        Self { most, tokens: most, last: now }
    }

    /// Whether one more is allowed at monotonic time `now`.
    pub(crate) fn allow(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.last).div_duration_f64(Self::PERIOD);
        self.last = now;
        self.tokens = self.most.min(self.tokens + gained * self.most);
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }

    /// Whether nothing was asked for so long before monotonic time `now` that it is full again.
    pub(crate) fn has_rested(&self, now: Duration) -> bool {
        now.saturating_sub(self.last) >= Self::PERIOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_stopped_and_a_trickle_is_not() {
        let mut rate = TokenBucket::new(10, Duration::ZERO);
        let at_once = (0..100).filter(|_| rate.allow(Duration::from_secs(1))).count();
        assert_eq!(at_once, 10);
        assert!(!rate.allow(Duration::from_secs(4)));
        for minute in 1..50 {
            assert!(rate.allow(Duration::from_secs(minute * 60)), "minute {minute}");
        }
    }
}
