//! Measures of a detector on a labelled set, as COCO defines them.

pub mod average_precision;
pub mod dataset;
pub mod description;
pub mod labels;
pub mod left_out;
pub mod pairs;
pub mod report;
pub mod summary;
pub mod text;

use crate::geometry::Rect;

/// One labelled face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Index into the model's class list.
    pub class: usize,
    /// In pixels of the picture.
    pub rect: Rect,
}
