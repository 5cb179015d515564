//! How often something happens, over the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// Long enough to tell one frame in two seconds from none, short enough to follow a
/// change that somebody has just made.
const WINDOW: Duration = Duration::from_secs(5);
/// Over less time a rate is noise: one frame more or less is half of it.
const SHORTEST: Duration = Duration::from_secs(1);

/// A counter's readings, however irregular, made a rate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    /// Times and readings, oldest first; the first is the last one before the window.
    readings: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Takes in a reading at `now` on the monotonic clock. Returns the rate per second
    /// over the last seconds, 0 until a second has been seen. Readings may come at any
    /// time, such as after each command: they do not shorten the window.
    pub(crate) fn update(&mut self, now: Duration, count: u64) -> f32 {
        self.readings.push_back((now, count));
        while self.readings.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW) {
            self.readings.pop_front();
        }
        let Some((since, before)) = self.readings.front() else { return 0.0 };
        let elapsed = now.saturating_sub(*since);
        if elapsed < SHORTEST {
            return 0.0;
        }
        count.saturating_sub(*before) as f32 / elapsed.as_secs_f32()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_between_two_looks_change_nothing() {
        let mut rate = Rate::default();
        let frames = |milliseconds: u64| milliseconds * 15 / 1000;
        for milliseconds in (0..10_000).step_by(1000) {
            // a look each second, and one right after it because a command came
            for at in [milliseconds, milliseconds + 3, milliseconds + 70] {
                let told = rate.update(Duration::from_millis(at), frames(at));
                let near = (told - 15.0).abs() < 1.0;
                assert!(near || (at < 1000 && told == 0.0), "{told} at {at} ms");
            }
        }
        assert!(rate.readings.len() <= 20);
    }

    #[test]
    fn one_frame_in_two_seconds_is_not_none() {
        let mut rate = Rate::default();
        for second in 0..30 {
            let told = rate.update(Duration::from_secs(second), second / 2);
            assert!(second < 5 || (0.35..=0.65).contains(&told), "{told} at {second} s");
        }
    }
}
