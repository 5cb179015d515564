//! From which confidence on there is a face (`model.floor`), and which of its classes count.
//!
//! A face is as sure as its classes together. One with 0.6 of a smile and 0.06 of each of six other
//! classes is sure. Were the six left out, because each is below the floor, it would lose a third
//! of what says that it is a face, and all that says how doubtful the smile is.

/// Up to so many classes count each by itself: of two that exclude each other only one can be
/// below the floor where there is a face, and what is left out is less than the floor.
pub(crate) const FEW: usize = 2;

/// A class with less than this share of what a face's strongest one has at least says nothing:
/// what all such classes of a face have together is less than a tenth of the floor.
const NEGLIGIBLE: f32 = 0.1;

/// What is asked of the classes at one place of the network's output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Floor {
    /// The strongest has at least this: where it has not, nothing need be added up.
    pub strongest: f32,
    /// Each that counts has at least this.
    pub class: f32,
    /// All together have at least this, where there are more than [`FEW`].
    face: Option<f32>,
}

impl Floor {
    /// `floor` is that of a face, 0 to 1.
    pub(super) fn new(floor: f32, class_count: usize) -> Self {
        if class_count <= FEW {
            return Self { strongest: floor, class: floor, face: None };
        }
        let strongest = floor / class_count as f32;
        Self { strongest, class: NEGLIGIBLE * strongest, face: Some(floor) }
    }

    /// Whether these, the strongest of which has enough, are a face's.
    pub(super) fn is_face(self, mut confidences: impl Iterator<Item = f32>) -> bool {
        let Some(least) = self.face else { return true };
        let mut together = 0.0;
        confidences.any(|confidence| {
            together += confidence;
            together >= least
        })
    }
}
