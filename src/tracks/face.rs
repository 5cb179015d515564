//! Boxes of different classes on one face, made one observation.
//!
//! Suppression is class-aware, so a face with a doubtful smile leaves two boxes.
//! What a tracker follows is the face; the classes become shares of its belief.

use crate::detector::{Detection, SAME_FACE_IOU};
use crate::geometry::Rect;

/// One face in one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// Of its most confident box, in pixels of the frame.
    pub rect: Rect,
    /// Confidence per class; 0 where no box said so.
    pub scores: Vec<f32>,
}

impl Face {
    /// That it is a face, 0 to 1. The classes exclude each other, so their confidences
    /// add up: half a smile and half none is still a whole face.
    pub fn confidence(&self) -> f32 {
        self.scores.iter().sum::<f32>().min(1.0)
    }

    /// Whether a tracker with this `tracking.start_confidence` starts to follow it.
    pub fn starts(&self, start_confidence: f32) -> bool {
        self.confidence() >= start_confidence
    }

    /// The share of each class in what the boxes say, summing to 1.
    pub fn shares(&self) -> impl Iterator<Item = f32> {
        let total: f32 = self.scores.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        self.scores.iter().map(move |score| score / total)
    }

    /// The class with the highest score.
    pub fn best_class(&self) -> usize {
        let by_score = |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1);
        self.scores.iter().enumerate().max_by(by_score).map_or(0, |(class, _)| class)
    }
}

/// Faces from detections that are sorted, most confident first.
pub fn merge(detections: &[Detection], class_count: usize) -> Vec<Face> {
    let mut faces: Vec<Face> = Vec::new();
    for detection in detections.iter().filter(|detection| detection.class < class_count) {
        let same = |face: &&mut Face| {
            face.scores[detection.class] == 0.0 && face.rect.iou(&detection.rect) >= SAME_FACE_IOU
        };
        match faces.iter_mut().find(same) {
            Some(face) => face.scores[detection.class] = detection.confidence,
            None => {
                let mut scores = vec![0.0; class_count];
                scores[detection.class] = detection.confidence;
                faces.push(Face { rect: detection.rect, scores });
            }
        }
    }
    faces
}

/// Of those the faces that the daemon would start to follow. Boxes of different classes on one
/// face are one: the more classes there are, the less of a face's confidence any of them has.
pub fn starting(detections: &[Detection], class_count: usize, start_confidence: f32) -> Vec<Face> {
    let mut faces = merge(detections, class_count);
    faces.retain(|face| face.starts(start_confidence));
    faces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(class: usize, confidence: f32, x: f32) -> Detection {
        Detection { class, confidence, rect: Rect::new(x, 0.0, 10.0, 10.0) }
    }

    #[test]
    fn two_classes_on_one_face_are_one_face() {
        let faces = merge(&[at(0, 0.8, 0.0), at(1, 0.7, 50.0), at(1, 0.2, 1.0)], 2);
        assert_eq!(faces.len(), 2);
        assert_eq!(faces[0].scores, [0.8, 0.2]);
        assert!((faces[0].confidence() - 1.0).abs() < 1e-6);
        assert_eq!(faces[0].best_class(), 0);
        assert!((faces[0].shares().next().unwrap() - 0.8).abs() < 1e-6);
        assert_eq!(faces[1].scores, [0.0, 0.7]);
    }

    #[test]
    fn a_face_starts_by_what_its_classes_have_together() {
        let seen = [at(0, 0.5, 0.0), at(0, 0.5, 50.0), at(1, 0.4, 1.0)];
        let faces = starting(&seen, 2, 0.8);
        assert_eq!(faces.len(), 1);
        assert_eq!(faces[0].scores, [0.5, 0.4]);
    }
}
