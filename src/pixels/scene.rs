//! How bright the picture is and how much of it changed: read off the detector's
//! input, which is letterboxed anyway, for less than a hundredth of an inference.

use super::letterbox::Letterbox;
use super::tensor::{Encoding, InputSpec, TensorBuffer};

/// Cells a side. One holds a face at six metres or a hand that waves.
pub(crate) const SIDE: usize = 16;
/// Cells of a picture, row by row.
pub(crate) const CELLS: usize = SIDE * SIDE;
/// A cell changed when its brightness moved by this share of full scale, beyond what
/// the whole picture did: more than sensor noise leaves after averaging a cell.
const CHANGED: f32 = 0.03;
/// Pictures whose colours differ by less than this share of full scale on average have
/// none: cameras that light with infrared send such ones.
const COLOURLESS: f32 = 0.012;

/// Mean brightness, 0 to 1, of each cell of a picture, and how much colour it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    cells: [f32; CELLS],
    /// Mean distance of red and of blue from green, together, 0 to 2.
    colour: f32,
}

impl Scene {
    /// Of the picture in `tensor`, which is of `spec` and holds it as `letterbox` says.
    pub fn of(tensor: &TensorBuffer, spec: &InputSpec, letterbox: &Letterbox) -> Self {
        match (tensor, spec.encoding) {
            (TensorBuffer::Int8(values), Encoding::Int8 { scale, zero_point }) => {
                sample(values, spec, letterbox, scale, zero_point as f32)
            }
            (TensorBuffer::UInt8(values), Encoding::UInt8 { scale, zero_point }) => {
                sample(values, spec, letterbox, scale, zero_point as f32)
            }
            (TensorBuffer::Float32(values), Encoding::Float32) => {
                sample(values, spec, letterbox, 1.0, 0.0)
            }
            _ => unreachable!("the tensor was made from the same spec"),
        }
    }

    /// The share of the picture, 0 to 1, that differs from `before`.
    pub fn change(&self, before: &Self) -> f32 {
        let changed = self.changed(before).into_iter().filter(|changed| *changed).count();
        changed as f32 / CELLS as f32
    }

    /// Which cells differ from `before`. A change of the whole picture's brightness (a
    /// cloud, automatic exposure) does not count.
    pub(crate) fn changed(&self, before: &Self) -> [bool; CELLS] {
        let differences: [f32; CELLS] = std::array::from_fn(|c| self.cells[c] - before.cells[c]);
        let shift = quantile(differences, CELLS / 2);
        differences.map(|difference| (difference - shift).abs() > CHANGED)
    }

    /// The brightness, 0 to 1, that only a tenth of the picture exceeds.
    pub fn highlights(&self) -> f32 {
        quantile(self.cells, CELLS * 9 / 10)
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

fn quantile(mut values: [f32; CELLS], rank: usize) -> f32 {
    *values.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// Of every second pixel of every second row: per cell the mean of green, which is most
/// of brightness, and of all of them the distance of the other colours from it.
fn sample<T: Copy + Into<f32>>(
    values: &[T],
    spec: &InputSpec,
    letterbox: &Letterbox,
    scale: f32,
    zero_point: f32,
) -> Scene {
    let (mut sums, mut counts, mut colour) = ([0.0_f32; CELLS], [0_u32; CELLS], 0.0);
    let (width, height) = (letterbox.content.width as usize, letterbox.content.height as usize);
    for y in (0..height).step_by(2) {
        let start = (y + letterbox.top as usize) * spec.size.width as usize;
        let row = &values[(start + letterbox.left as usize) * 3..][..width * 3];
        let cells = y * SIDE / height * SIDE;
        for x in (0..width).step_by(2) {
            let cell = cells + x * SIDE / width;
            let [red, green, blue]: [f32; 3] = [0, 1, 2].map(|part| row[x * 3 + part].into());
            sums[cell] += green;
            counts[cell] += 1;
            colour += (red - green).abs() + (blue - green).abs();
        }
    }
    let all = counts.iter().sum::<u32>().max(1) as f32;
    Scene {
        // A picture narrower than the grid leaves cells empty, and they stay so.
        cells: std::array::from_fn(|cell| {
            (sums[cell] / counts[cell].max(1) as f32 - zero_point) * scale
        }),
        colour: colour / all * scale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    const SPEC: InputSpec = InputSpec {
        size: Size { width: 224, height: 224 },
        encoding: Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 },
    };

    /// A 640x480 picture whose brightness at x, y (of 224x168) is `value`, 0 to 255.
    fn scene(value: impl Fn(usize, usize) -> u8) -> Scene {
        let letterbox = Letterbox::new(Size::new(640, 480), SPEC.size);
        let mut values = vec![114_u8; SPEC.len()];
        for y in 0..168 {
            for x in 0..224 {
                values[((y + 28) * 224 + x) * 3..][..3].fill(value(x, y));
            }
        }
        let stored = values.into_iter().map(|value| (i16::from(value) - 128) as i8).collect();
        Scene::of(&TensorBuffer::Int8(stored), &SPEC, &letterbox)
    }

    /// Noise of a few levels that is the same in every run.
    fn noise(x: usize, y: usize, seed: usize) -> u8 {
        ((x * 7919 + y * 104_729 + seed * 1_299_709) % 13) as u8
    }

    #[test]
    fn noise_and_a_cloud_are_no_motion() {
        let before = scene(|x, y| 90 + noise(x, y, 1));
        assert_eq!(scene(|x, y| 90 + noise(x, y, 2)).change(&before), 0.0);
        assert_eq!(scene(|x, y| 120 + noise(x, y, 3)).change(&before), 0.0);
    }

    #[test]
    fn a_small_thing_that_comes_is_motion() {
        let before = scene(|x, y| 90 + noise(x, y, 1));
        let face = |x: usize, y: usize| (100..128).contains(&x) && (60..90).contains(&y);
        let after = scene(|x, y| if face(x, y) { 150 } else { 90 + noise(x, y, 2) });
        let change = after.change(&before);
        assert!((0.01..0.1).contains(&change), "{change}");
    }

    #[test]
    fn brightness_is_that_of_the_picture_without_the_bars() {
        assert!((scene(|_, _| 51).highlights() - 0.2).abs() < 0.01);
        assert!(scene(|_, _| 0).highlights() < 0.01);
    }
}
