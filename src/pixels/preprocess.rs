//! Letterboxing a frame of any format straight into the detector's input, in one
//! pass: rows are summed, sampled, coloured, turned and quantized on the way.

use std::time::{Duration, Instant};

use super::error::PixelError;
use super::frame::{Frame, Matrix, Orientation, PixelFormat, Range};
use super::jpeg::{self, JpegDecoder};
use super::letterbox::{Letterbox, PAD};
use super::planes::{Colours, Planes};
use super::sampling::{Taps, sample_row, sum_rows};
use super::tensor::{InputSpec, Table, TensorBuffer};
use super::unpack::{self, Unpacker};
use crate::geometry::Size;

/// Whether a frame has all its bytes, as far as can be told without decoding it. Cheap:
/// of a compressed picture only the header is read.
///
/// # Errors
///
/// What is missing.
pub(crate) fn check(frame: &Frame) -> Result<(), PixelError> {
    match frame.format {
        PixelFormat::Mjpeg => jpeg::outline(&frame.data).map(drop),
        format if unpack::is_packed(format) => unpack::check(frame).map(drop),
        _ => Planes::of(frame).map(drop),
    }
}

/// Turns frames into input tensors. Tables are built once per kind of frame;
/// after that nothing is allocated.
#[derive(Debug)]
pub struct Preprocessor {
    spec: InputSpec,
    table: Table,
    jpeg: JpegDecoder,
    unpacker: Unpacker,
    plan: Option<Plan>,
    decoding: Duration,
}

impl Preprocessor {
    /// For input tensors of this kind.
    ///
    /// # Errors
    ///
    /// The JPEG library has no memory.
    pub fn new(spec: InputSpec) -> Result<Self, PixelError> {
        let (table, jpeg) = (Table::new(spec.encoding), JpegDecoder::new()?);
        let unpacker = Unpacker::default();
        Ok(Self { spec, table, jpeg, unpacker, plan: None, decoding: Duration::ZERO })
    }

    /// What it fills.
    pub fn spec(&self) -> &InputSpec {
        &self.spec
    }

    /// How long the last compressed picture took to become planes.
    pub fn decoding(&self) -> Duration {
        self.decoding
    }

    /// Fills `tensor`, of this preprocessor's spec, with the letterboxed upright
    /// picture, and says where in it the picture lies.
    ///
    /// # Errors
    ///
    /// The frame is no whole picture, or not of 1 to 16384 pixels a side.
    pub fn prepare(
        &mut self,
        frame: &Frame,
        tensor: &mut TensorBuffer,
    ) -> Result<Letterbox, PixelError> {
        let start = Instant::now();
        let fit = |picture| Letterbox::new(frame.orientation.upright(picture), self.spec.size);
        let (letterbox, (planes, bytes)) = match frame.format {
            PixelFormat::Mjpeg => {
                // A compressed picture's own header knows its size best.
                let outline = jpeg::outline(&frame.data)?;
                let letterbox = fit(outline.size);
                let least = frame.orientation.upright(letterbox.content);
                (letterbox, self.jpeg.decode(&frame.data, &outline, least)?)
            }
            format if unpack::is_packed(format) => {
                let unpacked = self.unpacker.unpack(frame)?;
                (fit(frame.size), unpacked)
            }
            _ => {
                let planes = Planes::of(frame)?;
                (fit(frame.size), (planes, frame.data.as_slice()))
            }
        };
        self.decoding = start.elapsed();
        let plan = match &mut self.plan {
            Some(plan) if plan.serves(&planes, frame.orientation, &letterbox) => plan,
            other => other.insert(Plan::new(planes, frame.orientation, letterbox, self.spec.size)),
        };
        match (&self.table, tensor) {
            (Table::Int8(table), TensorBuffer::Int8(out)) => plan.fill(bytes, table, out),
            (Table::UInt8(table), TensorBuffer::UInt8(out)) => plan.fill(bytes, table, out),
            (Table::Float32(table), TensorBuffer::Float32(out)) => plan.fill(bytes, table, out),
            _ => unreachable!("the tensor was made from the same spec as the table"),
        }
        Ok(letterbox)
    }
}

/// Everything that depends only on the kind of frame, and the rows at work.
#[derive(Debug)]
pub(super) struct Plan {
    planes: Planes,
    orientation: Orientation,
    letterbox: Letterbox,
    input: Size,
    /// The content before it is turned upright.
    content: Size,
    rows: [Taps; 3],
    columns: [Taps; 3],
    sums: [Vec<u16>; 3],
    samples: [Vec<u8>; 3],
}

impl Plan {
    pub(super) fn new(
        planes: Planes,
        orientation: Orientation,
        letterbox: Letterbox,
        input: Size,
    ) -> Self {
        let content = orientation.upright(letterbox.content);
        let (width, height) = (content.width as usize, content.height as usize);
        let rows = planes.strips.map(|strip| Taps::new(strip.rows, height));
        let columns = planes.components.map(|component| Taps::new(component.samples, width));
        let sums = planes.strips.map(|strip| vec![0; strip.row]);
        let samples = planes.components.map(|_| vec![0; width]);
        Self { planes, orientation, letterbox, input, content, rows, columns, sums, samples }
    }

    fn serves(&self, planes: &Planes, orientation: Orientation, letterbox: &Letterbox) -> bool {
        self.planes == *planes && self.orientation == orientation && self.letterbox == *letterbox
    }

    /// `bytes` hold at least `planes.needed()`; `out` has input height x width x 3.
    pub(super) fn fill<T: Copy>(&mut self, bytes: &[u8], table: &[T; 256], out: &mut [T]) {
        out.fill(table[PAD as usize]);
        let placement = Placement::new(self.orientation, self.content, &self.letterbox, self.input);
        for y in 0..self.content.height as usize {
            self.sample(bytes, y);
            self.colour();
            let start = placement.start(y);
            let [r, g, b] = &self.samples;
            let pixels = r
                .iter()
                .zip(g)
                .zip(b)
                .map(|((r, g), b)| [*r, *g, *b].map(|value| table[value as usize]));
            if placement.right == 1 {
                let row = &mut out[start as usize * 3..][..r.len() * 3];
                row.as_chunks_mut().0.iter_mut().zip(pixels).for_each(|(out, rgb)| *out = rgb);
                continue;
            }
            let mut index = start;
            for rgb in pixels {
                out[index as usize * 3..][..3].copy_from_slice(&rgb);
                index += placement.right;
            }
        }
    }

    /// Turns the sampled row into red, green and blue, in place.
    fn colour(&mut self) {
        let [a, b, c] = &mut self.samples;
        let matrix = match self.planes.colours {
            Colours::Rgb => return,
            Colours::Grey(range) => {
                b.fill(128);
                c.fill(128);
                YuvMatrix::of(range, Matrix::Bt601)
            }
            Colours::Yuv(range, matrix) => YuvMatrix::of(range, matrix),
        };
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            [*a, *b, *c] = matrix.rgb(*a, *b, *c);
        }
    }

    /// One row of every component, at the content's size.
    fn sample(&mut self, bytes: &[u8], y: usize) {
        let planes = &self.planes;
        for index in 0..planes.strip_count {
            let strip = &planes.strips[index];
            let (start, weights) = self.rows[index].of(y);
            let row =
                |row: usize| &bytes[strip.offset + (start + row) * strip.stride..][..strip.row];
            let rows = weights.iter().enumerate().map(|(number, weight)| (row(number), *weight));
            sum_rows(&mut self.sums[index], rows);
        }
        for index in 0..planes.component_count {
            let part = &planes.components[index];
            let sum = &self.sums[part.strip];
            sample_row(&mut self.samples[index], sum, part.first, part.step, &self.columns[index]);
        }
    }
}

/// How reading order in the stored content moves through the upright input.
struct Placement {
    origin: isize,
    right: isize,
    down: isize,
}

impl Placement {
    fn new(orientation: Orientation, content: Size, letterbox: &Letterbox, input: Size) -> Self {
        let place = |x: isize, y: isize| {
            let (w, h) = (content.width as isize, content.height as isize);
            let (mut x, y) = match orientation.quarter_turns % 4 {
                0 => (x, y),
                1 => (h - 1 - y, x),
                2 => (w - 1 - x, h - 1 - y),
                _ => (y, w - 1 - x),
            };
            if orientation.mirror {
                x = letterbox.content.width as isize - 1 - x;
            }
            (y + letterbox.top as isize) * input.width as isize + x + letterbox.left as isize
        };
        let origin = place(0, 0);
        Self { origin, right: place(1, 0) - origin, down: place(0, 1) - origin }
    }

    fn start(&self, y: usize) -> isize {
        self.origin + y as isize * self.down
    }
}

/// Brightness and colour differences to red, green and blue, in 1/65536.
struct YuvMatrix {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl YuvMatrix {
    /// From the shares of red and blue in brightness (ITU-R BT.601 and BT.709).
    const fn of(range: Range, matrix: Matrix) -> Self {
        let (red, blue) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (black, luma, chroma) = match range {
            Range::Full => (0, 1.0, 1.0),
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
        };
        let green = 1.0 - red - blue;
        Self {
            black,
            luma: fixed(luma),
            red_v: fixed(chroma * 2.0 * (1.0 - red)),
            green_u: fixed(-chroma * 2.0 * (1.0 - blue) * blue / green),
            green_v: fixed(-chroma * 2.0 * (1.0 - red) * red / green),
            blue_u: fixed(chroma * 2.0 * (1.0 - blue)),
        }
    }

    #[inline]
    fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (i32::from(y) - self.black) * self.luma + (1 << 15);
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let byte = |value: i32| (value >> 16).clamp(0, 255) as u8;
        [
            byte(y + v * self.red_v),
            byte(y + u * self.green_u + v * self.green_v),
            byte(y + u * self.blue_u),
        ]
    }
}

/// In 1/65536, rounded.
const fn fixed(value: f64) -> i32 {
    (value * 65536.0 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}
