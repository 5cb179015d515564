//! Letterboxing a picture of any format, or a region of it, straight into the detector's
//! input, in one pass: rows are summed, sampled, coloured, turned and quantized on the way.

use std::time::{Duration, Instant};

use super::decode::{Decoded, FrameDecoder};
use super::error::PixelError;
use super::frame::{Frame, Matrix, Orientation, Range};
use super::letterbox::{Letterbox, PAD};
use super::planes::{Colours, Planes};
use super::sampling::{Part, Taps, sample_row, sum_rows};
use super::tensor::{InputSpec, Table, TensorBuffer};
use crate::geometry::{Region, Size};

/// Turns frames into input tensors. Tables are built once per kind of frame and region;
/// once the buffers have grown to size nothing is allocated.
#[derive(Debug)]
pub struct Preprocessor {
    decoder: FrameDecoder,
    sampler: Sampler,
    decoding: Duration,
}

impl Preprocessor {
    /// For input tensors of this kind.
    ///
    /// # Errors
    ///
    /// The JPEG library has no memory.
    pub fn new(spec: InputSpec) -> Result<Self, PixelError> {
        let (decoder, sampler) = (FrameDecoder::new()?, Sampler::new(spec));
        Ok(Self { decoder, sampler, decoding: Duration::ZERO })
    }

    /// What it fills.
    pub fn spec(&self) -> &InputSpec {
        self.sampler.spec()
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
        let whole = Region::whole(self.decoder.picture(frame)?);
        self.prepare_region(frame, whole, tensor)
    }

    /// The same with a region of the upright picture, which must lie within it.
    ///
    /// # Errors
    ///
    /// The frame is no whole picture, or not of 1 to 16384 pixels a side.
    ///
    /// # Panics
    ///
    /// The region does not lie within the picture.
    pub fn prepare_region(
        &mut self,
        frame: &Frame,
        region: Region,
        tensor: &mut TensorBuffer,
    ) -> Result<Letterbox, PixelError> {
        let start = Instant::now();
        let picture = self.decoder.picture(frame)?;
        assert!(region.is_within(picture), "{region:?} is not within a picture of {picture}");
        let letterbox = Letterbox::of(picture, region, self.spec().size);
        self.decoder.begin();
        let decoded = self.decoder.decode(frame, letterbox.least_picture())?;
        self.decoding = start.elapsed();
        self.sampler.fill(&decoded, &letterbox, tensor);
        Ok(letterbox)
    }

    /// Fills `tensor` with a region of a picture that another decoder has decoded.
    pub(crate) fn fill(
        &mut self,
        decoded: &Decoded<'_>,
        letterbox: &Letterbox,
        tensor: &mut TensorBuffer,
    ) {
        self.sampler.fill(decoded, letterbox, tensor);
    }
}

/// Samples regions of decoded pictures into input tensors of one kind.
#[derive(Debug)]
struct Sampler {
    spec: InputSpec,
    table: Table,
    plan: Option<Plan>,
}

impl Sampler {
    fn new(spec: InputSpec) -> Self {
        Self { spec, table: Table::new(spec.encoding), plan: None }
    }

    fn spec(&self) -> &InputSpec {
        &self.spec
    }

    fn fill(&mut self, decoded: &Decoded<'_>, letterbox: &Letterbox, tensor: &mut TensorBuffer) {
        let plan = self.plan.get_or_insert_with(|| Plan::new(self.spec.size));
        plan.set(decoded, letterbox);
        match (&self.table, tensor) {
            (Table::Int8(table), TensorBuffer::Int8(out)) => plan.fill(decoded.bytes, table, out),
            (Table::UInt8(table), TensorBuffer::UInt8(out)) => plan.fill(decoded.bytes, table, out),
            (Table::Float32(table), TensorBuffer::Float32(out)) => {
                plan.fill(decoded.bytes, table, out);
            }
            _ => unreachable!("the tensor was made from the same spec as the table"),
        }
    }
}

/// What a plan was made for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kind {
    planes: Planes,
    /// Of the stored picture before it was decoded.
    size: Size,
    orientation: Orientation,
    letterbox: Letterbox,
}

/// Everything that depends only on the kind of frame and the region, and the rows at work.
#[derive(Debug)]
struct Plan {
    kind: Option<Kind>,
    input: Size,
    /// The content before it is turned upright.
    content: Size,
    rows: [Taps; 3],
    columns: [Taps; 3],
    /// The bytes of each strip's rows that the region needs: the first, and how many.
    spans: [(usize, usize); 3],
    sums: [Vec<u16>; 3],
    samples: [Vec<u8>; 3],
}

impl Plan {
    fn new(input: Size) -> Self {
        Self {
            kind: None,
            input,
            content: Size::default(),
            rows: Default::default(),
            columns: Default::default(),
            spans: Default::default(),
            sums: Default::default(),
            samples: Default::default(),
        }
    }

    /// Makes the tables for another kind of frame or another region, in the old ones' memory.
    fn set(&mut self, decoded: &Decoded<'_>, letterbox: &Letterbox) {
        let Decoded { planes, size, orientation, .. } = *decoded;
        let kind = Kind { planes, size, orientation, letterbox: *letterbox };
        if self.kind.replace(kind) == Some(kind) {
            return;
        }
        let region = orientation.to_stored(letterbox.region, size);
        self.content = orientation.upright(letterbox.content);
        let (width, height) = (self.content.width as usize, self.content.height as usize);
        // By what a sample stands for: all samples together may reach beyond the picture.
        let part = |pixels: u32, start: u32, length: u32| Part {
            from: f64::from(start) / f64::from(pixels),
            length: f64::from(length) / f64::from(pixels),
        };
        let Region { left, top, width: across, height: down } = region;
        for (taps, strip) in self.rows.iter_mut().zip(&planes.strips) {
            taps.set(strip.rows, part(strip.height, top, down), height);
        }
        for (taps, component) in self.columns.iter_mut().zip(&planes.components) {
            taps.set(component.samples, part(component.width, left, across), width);
        }
        for strip in 0..planes.strip_count {
            let bytes = (0..planes.component_count).filter_map(|index| {
                let component = &planes.components[index];
                let (first, end) = self.columns[index].span();
                let byte = |sample: usize| component.first + sample * component.step;
                (component.strip == strip).then(|| (byte(first), byte(end - 1) + 1))
            });
            let (first, end) =
                bytes.fold((usize::MAX, 0), |all, one| (all.0.min(one.0), all.1.max(one.1)));
            let first = first.min(end);
            self.spans[strip] = (first, end - first);
            self.sums[strip].resize(end - first, 0);
        }
        self.samples.iter_mut().for_each(|samples| samples.resize(width, 0));
    }

    /// `bytes` hold at least `planes.needed()`; `out` has input height x width x 3.
    fn fill<T: Copy>(&mut self, bytes: &[u8], table: &[T; 256], out: &mut [T]) {
        let Some(Kind { planes, orientation, letterbox, .. }) = self.kind else { return };
        out.fill(table[PAD as usize]);
        let placement = Placement::new(orientation, self.content, &letterbox, self.input);
        for y in 0..self.content.height as usize {
            self.sample(&planes, bytes, y);
            self.colour(planes.colours);
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
    fn colour(&mut self, colours: Colours) {
        let [a, b, c] = &mut self.samples;
        let matrix = match colours {
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
    fn sample(&mut self, planes: &Planes, bytes: &[u8], y: usize) {
        for index in 0..planes.strip_count {
            let strip = &planes.strips[index];
            let (start, weights) = self.rows[index].of(y);
            let (first, length) = self.spans[index];
            let row = |row: usize| {
                &bytes[strip.offset + (start + row) * strip.stride + first..][..length]
            };
            let rows = weights.iter().enumerate().map(|(number, weight)| (row(number), *weight));
            sum_rows(&mut self.sums[index], rows);
        }
        for index in 0..planes.component_count {
            let part = &planes.components[index];
            let sum = &self.sums[part.strip];
            // The component's first byte, seen from where the summed rows begin.
            let first = part.first as isize - self.spans[part.strip].0 as isize;
            sample_row(&mut self.samples[index], sum, first, part.step, &self.columns[index]);
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
