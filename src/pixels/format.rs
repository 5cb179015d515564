//! The pixel formats that can be read, and where each keeps its samples.
//!
//! Nearly all raw formats of cameras differ only by the order of their bytes: a row
//! of the table in [`PixelFormat::layout`] is all that another one costs. The kernel's
//! documentation draws them (linux/Documentation/userspace-api/media/v4l/pixfmt.rst).

/// How the bytes of a frame are to be read. Names follow V4L2's FourCCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// `RGB3`: 3 bytes a pixel.
    Rgb24,
    /// `BGR3`: 3 bytes a pixel.
    Bgr24,
    /// `XB24`, `AB24`: R G B and a byte that is not read.
    Rgbx32,
    /// `XR24`, `AR24`, `BGR4`: B G R and a byte that is not read.
    Bgrx32,
    /// `BX24`, `BA24`, `RGB4`: a byte that is not read, then R G B.
    Xrgb32,
    /// `RX24`, `RA24`: a byte that is not read, then B G R.
    Xbgr32,
    /// `RGBP`: 16 bits a pixel, 5 red, 6 green, 5 blue, the low byte first.
    Rgb565,
    /// `RGBR`: the same, the high byte first.
    Rgb565Be,
    /// `RGBO`, `XR15`, `AR15`: 16 bits a pixel, 5 for each colour, the low byte first.
    Rgb555,
    /// `GREY`: 1 byte a pixel.
    Grey,
    /// `Y10 `: 2 bytes a pixel, the low one first, 0 to 1023.
    Grey10,
    /// `Y12 `: 2 bytes a pixel, the low one first, 0 to 4095.
    Grey12,
    /// `Y14 `: 2 bytes a pixel, the low one first, 0 to 16383.
    Grey14,
    /// `Y16 `: 2 bytes a pixel, the low one first, 0 to 65535.
    Grey16,
    /// `YUYV`: Y0 U Y1 V, two pixels in 4 bytes.
    Yuyv,
    /// `YVYU`: Y0 V Y1 U.
    Yvyu,
    /// `UYVY`: U Y0 V Y1.
    Uyvy,
    /// `VYUY`: V Y0 U Y1.
    Vyuy,
    /// `NV12`: a plane of Y, then a plane of interleaved U and V at half size.
    Nv12,
    /// `NV21`: the same with V before U.
    Nv21,
    /// `NV16`: as NV12, with U and V at half width and full height.
    Nv16,
    /// `NV61`: the same with V before U.
    Nv61,
    /// `NV24`: as NV12, with U and V at full size.
    Nv24,
    /// `NV42`: the same with V before U.
    Nv42,
    /// `P010`: as NV12 with 2 bytes a sample, the low one first, of which the upper 10
    /// bits count.
    P010,
    /// `YU12` (I420): a plane of Y, then U, then V at half size.
    I420,
    /// `YV12`: the same with V before U.
    Yv12,
    /// `422P`: as I420, with U and V at half width and full height.
    Yuv422p,
    /// `MJPG`/`JPEG`: one JPEG picture, compressed.
    Mjpeg,
}

/// One plane: so many `bytes` for each cell of `width` x `height` pixels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bytes: usize,
}

/// One component: every `step`-th byte of a plane's rows from `first`, one for each
/// `width` pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) plane: usize,
    pub(super) first: usize,
    pub(super) step: usize,
    pub(super) width: usize,
}

/// What the components are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rgb,
    Yuv,
    /// Brightness only: the first component counts.
    Grey,
}

/// Where a raw format keeps its samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    /// The first `plane_count` are there.
    pub(super) planes: [Plane; 3],
    pub(super) plane_count: usize,
    /// Red, green, blue; or Y, U, V.
    pub(super) places: [Place; 3],
}

impl PixelFormat {
    /// None for what must be unpacked (16-bit pixels) or decoded (JPEG) first.
    pub(super) const fn layout(self) -> Option<Layout> {
        Some(match self {
            Self::Rgb24 => rgb(3, [0, 1, 2]),
            Self::Bgr24 => rgb(3, [2, 1, 0]),
            Self::Rgbx32 => rgb(4, [0, 1, 2]),
            Self::Bgrx32 => rgb(4, [2, 1, 0]),
            Self::Xrgb32 => rgb(4, [1, 2, 3]),
            Self::Xbgr32 => rgb(4, [3, 2, 1]),
            Self::Grey => grey(1, 0),
            // The high byte is the sample as far as eight bits can tell it.
            Self::Grey16 => grey(2, 1),
            Self::Yuyv => packed([0, 1, 3]),
            Self::Yvyu => packed([0, 3, 1]),
            Self::Uyvy => packed([1, 0, 2]),
            Self::Vyuy => packed([1, 2, 0]),
            Self::Nv12 => semi_planar(1, (2, 2), [0, 1]),
            Self::Nv21 => semi_planar(1, (2, 2), [1, 0]),
            Self::Nv16 => semi_planar(1, (2, 1), [0, 1]),
            Self::Nv61 => semi_planar(1, (2, 1), [1, 0]),
            Self::Nv24 => semi_planar(1, (1, 1), [0, 1]),
            Self::Nv42 => semi_planar(1, (1, 1), [1, 0]),
            Self::P010 => semi_planar(2, (2, 2), [0, 1]),
            Self::I420 => planar((2, 2), [1, 2]),
            Self::Yv12 => planar((2, 2), [2, 1]),
            Self::Yuv422p => planar((2, 1), [1, 2]),
            Self::Rgb565
            | Self::Rgb565Be
            | Self::Rgb555
            | Self::Grey10
            | Self::Grey12
            | Self::Grey14
            | Self::Mjpeg => return None,
        })
    }
}

const NONE: Plane = Plane { width: 1, height: 1, bytes: 0 };

const fn place(plane: usize, first: usize, step: usize, width: usize) -> Place {
    Place { plane, first, step, width }
}

/// Pixels of `bytes` bytes, with red, green and blue at these.
const fn rgb(bytes: usize, [r, g, b]: [usize; 3]) -> Layout {
    Layout {
        kind: Kind::Rgb,
        planes: [Plane { width: 1, height: 1, bytes }, NONE, NONE],
        plane_count: 1,
        places: [place(0, r, bytes, 1), place(0, g, bytes, 1), place(0, b, bytes, 1)],
    }
}

/// Pixels of `bytes` bytes, with the brightness at one.
const fn grey(bytes: usize, y: usize) -> Layout {
    Layout { kind: Kind::Grey, ..rgb(bytes, [y, y, y]) }
}

/// Two pixels in four bytes, with the first Y, U and V at these.
const fn packed([y, u, v]: [usize; 3]) -> Layout {
    Layout {
        kind: Kind::Yuv,
        planes: [Plane { width: 2, height: 1, bytes: 4 }, NONE, NONE],
        plane_count: 1,
        places: [place(0, y, 2, 1), place(0, u, 4, 2), place(0, v, 4, 2)],
    }
}

/// A plane of Y and one of U and V, in this order, for cells of so many pixels.
/// Samples have `bytes` bytes, of which the last counts most.
const fn semi_planar(bytes: usize, (width, height): (usize, usize), [u, v]: [usize; 2]) -> Layout {
    let (last, pair) = (bytes - 1, 2 * bytes);
    Layout {
        kind: Kind::Yuv,
        planes: [Plane { width: 1, height: 1, bytes }, Plane { width, height, bytes: pair }, NONE],
        plane_count: 2,
        places: [
            place(0, last, bytes, 1),
            place(1, u * bytes + last, pair, width),
            place(1, v * bytes + last, pair, width),
        ],
    }
}

/// Three planes: Y, then U and V, which are the planes of these numbers, for cells of
/// so many pixels.
const fn planar((width, height): (usize, usize), [u, v]: [usize; 2]) -> Layout {
    let chroma = Plane { width, height, bytes: 1 };
    Layout {
        kind: Kind::Yuv,
        planes: [Plane { width: 1, height: 1, bytes: 1 }, chroma, chroma],
        plane_count: 3,
        places: [place(0, 0, 1, 1), place(u, 0, 1, width), place(v, 0, 1, width)],
    }
}
