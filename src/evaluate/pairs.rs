//! Which found face is which labelled one: what the confusion matrix counts, and what the
//! report shows of it.

use super::Truth;
use super::average_precision::{IOUS, PictureResult};
use crate::detector::floor::FEW;
use crate::detector::{Detection, Settings};
use crate::tracks::TrackingSettings;
use crate::tracks::face::{self, Face};

/// The faces that the daemon would start to follow, surest box first, of boxes that were found
/// down to any confidence. Where each class counts by itself the daemon knows of none below its
/// floor; of more classes it is the face that has to be above it, as each of these is.
pub fn followed(found: &[Detection], class_count: usize) -> Vec<Face> {
    let floor = if class_count <= FEW { Settings::default().floor } else { 0.0 };
    let known = found.iter().filter(|one| one.confidence >= floor).copied();
    let start = TrackingSettings::default().start_confidence;
    face::starting(&known.collect::<Vec<_>>(), class_count, start)
}

/// Each face of a picture once, as it is labelled and as it was found. Class-blind matching at
/// IoU 0.5: a found one, surest first, takes the free labelled one that it covers best, whatever
/// it shows most.
pub fn pairs(result: &PictureResult) -> Vec<(Option<&Truth>, Option<&Face>)> {
    let mut free: Vec<&Truth> = result.truth.iter().collect();
    let mut pairs = Vec::new();
    for found in &result.faces {
        let overlaps = free.iter().map(|truth| truth.rect.iou(&found.rect)).enumerate();
        let best =
            overlaps.filter(|(_, overlap)| *overlap >= IOUS[0]).max_by(|a, b| a.1.total_cmp(&b.1));
        pairs.push((best.map(|(index, _)| free.remove(index)), Some(found)));
    }
    pairs.extend(free.into_iter().map(|truth| (Some(truth), None)));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    fn boxes(scores: &[(usize, f32)]) -> Vec<Detection> {
        let rect = Rect::new(0.0, 0.0, 10.0, 10.0);
        let one = |(class, confidence): &(usize, f32)| Detection {
            class: *class,
            confidence: *confidence,
            rect,
        };
        scores.iter().map(one).collect()
    }

    /// Average precision asks for boxes that the daemon never hears of.
    #[test]
    fn what_is_below_the_daemons_floor_makes_no_face() {
        let (weak, sure) = (boxes(&[(0, 0.65), (1, 0.06)]), boxes(&[(0, 0.6), (1, 0.11)]));
        assert!(followed(&weak, 2).is_empty());
        assert_eq!(followed(&sure, 2).len(), 1);
        // Of seven classes the daemon adds up all that the face has.
        assert_eq!(followed(&weak, 7).len(), 1);
    }

    #[test]
    fn a_labelled_face_is_one_found_face_and_the_others_are_none() {
        let rect = |x: f32| Rect::new(x, 0.0, 10.0, 10.0);
        let truth = [0.0, 30.0].map(|x| Truth { class: 0, rect: rect(x) });
        let face = |x: f32| Face { rect: rect(x), scores: vec![0.9] };
        let result = PictureResult {
            // The second covers the same labelled face, less well.
            faces: vec![face(1.0), face(2.0), face(60.0)],
            truth: truth.into(),
            ..PictureResult::default()
        };
        let places = |pairs: Vec<(Option<&Truth>, Option<&Face>)>| -> Vec<_> {
            let x = |rect: Rect| rect.x;
            let pairs = pairs.into_iter();
            pairs
                .map(|(is, said)| (is.map(|is| x(is.rect)), said.map(|said| x(said.rect))))
                .collect()
        };
        let wanted =
            [(Some(0.0), Some(1.0)), (None, Some(2.0)), (None, Some(60.0)), (Some(30.0), None)];
        assert_eq!(places(pairs(&result)), wanted);
    }
}
