//! When a camera is asked for longer exposures, and when that is taken back.
//!
//! Pure: the clock and the picture's brightness come in. A longer exposure makes the
//! same room brighter, so light must be well above darkness before it counts, and a
//! return that was a mistake is tried later and later.

use std::time::Duration;

use super::lasting::{GAP, Lasting};

/// Pictures whose brightest tenth is darker than this share of full scale show hardly
/// anything to a person either.
pub(crate) const DARK: f32 = 0.1;
/// A picture that was dark is not dark any more from here on: without a gap between the two
/// a room at the limit would be told dark and not dark with every frame.
const NOT_DARK: f32 = 0.13;
/// A picture counts as dark or not dark when it has been so for this long; the first one, and
/// the first after a gap, at once. A camera's exposure settles in the shorter time.
const DIMMED_FOR: Duration = Duration::from_secs(2);
const CLEARED_FOR: Duration = Duration::from_millis(500);
/// From here on a room is lit: twice what an exposure four times as long makes of the
/// darkest picture that is not dark (brightness goes with the power 1/2.2).
const LIT: f32 = 0.4;
/// A hand before the lens is not the evening.
const DARK_FOR: Duration = Duration::from_secs(5);
/// Light that lasts less long is a passing car.
const LIT_FOR: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(3600);

/// Follows the light, frame by frame. All times are on the monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Darkness {
    /// No face can be found.
    dark: Lasting,
    /// When the last picture was taken.
    last: Option<Duration>,
    /// Longer exposures are wanted.
    low: Lasting,
    /// How long light must last.
    lit_for: Duration,
}

impl Default for Darkness {
    fn default() -> Self {
        Self { dark: Lasting::default(), last: None, low: Lasting::default(), lit_for: LIT_FOR }
    }
}

impl Darkness {
    /// Whether longer exposures are wanted after a frame of `now`, of which only a tenth
    /// is brighter than `highlights`, 0 to 1.
    pub(crate) fn saw(&mut self, now: Duration, highlights: f32) -> bool {
        let last = self.last.replace(now);
        let goes_on = last.is_some_and(|then| now.saturating_sub(then) <= GAP);
        if !goes_on {
            // What was so before and is so again need not have been so between. And the camera
            // was closed, which takes its long exposures back: what they made of the room says
            // nothing of what it shows without them.
            self.dark.since = None;
            (self.low, self.lit_for) = (Lasting::default(), LIT_FOR);
        }
        self.follow(now, highlights, goes_on);
        let before = self.low.clone();
        let (dark, lit) = (highlights < DARK, highlights >= LIT);
        self.low.follow(dark, lit, now, DARK_FOR, self.lit_for);
        if self.low.on && !before.on {
            // Soon after it was taken back it was the exposure that had made the room bright.
            let mistaken =
                before.changed.is_some_and(|then| now.saturating_sub(then) < 3 * DARK_FOR);
            self.lit_for = if mistaken { (self.lit_for * 2).min(LONGEST) } else { LIT_FOR };
        }
        self.low.on
    }

    /// Whether the pictures so far were too dark to find a face.
    pub(crate) fn is_dark(&self) -> bool {
        self.dark.on
    }

    fn follow(&mut self, now: Duration, highlights: f32, goes_on: bool) {
        let (dark, clear) = (highlights < DARK, highlights >= NOT_DARK);
        let (dimmed_for, cleared_for) =
            if goes_on { (DIMMED_FOR, CLEARED_FOR) } else { Default::default() };
        self.dark.follow(dark, clear, now, dimmed_for, cleared_for);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays four frames a second; `scene` gives the brightness from the time in
    /// seconds and whether exposures are long. Returns when that changed.
    fn play(seconds: u32, scene: impl Fn(u32, bool) -> f32) -> Vec<u32> {
        let (mut darkness, mut low, mut changes) = (Darkness::default(), false, Vec::new());
        for frame in 0..seconds * 4 {
            let now = Duration::from_millis(u64::from(frame) * 250);
            let wanted = darkness.saw(now, scene(frame / 4, low));
            if wanted != low {
                changes.push(frame / 4);
                low = wanted;
            }
        }
        changes
    }

    #[test]
    fn a_room_at_the_limit_is_told_dark_once_and_a_first_picture_at_once() {
        let told = |pictures: &[f32]| {
            let mut darkness = Darkness::default();
            let mut answers: Vec<bool> = pictures
                .iter()
                .zip(0..)
                .map(|(highlights, frame)| {
                    darkness.saw(Duration::from_millis(frame * 100), *highlights);
                    darkness.is_dark()
                })
                .collect();
            answers.dedup();
            answers
        };
        let twilight: Vec<f32> = (0..600).map(|frame| 0.09 + 0.02 * (frame % 3) as f32).collect();
        assert_eq!(told(&[vec![0.05], twilight.clone()].concat()), [true]);
        assert_eq!(told(&[vec![0.5], twilight].concat()), [false]);
        assert_eq!(
            told(&[vec![0.5; 20], vec![0.0; 60], vec![0.5; 60]].concat()),
            [false, true, false]
        );
        assert_eq!(told(&[vec![0.5; 20], vec![0.0; 10], vec![0.5; 60]].concat()), [false]);
    }

    #[test]
    fn evening_and_morning_change_it_once_each() {
        let day = |at, _| if (100..1000).contains(&at) { 0.05 } else { 0.7 };
        assert_eq!(play(2000, day), [105, 1020]);
    }

    #[test]
    fn time_without_pictures_is_no_darkness_and_times_may_run_back() {
        let mut darkness = Darkness::default();
        let mut saw = |second, highlights| darkness.saw(Duration::from_secs(second), highlights);
        assert!(!saw(0, 0.7) && !saw(10, 0.05) && !saw(600, 0.05));
        assert!(saw(605, 0.05), "five seconds of pictures");
        // After a gap it is decided anew, and nothing is left of the night: the pictures are
        // those of an exposure for light, in which this room is bright.
        assert!(saw(606, 0.7) && !saw(700, 0.7), "opened anew");
        assert!(!saw(690, 0.05) && saw(695, 0.05), "a clock that ran back");
        assert!(!saw(800, 0.05) && saw(805, 0.05), "as after any opening");
    }

    #[test]
    fn an_opening_ends_the_growing_patience_with_light() {
        let mut darkness = Darkness::default();
        let night = |seconds: std::ops::Range<u64>, darkness: &mut Darkness, light: Option<f32>| {
            let mut low = false;
            for second in seconds {
                let bright = light.unwrap_or(if low { 0.6 } else { 0.05 });
                low = darkness.saw(Duration::from_secs(second), bright);
            }
            low
        };
        night(0..20_000, &mut darkness, None);
        assert!(darkness.lit_for > Duration::from_secs(600), "its own exposure makes it bright");
        assert!(night(30_000..30_007, &mut darkness, Some(0.05)), "dark for five seconds");
        assert!(night(30_007..30_027, &mut darkness, Some(0.7)));
        assert!(!night(30_027..30_029, &mut darkness, Some(0.7)), "twenty seconds of light");
    }

    #[test]
    fn a_hand_and_a_passing_car_change_nothing() {
        assert!(play(600, |at, _| if at % 60 < 4 { 0.0 } else { 0.6 }).is_empty());
        assert_eq!(play(600, |at, _| if at > 60 && at % 60 < 15 { 0.8 } else { 0.05 }), [5]);
    }

    #[test]
    fn a_room_that_only_the_exposure_makes_bright_is_left_in_peace() {
        let changes = play(24 * 3600, |_, long| if long { 0.6 } else { 0.05 });
        assert!(changes.len() < 80, "{} changes in a day", changes.len());
        let last = changes.windows(2).last().map(|pair| pair[1] - pair[0]);
        assert!(last.is_some_and(|pause| pause <= 3600));
    }

    #[test]
    fn a_brighter_picture_that_is_still_dim_keeps_it() {
        assert_eq!(play(3600, |_, long| if long { 0.3 } else { 0.05 }), [5]);
    }
}
