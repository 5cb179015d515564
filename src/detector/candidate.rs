//! A box before doubles are suppressed.

use std::cmp::Ordering;

use crate::geometry::Rect;

/// Boxes of different classes that overlap by this much (intersection over union) are the same
/// face: two faces side by side never do, two boxes of one face always.
pub(crate) const SAME_FACE_IOU: f32 = 0.45;

/// A box as the network gives it, in pixels of its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Index into the model's class list.
    pub class: usize,
    /// 0 to 1.
    pub confidence: f32,
    /// Left, top, right, bottom.
    pub edges: [f32; 4],
}

impl Candidate {
    /// `edges` are left, top, right and bottom.
    pub fn new(class: usize, confidence: f32, edges: [f32; 4]) -> Self {
        Self { class, confidence, edges }
    }

    /// In pixels of the input.
    pub fn rect(&self) -> Rect {
        let [left, top, right, bottom] = self.edges;
        Rect::from_edges(left, top, right, bottom)
    }

    /// More confident first; the rest only makes the order total.
    pub fn better(&self, other: &Self) -> Ordering {
        let by_edges = || {
            let pairs = self.edges.iter().zip(&other.edges);
            pairs.map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        };
        other
            .confidence
            .total_cmp(&self.confidence)
            .then(self.class.cmp(&other.class))
            .then_with(by_edges)
    }
}
