//! Shrinking and enlarging rows with precomputed weights.
//!
//! Shrinking averages the area that an output sample covers, so that no detail
//! turns into a false pattern; enlarging interpolates linearly. Both are a list of
//! neighbouring inputs and weights for each output, summing to 256.

/// Weights of one axis: output `i` is the sum of `inputs[starts[i]..][..width]`
/// times its weights, over 256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taps {
    pub(super) starts: Vec<u32>,
    /// `width` weights for each output, one after the other.
    pub(super) weights: Vec<u16>,
    pub(super) width: usize,
}

/// The sum of the weights of one output.
const ONE: u32 = 256;

impl Taps {
    /// From `inputs` samples to `outputs`; both at least 1.
    pub(super) fn new(inputs: usize, outputs: usize) -> Self {
        let rows: Vec<(usize, Vec<f64>)> =
            (0..outputs).map(|output| neighbours(inputs, outputs, output)).collect();
        let width = rows.iter().map(|(_, weights)| weights.len()).max().unwrap_or(1).min(inputs);
        let mut taps =
            Self { starts: Vec::new(), weights: Vec::with_capacity(outputs * width), width };
        for (start, weights) in rows {
            // A row at the far edge starts earlier, with zeros in front, so that
            // every row has the same number of inputs, all inside.
            let shifted = start.min(inputs - width);
            taps.starts.push(shifted as u32);
            taps.weights.extend(std::iter::repeat_n(0, start - shifted));
            taps.weights.extend(to_fixed(&weights));
            let missing = width - (start - shifted) - weights.len();
            taps.weights.extend(std::iter::repeat_n(0, missing));
        }
        taps
    }

    /// First input and weights of one output.
    pub(super) fn of(&self, output: usize) -> (usize, &[u16]) {
        let weights = &self.weights[output * self.width..][..self.width];
        (self.starts[output] as usize, weights)
    }
}

/// First input and real weights (summing to 1) of one output.
fn neighbours(inputs: usize, outputs: usize, output: usize) -> (usize, Vec<f64>) {
    let ratio = inputs as f64 / outputs as f64;
    if ratio <= 1.0 {
        let centre = ((output as f64 + 0.5) * ratio - 0.5).clamp(0.0, (inputs - 1) as f64);
        let first = centre.floor() as usize;
        let share = centre - first as f64;
        return if share > 0.0 { (first, vec![1.0 - share, share]) } else { (first, vec![1.0]) };
    }
    let (begin, end) = (output as f64 * ratio, (output + 1) as f64 * ratio);
    let first = begin.floor() as usize;
    let last = ((end - 1e-9).ceil() as usize).clamp(first + 1, inputs);
    let weight =
        |input: usize| (end.min((input + 1) as f64) - begin.max(input as f64)).max(0.0) / ratio;
    (first, (first..last).map(weight).collect())
}

/// The weights in 1/256, as integers whose sum is exactly 256 ([`ONE`]). Rounding each
/// weight by itself would not keep that sum, and an evenly grey row would come out darker
/// or lighter. So the running total is rounded instead, and each weight is the difference
/// of two rounded totals.
fn to_fixed(weights: &[f64]) -> Vec<u16> {
    let (mut total, mut given) = (0.0, 0);
    let last = weights.len() - 1;
    let fixed = weights.iter().enumerate().map(|(index, weight)| {
        total += weight * f64::from(ONE);
        let goal = if index == last { ONE } else { (total.round() as u32).min(ONE) };
        let gained = goal - given;
        given = goal;
        gained as u16
    });
    fixed.collect()
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

/// One output row of one component: every `step`-th value of a summed row from
/// `first` on, weighted and brought back to 0..=255.
pub(super) fn sample_row(out: &mut [u8], sum: &[u16], first: usize, step: usize, taps: &Taps) {
    match taps.width {
        1 => sample_fixed::<1>(out, sum, first, step, taps),
        2 => sample_fixed::<2>(out, sum, first, step, taps),
        3 => sample_fixed::<3>(out, sum, first, step, taps),
        4 => sample_fixed::<4>(out, sum, first, step, taps),
        5 => sample_fixed::<5>(out, sum, first, step, taps),
        _ => sample_any(out, sum, first, step, taps),
    }
}

/// The common widths, known to the compiler so that it unrolls them.
fn sample_fixed<const WIDTH: usize>(
    out: &mut [u8],
    sum: &[u16],
    first: usize,
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
        let sum = &sum[first..];
        for ((out, start), weights) in outputs {
            if let Some(inputs) = sum[*start as usize..].first_chunk() {
                *out = weighted(*inputs, weights);
            }
        }
        return;
    }
    for ((out, start), weights) in outputs {
        let inputs = &sum[first + *start as usize * step..][..(WIDTH - 1) * step + 1];
        *out = weighted(std::array::from_fn(|tap| inputs[tap * step]), weights);
    }
}

fn sample_any(out: &mut [u8], sum: &[u16], first: usize, step: usize, taps: &Taps) {
    for (index, out) in out.iter_mut().enumerate() {
        let (start, weights) = taps.of(index);
        let inputs = sum[first + start * step..].iter().step_by(step);
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
