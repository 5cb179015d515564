//! Whether a camera counts as available, told without flapping: one with a bad contact
//! would otherwise turn every entity of Home Assistant over with it.

use std::time::Duration;

use crate::backoff::Backoff;

/// A camera that was lost again within this time has to prove itself.
const SOON: Duration = Duration::from_secs(60);
/// For how long it must deliver then: longer after each such loss.
const PROOF: Backoff = Backoff::new(Duration::from_secs(2), SOON);

/// Follows one camera. All times are on the monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Availability {
    /// Since when it has delivered pictures.
    delivers_since: Option<Duration>,
    /// Since when it has counted as available; none while it does not.
    available_since: Option<Duration>,
    proof: Backoff,
    /// For how long it must deliver now.
    wanted: Duration,
}

impl Default for Availability {
    fn default() -> Self {
        let wanted = Duration::ZERO;
        Self { delivers_since: None, available_since: None, proof: PROOF, wanted }
    }
}

impl Availability {
    /// Whether it counts as available at `now`, by whether pictures come that can be read.
    /// `lost` says that they do not because something is wrong with it: not while somebody wants
    /// it closed, nor while it is opened.
    pub(crate) fn update(&mut self, now: Duration, delivers: bool, lost: bool) -> bool {
        if !delivers {
            if let Some(since) = self.delivers_since.take() {
                if now.saturating_sub(self.available_since.unwrap_or(since)) >= SOON {
                    (self.proof, self.wanted) = (PROOF, Duration::ZERO);
                } else if lost {
                    self.wanted = self.proof.next_delay(0.0);
                }
            }
            self.available_since = None;
            return false;
        }
        let since = *self.delivers_since.get_or_insert(now);
        if self.available_since.is_none() && now.saturating_sub(since) >= self.wanted {
            self.available_since = Some(now);
        }
        self.available_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second; returns when the answer changed.
    fn changes(seconds: u64, delivers: impl Fn(u64) -> bool) -> Vec<u64> {
        let (mut availability, mut before) = (Availability::default(), false);
        let seconds = 0..seconds;
        seconds
            .filter(|second| {
                let now = Duration::from_secs(*second);
                let delivers = delivers(*second);
                let answer = availability.update(now, delivers, !delivers);
                std::mem::replace(&mut before, answer) != answer
            })
            .collect()
    }

    #[test]
    fn a_camera_that_comes_back_after_long_is_available_at_once() {
        let unplugged_once = |second| !(100..110).contains(&second);
        assert_eq!(changes(300, unplugged_once), [0, 100, 110]);
    }

    #[test]
    fn a_bad_contact_does_not_turn_everything_over() {
        let flaps = changes(3600, |second| second % 8 < 6);
        assert!(flaps.len() <= 8, "{flaps:?}");
        let flaps = changes(3600, |second| second % 40 < 38 || second > 3000);
        assert!(flaps.len() <= 14, "{flaps:?}");
        assert!(flaps.len() % 2 == 1, "at last it is available: {flaps:?}");
    }

    #[test]
    fn a_camera_that_has_worked_since_it_was_lost_is_available_at_once_after_a_pause() {
        let mut availability = Availability::default();
        let mut update = |second, delivers, lost| {
            availability.update(Duration::from_secs(second), delivers, lost)
        };
        assert!(update(0, true, false) && !update(1, false, true));
        assert!(!update(2, true, false) && update(10, true, false));
        assert!(!update(3601, false, false));
        assert!(update(3602, true, false), "what it did an hour ago counts no more");
    }

    #[test]
    fn a_pause_proves_nothing_against_a_camera() {
        let mut availability = Availability::default();
        for round in 0..20 {
            let now = Duration::from_secs(round * 3);
            assert!(availability.update(now, true, false));
            assert!(!availability.update(now + Duration::from_secs(1), false, false));
        }
    }
}
