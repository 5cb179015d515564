//! The `[tracking]` and `[expression]` sections. `docs/design/tracking.md` gives the
//! reason of each default.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::grouping::Groups;
use crate::geometry::{Rect, Size};
use crate::limits::{Mistake, narrow, within};
use crate::zones::{Admission, Zones};

/// Confidences that can be asked of a face before it counts.
pub const START_CONFIDENCE: RangeInclusive<f64> = 0.0..=1.0;

/// When a face is a face, and when it is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracking {
    /// Confidence that it is a face (of all its classes together) from which one may
    /// start a track, 0 to 1; weaker ones only keep one alive. Default 0.7.
    pub start_confidence: f32,
    /// Seconds that a face must be followed before it counts, 0 to 60. Default 0.3.
    pub confirm_s: f32,
    /// Frames in which it must have been seen by then, 1 to 100. Default 3.
    pub confirm_frames: u32,
    /// Seconds that a face may stay unseen and still be the same one, 0.1 to 3600; two and a
    /// half looks at least. Default 2.
    pub lost_s: f32,
    /// Overlap (intersection over union) from which a box belongs to a predicted
    /// face, 0 to 1. Default 0.2.
    pub match_iou: f32,
    /// Height of a face, as a share of the picture's height, from which it counts, 0 to 1.
    /// Default 0: every face that the model finds.
    pub smallest_face: f32,
}

/// A face that is followed keeps its track down to this share of the smallest that starts
/// one: else a face of just that size would come and go.
const KEPT_SIZE: f32 = 0.8;

impl Tracking {
    /// What may become of a face in a picture of this size, by its own and by where it is.
    pub(crate) fn admission(&self, face: &Rect, picture: Size, zones: &Zones) -> Admission {
        let share = face.height / picture.height.max(1) as f32;
        let by_size = if share < KEPT_SIZE * self.smallest_face {
            Admission::Refused
        } else if share < self.smallest_face {
            Admission::Known
        } else {
            Admission::Any
        };
        zones.admission(*face, picture).min(by_size)
    }
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            start_confidence: 0.7,
            confirm_s: 0.3,
            confirm_frames: 3,
            lost_s: 2.0,
            match_iou: 0.2,
            smallest_face: 0.0,
        }
    }
}

/// When an expression is one, and when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expression {
    /// Groups of classes that are told instead of them. Default: none.
    pub groups: Groups,
    /// Smoothed lead from which an expression may start, 0.5 to 1: its share of what it and
    /// its strongest rival have. Default 0.65.
    pub enter: f32,
    /// Smoothed lead below which it ends, 0 to `enter`. Default 0.45.
    pub leave: f32,
    /// Seconds that it must hold before it is told, 0 to 60. Default 0.5.
    pub hold_s: f32,
    /// Time constant of the smoothing in seconds, 0 (none) to 60. Default 0.35.
    pub smoothing_s: f32,
    /// Of the last `votes_of` frames, this many must show it, 1 to `votes_of`. Default 4.
    pub votes: u32,
    /// How many frames are remembered, 1 to 64. Default 6.
    pub votes_of: u32,
}

impl Default for Expression {
    fn default() -> Self {
        Self {
            groups: Groups::default(),
            enter: 0.65,
            leave: 0.45,
            hold_s: 0.5,
            smoothing_s: 0.35,
            votes: 4,
            votes_of: 6,
        }
    }
}

impl Tracking {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        let (least, most) = narrow(&START_CONFIDENCE).into_inner();
        within("start_confidence", self.start_confidence, least, most)?;
        within("confirm_s", self.confirm_s, 0.0, 60.0)?;
        within("confirm_frames", self.confirm_frames, 1, 100)?;
        within("lost_s", self.lost_s, 0.1, 3600.0)?;
        within("match_iou", self.match_iou, 0.0, 1.0)?;
        within("smallest_face", self.smallest_face, 0.0, 1.0)
    }
}

impl Expression {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        self.groups.check().map_err(|why| ("groups", why))?;
        within("enter", self.enter, 0.5, 1.0)?;
        within("leave", self.leave, 0.0, self.enter)?;
        within("hold_s", self.hold_s, 0.0, 60.0)?;
        within("smoothing_s", self.smoothing_s, 0.0, 60.0)?;
        within("votes_of", self.votes_of as f32, 1.0, 64.0)?;
        if self.votes == Self::default().votes && self.votes > self.votes_of {
            let (votes, of) = (self.votes, self.votes_of);
            let why = format!("is {of}, it must be at least expression.votes, which is {votes}");
            return Err(("votes_of", why));
        }
        within("votes", self.votes as f32, 1.0, self.votes_of as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_votes_that_do_not_fit_the_one_that_was_set_is_named() {
        let refused = |votes, votes_of| {
            let settings = Expression { votes, votes_of, ..Expression::default() };
            settings.check().err().map(|(key, _)| key)
        };
        let Expression { votes, votes_of, .. } = Expression::default();
        assert_eq!(refused(votes, votes - 1), Some("votes_of"));
        assert_eq!(refused(votes_of + 1, votes_of), Some("votes"));
        assert_eq!(refused(votes, votes), None);
    }

    #[test]
    fn a_face_starts_at_the_smallest_size_and_is_kept_down_to_four_fifths_of_it() {
        let tracking = Tracking { smallest_face: 0.1, ..Tracking::default() };
        let picture = Size::new(2000, 1000);
        let admission = |height| {
            let face = Rect::new(0.0, 0.0, 50.0, height);
            tracking.admission(&face, picture, &Zones::default())
        };
        for height in [100.0, 101.0, 900.0] {
            assert_eq!(admission(height), Admission::Any, "{height}");
        }
        for height in [80.5, 99.0] {
            assert_eq!(admission(height), Admission::Known, "{height}");
        }
        for height in [0.0, 79.5] {
            assert_eq!(admission(height), Admission::Refused, "{height}");
        }
    }
}
