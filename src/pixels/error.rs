//! Why a frame has no pixels to look at.

use thiserror::Error;

use super::format::PixelFormat;
use crate::geometry::Size;

/// Why a frame has no pixels to look at.
#[derive(Debug, Error)]
pub enum PixelError {
    /// The compressed picture is cut off, damaged or not a picture.
    #[error("broken JPEG: {0}")]
    Jpeg(String),
    /// The frame's bytes do not fill its size.
    #[error("{format:?} {size} needs {needed} bytes, the frame has {found}")]
    Short {
        /// As the frame says.
        format: PixelFormat,
        /// As the frame says, in pixels.
        size: Size,
        /// Bytes of such a picture.
        needed: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Empty or larger than anything a camera makes.
    #[error("a picture of {0} is outside 1x1 to 16384x16384")]
    Size(Size),
    /// So many pixels that they would fill a small board's memory.
    #[error("a picture of {size} has more than {most} megapixels")]
    Area {
        /// As the header says, in pixels.
        size: Size,
        /// Megapixels that one may have.
        most: usize,
    },
}
