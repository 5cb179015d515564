//! Faces that were never there: who visits a device, when, and how they look.

use std::time::Duration;

use crate::detector::Detection;
use crate::geometry::{Rect, Size};

/// 640x480: the frame size that most cameras offer.
pub(crate) const FRAME: Size = Size::new(640, 480);

/// Classes of a model that knows seven expressions. The visitors smile, or show one of the
/// six others.
pub(crate) const CLASSES: [&str; 7] =
    ["happy", "neutral", "sad", "surprise", "fear", "disgust", "anger"];

/// What they are told as.
pub(crate) const GROUPS: [&str; 2] = ["happy", "not_happy"];

/// Somebody comes, looks on for [`SMILE`], smiles until [`STAY`] is over, and goes: five
/// events with the default settings.
const STAY: Duration = Duration::from_secs(6);
const SMILE: Duration = Duration::from_secs(3);

/// The confidence of the class that a face shows, and of each of the others.
const SMILING: (f32, f32) = (0.77, 0.03);
/// Without a smile no class is clear: only the six together are, as their group.
const SERIOUS: (f32, f32) = (0.35, 0.07);
/// Of a smile in a face that shows none.
const NEARLY: f32 = 0.25;

/// The visits of one device: the same for the same number.
#[derive(Clone, Debug)]
pub(crate) struct Visits {
    random: Random,
    every: Duration,
    begins: Duration,
    left: f32,
    /// The number of the class that this visitor shows before the smile.
    serious: usize,
}

impl Visits {
    /// The first within the first `every` after `now`.
    pub(crate) fn new(number: u64, every: Duration, now: Duration) -> Self {
        let mut random = Random(number);
        let begins = now + every.mul_f64(random.next());
        Self { random, every, begins, left: 50.0, serious: 1 }
    }

    /// What a detector finds at `now`.
    pub(crate) fn faces(&mut self, now: Duration) -> Vec<Detection> {
        if now >= self.begins + STAY {
            // From half to one and a half of the time between beginnings.
            self.begins += self.every.mul_f64(0.5 + self.random.next()).max(STAY);
            self.left = 400.0 * self.random.next() as f32;
            // Each of the others in turn: all but the first, which is the smile.
            self.serious = self.serious % (CLASSES.len() - 1) + 1;
        }
        let Some(since) = now.checked_sub(self.begins) else { return Vec::new() };
        let rect = Rect::new(self.left + 10.0 * since.as_secs_f32(), 120.0, 120.0, 150.0);
        let confidence = |class| match (since < SMILE, class) {
            (true, 0) => NEARLY,
            (true, class) if class == self.serious => SERIOUS.0,
            (true, _) => SERIOUS.1,
            (false, 0) => SMILING.0,
            (false, _) => SMILING.1,
        };
        let of_class = |class| Detection { class, confidence: confidence(class), rect };
        (0..CLASSES.len()).map(of_class).collect()
    }

    /// When somebody comes, or came.
    pub(crate) fn begins(&self) -> Duration {
        self.begins
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): repeatable, and good enough for visits.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracks::grouping::{Grouping, Groups};
    use crate::tracks::{ExpressionSettings, Tracker, TrackingSettings};

    #[test]
    fn a_visit_is_five_events_to_the_tracker() {
        let every = Duration::from_secs(20);
        let mut visits = Visits::new(7, every, Duration::ZERO);
        let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
        let groups = Groups::Named(GROUPS.map(str::to_owned).to_vec());
        let grouping =
            Grouping::resolve(&groups, &CLASSES.map(str::to_owned), &Default::default()).unwrap();
        let mut tracker = Tracker::new(tracking, expression, CLASSES.len()).telling(&grouping);
        let (mut changes, mut came) = (Vec::new(), Vec::new());
        for frame in 0..3000 {
            let now = Duration::from_millis(200) * frame;
            tracker.update(now, &visits.faces(now), &mut changes);
            came.push(visits.begins());
        }
        tracker.end_all(&mut changes);
        came.dedup();
        // The last may still be to come, or to be told.
        let told = came.len() - 1;
        assert!((25..=35).contains(&told), "{told} visits in ten minutes");
        assert!((5 * (told - 1)..=5 * (told + 1)).contains(&changes.len()), "{}", changes.len());
    }
}
