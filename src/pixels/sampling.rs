//! Shrinking and enlarging rows with precomputed weights.
//!
//! Shrinking averages the area that an output sample covers, so that no detail
//! turns into a false pattern; enlarging interpolates linearly. Both are a list of
//! neighbouring inputs and weights for each output, summing to 256.

/// Weights of one axis: output `i` is the sum of `inputs[starts[i]..][..width]`
/// times its weights, over 256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taps {
    pub(super) starts: Vec<u32>,
    /// `width` weights for each output, one after the other.
    pub(super) weights: Vec<u16>,
    pub(super) width: usize,
}

/// The sum of the weights of one output.
const ONE: u32 = 256;

/// A part of an axis, in its samples: `from` and `length` may lie between two of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) from: f64,
    pub(super) length: f64,
}

impl Taps {
    /// From all of `inputs` samples to `outputs`; both at least 1.
    #[cfg(test)]
    pub(super) fn new(inputs: usize, outputs: usize) -> Self {
        let mut taps = Self::default();
        taps.set(inputs, Part { from: 0.0, length: inputs as f64 }, outputs);
        taps
    }

    /// From a part of `inputs` samples to `outputs`; both at least 1, the part not empty and
    /// inside. What was set before is replaced; its memory stays.
    pub(super) fn set(&mut self, inputs: usize, part: Part, outputs: usize) {
        let rows = (0..outputs).map(|output| Neighbours::of(inputs, part, outputs, output));
        let width = rows.clone().map(|row| row.count).max().unwrap_or(1).min(inputs);
        self.width = width;
        self.starts.clear();
        self.weights.clear();
        for row in rows {
            // A row at the far edge starts earlier, with zeros in front, so that
            // every row has the same number of inputs, all inside.
            let shifted = row.first.min(inputs - width);
            let begin = self.weights.len();
            self.starts.push(shifted as u32);
            self.weights.resize(begin + width, 0);
            row.weigh(&mut self.weights[begin + row.first - shifted..][..row.count]);
        }
    }

    /// First input and weights of one output.
    pub(super) fn of(&self, output: usize) -> (usize, &[u16]) {
        let weights = &self.weights[output * self.width..][..self.width];
        (self.starts[output] as usize, weights)
    }

    /// The inputs that are read: the first, and the one behind the last.
    pub(super) fn span(&self) -> (usize, usize) {
        let first = self.starts.first().copied().unwrap_or(0) as usize;
        let last = self.starts.last().copied().unwrap_or(0) as usize;
        (first, last + self.width)
    }
}

/// The inputs of one output.
#[derive(Clone, Copy, Debug)]
struct Neighbours {
    first: usize,
    count: usize,
    /// What the output covers where it shrinks; where it enlarges, `begin` is its place
    /// between `first` and the next input and there is no `end`.
    begin: f64,
    end: Option<f64>,
}

impl Neighbours {
    fn of(inputs: usize, part: Part, outputs: usize, output: usize) -> Self {
        let ratio = part.length / outputs as f64;
        if ratio <= 1.0 {
            let centre = part.from + (output as f64 + 0.5) * ratio - 0.5;
            let centre = centre.clamp(0.0, (inputs - 1) as f64);
            let first = centre.floor() as usize;
            let count = if centre > first as f64 { 2 } else { 1 };
            return Self { first, count, begin: centre, end: None };
        }
        let begin = part.from + output as f64 * ratio;
        let end = part.from + (output + 1) as f64 * ratio;
        let first = (begin.floor() as usize).min(inputs - 1);
        let last = ((end - 1e-9).ceil() as usize).clamp(first + 1, inputs);
        Self { first, count: last - first, begin, end: Some(end) }
    }

    /// The share of the `index`-th input; together they are 1.
    fn share(&self, index: usize) -> f64 {
        let input = (self.first + index) as f64;
        let Some(end) = self.end else {
            let second = self.begin - self.first as f64;
            return if index == 0 { 1.0 - second } else { second };
        };
        (end.min(input + 1.0) - self.begin.max(input)).max(0.0) / (end - self.begin)
    }

    /// The shares in 1/256, as integers whose sum is exactly 256 ([`ONE`]). Rounding each
    /// share by itself would not keep that sum, and an evenly grey row would come out darker
    /// or lighter. So the running total is rounded instead, and each weight is the difference
    /// of two rounded totals.
    fn weigh(&self, weights: &mut [u16]) {
        let (mut total, mut given) = (0.0, 0);
        let last = weights.len() - 1;
        for (index, weight) in weights.iter_mut().enumerate() {
            total += self.share(index) * f64::from(ONE);
            let goal = if index == last { ONE } else { (total.round() as u32).min(ONE) };
            *weight = (goal - given) as u16;
            given = goal;
        }
    }
}

/// Adds up rows by weight: `sum` becomes 256 times the weighted mean.
pub(super) fn sum_rows<'a>(sum: &mut [u16], rows: impl Iterator<Item = (&'a [u8], u16)>) {
    let mut first = true;
    for (row, weight) in rows.filter(|(_, weight)| *weight > 0) {
        let pairs = sum.iter_mut().zip(row);
        if first {
            pairs.for_each(|(sum, value)| *sum = u16::from(*value) * weight);
        } else {
            // At most 255 x 256: the weights of an output sum to 256.
            pairs.for_each(|(sum, value)| *sum += u16::from(*value) * weight);
        }
        first = false;
    }
}

/// One output row of one component: every `step`-th value of a summed row, weighted and
/// brought back to 0..=255. `first` is where its sample 0 lies: before the row where that
/// holds only what a region needs.
pub(super) fn sample_row(out: &mut [u8], sum: &[u16], first: isize, step: usize, taps: &Taps) {
    match taps.width {
        1 => sample_fixed::<1>(out, sum, first, step, taps),
        2 => sample_fixed::<2>(out, sum, first, step, taps),
        3 => sample_fixed::<3>(out, sum, first, step, taps),
        4 => sample_fixed::<4>(out, sum, first, step, taps),
        5 => sample_fixed::<5>(out, sum, first, step, taps),
        _ => sample_any(out, sum, first, step, taps),
    }
}

/// Where sample `start` lies in a row of which sample 0 lies at `first`.
fn at(first: isize, start: usize, step: usize) -> usize {
    (first + (start * step) as isize) as usize
}

/// The common widths, known to the compiler so that it unrolls them.
fn sample_fixed<const WIDTH: usize>(
    out: &mut [u8],
    sum: &[u16],
    first: isize,
    step: usize,
    taps: &Taps,
) {
    let (weights, _) = taps.weights.as_chunks::<WIDTH>();
    let outputs = out.iter_mut().zip(&taps.starts).zip(weights);
    let weighted = |inputs: [u16; WIDTH], weights: &[u16; WIDTH]| {
        let products = inputs.iter().zip(weights);
        let total: u32 =
            products.map(|(value, weight)| u32::from(*value) * u32::from(*weight)).sum();
        ((total + (1 << 15)) >> 16) as u8
    };
    if step == 1 {
        // most rows: one load brings all inputs
        for ((out, start), weights) in outputs {
            if let Some(inputs) = sum[at(first, *start as usize, 1)..].first_chunk() {
                *out = weighted(*inputs, weights);
            }
        }
        return;
    }
    for ((out, start), weights) in outputs {
        let inputs = &sum[at(first, *start as usize, step)..][..(WIDTH - 1) * step + 1];
        *out = weighted(std::array::from_fn(|tap| inputs[tap * step]), weights);
    }
}

fn sample_any(out: &mut [u8], sum: &[u16], first: isize, step: usize, taps: &Taps) {
    for (index, out) in out.iter_mut().enumerate() {
        let (start, weights) = taps.of(index);
        let inputs = sum[at(first, start, step)..].iter().step_by(step);
        let total: u32 =
            inputs.zip(weights).map(|(value, weight)| u32::from(*value) * u32::from(*weight)).sum();
        *out = ((total + (1 << 15)) >> 16) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn weights_sum_to_one_and_stay_inside(inputs in 1usize..900, outputs in 1usize..300) {
            let taps = Taps::new(inputs, outputs);
            prop_assert_eq!(taps.starts.len(), outputs);
            for output in 0..outputs {
                let (start, weights) = taps.of(output);
                prop_assert!(start + weights.len() <= inputs);
                prop_assert_eq!(weights.iter().map(|w| u32::from(*w)).sum::<u32>(), ONE);
            }
        }

        /// Against the definition: the mean over the covered area, in floating point.
        #[test]
        fn shrinking_is_the_mean_of_the_area(
            row in proptest::collection::vec(any::<u8>(), 1..200), outputs in 1usize..60,
        ) {
            prop_assume!(row.len() >= outputs);
            let taps = Taps::new(row.len(), outputs);
            let sum: Vec<u16> = row.iter().map(|v| u16::from(*v) * 256).collect();
            let mut out = vec![0; outputs];
            sample_row(&mut out, &sum, 0, 1, &taps);
            let ratio = row.len() as f64 / outputs as f64;
            for (output, value) in out.iter().enumerate() {
                let (begin, end) = (output as f64 * ratio, (output + 1) as f64 * ratio);
                let covered = |i: usize| (end.min(i as f64 + 1.0) - begin.max(i as f64)).max(0.0);
                let mean: f64 = row.iter().enumerate().map(|(i, v)| f64::from(*v) * covered(i)).sum::<f64>() / ratio;
                // each weight is rounded to 1/256, so wide averages drift a little
                let error = (f64::from(*value) - mean).abs();
                prop_assert!(error <= 1.0 + 0.5 * ratio.ceil(), "{value} for {mean}");
            }
        }
    }

    #[test]
    fn equal_sizes_copy() {
        let row: Vec<u8> = (0..=255).collect();
        let sum: Vec<u16> = row.iter().map(|v| u16::from(*v) * 256).collect();
        let mut out = vec![0; 256];
        sample_row(&mut out, &sum, 0, 1, &Taps::new(256, 256));
        assert_eq!(out, row);
    }
}
