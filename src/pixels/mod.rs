//! Camera pixels and the way from them into the detector's input tensor.
//!
//! A frame is never turned into a full-size RGB picture on its way to the
//! detector: [`planes`] says where its samples lie, [`sampling`] shrinks them row by
//! row into the input's size, and only what arrives there becomes RGB.

pub mod frame;
pub mod jpeg;
pub mod letterbox;
pub mod planes;
pub mod preprocess;
pub mod rgb;
pub mod sampling;
pub mod scene;
pub mod tensor;

use thiserror::Error;

/// Why a frame has no pixels to look at.
#[derive(Debug, Error)]
pub enum PixelError {
    /// The compressed picture is cut off, damaged or not a picture.
    #[error("broken JPEG: {0}")]
    Jpeg(String),
    /// The frame's bytes do not fill its size.
    #[error("{format:?} {size} needs {needed} bytes, the frame has {found}")]
    Short { format: frame::PixelFormat, size: crate::geometry::Size, needed: usize, found: usize },
    /// Empty or larger than anything a camera makes.
    #[error("a picture of {0} is outside 1x1 to 16384x16384")]
    Size(crate::geometry::Size),
}
