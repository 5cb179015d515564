//! Longer exposures of a camera that is open: asked for when it becomes dark, again after a
//! refusal, and taken back before it is closed.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::source::FrameSource;

/// One control request that fails, on a bus that is busy, is not to cost the night; a camera
/// that refuses always is asked every five minutes.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300));

/// What one open camera was asked for. All times are on the monotonic clock.
pub(super) struct LowLight {
    wanted: bool,
    in_force: bool,
    /// It may have some of what was asked for: one control may be set and the next refused.
    touched: bool,
    /// When it is asked again, since it refused.
    again: Option<Duration>,
    backoff: Backoff,
}

impl LowLight {
    /// Of a camera that was just opened: it has the values for light.
    pub(super) fn new() -> Self {
        Self { wanted: false, in_force: false, touched: false, again: None, backoff: AGAIN }
    }

    /// Whether longer exposures are in force.
    pub(super) fn is_in_force(&self) -> bool {
        self.in_force
    }

    /// Asks for longer exposures, or takes that back, where that is not what was last asked for
    /// or was refused some time ago.
    pub(super) fn follow(&mut self, source: &mut dyn FrameSource, wanted: bool, now: Duration) {
        if std::mem::replace(&mut self.wanted, wanted) != wanted {
            (self.again, self.backoff) = (None, AGAIN);
            self.ask(source, now);
        } else if self.again.is_some_and(|again| now >= again) {
            self.ask(source, now);
        }
    }

    /// Other values were set meanwhile, which in the dark do not hold.
    pub(super) fn restore(&mut self, source: &mut dyn FrameSource, now: Duration) {
        if self.wanted {
            self.ask(source, now);
        }
    }

    fn ask(&mut self, source: &mut dyn FrameSource, now: Duration) {
        match source.set_low_light(self.wanted) {
            Ok(in_force) => {
                // What was set before stays set, also where another control decides now.
                (self.in_force, self.touched) =
                    (in_force, self.wanted && (self.touched || in_force));
                (self.again, self.backoff) = (None, AGAIN);
            }
            Err(reason) => {
                self.touched |= self.wanted;
                let wait = self.backoff.next_delay(0.0);
                let known = self.again.replace(now + wait).is_some();
                let level = if known { log::Level::Debug } else { log::Level::Warn };
                log::log!(level, "{reason}; it is asked again in {} s", wait.as_secs());
            }
        }
    }

    /// The camera is closed: it keeps what it has for as long as it has power, and another
    /// program would get pictures of long exposures by day.
    pub(super) fn take_back(&mut self, source: &mut dyn FrameSource) {
        if self.touched
            && let Err(reason) = source.set_low_light(false)
        {
            log::warn!("what low light asked for stays in the camera: {reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::frame::Frame;
    use crate::source::SourceError;

    /// A camera whose next control requests fail, and those that it took.
    #[derive(Default)]
    struct Busy {
        failures: u32,
        asked: u32,
        taken: Vec<bool>,
        /// Another control decides all that is asked for.
        overruled: bool,
    }

    impl FrameSource for Busy {
        fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Result<(), SourceError> {
            Ok(())
        }

        fn describe(&self) -> String {
            "busy".to_owned()
        }

        fn set_low_light(&mut self, on: bool) -> Result<bool, String> {
            self.asked += 1;
            if self.failures > 0 {
                self.failures -= 1;
                return Err("it refuses 1000: input/output error".to_owned());
            }
            self.taken.push(on);
            Ok(on && !self.overruled)
        }
    }

    /// Plays ten frames a second of a night from one second to another.
    fn play(low: &mut LowLight, busy: &mut Busy, wanted: bool, from: u64, to: u64) {
        for tick in from * 10..to * 10 {
            low.follow(busy, wanted, Duration::from_millis(tick * 100));
        }
    }

    #[test]
    fn one_refusal_does_not_cost_the_night_and_many_are_asked_for_less_and_less() {
        let (mut low, mut busy) = (LowLight::new(), Busy { failures: 1, ..Busy::default() });
        play(&mut low, &mut busy, true, 0, 5);
        assert!(!low.is_in_force() && busy.asked == 1);
        play(&mut low, &mut busy, true, 5, 6);
        assert!(low.is_in_force());
        play(&mut low, &mut busy, true, 6, 3600);
        assert_eq!((busy.asked, &busy.taken[..]), (2, &[true][..]), "once is enough");

        busy = Busy { failures: 1, ..Busy::default() };
        play(&mut low, &mut busy, false, 3600, 3604);
        assert!(low.is_in_force(), "it still has it");
        play(&mut low, &mut busy, false, 3604, 3606);
        assert!(!low.is_in_force() && busy.taken == [false]);

        busy = Busy { failures: u32::MAX, ..Busy::default() };
        play(&mut low, &mut busy, true, 4000, 7600);
        assert!((10..20).contains(&busy.asked), "{} in an hour", busy.asked);
    }

    #[test]
    fn what_may_have_been_set_is_taken_back_and_nothing_else() {
        for (failures, wanted, taken) in [(0, false, 0), (0, true, 2), (1, true, 1)] {
            let (mut low, mut busy) = (LowLight::new(), Busy { failures, ..Busy::default() });
            low.follow(&mut busy, wanted, Duration::ZERO);
            low.take_back(&mut busy);
            assert_eq!(busy.taken.len(), taken);
            assert!(busy.taken.last().is_none_or(|last| !last));
        }
        let (mut low, mut busy) = (LowLight::new(), Busy::default());
        low.follow(&mut busy, true, Duration::ZERO);
        busy.overruled = true;
        low.restore(&mut busy, Duration::ZERO);
        assert!(!low.is_in_force(), "another control decides");
        low.take_back(&mut busy);
        assert_eq!(busy.taken, [true, true, false], "and the camera still has it");
    }
}
