//! Where the samples of a raw picture lie in its bytes.

use super::PixelError;
use super::frame::{Frame, Matrix, PixelFormat, Range};
use crate::geometry::Size;

/// Larger than any sensor; bounds every computed offset.
pub const MAX_SIDE: u32 = 16384;

/// Rows of bytes, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strip {
    pub offset: usize,
    pub stride: usize,
    /// Valid bytes in a row.
    pub row: usize,
    pub rows: usize,
}

/// One colour component: every `step`-th byte of a strip's rows from `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Component {
    pub strip: usize,
    pub first: usize,
    pub step: usize,
    /// Samples in a row.
    pub samples: usize,
}

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colours {
    Rgb,
    Yuv(Range, Matrix),
    Grey(Range),
}

/// A raw picture's layout. Up to three strips and three components, in arrays so
/// that describing a frame allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Planes {
    pub size: Size,
    pub strips: [Strip; 3],
    pub strip_count: usize,
    pub components: [Component; 3],
    pub component_count: usize,
    pub colours: Colours,
}

impl Planes {
    /// The layout of a raw frame, checked against its bytes. `Mjpeg` has none.
    pub fn of(frame: &Frame) -> Result<Self, PixelError> {
        let planes = Self::describe(frame)?;
        let needed = planes.needed();
        if frame.data.len() < needed {
            return Err(PixelError::Short {
                format: frame.format,
                size: frame.size,
                needed,
                found: frame.data.len(),
            });
        }
        Ok(planes)
    }

    fn describe(frame: &Frame) -> Result<Self, PixelError> {
        let Frame { format, size, stride, range, matrix, .. } = *frame;
        let fits = |side: u32| (1..=MAX_SIDE).contains(&side);
        if !fits(size.width) || !fits(size.height) || stride > 4 * MAX_SIDE as usize {
            return Err(PixelError::Size(size));
        }
        let (w, h) = (size.width as usize, size.height as usize);
        let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
        let interleaved = |bytes: usize, components: [Component; 3], count, colours| {
            let stride = stride.max(bytes);
            let strip = Strip { offset: 0, stride, row: bytes, rows: h };
            Self::new(size, &[strip], components, count, colours)
        };
        let part = |strip, first, step, samples| Component { strip, first, step, samples };
        let luma_stride = stride.max(w);
        let luma = Strip { offset: 0, stride: luma_stride, row: w, rows: h };
        let chroma_offset = luma_stride * h;
        let planes = match format {
            PixelFormat::Rgb24 => {
                interleaved(3 * w, [0, 1, 2].map(|c| part(0, c, 3, w)), 3, Colours::Rgb)
            }
            PixelFormat::Bgr24 => {
                interleaved(3 * w, [2, 1, 0].map(|c| part(0, c, 3, w)), 3, Colours::Rgb)
            }
            PixelFormat::Grey => interleaved(w, [part(0, 0, 1, w); 3], 1, Colours::Grey(range)),
            PixelFormat::Yuyv => interleaved(
                4 * half_w,
                [part(0, 0, 2, w), part(0, 1, 4, half_w), part(0, 3, 4, half_w)],
                3,
                Colours::Yuv(range, matrix),
            ),
            PixelFormat::Uyvy => interleaved(
                4 * half_w,
                [part(0, 1, 2, w), part(0, 0, 4, half_w), part(0, 2, 4, half_w)],
                3,
                Colours::Yuv(range, matrix),
            ),
            PixelFormat::Nv12 => {
                let row = 2 * half_w;
                let stride = luma_stride.max(row);
                let chroma = Strip { offset: chroma_offset, stride, row, rows: half_h };
                let components = [part(0, 0, 1, w), part(1, 0, 2, half_w), part(1, 1, 2, half_w)];
                Self::new(size, &[luma, chroma], components, 3, Colours::Yuv(range, matrix))
            }
            PixelFormat::I420 => {
                let stride = luma_stride.div_ceil(2);
                let u = Strip { offset: chroma_offset, stride, row: half_w, rows: half_h };
                let v = Strip { offset: chroma_offset + stride * half_h, ..u };
                let components = [part(0, 0, 1, w), part(1, 0, 1, half_w), part(2, 0, 1, half_w)];
                Self::new(size, &[luma, u, v], components, 3, Colours::Yuv(range, matrix))
            }
            PixelFormat::Mjpeg => {
                return Err(PixelError::Jpeg("not decoded yet".to_owned()));
            }
        };
        Ok(planes)
    }

    /// `strips` one to three, `components` the first `component_count` valid.
    pub fn new(
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
    pub fn needed(&self) -> usize {
        let end = |strip: &Strip| strip.offset + strip.stride * (strip.rows - 1) + strip.row;
        self.strips[..self.strip_count].iter().map(end).max().unwrap_or(0)
    }
}
