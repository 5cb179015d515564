//! What the camera's state shows of those who are there, and when it is another.

use std::time::Duration;

use crate::tracks::TrackedFace;
use crate::zones::occupancy::Use;

/// What the camera's state says, as far as it must be said again when it changes.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    pub(super) everywhere: Seen,
    /// By the number of the zone.
    pub(super) zones: Vec<(usize, Seen, Use)>,
}

/// How many faces, and class and track of the one shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) faces: usize,
    pub(super) shown: Option<(usize, u64)>,
    /// Confidence of that class; 0 where none is shown.
    pub(super) confidence: f32,
}

/// How sure an expression is moves with every frame: that alone makes no other state.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        (self.faces, self.shown) == (other.faces, other.shown)
    }
}

/// A state is said again when a confidence in it has moved this far.
const MOVED: f32 = 0.1;
/// But not more often than this for that alone: the broker keeps each, for a whole fleet.
pub(super) const MOVES_AFTER: Duration = Duration::from_secs(5);

/// The camera's state shows another face only when that is larger by this factor in
/// area: two people beside each other would otherwise replace one another at frame rate
/// in a retained message.
const CLEARLY_LARGER: f32 = 1.3;

/// Of `faces`, largest first, the one that the camera's state shows: the largest that
/// has an expression, or the one `shown` before while no other is clearly larger.
pub(super) fn face_to_show(
    faces: &[TrackedFace],
    shown: Option<u64>,
) -> Option<(&TrackedFace, (usize, f32))> {
    let judged = || faces.iter().filter_map(|face| Some((face, face.expression?)));
    let (largest, _) = judged().next()?;
    let still = |face: &TrackedFace| {
        Some(face.track) == shown && largest.rect.area() < CLEARLY_LARGER * face.rect.area()
    };
    judged().find(|(face, _)| still(face)).or_else(|| judged().next())
}

impl State {
    fn all(&self) -> impl Iterator<Item = &Seen> {
        std::iter::once(&self.everywhere).chain(self.zones.iter().map(|(_, seen, _)| seen))
    }

    /// Whether a confidence is clearly another than in `told`, which is the same otherwise.
    pub(super) fn has_moved(&self, told: &Self) -> bool {
        let pairs = self.all().zip(told.all());
        pairs.into_iter().any(|(now, then)| (now.confidence - then.confidence).abs() >= MOVED)
    }
}

impl Seen {
    /// Of `faces`, largest first; `before` was seen last.
    pub(super) fn of(faces: &[TrackedFace], before: Option<Self>) -> Self {
        let before = before.and_then(|seen| seen.shown).map(|(_, track)| track);
        let shown = face_to_show(faces, before);
        Self {
            faces: faces.len(),
            shown: shown.map(|(face, (class, _))| (class, face.track)),
            confidence: shown.map_or(0.0, |(_, (_, share))| share),
        }
    }
}
