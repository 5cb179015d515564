//! Class-aware non-maximum suppression.

use super::Candidate;

/// More candidates of a class than any picture of faces has; bounds the quadratic part.
const MOST_OF_A_CLASS: usize = 500;

/// Keeps, of candidates of one class that overlap by more than `iou`, the most
/// confident. Leaves them sorted, best first; needs no memory.
pub fn suppress(candidates: &mut Vec<Candidate>, iou: f32) {
    candidates.sort_unstable_by(Candidate::better);
    // Each class has a box on every face: a limit for all of them would take the weak ones away.
    let classes = candidates.iter().map(|one| one.class + 1).max().unwrap_or(0);
    candidates.truncate(MOST_OF_A_CLASS * classes.max(2));
    let mut kept = 0;
    for index in 0..candidates.len() {
        let candidate = candidates[index];
        let rect = candidate.rect();
        let doubled = candidates[..kept]
            .iter()
            .any(|other| other.class == candidate.class && other.rect().iou(&rect) > iou);
        if !doubled {
            candidates[kept] = candidate;
            kept += 1;
        }
    }
    candidates.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Repeatedly take the best that is left and strike what it covers.
    fn reference(mut left: Vec<Candidate>, iou: f32) -> Vec<Candidate> {
        let mut kept = Vec::new();
        while !left.is_empty() {
            let mut best = 0;
            for index in 1..left.len() {
                if left[index].better(&left[best]).is_lt() {
                    best = index;
                }
            }
            let chosen = left.remove(best);
            left.retain(|c| c.class != chosen.class || c.rect().iou(&chosen.rect()) <= iou);
            kept.push(chosen);
        }
        kept
    }

    /// Of a crowd of 20 with as many boxes as cells find them.
    #[test]
    fn each_of_seven_classes_stays_on_every_face_of_a_crowd() {
        let mut all = Vec::new();
        for face in 0..20_u16 {
            for cell in 0..20_u16 {
                let left = 100.0 * f32::from(face) + f32::from(cell) / 10.0;
                for class in 0..7_u16 {
                    let confidence = f32::from(7 - class) / 30.0 - f32::from(cell) / 1000.0;
                    let edges = [left, 0.0, left + 50.0, 50.0];
                    all.push(Candidate::new(class.into(), confidence, edges));
                }
            }
        }
        suppress(&mut all, 0.5);
        assert_eq!(all.len(), 20 * 7);
    }

    fn candidate() -> impl Strategy<Value = Candidate> {
        (0usize..3, 0u8..20, 0f32..50.0, 0f32..50.0, 1f32..40.0, 1f32..40.0).prop_map(
            |(class, confidence, x, y, w, h)| {
                Candidate::new(class, f32::from(confidence) / 20.0, [x, y, x + w, y + h])
            },
        )
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            candidates in proptest::collection::vec(candidate(), 0..60), iou in 0f32..1.0,
        ) {
            let mut found = candidates.clone();
            suppress(&mut found, iou);
            prop_assert_eq!(found, reference(candidates, iou));
        }
    }
}
