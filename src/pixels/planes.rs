//! Where the samples of a raw picture lie in its bytes.

use super::error::PixelError;
use super::format::{Kind, PixelFormat};
use super::frame::{Frame, Matrix, Range};
use crate::geometry::Size;

/// The longest side of a picture, in pixels: larger than any sensor has. It bounds every
/// offset that is computed here.
pub(crate) const MAX_SIDE: u32 = 16384;

/// Whether a picture of this size, with so many bytes from one row to the next, is one that
/// a camera could make.
///
/// # Errors
///
/// It is empty, or has a side of more than 16384 pixels.
pub(crate) fn check_sides(size: Size, stride: usize) -> Result<(), PixelError> {
    let fits = |side: u32| (1..=MAX_SIDE).contains(&side);
    if fits(size.width) && fits(size.height) && stride <= 4 * MAX_SIDE as usize {
        Ok(())
    } else {
        Err(PixelError::Size(size))
    }
}

/// Rows of bytes, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Strip {
    pub(crate) offset: usize,
    pub(crate) stride: usize,
    /// Valid bytes in a row.
    pub(crate) row: usize,
    pub(crate) rows: usize,
    /// Pixels of the stored picture, from top to bottom, that a row stands for. The last one may
    /// stand for some that the picture has not: libjpeg rounds up what it scales.
    pub(crate) height: u32,
}

/// One colour component: every `step`-th byte of a strip's rows from `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Component {
    pub(crate) strip: usize,
    pub(crate) first: usize,
    pub(crate) step: usize,
    /// Samples in a row.
    pub(crate) samples: usize,
    /// Pixels of the stored picture, from left to right, that a sample stands for; the last one
    /// as the last row does.
    pub(crate) width: u32,
}

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Colours {
    Rgb,
    Yuv(Range, Matrix),
    Grey(Range),
}

/// A raw picture's layout. Up to three strips and three components, in arrays so
/// that describing a frame allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Planes {
    pub(crate) size: Size,
    pub(crate) strips: [Strip; 3],
    pub(crate) strip_count: usize,
    pub(crate) components: [Component; 3],
    pub(crate) component_count: usize,
    pub(crate) colours: Colours,
}

impl Planes {
    /// The layout of a raw frame, checked against its bytes.
    ///
    /// # Errors
    ///
    /// A size outside 1 to 16384, too few bytes, or a format that must be decoded or
    /// unpacked first.
    pub(crate) fn of(frame: &Frame) -> Result<Self, PixelError> {
        let Frame { format, size, stride, range, matrix, .. } = *frame;
        let planes = Self::describe(format, size, stride, range, matrix)?;
        let (needed, found) = (planes.needed(), frame.data.len());
        if found < needed {
            return Err(PixelError::Short { format, size, needed, found });
        }
        Ok(planes)
    }

    /// The layout of a raw picture with `stride` bytes from one row of the first plane
    /// to the next, or none beyond the pixels where `stride` is smaller.
    pub(super) fn describe(
        format: PixelFormat,
        size: Size,
        stride: usize,
        range: Range,
        matrix: Matrix,
    ) -> Result<Self, PixelError> {
        check_sides(size, stride)?;
        let Some(layout) = format.layout() else {
            return Err(PixelError::Jpeg(format!("{format:?} is not decoded yet")));
        };
        let (w, h) = (size.width as usize, size.height as usize);
        let first = layout.planes[0];
        let stride = stride.max(w.div_ceil(first.width) * first.bytes);
        let mut offset = 0;
        let strips = layout.planes.map(|plane| {
            let row = w.div_ceil(plane.width) * plane.bytes;
            // Rows of all planes are padded in proportion (pixfmt-yuv-planar.rst).
            let share = stride * plane.bytes * first.width;
            let stride = share.div_ceil(plane.width * first.bytes).max(row);
            let (rows, height) = (h.div_ceil(plane.height), plane.height as u32);
            let strip = Strip { offset, stride, row, rows, height };
            offset += stride * strip.rows;
            strip
        });
        let components = layout.places.map(|place| Component {
            strip: place.plane,
            first: place.first,
            step: place.step,
            samples: w.div_ceil(place.width),
            width: place.width as u32,
        });
        let (count, colours) = match layout.kind {
            Kind::Rgb => (3, Colours::Rgb),
            Kind::Yuv => (3, Colours::Yuv(range, matrix)),
            Kind::Grey => (1, Colours::Grey(range)),
        };
        Ok(Self::new(size, &strips[..layout.plane_count], components, count, colours))
    }

    /// `strips` one to three, `components` the first `component_count` valid.
    pub(crate) fn new(
        size: Size,
        strips: &[Strip],
        components: [Component; 3],
        component_count: usize,
        colours: Colours,
    ) -> Self {
        let mut all = [strips[0]; 3];
        all[..strips.len()].copy_from_slice(strips);
        Self { size, strips: all, strip_count: strips.len(), components, component_count, colours }
    }

    /// Bytes that a picture of this layout has at least.
    pub(crate) fn needed(&self) -> usize {
        let end = |strip: &Strip| strip.offset + strip.stride * (strip.rows - 1) + strip.row;
        self.strips[..self.strip_count].iter().map(end).max().unwrap_or(0)
    }
}
