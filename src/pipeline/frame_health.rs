//! Whether the camera's frames can be read, from one broken frame to the next.
//!
//! Pure: the clock comes in. Both threads tell what they find: the capture thread what
//! the driver flags or the frame lacks, the inference thread what cannot be decoded.

use std::time::Duration;

use crate::contract::payload::ReasonCode;

/// So many broken frames one after the other are no accident: something about the
/// stream has changed, and opening it again is the cure.
const RUN: u32 = 30;
/// At one frame a second nobody should wait for [`RUN`] of them.
const RUN_FOR: Duration = Duration::from_secs(10);
/// Cameras begin with a broken frame or two, but not with so many.
const FEW: u32 = 3;

/// Where a broken frame was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// By the source: the driver flags it, or bytes are missing.
    Capture,
    /// Where it was decoded. Most frames may never come so far.
    Decoding,
}

/// Broken frames with no good one between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    count: u32,
    since: Duration,
}

impl Run {
    fn add(&mut self, now: Duration) {
        if self.count == 0 {
            self.since = now;
        }
        self.count += 1;
    }

    fn is_no_accident(self, now: Duration) -> bool {
        let long = now.saturating_sub(self.since) >= RUN_FOR;
        self.count >= RUN || (long && self.count >= FEW)
    }
}

/// Follows one camera's frames. All times are on the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameHealth {
    /// Since when that is said: when the camera was opened or lost. A frame from before may
    /// still be looked at after it, and says nothing of what came then.
    since: Duration,
    /// Whether one could be read since the camera was opened.
    any_read: bool,
    captured: Run,
    decoded: Run,
    /// Why they are broken, once that is more than an accident. Stays while the camera is
    /// opened again, until one can be read. The first cause and not the latest: a status
    /// with other words is published at once.
    cause: Option<String>,
    /// Why the camera was lost last, and by which reason that is told. Stays until a frame
    /// can be read: a camera that opens has not delivered yet.
    lost: Option<(ReasonCode, String)>,
}

impl FrameHealth {
    /// The camera was opened at `since`: whatever was read before, nothing is known of it now.
    pub(crate) fn opened(&mut self, since: Duration) {
        let (cause, lost) = (self.cause.take(), self.lost.take());
        *self = Self { since, cause, lost, ..Self::default() };
    }

    /// The camera was lost at `since`, or could not be opened; why. What was known of its frames
    /// says nothing of what comes next.
    pub(crate) fn lose(&mut self, since: Duration, code: ReasonCode, why: &str) {
        *self = Self { since, lost: Some((code, why.to_owned())), ..Self::default() };
    }

    /// A whole frame came. Says whether that ended a run.
    pub(crate) fn came(&mut self) -> bool {
        std::mem::take(&mut self.captured).count > 0
    }

    /// A frame that was taken at `taken` could be read. Says whether that was not known before.
    pub(crate) fn read(&mut self, taken: Duration) -> bool {
        if !self.is_since_opened(taken) {
            return false;
        }
        let news = !self.is_known() || self.decoded.count > 0;
        *self = Self { since: self.since, any_read: true, ..Self::default() };
        news
    }

    /// Whether a frame that was taken at `taken` is one of what is open now.
    pub(crate) fn is_since_opened(&self, taken: Duration) -> bool {
        taken >= self.since
    }

    /// A frame of `now` could not be read.
    pub(crate) fn broken(&mut self, now: Duration, stage: Stage, why: &str) {
        let run = match stage {
            Stage::Capture => &mut self.captured,
            Stage::Decoding => &mut self.decoded,
        };
        run.add(now);
        let never_read = !self.any_read && run.count >= FEW;
        if self.cause.is_none() && (never_read || run.is_no_accident(now)) {
            self.cause = Some(why.to_owned());
        }
    }

    /// Whether so many were broken by `now` that the camera should be opened again. Not before
    /// the frame that makes them so many: a few that could not be decoded become no run by the
    /// time that passes while none is decoded.
    pub(crate) fn is_run(&self, now: Duration) -> bool {
        let many = self.captured.is_no_accident(now) || self.decoded.is_no_accident(now);
        many && self.cause.is_some()
    }

    /// Why frames cannot be read, while that lasts.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Why the camera was lost, until a frame could be read again.
    pub(crate) fn lost(&self) -> Option<&(ReasonCode, String)> {
        self.lost.as_ref()
    }

    /// Whether what the picture shows is known: it was read since the camera was opened,
    /// and still is.
    pub(crate) fn is_known(&self) -> bool {
        self.any_read && self.cause.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_camera_of_which_nothing_could_be_read_says_why_until_something_can() {
        let mut health = FrameHealth::default();
        health.opened(ms(0));
        health.broken(ms(0), Stage::Capture, "cut off at 100");
        health.broken(ms(33), Stage::Capture, "cut off at 120");
        assert_eq!((health.cause(), health.is_known()), (None, false), "it just began");
        health.broken(ms(66), Stage::Capture, "cut off at 130");
        assert_eq!(health.cause(), Some("cut off at 130"));
        health.opened(ms(0));
        health.broken(ms(9000), Stage::Decoding, "cut off at 140");
        assert_eq!(health.cause(), Some("cut off at 130"), "also while it is opened again");
        health.read(ms(9033));
        assert_eq!((health.cause(), health.is_known()), (None, true));
    }

    #[test]
    fn a_lost_camera_is_lost_until_a_frame_can_be_read() {
        let mut health = FrameHealth::default();
        health.read(ms(0));
        health.lose(ms(10), ReasonCode::NoCamera, "it was unplugged");
        assert!(!health.read(ms(9)), "a frame from before, looked at after");
        health.opened(ms(20));
        assert!(!health.read(ms(9)), "one from long before");
        health.came();
        health.broken(ms(20), Stage::Decoding, "cut off");
        let lost = (ReasonCode::NoCamera, "it was unplugged".to_owned());
        assert_eq!((health.lost(), health.is_known()), (Some(&lost), false));
        assert!(health.read(ms(20)), "that is news");
        assert_eq!((health.lost(), health.is_known()), (None, true));
    }

    #[test]
    fn a_run_is_many_frames_or_a_long_time_and_nothing_good_between() {
        let run = |count: u64, gap: u64| {
            let mut health = FrameHealth::default();
            health.read(ms(0));
            (0..count).for_each(|frame| health.broken(ms(frame * gap), Stage::Capture, "cut off"));
            let last = ms((count - 1) * gap);
            assert_eq!(health.cause().is_some(), health.is_run(last));
            health.is_run(last)
        };
        assert!(!run(29, 33) && run(30, 33));
        assert!(!run(9, 1000) && run(11, 1000), "one a second");
        assert!(!run(2, 60_000), "two that nobody heard of between are no run");
        let mut health = FrameHealth::default();
        for frame in 0..200 {
            if frame % 20 == 0 {
                health.read(ms(frame * 33));
            } else {
                health.broken(ms(frame * 33), Stage::Decoding, "cut off");
            }
            assert!(!health.is_run(ms(frame * 33)) && health.is_known());
        }
    }

    #[test]
    fn a_few_broken_frames_are_no_run_by_time_alone_and_a_run_has_a_cause() {
        let mut health = FrameHealth::default();
        health.read(ms(0));
        (0..3).for_each(|frame| health.broken(ms(frame * 33), Stage::Decoding, "cut off"));
        health.came();
        assert_eq!((health.is_run(ms(15_000)), health.cause()), (false, None));
        health.broken(ms(15_033), Stage::Decoding, "no tables");
        assert_eq!((health.is_run(ms(15_033)), health.cause()), (true, Some("no tables")));
    }

    #[test]
    fn whole_frames_between_broken_ones_are_no_run_though_few_are_decoded() {
        let mut health = FrameHealth::default();
        health.read(ms(0));
        for frame in 0..10_000 {
            if frame % 3 == 0 {
                health.broken(ms(frame * 4), Stage::Capture, "cut off");
            } else {
                health.came();
            }
            assert!(!health.is_run(ms(frame * 4)) && health.is_known());
        }
        // Whole frames of which none can be decoded are a run all the same.
        for frame in 0..30 {
            health.came();
            health.broken(ms(40_000 + frame * 33), Stage::Decoding, "no tables");
        }
        assert!(health.is_run(ms(41_000)) && health.cause() == Some("no tables"));
    }
}
