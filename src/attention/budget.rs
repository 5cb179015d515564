//! How much may be looked at: in pixels of networks' inputs, which is what looks cost.

use std::time::Duration;

/// What may be spent, refilled with time.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// Pixels of inputs a second.
    rate: f32,
    /// The dearest single look: a few of them can always be saved up.
    least: f32,
    /// What can be saved up at most.
    most: f32,
    left: f32,
    refilled: Option<Duration>,
}

/// So many seconds' worth can be saved up, or what comes in from one frame to the next:
/// enough that the looks of one frame never wait for the next second.
const SAVED_S: f32 = 0.3;

impl Budget {
    /// Full. `rate` are pixels a second, of which one look takes `least`; frames come every
    /// `interval` seconds.
    pub(super) fn new(rate: f32, least: f32, interval: f32) -> Self {
        let mut budget = Self { rate, least, most: 0.0, left: 0.0, refilled: None };
        budget.set_rate(rate, interval);
        Self { left: budget.most, ..budget }
    }

    /// Another rate and interval; what was saved beyond them is lost.
    pub(super) fn set_rate(&mut self, rate: f32, interval: f32) {
        self.rate = rate;
        self.most = (rate * SAVED_S.max(interval)).max(3.0 * self.least);
        self.left = self.left.min(self.most);
    }

    /// Time has passed until `now`.
    pub(super) fn refill(&mut self, now: Duration) {
        let passed = self.refilled.map_or(0.0, |then| now.saturating_sub(then).as_secs_f32());
        self.refilled = Some(now.max(self.refilled.unwrap_or_default()));
        self.left = (self.left + passed * self.rate).min(self.most);
    }

    /// Whether there is so much.
    pub(super) fn has(&self, cost: u32) -> bool {
        self.left >= cost as f32
    }

    /// Spends `cost`, if there is that much.
    pub(super) fn spend(&mut self, cost: u32) -> bool {
        let enough = self.has(cost);
        if enough {
            self.left -= cost as f32;
        }
        enough
    }
}

/// How much of the budget for looking around may be spent, by heat and load.
#[derive(Clone, Debug)]
pub struct Relief {
    share: f32,
    /// The share of time that looking took lately.
    load: f32,
    updated: Option<Duration>,
}

/// While the board is hot, this share at most.
const HOT: f32 = 0.5;
/// Below this share nothing far would be found any more.
const LEAST: f32 = 0.25;
/// The share of time that looking takes, from which it is too much,
const BUSY: f32 = 0.9;
/// and below which it may be more again.
const FREE: f32 = 0.7;
/// Over so many seconds that is averaged.
const LATELY: f32 = 2.0;
/// How fast the share shrinks and grows, a second.
const SHRINKS: f32 = 0.3;
const GROWS: f32 = 0.05;

impl Default for Relief {
    fn default() -> Self {
        Self { share: 1.0, load: 0.0, updated: None }
    }
}

impl Relief {
    /// The share, 0.25 to 1, that may be spent from `now` on. `strained` while the board is
    /// hot; `busy` is the time that looking has taken since the last call.
    pub fn update(&mut self, now: Duration, strained: bool, busy: Duration) -> f32 {
        let passed = self.updated.map_or(0.0, |then| now.saturating_sub(then).as_secs_f32());
        self.updated = Some(now);
        if passed > 0.0 {
            let load = busy.as_secs_f32() / passed;
            self.load += (load - self.load) * (passed / LATELY).min(1.0);
        }
        if self.load > BUSY {
            self.share -= SHRINKS * passed;
        } else if self.load < FREE {
            self.share += GROWS * passed;
        }
        self.share = self.share.clamp(LEAST, 1.0);
        if strained { self.share.min(HOT) } else { self.share }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_budget_is_never_exceeded(
            rate in 1f32..1e6, least in 1f32..1e5, interval in 0f32..10.0,
            steps in proptest::collection::vec((0f32..0.5, 1u32..100_000), 1..200),
        ) {
            let mut budget = Budget::new(rate, least, interval);
            let most = f64::from((rate * SAVED_S.max(interval)).max(3.0 * least));
            let (mut now, mut spent) = (0.0, 0.0);
            for (pause, cost) in steps {
                now += pause;
                budget.refill(Duration::from_secs_f32(now));
                if budget.spend(cost) {
                    spent += f64::from(cost);
                }
                let allowed = most + f64::from(now) * f64::from(rate);
                prop_assert!(spent <= allowed * 1.001, "{spent} of {allowed}");
            }
        }
    }

    /// Plays frames at 15 a second for so long, each of which takes this share of its time.
    fn play(relief: &mut Relief, from: f32, seconds: f32, strained: bool, load: f32) -> f32 {
        let frames = (0..(seconds * 15.0) as u32).map(|frame| from + frame as f32 / 15.0);
        let busy = Duration::from_secs_f32(load / 15.0);
        frames
            .map(|now| relief.update(Duration::from_secs_f32(now), strained, busy))
            .last()
            .unwrap()
    }

    #[test]
    fn load_shrinks_the_share_slowly_and_heat_halves_it_at_once() {
        let mut relief = Relief::default();
        assert_eq!(play(&mut relief, 0.0, 20.0, false, 0.5), 1.0);
        assert_eq!(play(&mut relief, 20.0, 0.1, true, 0.5), 0.5);
        assert_eq!(play(&mut relief, 20.1, 20.0, false, 0.8), 1.0);
        let after = play(&mut relief, 40.1, 5.0, false, 1.0);
        assert!((0.25..0.9).contains(&after), "{after}");
        assert_eq!(play(&mut relief, 45.1, 20.0, false, 1.0), 0.25);
        let after = play(&mut relief, 65.1, 10.0, false, 0.1);
        assert!((0.5..0.9).contains(&after), "{after}");
    }
}
