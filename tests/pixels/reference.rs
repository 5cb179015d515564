//! What the kernel's documentation of each raw format and the recommendations on colour
//! say, written down slowly and obviously.

use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, Matrix, Orientation, PixelFormat, Range};

/// Bytes from one row of the first plane to the next.
pub fn stride(format: PixelFormat, width: usize, padding: usize) -> usize {
    use PixelFormat::*;
    padding
        + match format {
            Rgb24 | Bgr24 => 3 * width,
            Rgbx32 | Bgrx32 | Xrgb32 | Xbgr32 => 4 * width,
            Yuyv | Yvyu | Uyvy | Vyuy => 4 * width.div_ceil(2),
            Rgb565 | Rgb565Be | Rgb555 | Grey10 | Grey12 | Grey14 | Grey16 | P010 => 2 * width,
            _ => width,
        }
}

/// How many pixels share a colour sample, across and down.
fn shared(format: PixelFormat) -> (usize, usize) {
    use PixelFormat::*;
    match format {
        Yuyv | Yvyu | Uyvy | Vyuy | Nv16 | Nv61 | Yuv422p => (2, 1),
        Nv12 | Nv21 | P010 | I420 | Yv12 => (2, 2),
        _ => (1, 1),
    }
}

/// Bytes from one row of the second plane to the next, as the kernel's documentation of
/// each format says; 0 where there is none.
fn chroma_stride(format: PixelFormat, width: usize, stride: usize) -> usize {
    use PixelFormat::*;
    match format {
        Nv12 | Nv21 | Nv16 | Nv61 => stride.max(2 * width.div_ceil(2)),
        P010 => stride.max(4 * width.div_ceil(2)),
        Nv24 | Nv42 => 2 * stride,
        I420 | Yv12 | Yuv422p => stride.div_ceil(2),
        _ => 0,
    }
}

/// The sample of a component (0: Y or R, 1: U or G, 2: V or B) at its own `x`, `y`, 0 to
/// 255: one format after the other, as the kernel's documentation draws it.
fn sample(frame: &Frame, component: usize, x: usize, y: usize) -> f64 {
    use PixelFormat::*;
    let (w, h) = (frame.size.width as usize, frame.size.height as usize);
    let (s, c) = (frame.stride, chroma_stride(frame.format, w, frame.stride));
    let rows = h.div_ceil(shared(frame.format).1);
    let byte = |at: usize| f64::from(frame.data[at]);
    let word = |at: usize| u32::from(frame.data[at]) | u32::from(frame.data[at + 1]) << 8;
    let bits = |word: u32, shift: u32, count: u32| {
        (f64::from(word >> shift & ((1 << count) - 1)) * 255.0 / f64::from((1u32 << count) - 1))
            .round()
    };
    let swapped = 3 - component; // V for U and U for V
    match frame.format {
        Rgb24 => byte(y * s + 3 * x + component),
        Bgr24 => byte(y * s + 3 * x + 2 - component),
        Rgbx32 => byte(y * s + 4 * x + component),
        Bgrx32 => byte(y * s + 4 * x + 2 - component),
        Xrgb32 => byte(y * s + 4 * x + 1 + component),
        Xbgr32 => byte(y * s + 4 * x + 3 - component),
        Rgb565 => {
            let (shift, count) = [(11, 5), (5, 6), (0, 5)][component];
            bits(word(y * s + 2 * x), shift, count)
        }
        Rgb565Be => {
            let (shift, count) = [(11, 5), (5, 6), (0, 5)][component];
            bits(word(y * s + 2 * x).swap_bytes() >> 16, shift, count)
        }
        Rgb555 => bits(word(y * s + 2 * x), [10, 5, 0][component], 5),
        Grey => byte(y * s + x),
        Grey10 => f64::from((word(y * s + 2 * x) / 4).min(255)),
        Grey12 => f64::from((word(y * s + 2 * x) / 16).min(255)),
        Grey14 => f64::from((word(y * s + 2 * x) / 64).min(255)),
        Grey16 => f64::from(word(y * s + 2 * x) / 256),
        Yuyv if component == 0 => byte(y * s + 2 * x),
        Yuyv => byte(y * s + 4 * x + 2 * component - 1),
        Yvyu if component == 0 => byte(y * s + 2 * x),
        Yvyu => byte(y * s + 4 * x + 2 * swapped - 1),
        Uyvy if component == 0 => byte(y * s + 2 * x + 1),
        Uyvy => byte(y * s + 4 * x + 2 * (component - 1)),
        Vyuy if component == 0 => byte(y * s + 2 * x + 1),
        Vyuy => byte(y * s + 4 * x + 2 * (swapped - 1)),
        P010 if component == 0 => f64::from(word(y * s + 2 * x) / 256),
        P010 => f64::from(word(s * h + y * c + 4 * x + 2 * (component - 1)) / 256),
        Nv12 | Nv16 | Nv24 if component > 0 => byte(s * h + y * c + 2 * x + component - 1),
        Nv21 | Nv61 | Nv42 if component > 0 => byte(s * h + y * c + 2 * x + swapped - 1),
        I420 | Yuv422p if component > 0 => byte(s * h + (component - 1) * c * rows + y * c + x),
        Yv12 if component > 0 => byte(s * h + (swapped - 1) * c * rows + y * c + x),
        Nv12 | Nv16 | Nv24 | Nv21 | Nv61 | Nv42 | I420 | Yuv422p | Yv12 => byte(y * s + x),
        Mjpeg => unreachable!("not raw"),
    }
}

pub fn is_grey(format: PixelFormat) -> bool {
    use PixelFormat::*;
    matches!(format, Grey | Grey10 | Grey12 | Grey14 | Grey16)
}

/// A component at its own resolution.
pub struct Plane {
    width: usize,
    height: usize,
    /// How much of that the picture covers: of an odd side, half of the last sample.
    covered: (f64, f64),
    values: Vec<f64>,
}

/// The samples of a component.
pub fn stored(frame: &Frame, component: usize) -> Plane {
    let (w, h) = (frame.size.width as usize, frame.size.height as usize);
    let (across, down) = if component > 0 { shared(frame.format) } else { (1, 1) };
    let (cw, ch) = (w.div_ceil(across), h.div_ceil(down));
    let places = (0..ch).flat_map(|y| (0..cw).map(move |x| (x, y)));
    let values = places.map(|(x, y)| sample(frame, component, x, y)).collect();
    let covered = (w as f64 / across as f64, h as f64 / down as f64);
    Plane { width: cw, height: ch, covered, values }
}

/// The value of a plane at output pixel `x`, `y` of `ow` x `oh`: the mean of the
/// covered area when shrinking, linear between centres when enlarging.
pub fn resampled(plane: &Plane, ow: usize, oh: usize, x: usize, y: usize) -> f64 {
    let axis = |inputs: usize, covered: f64, outputs: usize, i: usize| -> Vec<(usize, f64)> {
        let ratio = covered / outputs as f64;
        if ratio <= 1.0 {
            let c = ((i as f64 + 0.5) * ratio - 0.5).clamp(0.0, (inputs - 1) as f64);
            let (low, share) = (c.floor() as usize, c.fract());
            return vec![(low, 1.0 - share), ((low + 1).min(inputs - 1), share)];
        }
        let (a, b) = (i as f64 * ratio, (i + 1) as f64 * ratio);
        let share = |k: usize| (b.min(k as f64 + 1.0) - a.max(k as f64)).max(0.0) / ratio;
        (0..inputs).map(|k| (k, share(k))).filter(|(_, weight)| *weight > 0.0).collect()
    };
    let Plane { width: w, height: h, covered, values } = plane;
    let columns = axis(*w, covered.0, ow, x);
    let rows = axis(*h, covered.1, oh, y);
    rows.iter().flat_map(|(r, a)| columns.iter().map(move |(c, b)| values[r * w + c] * a * b)).sum()
}

/// As the two recommendations define it: brightness is so much of red and of blue.
pub fn colour(format: PixelFormat, range: Range, matrix: Matrix, [a, b, c]: [f64; 3]) -> [f64; 3] {
    let (red, blue) = match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let yuv = |y: f64, u: f64, v: f64| {
        let (y, s) = match range {
            Range::Full => (y, 1.0),
            Range::Limited => ((y - 16.0) * 255.0 / 219.0, 255.0 / 224.0),
        };
        let (u, v) = ((u - 128.0) * s, (v - 128.0) * s);
        let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
        [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
    };
    if is_grey(format) {
        return yuv(a, 128.0, 128.0);
    }
    match format {
        PixelFormat::Rgb24 | PixelFormat::Bgr24 => [a, b, c],
        PixelFormat::Rgbx32 | PixelFormat::Bgrx32 => [a, b, c],
        PixelFormat::Xrgb32 | PixelFormat::Xbgr32 => [a, b, c],
        PixelFormat::Rgb565 | PixelFormat::Rgb565Be | PixelFormat::Rgb555 => [a, b, c],
        _ => yuv(a, b, c),
    }
}

/// Where an upright content pixel comes from in the stored content of `w` x `h`.
pub fn turned(o: Orientation, w: usize, h: usize, x: usize, y: usize) -> (usize, usize) {
    let upright_width = if o.quarter_turns % 2 == 1 { h } else { w };
    let x = if o.mirror { upright_width - 1 - x } else { x };
    match o.quarter_turns {
        0 => (x, y),
        1 => (y, h - 1 - x),
        2 => (w - 1 - x, h - 1 - y),
        _ => (w - 1 - y, x),
    }
}

pub fn length(format: PixelFormat, size: Size, stride: usize) -> usize {
    use PixelFormat::*;
    let (w, h) = (size.width as usize, size.height as usize);
    let chroma = chroma_stride(format, w, stride) * h.div_ceil(shared(format).1);
    stride * h + if matches!(format, I420 | Yv12 | Yuv422p) { 2 * chroma } else { chroma }
}
