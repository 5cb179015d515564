//! What several looks at one picture found, made one picture of the world: of each face the
//! boxes of the look that saw it best.

use std::cmp::Ordering;

use super::look::Look;
use crate::detector::floor::FEW;
use crate::detector::{Detection, SAME_FACE_IOU};
use crate::geometry::{Rect, Size};

/// A box and the look that found it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// What was found, in pixels of the picture.
    pub detection: Detection,
    /// By which look.
    pub look: Look,
    /// Whether the face may go on where the look's region ends.
    pub cut: bool,
    /// How sure the look is that there is a face, 0 to 1.
    pub(super) face: f32,
    /// Its confidence, weighed by how well the look can tell.
    weight: f32,
}

/// What a box that may be cut is worth beside one that is whole.
const CUT: f32 = 0.25;
/// Boxes that overlap by more (intersection over union) are the same face,
const SAME_FACE: f32 = 0.4;
/// and so is one of which so much lies within another: half a face that a region cut off,
/// or a mouth and a nose taken for a face of their own.
const PART_OF_FACE: f32 = 0.7;

impl Sighting {
    /// Of a picture of this size.
    pub fn new(detection: Detection, look: Look, picture: Size) -> Self {
        let cut = look.cuts(&detection.rect, picture);
        let fit = 1.0 / (1.0 + look.misfit(&detection.rect));
        let weight = detection.confidence * fit * if cut { CUT } else { 1.0 };
        Self { detection, look, cut, face: detection.confidence, weight }
    }

    /// What one look found, by a model with so many classes. Of more than [`FEW`] each has little
    /// of what a face has together.
    pub(super) fn all(
        found: &[Detection],
        look: Look,
        picture: Size,
        class_count: usize,
    ) -> impl Iterator<Item = Self> {
        // Of each class the surest: a face that is in doubt has several boxes of some.
        let others = move |one: &Detection| {
            let surest = |class: usize| {
                let of_it = |other: &&Detection| {
                    other.class == class && other.rect.iou(&one.rect) >= SAME_FACE_IOU
                };
                found.iter().filter(of_it).map(|other| other.confidence).fold(0.0, f32::max)
            };
            (0..class_count).filter(|class| *class != one.class).map(surest).sum::<f32>()
        };
        found.iter().map(move |one| {
            let others = if class_count > FEW { others(one) } else { 0.0 };
            Self { face: (one.confidence + others).min(1.0), ..Self::new(*one, look, picture) }
        })
    }

    /// Lowers the confidence of the face to at most this, and its own as much.
    pub(super) fn doubt(&mut self, most: f32) {
        let share = (most / self.face).min(1.0);
        self.face *= share;
        self.detection.confidence *= share;
        self.weight *= share;
    }

    /// The better one first; the rest only makes the order total.
    pub(super) fn better(&self, other: &Self) -> Ordering {
        let key = |one: &Self| {
            let (found, region) = (one.detection, one.look.region);
            let edges = [found.rect.x, found.rect.y, found.rect.width, found.rect.height];
            let place = (region.left, region.top, region.width, region.height);
            let look = (one.look.network, one.look.purpose, one.look.mirrored);
            (found.class, edges.map(f32::to_bits), place, look)
        };
        let confidence = |one: &Self| one.detection.confidence;
        other
            .weight
            .total_cmp(&self.weight)
            .then_with(|| confidence(other).total_cmp(&confidence(self)))
            .then_with(|| key(self).cmp(&key(other)))
    }

    /// Whether a worse sighting is of the same face.
    pub(super) fn is_same_face(&self, worse: &Self) -> bool {
        self.shows(&worse.detection.rect)
    }

    /// Whether it is of the face in this box.
    pub(super) fn shows(&self, face: &Rect) -> bool {
        let (a, b) = (&self.detection.rect, face);
        a.iou(b) >= SAME_FACE || b.share_in(a) >= PART_OF_FACE || a.share_in(b) >= PART_OF_FACE
    }

    /// Whether a worse sighting is what the same look says of the same face in another
    /// class: then both count.
    fn agrees(&self, worse: &Self) -> bool {
        self.look == worse.look
            && self.detection.class != worse.detection.class
            && self.detection.rect.iou(&worse.detection.rect) >= SAME_FACE_IOU
    }
}

/// Leaves, of each face, the boxes of the look that saw it best, whatever the order in which
/// they came; the best first.
pub fn merge(sightings: &mut Vec<Sighting>) {
    sightings.sort_unstable_by(Sighting::better);
    let mut kept = 0;
    for index in 0..sightings.len() {
        let one = sightings[index];
        let mut better = sightings[..kept].iter().filter(|better| better.is_same_face(&one));
        // Of the first of them, which is the best: a face's own boxes come before others'.
        let agrees = better.next().is_none_or(|best| best.agrees(&one));
        // Of each class it has one box: a second would be told as somebody else.
        let told = |other: &Sighting| {
            other.look == one.look && other.detection.class == one.detection.class
        };
        if agrees && !better.any(told) {
            sightings[kept] = one;
            kept += 1;
        }
    }
    sightings.truncate(kept);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::look::Inputs;
    use super::*;
    use crate::geometry::Region;

    const PICTURE: Size = Size { width: 1280, height: 720 };
    const INPUTS: Inputs = Inputs::sized(Size::new(224, 224), Size::new(128, 128));

    fn seen(class: usize, confidence: f32, rect: Rect, look: Look) -> Sighting {
        Sighting::new(Detection { class, confidence, rect }, look, PICTURE)
    }

    fn piece(left: u32, top: u32) -> Look {
        INPUTS.tile(Region { left, top, width: 300, height: 300 })
    }

    #[test]
    fn a_face_at_a_border_is_one_with_its_whole_box() {
        let whole = Rect::new(280.0, 100.0, 60.0, 80.0);
        // The left piece ends at 300 and has only its left third.
        let half = seen(0, 0.95, Rect::new(280.0, 100.0, 20.0, 80.0), piece(0, 0));
        let best = seen(0, 0.8, whole, piece(200, 0));
        for order in [[half, best], [best, half]] {
            let mut all = order.to_vec();
            merge(&mut all);
            assert_eq!(all, [best]);
        }
        assert!(half.cut && !best.cut);
    }

    #[test]
    fn the_look_at_the_face_itself_counts_and_both_its_classes() {
        let rect = Rect::new(600.0, 300.0, 50.0, 60.0);
        let close = INPUTS.face(&rect, PICTURE);
        let nearly = Rect::new(602.0, 303.0, 47.0, 58.0);
        let far = seen(1, 0.9, Rect::new(595.0, 298.0, 56.0, 64.0), INPUTS.whole(PICTURE));
        let (yes, no) = (seen(0, 0.6, rect, close), seen(1, 0.3, nearly, close));
        let mut all = vec![far, no, yes];
        merge(&mut all);
        assert_eq!(all, [yes, no]);
    }

    #[test]
    fn two_faces_beside_each_other_stay_two() {
        let (a, b) = (Rect::new(100.0, 100.0, 50.0, 60.0), Rect::new(145.0, 110.0, 50.0, 60.0));
        let looks = [INPUTS.face(&a, PICTURE), INPUTS.face(&b, PICTURE)];
        let mut all: Vec<Sighting> = looks
            .into_iter()
            .flat_map(|look| [seen(0, 0.9, a, look), seen(0, 0.9, b, look)])
            .collect();
        merge(&mut all);
        let mut found: Vec<f32> = all.iter().map(|one| one.detection.rect.x).collect();
        found.sort_unstable_by(f32::total_cmp);
        assert_eq!(found, [100.0, 145.0]);
    }

    /// Of two classes each box is doubted by itself, of seven the face.
    #[test]
    fn a_face_in_doubt_is_no_surer_for_having_many_classes() {
        let rect = Rect::new(600.0, 300.0, 50.0, 60.0);
        let look = INPUTS.whole(PICTURE);
        let doubted = |confidences: &[f32]| -> f32 {
            let boxes = confidences.iter().enumerate();
            let found: Vec<Detection> =
                boxes.map(|(class, c)| Detection { class, confidence: *c, rect }).collect();
            let all = Sighting::all(&found, look, PICTURE, confidences.len());
            let lowered = all.map(|mut one| {
                one.doubt(0.2);
                one.detection.confidence
            });
            lowered.sum()
        };
        assert!((doubted(&[0.3, 0.25, 0.1, 0.09, 0.08, 0.05, 0.03]) - 0.2).abs() < 1e-5);
        assert!((doubted(&[0.05, 0.04, 0.03]) - 0.12).abs() < 1e-5);
        assert!((doubted(&[0.6, 0.3]) - 0.4).abs() < 1e-5);
    }

    /// Suppression leaves two boxes of each class, which overlap by half.
    #[test]
    fn a_face_of_seven_classes_in_doubt_is_one_face() {
        let boxes = [Rect::new(600.0, 300.0, 60.0, 80.0), Rect::new(615.0, 308.0, 60.0, 80.0)];
        let scores = [0.22, 0.18, 0.15, 0.13, 0.12, 0.1, 0.08];
        let scores = scores.into_iter().enumerate();
        let found: Vec<Detection> = scores
            .flat_map(|(class, score)| {
                [score, score - 0.01]
                    .into_iter()
                    .zip(boxes)
                    .map(move |(confidence, rect)| Detection { class, confidence, rect })
            })
            .collect();
        let look = INPUTS.face(&boxes[0], PICTURE);
        let mut all: Vec<Sighting> = Sighting::all(&found, look, PICTURE, 7).collect();
        assert!(all.iter().all(|one| one.face < 1.0), "{all:?}");
        merge(&mut all);
        let mut left: Vec<Detection> = all.iter().map(|one| one.detection).collect();
        left.sort_unstable_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let faces = crate::tracks::face::merge(&left, 7);
        assert_eq!(faces.len(), 1, "{faces:?}");
        assert!((faces[0].confidence() - 0.98).abs() < 0.08, "{faces:?}");
    }

    /// Some anywhere, some on one face.
    fn sightings() -> impl Strategy<Value = Vec<Sighting>> {
        let x = prop_oneof![0u16..1200, 100u16..125];
        let y = prop_oneof![0u16..650, 100u16..125];
        let side = prop_oneof![10u16..200, 60u16..80];
        let one = (0usize..7, 1u8..100, x, y, side, 0usize..4);
        let looks = [INPUTS.whole(PICTURE), piece(0, 0), piece(225, 0), piece(225, 225)];
        let one = one.prop_map(move |(class, confidence, x, y, side, look)| {
            let rect = Rect::new(x.into(), y.into(), side.into(), side.into()).clipped(PICTURE);
            seen(class, f32::from(confidence) / 100.0, rect, looks[look])
        });
        proptest::collection::vec(one, 0..30)
    }

    proptest! {
        #[test]
        fn the_order_of_the_looks_does_not_matter(all in sightings(), turn in 0usize..30) {
            let (mut one, mut other) = (all.clone(), all);
            if !other.is_empty() {
                let turn = turn % other.len();
                other.rotate_left(turn);
                other.reverse();
            }
            merge(&mut one);
            merge(&mut other);
            prop_assert_eq!(&one, &other);
            // No two of them are one face, but for the classes that one look gives it.
            for (index, worse) in one.iter().enumerate() {
                let best = one[..index].iter().find(|better| better.is_same_face(worse));
                prop_assert!(best.is_none_or(|best| best.agrees(worse)));
                let said_already = |better: &&Sighting| {
                    better.look == worse.look
                        && better.detection.class == worse.detection.class
                        && better.is_same_face(worse)
                };
                prop_assert!(!one[..index].iter().any(|better| said_already(&better)));
            }
        }
    }
}
