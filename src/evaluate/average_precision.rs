//! Matching and average precision with COCO's definitions (pycocotools, area "all",
//! 100 detections a picture): tested against numbers that pycocotools made.

use super::Truth;
use crate::detector::Detection;
use crate::tracks::face::Face;

/// IoU thresholds 0.50, 0.55, ..., 0.95.
pub const IOUS: [f32; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];
/// Detections of a picture and class that count.
pub const MOST: usize = 100;

/// One picture's detections and labels.
#[derive(Clone, Debug, Default)]
pub struct PictureResult {
    /// Most confident first.
    pub found: Vec<Detection>,
    /// Those of the faces that the daemon would start to follow
    /// ([`followed`](super::pairs::followed)).
    pub faces: Vec<Face>,
    /// In any order.
    pub truth: Vec<Truth>,
}

/// Detections of one class over the whole set, most confident first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Confidence, and whether it hit a face that no other had hit.
    pub points: Vec<(f32, bool)>,
    /// Labelled faces of the class.
    pub faces: usize,
}

impl Curve {
    /// The curve of `class`, whose hits overlap a face by at least `iou`, 0 to 1.
    pub fn of(results: &[PictureResult], class: usize, iou: f32) -> Self {
        let mut curve = Self::default();
        for result in results {
            let found: Vec<&Detection> =
                result.found.iter().filter(|d| d.class == class).take(MOST).collect();
            let truth: Vec<&Truth> = result.truth.iter().filter(|t| t.class == class).collect();
            curve.faces += truth.len();
            let hits = match_greedily(&found, &truth, iou);
            curve.points.extend(found.iter().zip(hits).map(|(d, hit)| (d.confidence, hit)));
        }
        curve.points.sort_by(|a, b| b.0.total_cmp(&a.0));
        curve
    }

    /// Precision and recall after each detection.
    pub fn precision_recall(&self) -> Vec<(f32, f32)> {
        let mut hits = 0;
        let faces = self.faces.max(1) as f32;
        let point = |(index, (_, hit)): (usize, &(f32, bool))| {
            hits += usize::from(*hit);
            (hits as f32 / (index + 1) as f32, hits as f32 / faces)
        };
        self.points.iter().enumerate().map(point).collect()
    }

    /// The mean, over 101 recalls, of the best precision at that recall or more.
    pub fn average_precision(&self) -> f32 {
        let mut points = self.precision_recall();
        let mut best: f32 = 0.0;
        for (precision, _) in points.iter_mut().rev() {
            best = best.max(*precision);
            *precision = best;
        }
        let at = |step: u32| {
            let wanted = step as f32 / 100.0;
            let place = points.partition_point(|(_, recall)| *recall < wanted);
            points.get(place).map_or(0.0, |(precision, _)| *precision)
        };
        (0..=100).map(at).sum::<f32>() / 101.0
    }

    /// Precision and recall of all detections of at least this confidence. Of none there is no
    /// precision.
    pub fn at(&self, confidence: f32) -> (Option<f32>, f32) {
        let count = self.points.partition_point(|(c, _)| *c >= confidence);
        let hits = self.points[..count].iter().filter(|(_, hit)| *hit).count();
        let precision = (count > 0).then(|| hits as f32 / count as f32);
        (precision, hits as f32 / self.faces.max(1) as f32)
    }
}

/// The harmonic mean of precision and recall, 0 to 1.
pub fn f1((precision, recall): (Option<f32>, f32)) -> f32 {
    let precision = precision.unwrap_or_default();
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

/// Each detection, most confident first, takes the free face that it overlaps most.
fn match_greedily(found: &[&Detection], truth: &[&Truth], iou: f32) -> Vec<bool> {
    let mut free = vec![true; truth.len()];
    let hit = |detection: &&Detection| {
        let candidates = truth.iter().enumerate().filter(|(index, _)| free[*index]);
        let overlaps = candidates.map(|(index, truth)| (index, detection.rect.iou(&truth.rect)));
        let best = overlaps.max_by(|a, b| a.1.total_cmp(&b.1));
        match best {
            Some((index, overlap)) if overlap >= iou => {
                free[index] = false;
                true
            }
            _ => false,
        }
    };
    found.iter().map(hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    fn result(found: &[(f32, f32)], truth: &[f32]) -> PictureResult {
        let rect = |x: f32| Rect::new(x, 0.0, 10.0, 10.0);
        PictureResult {
            found: found
                .iter()
                .map(|(confidence, x)| Detection {
                    class: 0,
                    confidence: *confidence,
                    rect: rect(*x),
                })
                .collect(),
            truth: truth.iter().map(|x| Truth { class: 0, rect: rect(*x) }).collect(),
            ..PictureResult::default()
        }
    }

    #[test]
    fn perfect_empty_and_doubled() {
        let perfect = Curve::of(&[result(&[(0.9, 0.0)], &[0.0])], 0, 0.5);
        assert!((perfect.average_precision() - 1.0).abs() < 1e-6);
        assert_eq!(Curve::of(&[result(&[], &[0.0])], 0, 0.5).average_precision(), 0.0);
        let doubled = Curve::of(&[result(&[(0.9, 0.0), (0.8, 1.0)], &[0.0])], 0, 0.5);
        assert_eq!(doubled.points, [(0.9, true), (0.8, false)]);
        assert_eq!(doubled.at(0.85), (Some(1.0), 1.0));
        assert_eq!(doubled.at(0.5), (Some(0.5), 1.0));
        assert_eq!(doubled.at(0.95), (None, 0.0));
        assert_eq!(f1((None, 0.0)), 0.0);
        assert!((f1((Some(0.5), 1.0)) - 2.0 / 3.0).abs() < 1e-6);
    }
}
