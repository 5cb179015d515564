//! Faces and their expression in one picture.

use serde::Serialize;

use crate::geometry::Rect;

/// One face with one class, in pixels of the upright picture, clipped to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Index into the model's class list.
    pub class: usize,
    /// 0 to 1.
    pub confidence: f32,
    pub rect: Rect,
}
