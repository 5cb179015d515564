//! Single pictures have no next frame that could tell a knob from a face. So each face is
//! looked at twice by itself, from two distances, and counts for as much as both looks say:
//! a face is one at every scale, while what only resembles one does so at some.

use std::collections::BTreeMap;

use super::look::Look;
use super::merge::Sighting;
use crate::geometry::{Rect, Size};

/// Something that may be a face, and the two looks at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// Where a piece or the whole picture showed it.
    pub face: Rect,
    /// At the scale that tells an expression best.
    pub near: Look,
    /// With more around it.
    pub far: Look,
}

/// Puts in place of what the two looks at each candidate saw what they say together: a face
/// as surely as the mean of both, nothing being 0, with the near look's box and classes, which
/// are better. What they saw beside the candidate is dropped: it is a candidate itself, or
/// none. Faces lower than `least` pixels are dropped, too. What the coarser looks had seen of
/// a candidate is left with at most the confidence `doubted`.
pub(super) fn agree(
    sightings: &mut Vec<Sighting>,
    candidates: &[Candidate],
    least: f32,
    doubted: f32,
    picture: Size,
) {
    let by = |look: &Look| candidates.iter().any(|one| one.near == *look || one.far == *look);
    let (close, coarse) = sightings.drain(..).partition::<Vec<_>, _>(|one| by(&one.look));
    sightings.extend(coarse);
    for one in sightings.iter_mut() {
        if candidates.iter().any(|candidate| one.shows(&candidate.face)) {
            one.doubt(doubted);
        }
    }
    for candidate in candidates {
        let of = |look: &Look| -> Vec<Sighting> {
            let seen = close.iter().filter(|one| one.look == *look && one.shows(&candidate.face));
            seen.copied().collect()
        };
        let both = together(&of(&candidate.near), &of(&candidate.far), picture);
        sightings.extend(both.into_iter().filter(|one| one.detection.rect.height >= least));
    }
}

/// What the near and the far look at one candidate say together.
fn together(near: &[Sighting], far: &[Sighting], picture: Size) -> Vec<Sighting> {
    let mean = (is_a_face(near) + is_a_face(far)) / 2.0;
    let seen = if near.is_empty() { far } else { near };
    let share = mean / is_a_face(seen).max(f32::MIN_POSITIVE);
    let one = |one: &Sighting| {
        let mut detection = one.detection;
        detection.confidence = (detection.confidence * share).min(1.0);
        Sighting::new(detection, one.look, picture)
    };
    seen.iter().map(one).collect()
}

/// How sure one look is, 0 to 1: classes exclude each other, so that their confidences add up.
fn is_a_face(seen: &[Sighting]) -> f32 {
    let mut classes: BTreeMap<usize, f32> = BTreeMap::new();
    for one in seen.iter().map(|one| one.detection) {
        let best = classes.entry(one.class).or_default();
        *best = best.max(one.confidence);
    }
    classes.values().sum::<f32>().min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::look::Inputs;
    use super::super::merge::merge;
    use super::*;
    use crate::detector::Detection;
    use crate::geometry::Region;

    const PICTURE: Size = Size { width: 640, height: 480 };
    const INPUTS: Inputs = Inputs { main: Size::new(224, 224), close: Size::new(128, 128) };
    const DOUBTED: f32 = 0.2;

    fn candidate(face: Rect) -> Candidate {
        Candidate {
            face,
            near: INPUTS.face(&face, PICTURE),
            far: INPUTS.face_from_afar(&face, PICTURE),
        }
    }

    fn seen(class: usize, confidence: f32, rect: Rect, look: Look) -> Sighting {
        Sighting::new(Detection { class, confidence, rect }, look, PICTURE)
    }

    /// What is told of these sightings in the end: class, confidence and left edge.
    fn told(mut all: Vec<Sighting>, candidates: &[Candidate]) -> Vec<(usize, f32, f32)> {
        agree(&mut all, candidates, 18.0, DOUBTED, PICTURE);
        merge(&mut all);
        let one = |one: &Sighting| {
            let Detection { class, confidence, rect } = one.detection;
            (class, (confidence * 100.0).round() / 100.0, rect.x)
        };
        all.iter().map(one).collect()
    }

    fn tile() -> Look {
        INPUTS.tile(Region { left: 0, top: 0, width: 224, height: 224 })
    }

    #[test]
    fn what_two_looks_see_keeps_its_confidence_and_what_one_sees_loses_half() {
        let rect = Rect::new(100.0, 100.0, 24.0, 30.0);
        let from_afar = Rect::new(102.0, 100.0, 24.0, 30.0);
        let both = candidate(rect);
        let coarse = seen(0, 0.9, Rect::new(99.0, 99.0, 24.0, 30.0), tile());
        let face = [seen(0, 0.9, rect, both.near), seen(0, 0.8, from_afar, both.far)];
        let found = told([&[coarse][..], &face].concat(), &[both]);
        assert_eq!(found, [(0, 0.85, 100.0)]);
        let knob = told(vec![coarse, face[0]], &[both]);
        assert_eq!(knob, [(0, 0.45, 100.0)]);
        let only_from_afar = told(vec![coarse, face[1]], &[both]);
        assert_eq!(only_from_afar, [(0, 0.4, 102.0)]);
        let nothing = told(vec![coarse], &[both]);
        assert_eq!(nothing, [(0, DOUBTED, 99.0)]);
    }

    #[test]
    fn half_a_smile_is_a_whole_face_and_the_near_look_tells_which() {
        let rect = Rect::new(100.0, 100.0, 24.0, 30.0);
        let both = candidate(rect);
        let shifted = Rect::new(103.0, 98.0, 24.0, 30.0);
        let all = vec![
            seen(0, 0.8, rect, both.near),
            seen(0, 0.4, shifted, both.far),
            seen(1, 0.4, shifted, both.far),
        ];
        assert_eq!(told(all, &[both]), [(0, 0.8, 100.0)]);
    }

    #[test]
    fn what_turns_out_too_small_is_left_in_doubt() {
        let rect = Rect::new(100.0, 100.0, 16.0, 20.0);
        let both = candidate(rect);
        let small = Rect::new(102.0, 103.0, 12.0, 14.0);
        let coarse = seen(0, 0.9, rect, tile());
        let all = vec![coarse, seen(0, 0.9, small, both.near), seen(0, 0.9, small, both.far)];
        assert_eq!(told(all, &[both]), [(0, DOUBTED, 100.0)]);
    }

    #[test]
    fn neighbours_count_by_their_own_looks() {
        let (a, b) = (Rect::new(100.0, 100.0, 24.0, 30.0), Rect::new(130.0, 100.0, 24.0, 30.0));
        let (one, other) = (candidate(a), candidate(b));
        let looks = [one.near, one.far, other.near, other.far];
        let mut all: Vec<_> = looks.iter().map(|look| seen(0, 0.9, a, *look)).collect();
        // The second one is a knob, which the looks at its neighbour take for a face.
        all.extend([seen(0, 0.8, b, one.near), seen(0, 0.8, b, one.far)]);
        assert_eq!(told(all, &[one, other]), [(0, 0.9, 100.0)]);
    }

    proptest! {
        /// Nothing is surer than the surest look, whose classes add up, in any order of them.
        #[test]
        fn no_confidence_grows_and_no_order_matters(
            all in prop::collection::vec((0usize..2, 1u8..100, 0u8..60, 16u8..60, 0usize..5), 0..20),
            turn in 0usize..20,
        ) {
            let faces = [Rect::new(100.0, 100.0, 30.0, 36.0), Rect::new(150.0, 100.0, 30.0, 36.0)];
            let candidates = faces.map(candidate);
            let looks =
                [tile(), candidates[0].near, candidates[0].far, candidates[1].near, candidates[1].far];
            let all: Vec<Sighting> = all
                .into_iter()
                .map(|(class, confidence, x, side, look)| {
                    let (x, side) = (90.0 + f32::from(x), f32::from(side));
                    let rect = Rect::new(x, 100.0, side, side);
                    seen(class, f32::from(confidence) / 100.0, rect, looks[look])
                })
                .collect();
            let most = all.iter().map(|one| one.detection.confidence).fold(0.0, f32::max);
            let (mut one, mut other) = (all.clone(), all);
            if !other.is_empty() {
                let turn = turn % other.len();
                other.rotate_left(turn);
            }
            for all in [&mut one, &mut other] {
                agree(all, &candidates, 18.0, DOUBTED, PICTURE);
                merge(all);
            }
            prop_assert_eq!(&one, &other);
            prop_assert!(one.iter().all(|one| one.detection.confidence <= 1.0_f32.min(2.0 * most)));
        }
    }
}
