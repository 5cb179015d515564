//! How much may be looked at: in pixels of networks' inputs, which is what looks cost.

use std::time::Duration;

/// What may be spent, refilled with time.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    left: f32,
    refilled: Option<Duration>,
}

impl Budget {
    /// Time has passed until `now`, which brings `rate` pixels a second, up to `most`; what was
    /// saved beyond that is lost. The first time fills it.
    pub(super) fn refill(&mut self, now: Duration, rate: f32, most: f32) {
        let passed = |then| now.saturating_sub(then).as_secs_f32();
        let brought = self.refilled.map_or(most, |then| passed(then) * rate);
        self.refilled = self.refilled.max(Some(now));
        self.left = (self.left + brought).min(most);
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

/// How much of the budget for looking around and for far faces may be spent, by heat and
/// load.
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
            rate in 1f32..1e6, most in 1f32..1e6,
            steps in proptest::collection::vec((0f32..0.5, 1u32..100_000), 1..200),
        ) {
            let mut budget = Budget::default();
            let (mut now, mut spent) = (0.0, 0.0);
            for (pause, cost) in steps {
                now += pause;
                budget.refill(Duration::from_secs_f32(now), rate, most);
                if budget.spend(cost) {
                    spent += f64::from(cost);
                }
                let allowed = f64::from(most) + f64::from(now) * f64::from(rate);
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
