//! Adaptive frame control: full rate while a face is there or something moves, and
//! next to nothing while a room is still.
//!
//! Pure: the clock and what was seen come in, what to do with the next frame comes
//! out. `docs/design/performance.md` has the measurement.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `[pace]`: how many frames are looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Frames per second that are looked at while something happens, 0.1 to 240.
    /// Default 15.
    pub max_fps: f32,
    /// Frames per second in which motion is looked for while nothing happens, 0.1 to
    /// 240; 0 never rests. Default 4.
    pub idle_fps: f32,
    /// Seconds without a face and without motion until that begins, 0 to 86400.
    /// Default 10.
    pub idle_after_s: f32,
    /// While nothing moves the whole picture is still looked at this often, in seconds, 0.1
    /// to 86400, and all of it closely in six times that, 12 s at least: somebody may sit very
    /// still.
    /// Default 10.
    pub idle_look_s: f32,
    /// Share of the picture that must change to count as motion, 0 to 1. Default 0.02.
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
    /// The key of an impossible value, and what it must be.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let within = |key, value: f32, least: f32, most: f32| {
            let fits = (least..=most).contains(&value);
            if fits {
                Ok(())
            } else {
                Err((key, format!("is {value}, it must be from {least} to {most}")))
            }
        };
        within("max_fps", self.max_fps, 0.1, 240.0)?;
        if self.idle_fps != 0.0 {
            within("idle_fps", self.idle_fps, 0.1, 240.0)?;
        }
        within("idle_after_s", self.idle_after_s, 0.0, 86_400.0)?;
        within("idle_look_s", self.idle_look_s, 0.1, 86_400.0)?;
        within("motion", self.motion, 0.0, 1.0)?;
        within("hot_c", self.hot_c, 0.0, 150.0)
    }
}

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it came too soon after the last one.
    Pass,
    /// Look for motion; only then, for faces.
    Glance,
    /// Look for faces.
    Look,
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
    looked: Option<Duration>,
    /// When something last happened.
    lively: Option<Duration>,
}

impl Pace {
    /// Nothing was looked at yet: the first frame is.
    pub fn new(settings: Settings) -> Self {
        Self { settings, due: None, looked: None, lively: None }
    }

    /// For a frame taken at `now`.
    pub fn step(&mut self, now: Duration) -> Step {
        let idle = self.is_idle(now);
        let most = self.settings.max_fps;
        let rate = if idle { self.settings.idle_fps.min(most) } else { most };
        if !self.is_due(now, Duration::from_secs_f32(1.0 / rate)) {
            return Step::Pass;
        }
        let long_ago = self.looked.is_none_or(|last| since(now, last) >= self.settings.idle_look_s);
        if !idle || long_ago { Step::Look } else { Step::Glance }
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
        let lively = faces || change >= self.settings.motion;
        if lively || self.lively.is_none() {
            self.lively = Some(now);
        }
        lively
    }

    /// The detector looked at the frame of `now`.
    pub fn looked(&mut self, now: Duration) {
        self.looked = Some(now);
    }

    /// Whether nothing has happened for a while.
    pub fn is_idle(&self, now: Duration) -> bool {
        self.settings.idle_fps > 0.0
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

    use super::*;

    /// Plays frames at 30 a second; `scene` gives change and faces at a time in
    /// seconds. Returns how many frames were looked and glanced at.
    fn play(pace: &mut Pace, from: f32, to: f32, scene: impl Fn(f32) -> (f32, bool)) -> (u32, u32) {
        let (mut looks, mut glances) = (0, 0);
        for frame in (from * 30.0) as u32..(to * 30.0) as u32 {
            let seconds = frame as f32 / 30.0;
            let now = Duration::from_secs_f32(seconds);
            let (change, face) = scene(seconds);
            let step = pace.step(now);
            if step == Step::Pass {
                continue;
            }
            glances += 1;
            if pace.saw(now, change, face) || step == Step::Look {
                pace.looked(now);
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
        assert!((6..=7).contains(&looks), "{looks} looks a minute");
        assert!((220..=330).contains(&glances), "{glances} glances a minute");
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
        assert_eq!(pace.step(now), Step::Look);
        pace.saw(now, 0.0, false);
        let soon = now + Duration::from_millis(70);
        assert_eq!(pace.step(soon), Step::Look);
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
                pace.step(now) == Step::Look
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
                pace.step(now) == Step::Look
            });
            assert_eq!(looks.count(), most as usize * 60, "{most} of {camera} frames/s");
        }
    }
}
