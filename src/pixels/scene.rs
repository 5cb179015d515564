//! How bright the picture is and how much of it changed: read off the detector's
//! input, which is letterboxed anyway, for less than a hundredth of an inference.

use super::letterbox::Letterbox;
use super::tensor::{Encoding, InputSpec, TensorBuffer};
use crate::geometry::Size;

/// Cells a side. One holds a face at six metres or a hand that waves.
pub(crate) const SIDE: usize = 16;
/// Cells of a picture, row by row.
pub(crate) const CELLS: usize = SIDE * SIDE;
/// A cell changed when its brightness moved by this share of full scale, beyond what
/// the whole picture did: more than sensor noise leaves after averaging a cell.
const CHANGED: f32 = 0.03;
/// Or when its contrast moved by this share, which tells a head from a wall of the same
/// brightness,
const STRUCTURED: f32 = 0.02;
/// and by so much of the contrast that it had, which is what a noisy or patterned cell's own
/// varies by.
const OWN_CONTRAST: f32 = 0.2;
/// A cell of which a smaller share is seen counts as hidden: of a few pixels the noise is no
/// mean.
const SEEN: f32 = 0.25;
/// Pictures whose colours differ by less than this share of full scale on average have
/// none: cameras that light with infrared send such ones.
const COLOURLESS: f32 = 0.012;

/// For each cell of a picture, row by row, yes or no.
pub(crate) type Cells = [bool; CELLS];

/// Mean brightness and contrast, 0 to 1, of each cell of a picture, and how much colour it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Of what is seen of each, and of all of a hidden one.
    cells: [f32; CELLS],
    /// The standard deviation of brightness there.
    contrasts: [f32; CELLS],
    /// Which of them are masked.
    hidden: Cells,
    /// Mean distance of red and of blue from green, together, 0 to 2.
    colour: f32,
    /// The size that the frame was decoded to; 0x0 where nobody said.
    decoded: Size,
}

impl Scene {
    /// Of the picture in `tensor`, which is of `spec` and holds it as `letterbox` says.
    /// `masked` are the tensor's pixels that do not count; none where it is empty.
    pub fn of(
        tensor: &TensorBuffer,
        spec: &InputSpec,
        letterbox: &Letterbox,
        masked: &[bool],
    ) -> Self {
        match (tensor, spec.encoding) {
            (TensorBuffer::Int8(values), Encoding::Int8 { scale, zero_point }) => {
                sample(values, spec, letterbox, masked, (scale, zero_point as f32))
            }
            (TensorBuffer::UInt8(values), Encoding::UInt8 { scale, zero_point }) => {
                sample(values, spec, letterbox, masked, (scale, zero_point as f32))
            }
            (TensorBuffer::Float32(values), Encoding::Float32) => {
                sample(values, spec, letterbox, masked, (1.0, 0.0))
            }
            _ => unreachable!("the tensor was made from the same spec"),
        }
    }

    /// Of a frame that was decoded to this size, upon which the brightnesses depend to the last
    /// bit.
    pub(crate) fn of_decoded(self, decoded: Size) -> Self {
        Self { decoded, ..self }
    }

    /// The size that the frame was decoded to.
    pub(crate) fn decoded(&self) -> Size {
        self.decoded
    }

    /// Which cells differ from `before`, without those that are hidden. A change of the
    /// whole picture's brightness (a cloud, automatic exposure) does not count.
    pub(crate) fn changed(&self, before: &Self) -> Cells {
        let brightness = self.moved(&self.cells, &before.cells);
        let contrast = self.moved(&self.contrasts, &before.contrasts);
        std::array::from_fn(|c| {
            let other_contrast = STRUCTURED + OWN_CONTRAST * before.contrasts[c];
            !self.hidden[c] && (brightness[c] > CHANGED || contrast[c] > other_contrast)
        })
    }

    /// By how much each cell differs, beyond what all do.
    fn moved(&self, now: &[f32; CELLS], before: &[f32; CELLS]) -> [f32; CELLS] {
        let differences: [f32; CELLS] = std::array::from_fn(|c| now[c] - before[c]);
        let shift = self.quantile(&differences, 0.5);
        differences.map(|difference| (difference - shift).abs())
    }

    /// The brightness, 0 to 1, that only a tenth of what is seen of the picture exceeds.
    pub fn highlights(&self) -> f32 {
        self.quantile(&self.cells, 0.9)
    }

    /// Which cells are masked, row by row.
    pub(crate) fn hidden(&self) -> &Cells {
        &self.hidden
    }

    /// Of the cells that are seen; of all where none is.
    fn quantile(&self, values: &[f32; CELLS], share: f32) -> f32 {
        let (mut seen, mut count) = (*values, 0);
        for (value, _) in values.iter().zip(&self.hidden).filter(|(_, hidden)| !**hidden) {
            seen[count] = *value;
            count += 1;
        }
        let count = if count == 0 { CELLS } else { count };
        let rank = (count as f32 * share) as usize;
        *seen[..count].select_nth_unstable_by(rank, f32::total_cmp).1
    }

    /// Brightness, 0 to 1, of each cell, row by row.
    pub(crate) fn cells(&self) -> &[f32; CELLS] {
        &self.cells
    }

    /// Whether it is a picture in greys.
    pub(crate) fn is_colourless(&self) -> bool {
        self.colour < COLOURLESS
    }
}

/// What was added up of a picture's pixels.
struct Sums {
    green: [f32; CELLS],
    squares: [f32; CELLS],
    counts: [u32; CELLS],
    colour: f32,
}

impl Sums {
    const NONE: Self =
        Self { green: [0.0; CELLS], squares: [0.0; CELLS], counts: [0; CELLS], colour: 0.0 };

    fn add(&mut self, cell: usize, [red, green, blue]: [f32; 3]) {
        self.green[cell] += green;
        self.squares[cell] += green * green;
        self.counts[cell] += 1;
        self.colour += (red - green).abs() + (blue - green).abs();
    }

    /// These pixels and those of `other`.
    fn with(&self, other: &Self) -> Self {
        Self {
            green: std::array::from_fn(|cell| self.green[cell] + other.green[cell]),
            squares: std::array::from_fn(|cell| self.squares[cell] + other.squares[cell]),
            counts: std::array::from_fn(|cell| self.counts[cell] + other.counts[cell]),
            colour: self.colour + other.colour,
        }
    }

    fn mean(&self, cell: usize) -> f32 {
        self.green[cell] / self.counts[cell].max(1) as f32
    }

    fn deviation(&self, cell: usize) -> f32 {
        let square = self.squares[cell] / self.counts[cell].max(1) as f32;
        (square - self.mean(cell).powi(2)).max(0.0).sqrt()
    }

    fn mean_colour(&self) -> f32 {
        self.colour / self.counts.iter().sum::<u32>().max(1) as f32
    }
}

/// Of a side of so many pixels those that are looked at, each with the cell of that side that it
/// counts for: about every second one, and one for each cell at least, for nobody would know the
/// brightness of a cell without any.
fn samples(length: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = length.div_ceil(2).max(SIDE);
    (0..count).map(move |sample| (sample * length / count, sample * SIDE / count))
}

/// Of every second pixel of every second row: per cell mean and deviation of green, which is
/// most of brightness, and of all of them the distance of the other colours from it. `scale` and
/// `zero_point` are the encoding's.
fn sample<T: Copy + Into<f32>>(
    values: &[T],
    spec: &InputSpec,
    letterbox: &Letterbox,
    masked: &[bool],
    (scale, zero_point): (f32, f32),
) -> Scene {
    let (mut seen, mut covered) = (Sums::NONE, Sums::NONE);
    let (width, height) = (letterbox.content.width as usize, letterbox.content.height as usize);
    for (y, line) in samples(height) {
        let start = (y + letterbox.top as usize) * spec.size.width as usize;
        let first = start + letterbox.left as usize;
        let row = &values[first * 3..][..width * 3];
        for (x, column) in samples(width) {
            let cell = line * SIDE + column;
            let pixel = [0, 1, 2].map(|part| row[x * 3 + part].into());
            let is_masked = masked.get(first + x).is_some_and(|masked| *masked);
            let sums = if is_masked { &mut covered } else { &mut seen };
            sums.add(cell, pixel);
        }
    }
    let all = seen.with(&covered);
    let is_hidden = |cell: usize| (seen.counts[cell] as f32) < SEEN * all.counts[cell] as f32;
    let hidden: Cells = std::array::from_fn(is_hidden);
    let of = |cell: usize| if hidden[cell] { &all } else { &seen };
    let nothing = seen.counts.iter().all(|count| *count == 0);
    Scene {
        cells: std::array::from_fn(|cell| (of(cell).mean(cell) - zero_point) * scale),
        contrasts: std::array::from_fn(|cell| of(cell).deviation(cell) * scale),
        hidden,
        colour: if nothing { all.mean_colour() } else { seen.mean_colour() } * scale,
        decoded: Size::default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixels::letterbox::PAD;

    const SPEC: InputSpec = InputSpec {
        size: Size { width: 224, height: 224 },
        encoding: Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 },
    };

    /// A 640x480 picture whose brightness at x, y (of 224x168) is `value`, 0 to 255.
    fn scene(value: impl Fn(usize, usize) -> u8) -> Scene {
        masked_scene(&[], value)
    }

    fn masked_scene(masked: &[bool], value: impl Fn(usize, usize) -> u8) -> Scene {
        let letterbox = Letterbox::new(Size::new(640, 480), SPEC.size);
        let mut values = vec![114_u8; SPEC.len()];
        for y in 0..168 {
            for x in 0..224 {
                values[((y + 28) * 224 + x) * 3..][..3].fill(value(x, y));
            }
        }
        let stored = values.into_iter().map(|value| (i16::from(value) - 128) as i8).collect();
        Scene::of(&TensorBuffer::Int8(stored), &SPEC, &letterbox, masked)
    }

    /// Which of the tensor's pixels lie in this part of the picture (of 224x168).
    fn part(columns: &std::ops::Range<usize>, rows: &std::ops::Range<usize>) -> Vec<bool> {
        let pixels = (0..224 * 224).map(|at| (at % 224, at / 224));
        pixels.map(|(x, y)| columns.contains(&x) && rows.contains(&y.wrapping_sub(28))).collect()
    }

    fn change(before: &Scene, after: &Scene) -> f32 {
        after.changed(before).iter().filter(|changed| **changed).count() as f32 / CELLS as f32
    }

    /// Noise of a few levels that is the same in every run.
    fn noise(x: usize, y: usize, seed: usize) -> u8 {
        ((x * 7919 + y * 104_729 + seed * 1_299_709) % 13) as u8
    }

    #[test]
    fn noise_and_a_cloud_are_no_motion() {
        let before = scene(|x, y| 90 + noise(x, y, 1));
        assert_eq!(change(&before, &scene(|x, y| 90 + noise(x, y, 2))), 0.0);
        assert_eq!(change(&before, &scene(|x, y| 120 + noise(x, y, 3))), 0.0);
    }

    #[test]
    fn a_small_thing_that_comes_is_motion() {
        let before = scene(|x, y| 90 + noise(x, y, 1));
        let face = |x: usize, y: usize| (100..128).contains(&x) && (60..90).contains(&y);
        let after = scene(|x, y| if face(x, y) { 150 } else { 90 + noise(x, y, 2) });
        let change = change(&before, &after);
        assert!((0.01..0.1).contains(&change), "{change}");
    }

    #[test]
    fn the_noise_of_a_dark_room_is_no_contrast() {
        let loud = |x, y, seed| 40 + 5 * noise(x, y, seed);
        let before = scene(|x, y| loud(x, y, 1));
        for seed in 2..20 {
            assert!(change(&before, &scene(|x, y| loud(x, y, seed))) < 0.02);
        }
    }

    /// Something that is on average as bright as what was there.
    #[test]
    fn a_head_before_a_wall_of_the_same_brightness_is_motion() {
        let before = scene(|x, y| 120 + noise(x, y, 1));
        let head = |x: usize, y: usize| (100..112).contains(&x) && (60..74).contains(&y);
        let stripes = |y: usize| if (y / 3).is_multiple_of(2) { 186 } else { 66 };
        let after = scene(|x, y| if head(x, y) { stripes(y) } else { 120 + noise(x, y, 2) });
        assert!(change(&before, &after) > 0.0);
    }

    /// Wherever each cell has a pixel of its own or shares one, it is as bright as the picture.
    #[test]
    fn a_very_narrow_picture_is_as_dark_and_as_even_as_any() {
        for size in [(480, 3840), (3840, 480), (16, 4000), (4000, 16), (640, 480)] {
            let letterbox = Letterbox::new(Size::new(size.0, size.1), SPEC.size);
            for light in [0_u8, 51] {
                let mut values = vec![(i16::from(PAD) - 128) as i8; SPEC.len()];
                for row in 0..letterbox.content.height {
                    let start = (letterbox.top + row) * SPEC.size.width + letterbox.left;
                    let row = start as usize * 3..(start + letterbox.content.width) as usize * 3;
                    values[row].fill((i16::from(light) - 128) as i8);
                }
                let scene = Scene::of(&TensorBuffer::Int8(values), &SPEC, &letterbox, &[]);
                let even = [f32::from(light) / 255.0; CELLS];
                let off = |cell: (&f32, &f32)| (cell.0 - cell.1).abs() > 1e-4;
                assert!(!scene.cells().iter().zip(&even).any(off), "{size:?}: {:?}", scene.cells);
                assert!((scene.highlights() - even[0]).abs() < 0.01, "{size:?}");
                assert!(!scene.hidden().contains(&true), "{size:?}");
            }
        }
    }

    #[test]
    fn brightness_is_that_of_the_picture_without_the_bars() {
        assert!((scene(|_, _| 51).highlights() - 0.2).abs() < 0.01);
        assert!(scene(|_, _| 0).highlights() < 0.01);
    }

    /// More than half of the picture, or a bright screen in a dark room.
    #[test]
    fn what_is_masked_moves_lights_and_hides_nothing() {
        let masked = part(&(0..150), &(0..168));
        let screen = |light: u8| move |x: usize, _: usize| if x < 150 { light } else { 20 };
        let before = masked_scene(&masked, screen(30));
        let after = masked_scene(&masked, screen(250));
        assert_eq!(change(&before, &after), 0.0);
        assert!(after.highlights() < 0.1, "{}", after.highlights());
        assert!(change(&scene(screen(30)), &scene(screen(250))) > 0.3, "without the mask");
        let somebody = masked_scene(&masked, |x, y| {
            if (180..200).contains(&x) && (60..90).contains(&y) { 90 } else { screen(250)(x, y) }
        });
        assert!(change(&after, &somebody) > 0.01, "beside the mask");
    }

    #[test]
    fn a_picture_that_is_masked_everywhere_stands_still() {
        let masked = part(&(0..224), &(0..168));
        let of = |light: u8| masked_scene(&masked, move |_, _| light);
        assert_eq!(change(&of(10), &of(200)), 0.0);
        assert!((of(51).highlights() - 0.2).abs() < 0.01, "it is still dark or light");
    }

    proptest! {
        /// Whatever happens under a mask, also one that ends within cells: nothing moves,
        /// and nothing gets brighter.
        #[test]
        fn what_happens_under_a_mask_does_not_count(
            left in 0usize..224, width in 0usize..224, top in 0usize..168, height in 0usize..168,
            seeds in (0usize..1000, 0usize..1000),
        ) {
            let (columns, rows) = (left..left + width, top..top + height);
            let masked = part(&columns, &rows);
            let wild = |seed: usize| {
                let (columns, rows) = (columns.clone(), rows.clone());
                masked_scene(&masked, move |x, y| {
                    let inside = columns.contains(&x) && rows.contains(&y);
                    if inside { 20 * noise(x / 9, y / 9, seed) } else { 90 + noise(x, y, 1) }
                })
            };
            let (before, after) = (wild(seeds.0), wild(seeds.1));
            prop_assert_eq!(change(&before, &after), 0.0);
            let all = before.hidden().iter().all(|hidden| *hidden);
            prop_assert!(all || before.highlights() == after.highlights());
        }
    }
}
