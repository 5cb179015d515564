//! How far a camera is meant to see, and how far it can.

use serde::{Deserialize, Serialize};

use crate::geometry::Size;
use crate::pixels::frame::Orientation;

/// Section `[attention]`: how far away faces are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `near` (about 2 m), `room` (6.5 m) or `hall` (10 m): the camera's mode, and how
    /// closely its pictures are looked at, follow from it. Default `room`.
    pub farthest_face: Distance,
}

/// How far away the farthest face is that is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// Who stands before the camera.
    Near,
    /// Across a room.
    #[default]
    Room,
    /// To the end of a hall.
    Hall,
}

/// Height of a grown-up's face a metre from the camera, as share of the picture's long side:
/// 180 pixels of 1280, for the usual angle of about 70 degrees. It shrinks with the distance.
const FACE_AT_ONE_METRE: f32 = 0.14;
/// A face of fewer pixels has too little left to tell its expression by.
const LEAST_FACE: f32 = 24.0;

impl Distance {
    /// About so many metres, with a camera of the usual angle.
    pub const fn metres(self) -> f32 {
        match self {
            Self::Near => 2.0,
            Self::Room => 6.5,
            Self::Hall => 10.0,
        }
    }

    /// The pixels of an upright picture that shows the farthest face large enough: 16:9
    /// as the camera stores it, which hangs as `orientation` says.
    pub fn needed(self, orientation: Orientation) -> Size {
        let width = LEAST_FACE * self.metres() / FACE_AT_ONE_METRE;
        orientation.upright(Size::new(width as u32, (width * 9.0 / 16.0) as u32))
    }

    /// What of that a picture of this size allows.
    pub fn reach(self, picture: Size) -> Reach {
        let at_one_metre = FACE_AT_ONE_METRE * picture.width.max(picture.height) as f32;
        let face = (at_one_metre / self.metres()).max(LEAST_FACE);
        Reach { wanted: self.metres(), face, metres: at_one_metre / face }
    }
}

/// How far a camera sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// How far it is meant to see, in metres.
    pub wanted: f32,
    /// Height of the smallest face that is looked for, in pixels.
    pub face: f32,
    /// About how far away such a face is, in metres, with a camera of the usual angle.
    pub metres: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_sees_as_far_as_was_asked_for_and_a_small_one_less_far() {
        for distance in [Distance::Near, Distance::Room, Distance::Hall] {
            let reach = distance.reach(distance.needed(Orientation::default()));
            assert!((reach.metres - distance.metres()).abs() < 0.05, "{reach:?}");
            assert!(reach.face >= LEAST_FACE, "{reach:?}");
        }
        let small = Distance::Room.reach(Size::new(640, 480));
        assert!((3.0..4.0).contains(&small.metres), "{small:?}");
        let turned = Distance::Room.reach(Size::new(480, 640));
        assert_eq!(small, turned);
        // Twice the pixels need not be looked at as closely for the same distance.
        assert!(Distance::Near.reach(Size::new(1280, 720)).face > 80.0);
    }
}
