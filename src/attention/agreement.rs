//! Single pictures have no next frame that could tell a knob from a face. So each face is
//! looked at several times by itself, from other distances, and counts for as much as all
//! looks say, that of the piece or whole picture which showed it best among them, as a rule another
//! network's: a face is one at every scale, while what only resembles one is so at some. Its
//! mirror image is looked at as well: what both say errs less.

use std::collections::BTreeMap;

use super::look::{Inputs, Look, Purpose, SCALES};
use super::merge::Sighting;
use crate::geometry::{Rect, Size};

/// Something that may be a face, and the looks at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// Where the first look at it saw it.
    pub face: Rect,
    /// The nearest first.
    looks: [Look; SCALES],
}

impl Candidate {
    pub(super) fn new(face: Rect, inputs: Inputs, picture: Size) -> Self {
        Self { face, looks: inputs.at_all_scales(&face, picture) }
    }

    /// Those that are to be carried out: each also with left and right exchanged. Those that are the
    /// same, of a face that fills the picture, are neighbours.
    pub(super) fn all(&self) -> impl Iterator<Item = Look> + use<> {
        self.looks.into_iter().chain(self.looks.map(Look::mirrored))
    }
}

/// Puts in place of what the looks at each candidate saw what they say together with the coarser
/// looks. What they saw beside the candidate is dropped: it is a candidate itself, or none. Faces
/// lower than `least` pixels are dropped, too. What the coarser looks had seen is left with at most
/// the confidence `doubted`.
pub(super) fn agree(
    sightings: &mut Vec<Sighting>,
    candidates: &[Candidate],
    least: f32,
    doubted: f32,
    picture: Size,
) {
    let (close, coarse) =
        sightings.drain(..).partition::<Vec<_>, _>(|one| one.look.purpose == Purpose::Face);
    for candidate in candidates {
        let of_it = |seen: &[Sighting]| -> Vec<Sighting> {
            seen.iter().filter(|one| one.shows(&candidate.face)).copied().collect()
        };
        let (close, coarse) = (of_it(&close), of_it(&coarse));
        let seen =
            candidate.looks.map(|look| mean_of(&by(&close, look), &by(&close, look.mirrored())));
        let from_afar = coarse.iter().map(|one| is_a_face(&by(&coarse, one.look)));
        let together = together(&seen, from_afar.fold(0.0, f32::max), picture);
        sightings.extend(together.into_iter().filter(|one| one.detection.rect.height >= least));
    }
    sightings.extend(coarse.into_iter().map(|mut one| {
        one.doubt(doubted);
        one
    }));
}

/// What one of the looks saw.
fn by(seen: &[Sighting], look: Look) -> Vec<Sighting> {
    seen.iter().filter(|one| one.look == look).copied().collect()
}

/// What the looks from all distances say together, the surest `from_afar` among them: a face as surely
/// as their mean, nothing being 0, with the box and the classes of the nearest look that sees one,
/// which are best.
fn together(seen: &[Vec<Sighting>], from_afar: f32, picture: Size) -> Vec<Sighting> {
    let Some(nearest) = seen.iter().find(|of| !of.is_empty()) else { return Vec::new() };
    let all = seen.iter().map(|of| is_a_face(of)).sum::<f32>() + from_afar;
    let mean = all / (seen.len() + 1) as f32;
    let share = mean / is_a_face(nearest).max(f32::MIN_POSITIVE);
    let one = |one: &Sighting| {
        let mut detection = one.detection;
        detection.confidence = (detection.confidence * share).min(1.0);
        Sighting::new(detection, one.look, picture)
    };
    nearest.iter().map(one).collect()
}

/// What a look and the one at its mirror image say together, class by class, as if the first
/// had said it.
fn mean_of(plain: &[Sighting], mirrored: &[Sighting]) -> Vec<Sighting> {
    let mut mean = surest(plain);
    mean.values_mut().for_each(|one| one.detection.confidence /= 2.0);
    for (class, mut one) in surest(mirrored) {
        let half = one.detection.confidence / 2.0;
        let both = mean.get(&class).map_or(half, |plain| plain.detection.confidence + half);
        one.look = one.look.mirrored();
        mean.entry(class).or_insert(one).detection.confidence = both;
    }
    mean.into_values().collect()
}

/// Of each class, what is surest.
fn surest(seen: &[Sighting]) -> BTreeMap<usize, Sighting> {
    let mut classes: BTreeMap<usize, Sighting> = BTreeMap::new();
    for one in seen {
        let best = classes.entry(one.detection.class).or_insert(*one);
        let surer = best.detection.confidence.total_cmp(&one.detection.confidence);
        if surer.then_with(|| one.better(best)).is_lt() {
            *best = *one;
        }
    }
    classes
}

/// How sure one look is, 0 to 1: classes exclude each other, so that their confidences add up.
fn is_a_face(seen: &[Sighting]) -> f32 {
    surest(seen).values().map(|one| one.detection.confidence).sum::<f32>().min(1.0)
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
    const INPUTS: Inputs =
        Inputs { close_look: 2.0, ..Inputs::sized(Size::new(224, 224), Size::new(128, 128)) };
    const DOUBTED: f32 = 0.2;

    fn candidate(face: Rect) -> Candidate {
        Candidate::new(face, INPUTS, PICTURE)
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

    /// As it is and mirrored.
    fn both(class: usize, confidence: f32, rect: Rect, look: Look) -> [Sighting; 2] {
        [look, look.mirrored()].map(|look| seen(class, confidence, rect, look))
    }

    #[test]
    fn what_all_looks_see_keeps_its_confidence_and_what_one_sees_loses_most() {
        let rect = Rect::new(100.0, 100.0, 24.0, 30.0);
        let from_afar = Rect::new(102.0, 100.0, 24.0, 30.0);
        let one = candidate(rect);
        let coarse = seen(0, 0.9, Rect::new(99.0, 99.0, 24.0, 30.0), tile());
        let near = both(0, 0.9, rect, one.looks[0]);
        let far = [(1, 0.8), (2, 0.7), (3, 0.8)]
            .map(|(look, confidence)| both(0, confidence, from_afar, one.looks[look]))
            .concat();
        let all = [&[coarse][..], &near, &far].concat();
        assert_eq!(told(all, &[one]), [(0, 0.82, 100.0)]);
        let knob = [&[coarse][..], &near].concat();
        assert_eq!(told(knob, &[one]), [(0, 0.36, 100.0)], "a knob");
        let all = [&[coarse][..], &far].concat();
        assert_eq!(told(all, &[one]), [(0, 0.64, 102.0)]);
        assert_eq!(told([&near[..], &far].concat(), &[one]), [(0, 0.64, 100.0)]);
        assert_eq!(told(vec![coarse], &[one]), [(0, DOUBTED, 99.0)]);
    }

    #[test]
    fn of_what_pieces_show_the_surest_counts_and_its_classes_add_up() {
        let rect = Rect::new(100.0, 100.0, 24.0, 30.0);
        let one = candidate(rect);
        let other = INPUTS.tile(Region { left: 20, top: 20, width: 224, height: 224 });
        let mut all = one.looks.map(|look| both(0, 0.8, rect, look)).concat();
        all.extend([seen(0, 0.5, rect, tile()), seen(1, 0.2, rect, tile())]);
        all.push(seen(0, 0.6, rect, other));
        assert_eq!(told(all, &[one])[0], (0, 0.78, 100.0));
    }

    #[test]
    fn a_face_and_its_mirror_image_have_one_expression() {
        let rect = Rect::new(100.0, 100.0, 24.0, 30.0);
        let one = candidate(rect);
        let mut all = vec![
            seen(0, 0.5, rect, one.looks[0]),
            seen(1, 0.3, rect, one.looks[0]),
            seen(1, 0.9, rect, one.looks[0].mirrored()),
            seen(0, 0.85, rect, tile()),
        ];
        all.extend(one.looks[1..].iter().flat_map(|look| both(0, 0.85, rect, *look)));
        assert_eq!(told(all.clone(), &[one])[..2], [(1, 0.6, 100.0), (0, 0.25, 100.0)]);
        all.retain(|one| one.detection.class == 0 || one.look.mirrored);
        assert_eq!(told(all, &[one])[0], (1, 0.53, 100.0), "seen mirrored alone");
    }

    #[test]
    fn half_a_smile_is_a_whole_face_and_the_nearest_look_tells_which() {
        let rect = Rect::new(100.0, 100.0, 24.0, 30.0);
        let one = candidate(rect);
        let shifted = Rect::new(103.0, 98.0, 24.0, 30.0);
        let all = [
            both(0, 0.9, rect, one.looks[0]),
            both(0, 0.45, shifted, one.looks[1]),
            both(1, 0.45, shifted, one.looks[1]),
            both(1, 0.9, shifted, one.looks[2]),
            both(1, 0.9, shifted, one.looks[3]),
            [seen(1, 0.9, rect, tile()); 2],
        ];
        assert_eq!(told(all.concat(), &[one])[0], (0, 0.9, 100.0));
    }

    #[test]
    fn what_turns_out_too_small_is_left_in_doubt() {
        let rect = Rect::new(100.0, 100.0, 16.0, 20.0);
        let one = candidate(rect);
        let small = Rect::new(102.0, 103.0, 12.0, 14.0);
        let close = one.all().map(|look| seen(0, 0.9, small, look));
        let all = [seen(0, 0.9, rect, tile())].into_iter().chain(close).collect();
        assert_eq!(told(all, &[one]), [(0, DOUBTED, 100.0)]);
    }

    #[test]
    fn looks_that_are_the_same_are_taken_once() {
        let all = Candidate::new(Rect::new(0.0, 0.0, 640.0, 480.0), INPUTS, PICTURE);
        let mut looks: Vec<Look> = all.all().collect();
        looks.dedup();
        assert_eq!(looks.len(), 2, "as it is and mirrored: {looks:?}");
    }

    #[test]
    fn neighbours_count_by_their_own_looks() {
        let (a, b) = (Rect::new(100.0, 100.0, 24.0, 30.0), Rect::new(130.0, 100.0, 24.0, 30.0));
        let (one, other) = (candidate(a), candidate(b));
        let looks = one.all().chain(other.all());
        let mut all: Vec<_> = looks.map(|look| seen(0, 0.9, a, look)).collect();
        // The second one is a knob, which the looks at its neighbour take for a face.
        all.extend(one.all().map(|look| seen(0, 0.8, b, look)));
        assert_eq!(told(all, &[one, other]), [(0, 0.72, 100.0)]);
    }

    proptest! {
        /// Nothing is surer than the surest look, whose classes add up, in any order of them.
        #[test]
        fn no_confidence_grows_and_no_order_matters(
            all in prop::collection::vec((0usize..2, 1u8..100, 0u8..60, 16u8..60, 0usize..17), 0..20),
            turn in 0usize..20,
        ) {
            let faces = [Rect::new(100.0, 100.0, 30.0, 36.0), Rect::new(150.0, 100.0, 30.0, 36.0)];
            let candidates = faces.map(candidate);
            let close = candidates.iter().flat_map(Candidate::all);
            let looks: Vec<Look> = [tile()].into_iter().chain(close).collect();
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
