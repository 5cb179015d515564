//! When a frame was taken: by the driver's time where that can be true, else by its
//! arrival.
//!
//! Everything behind (the tracker, dwell times, ages) relies on times that grow from
//! frame to frame and are never ahead of the clock. Drivers give other ones: of another
//! clock (loopback devices pass on their writer's), from zero, standing still, jumping
//! when a USB camera's own clock is estimated anew (uvcvideo, `hwtimestamps`).

use std::time::{Duration, SystemTime};

use crate::clock::Moment;

/// A time further back than this is wrong: four buffers at the slowest rate that can be
/// set, one frame a second, are four seconds old when the last is read.
const OLDEST: Duration = Duration::from_secs(10);
/// An estimated time may be ahead of the clock by the error of the estimate, which is
/// well below a frame. What is ahead by more is of another clock.
const AHEAD: Duration = Duration::from_millis(50);
/// A driver whose times were wrong so often is not asked again until the camera is opened
/// anew: to change between two kinds of time would make intervals that no frame had.
const PATIENCE: u32 = 3;

/// Follows one stream's times. All times are on the monotonic clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Timestamps {
    /// The driver's time of the last frame that had a possible one.
    stamp: Option<Duration>,
    /// What the last frame was told to have.
    told: Option<Duration>,
    /// How many of the driver's times were wrong.
    wrong: u32,
}

impl Timestamps {
    /// When the frame was taken that was read at `now`. `stamp` is the driver's time,
    /// none where that is not of the monotonic clock. Later than every time before, as
    /// long as `now` is, and never later than `now`.
    pub(super) fn taken(&mut self, stamp: Option<Duration>, now: Moment) -> Moment {
        let told = stamp.and_then(|stamp| self.by_driver(stamp, now.monotonic));
        let monotonic = told.unwrap_or(now.monotonic).min(now.monotonic);
        self.told = Some(monotonic);
        let age = now.monotonic - monotonic;
        Moment { monotonic, wall: now.wall.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    /// The frame's time by the driver's; none where that cannot be true.
    fn by_driver(&mut self, stamp: Duration, now: Duration) -> Option<Duration> {
        if self.wrong >= PATIENCE {
            return None;
        }
        if stamp > now + AHEAD || now.saturating_sub(stamp) > OLDEST {
            self.wrong += 1;
            return None;
        }
        let before = self.stamp.replace(stamp).unwrap_or_default();
        if stamp <= before {
            self.wrong += 1;
            return None;
        }
        match self.told {
            // Right, but before a frame that had to be told by its arrival, which comes tens of
            // milliseconds after a frame is taken. Until the driver's times have caught up, time
            // goes on at half of their pace.
            Some(told) if stamp <= told => Some(told + (stamp - before) / 2),
            _ => Some(stamp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(monotonic: Duration) -> Moment {
        Moment {
            monotonic,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + monotonic,
        }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Plays frames that arrive every 100 ms from 100 s on; `stamp` gives the driver's
    /// time of a frame that arrived then, in milliseconds.
    fn told(stamp: impl Fn(u64) -> Option<u64>) -> Vec<u64> {
        let mut timestamps = Timestamps::default();
        (0..8)
            .map(|frame| 100_000 + frame * 100)
            .map(|now| timestamps.taken(stamp(now).map(ms), moment(ms(now))))
            .map(|taken| u64::try_from(taken.monotonic.as_millis()).expect("small"))
            .collect()
    }

    fn arrivals() -> Vec<u64> {
        (0..8).map(|frame| 100_000 + frame * 100).collect()
    }

    #[test]
    fn a_drivers_right_time_is_the_frames_and_so_is_its_wall_time() {
        let right: Vec<u64> = arrivals().iter().map(|now| now - 70).collect();
        assert_eq!(told(|now| Some(now - 70)), right);
        let taken = Timestamps::default().taken(Some(ms(99_930)), moment(ms(100_000)));
        assert_eq!(taken, moment(ms(99_930)));
    }

    #[test]
    fn times_of_another_clock_are_replaced_by_the_arrival() {
        assert_eq!(told(|_| None), arrivals(), "not of the monotonic clock");
        assert_eq!(told(|now| Some(now + 3_600_000)), arrivals(), "ahead by an hour");
        assert_eq!(told(|now| Some(now - 99_000)), arrivals(), "from zero");
        assert_eq!(told(|now| Some(now - 11_000)), arrivals(), "too old");
    }

    #[test]
    fn a_time_that_is_a_little_ahead_is_now() {
        assert_eq!(told(|now| Some(now + 20)), arrivals());
    }

    #[test]
    fn times_that_stand_still_or_run_backwards_are_replaced_for_good() {
        let still = told(|_| Some(99_990));
        assert_eq!(still[0], 99_990);
        assert_eq!(still[1..], arrivals()[1..]);
        let backwards = told(|now| Some(99_990 - (now - 100_000)));
        assert_eq!(backwards[1..], arrivals()[1..]);
    }

    #[test]
    fn one_jump_costs_one_frame() {
        let jump = told(|now| Some(if now == 100_300 { now - 60_000 } else { now - 20 }));
        let right = |now: u64| if now == 100_300 { now } else { now - 20 };
        assert_eq!(jump, arrivals().into_iter().map(right).collect::<Vec<u64>>());
    }

    /// 30 frames a second, each 50 ms on its way, so that the next one is taken before the one that
    /// is told by its arrival has come.
    #[test]
    fn one_jump_costs_few_frames_also_where_they_are_long_on_their_way() {
        for jumped in [20, 40_000, 95_000, 180_000] {
            let mut timestamps = Timestamps::default();
            let (mut late, mut last) = (Vec::new(), Duration::ZERO);
            for frame in 0..200 {
                let taken = 100_000 + frame * 100 / 3;
                let stamp = if frame == 50 { jumped } else { taken };
                let told = timestamps.taken(Some(ms(stamp)), moment(ms(taken + 50))).monotonic;
                assert!(told > last && told >= ms(taken), "{frame}: {told:?} after {last:?}");
                last = told;
                if told != ms(taken) {
                    late.push(frame);
                }
            }
            assert!(late.iter().all(|frame| (50..58).contains(frame)), "{jumped}: {late:?}");
        }
    }

    proptest! {
        /// Whatever a driver says: times grow, and none is ahead of the clock or older
        /// than it can be.
        #[test]
        fn times_grow_and_are_never_ahead(frames in proptest::collection::vec(
            (1u64..2000, proptest::option::of(prop_oneof![
                (-20_000i64..20_000).prop_map(|offset| (true, offset)),
                (0i64..i64::MAX / 2_000_000).prop_map(|absolute| (false, absolute)),
            ])), 1..60,
        )) {
            let mut timestamps = Timestamps::default();
            let (mut now, mut last) = (100_000, None);
            for (gap, stamp) in frames {
                now += gap;
                let stamp = stamp.map(|(relative, value)| {
                    let base = if relative { i64::try_from(now).expect("small") } else { 0 };
                    ms(u64::try_from(base + value).unwrap_or(0))
                });
                let taken = timestamps.taken(stamp, moment(ms(now))).monotonic;
                prop_assert!(taken <= ms(now) && ms(now) - taken <= OLDEST);
                prop_assert!(last.is_none_or(|last| taken > last), "{last:?}, {taken:?}");
                last = Some(taken);
            }
        }
    }
}
