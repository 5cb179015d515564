//! Adaptive frame control: full rate while a face is there or something moves, and
//! next to nothing while a room is still.
//!
//! Pure: the clock and what was seen come in, whether anything happens comes out.
//! `docs/design/performance.md` has the measurement.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{Mistake, narrow, within};

/// Frames per second that can be asked for.
pub const MAX_FPS: RangeInclusive<f64> = 0.1..=240.0;

/// Section `[pace]`: how many frames are looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Frames per second that are looked at while something happens, 0.1 to 240. What all
    /// looks may cost follows from it: 1.5 looks of the model for each, but at least six a
    /// second. Default 15.
    pub max_fps: f32,
    /// Frames per second in which motion is looked for while nothing happens, 0.1 to
    /// 240; 0 never rests. Default 4.
    pub idle_fps: f32,
    /// Seconds without a face and without motion until that begins, 0 to 86400.
    /// Default 10.
    pub idle_after_s: f32,
    /// While nothing moves the whole picture is still looked at this often, in seconds, 0.1
    /// to 86400 (in each of the frames of `idle_fps` at most), and all of it closely in six
    /// times that, 12 s at least: somebody may sit very still. Default 10.
    pub idle_look_s: f32,
    /// Share of the picture without its masks that must change to count as motion, 0 to 1.
    /// Default 0.02.
    pub motion: f32,
    /// Temperature of the processor in °C from which it is looked around half as often, 0
    /// to 150. Default 80.
    pub hot_c: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_fps: 15.0,
            idle_fps: 4.0,
            idle_after_s: 10.0,
            idle_look_s: 10.0,
            motion: 0.02,
            hot_c: 80.0,
        }
    }
}

impl Settings {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        let (least, most) = narrow(&MAX_FPS).into_inner();
        within("max_fps", self.max_fps, least, most)?;
        if self.idle_fps != 0.0 {
            within("idle_fps", self.idle_fps, least, most)?;
        }
        within("idle_after_s", self.idle_after_s, 0.0, 86_400.0)?;
        within("idle_look_s", self.idle_look_s, 0.1, 86_400.0)?;
        within("motion", self.motion, 0.0, 1.0)?;
        within("hot_c", self.hot_c, 0.0, 150.0)
    }
}

/// What happens before a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Something, or something did a moment ago: faces are looked for.
    Lively,
    /// Nothing for a while: motion is looked for, and faces only if there is some. The whole
    /// picture is looked at when this time has passed since the last look, and the sweep goes
    /// slowly.
    Idle(Duration),
    /// Each picture may show another place: they are recorded, and all of them count.
    Recorded,
}

/// A frame that comes early by this much, or an eighth of the interval, is taken:
/// cameras are not exact to the millisecond. The next one is due by the schedule, not by
/// this frame, so the rate stays what was asked for.
const EARLY: Duration = Duration::from_millis(5);

/// Decides frame by frame. All times are on the monotonic clock.
#[derive(Clone, Debug)]
pub struct Pace {
    settings: Settings,
    /// When the last frame that was not passed over was due.
    due: Option<Duration>,
    /// When something last happened.
    lively: Option<Duration>,
    /// A face is followed: however short `idle_after_s` is, it has not begun.
    faces: bool,
}

impl Pace {
    /// Nothing was looked at yet: the first frame is.
    pub fn new(settings: Settings) -> Self {
        Self { settings, due: None, lively: None, faces: false }
    }

    /// What happens by a frame taken at `now`; none passes it over: it came too soon after the
    /// last one.
    pub fn step(&mut self, now: Duration) -> Option<Activity> {
        let most = self.settings.max_fps;
        let (rate, activity) = if self.is_idle(now) {
            let look = Duration::from_secs_f32(self.settings.idle_look_s);
            (self.settings.idle_fps.min(most), Activity::Idle(look))
        } else {
            (most, Activity::Lively)
        };
        self.is_due(now, Duration::from_secs_f32(1.0 / rate)).then_some(activity)
    }

    /// Whether a frame is due at `now` when one is due in each `interval`. Frames come
    /// at the camera's own times; what one comes too late shortens the wait for the
    /// next, so that 15 of 60 or 20 of 30 frames a second are just that many.
    fn is_due(&mut self, now: Duration, interval: Duration) -> bool {
        // Time that has run back, to another clock's, would otherwise be waited for.
        let last = self.due.filter(|last| *last <= now + interval);
        let due = last.map_or(now, |last| last + interval);
        if now + EARLY.min(interval / 8) < due {
            return false;
        }
        // After a gap the schedule starts anew: what was missed is not caught up.
        self.due = Some(due.max(now.saturating_sub(interval)));
        true
    }

    /// What a glance or a look at the frame of `now` brought: the share of the picture
    /// that changed, and whether a face is followed. Says whether to look after a
    /// glance.
    pub fn saw(&mut self, now: Duration, change: f32, faces: bool) -> bool {
        self.faces = faces;
        let lively = faces || change >= self.settings.motion;
        if lively || self.lively.is_none() {
            self.lively = Some(now);
        }
        lively
    }

    /// Whether nothing has happened for a while.
    pub fn is_idle(&self, now: Duration) -> bool {
        self.settings.idle_fps > 0.0
            && !self.faces
            && self.lively.is_some_and(|last| since(now, last) >= self.settings.idle_after_s)
    }

    /// Another limit while running.
    pub fn set_max_fps(&mut self, max_fps: f32) {
        self.settings.max_fps = max_fps;
    }

    /// What is in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

fn since(now: Duration, then: Duration) -> f32 {
    now.saturating_sub(then).as_secs_f32()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::look::{Inputs, Purpose};
    use super::super::planner::{Planner, Situation};
    use super::super::reach::Distance;
    use super::*;
    use crate::geometry::Size;

    /// Plays frames at 30 a second; `scene` gives change and faces at a time in
    /// seconds. Returns how many frames faces were looked for in, and how many were taken.
    fn play(pace: &mut Pace, from: f32, to: f32, scene: impl Fn(f32) -> (f32, bool)) -> (u32, u32) {
        let (mut looks, mut glances) = (0, 0);
        for frame in (from * 30.0) as u32..(to * 30.0) as u32 {
            let seconds = frame as f32 / 30.0;
            let now = Duration::from_secs_f32(seconds);
            let (change, face) = scene(seconds);
            let Some(activity) = pace.step(now) else { continue };
            glances += 1;
            if pace.saw(now, change, face) || activity == Activity::Lively {
                looks += 1;
            }
        }
        (looks, glances)
    }

    const STILL: fn(f32) -> (f32, bool) = |_| (0.0, false);

    #[test]
    fn a_still_room_is_hardly_looked_at() {
        let mut pace = Pace::new(Settings::default());
        let (looks, _) = play(&mut pace, 0.0, 10.0, STILL);
        assert!((140..=160).contains(&looks), "{looks} at full rate first");
        let (looks, glances) = play(&mut pace, 11.0, 71.0, STILL);
        assert_eq!(looks, 0, "besides those that are planned");
        assert!((220..=330).contains(&glances), "{glances} glances a minute");
    }

    /// The looks at the whole picture and at pieces of it in a minute of rest.
    fn planned_in_a_minute(settings: Settings, share: f32) -> (usize, usize) {
        let inputs = Inputs::sized(Size::new(288, 192), Size::new(128, 128));
        let mut planner = Planner::new(inputs, Distance::Room, settings.max_fps);
        let (mut pace, mut looks) = (Pace::new(settings), Vec::new());
        let (mut whole, mut pieces) = (0, 0);
        // Until it rests and the next look at the whole picture has come.
        for frame in 0..150 * 30 {
            let now = Duration::from_secs(1) * frame / 30;
            let Some(activity) = pace.step(now) else { continue };
            pace.saw(now, 0.0, false);
            let picture = Size::new(1280, 720);
            let at = Situation { now, picture, activity, followed: &[], share };
            planner.plan(&at, &mut looks);
            if frame >= 90 * 30 {
                let count = |purpose| looks.iter().filter(|look| look.purpose == purpose).count();
                whole += count(Purpose::Whole);
                pieces += count(Purpose::Tile);
            }
        }
        (whole, pieces)
    }

    #[test]
    fn a_room_that_rests_is_looked_at_as_often_as_was_asked_for() {
        for share in [1.0, 0.5, 0.25] {
            for (seconds, times) in [(1.0, 48..=60), (3.0, 18..=20), (10.0, 6..=7), (30.0, 2..=2)] {
                let settings = Settings { idle_look_s: seconds, ..Settings::default() };
                let (whole, pieces) = planned_in_a_minute(settings, share);
                assert!(times.contains(&whole), "{whole} times, every {seconds} s");
                // 16 of them in six times that, in 12 s at least.
                let swept = (16.0 * 60.0 * share / (6.0 * seconds).max(12.0)) as usize;
                assert!(pieces.abs_diff(swept) <= 1, "{pieces} of {swept}, every {seconds} s");
            }
        }
    }

    #[test]
    fn rest_that_begins_at_once_begins_when_nobody_is_there() {
        let mut pace = Pace::new(Settings { idle_after_s: 0.0, ..Settings::default() });
        let (looks, _) = play(&mut pace, 0.0, 10.0, |_| (0.0, true));
        assert!((140..=150).contains(&looks), "{looks} while a face is there");
        let (looks, _) = play(&mut pace, 10.0, 20.0, STILL);
        assert!(looks <= 1, "{looks} when it has left");
    }

    #[test]
    fn motion_is_looked_at_within_half_a_second_and_brings_full_rate() {
        for start in 0..20 {
            let begin = 30.0 + start as f32 * 0.037;
            let mut pace = Pace::new(Settings::default());
            play(&mut pace, 0.0, begin, STILL);
            assert!(pace.is_idle(Duration::from_secs_f32(begin)));
            let (looks, _) = play(&mut pace, begin, begin + 0.5, |_| (0.1, false));
            assert!(looks >= 1, "seen too late from {begin}");
            let (looks, _) = play(&mut pace, begin + 1.0, begin + 2.0, |_| (0.1, false));
            assert!(looks >= 14, "{looks} in a second");
        }
    }

    #[test]
    fn a_face_that_does_not_move_keeps_the_rate() {
        let mut pace = Pace::new(Settings::default());
        play(&mut pace, 0.0, 60.0, |_| (0.0, true));
        assert!(!pace.is_idle(Duration::from_secs(60)));
    }

    /// A driver's times may turn out to be older than those of the frames before.
    #[test]
    fn time_that_runs_back_stops_nothing() {
        let mut pace = Pace::new(Settings::default());
        play(&mut pace, 60.0, 61.0, STILL);
        let (looks, _) = play(&mut pace, 52.0, 53.0, |_| (0.1, true));
        assert!(looks >= 14, "{looks} in a second");
    }

    #[test]
    fn zero_never_rests() {
        let mut pace = Pace::new(Settings { idle_fps: 0.0, ..Settings::default() });
        play(&mut pace, 0.0, 60.0, STILL);
        let now = Duration::from_secs(60);
        assert_eq!(pace.step(now), Some(Activity::Lively));
        pace.saw(now, 0.0, false);
        let soon = now + Duration::from_millis(70);
        assert_eq!(pace.step(soon), Some(Activity::Lively));
    }

    proptest! {
        /// Whatever the camera's rate and jitter, as many frames are looked at as were
        /// asked for, or all there are.
        #[test]
        fn the_rate_is_the_one_asked_for(
            camera in 0.5f32..240.0,
            most in 0.1f32..240.0,
            jitter in prop::collection::vec(-0.1f32..0.1, 100),
        ) {
            let settings = Settings { max_fps: most, idle_fps: 0.0, ..Settings::default() };
            let mut pace = Pace::new(settings);
            let wanted = camera.min(most);
            let frames = (200.0 * camera / wanted) as usize;
            let looks = (0..frames).filter(|&frame| {
                let shift = jitter[frame % jitter.len()];
                let now = Duration::from_secs_f32((1.0 + frame as f32 + shift) / camera);
                pace.step(now) == Some(Activity::Lively)
            });
            let rate = looks.count() as f32 * camera / frames as f32;
            prop_assert!((rate / wanted - 1.0).abs() < 0.02, "{rate} of {wanted}");
        }
    }

    #[test]
    fn common_cameras_give_the_rate_asked_for_exactly() {
        for (camera, most) in [(60, 15), (30, 20), (30, 15), (25, 10), (30, 1), (15, 15)] {
            let settings = Settings { max_fps: most as f32, idle_fps: 0.0, ..Settings::default() };
            let mut pace = Pace::new(settings);
            let looks = (0..camera * 60).filter(|frame| {
                let now = Duration::from_secs_f64(f64::from(*frame) / f64::from(camera));
                pace.step(now) == Some(Activity::Lively)
            });
            assert_eq!(looks.count(), most as usize * 60, "{most} of {camera} frames/s");
        }
    }
}
