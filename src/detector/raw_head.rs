//! The raw head: for each level a box tensor (a distribution over distances for each of
//! the four sides) and a class-logit tensor.
//!
//! Nothing is computed for a cell until one of its logits, as stored, reaches the
//! stored threshold; of a thousand cells a handful do.

use super::Candidate;
use super::floor::Floor;
use super::sample::{Sample, Values};

/// Shape of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Cells from top to bottom, and from left to right.
    pub rows: usize,
    /// Cells from left to right.
    pub columns: usize,
    /// Input pixels from one cell to the next.
    pub stride: usize,
    /// Output tensor indices.
    pub boxes: usize,
    /// Index of the output tensor with the class logits.
    pub classes: usize,
}

/// `ln(p / (1 - p))`: the logit whose sigmoid is `p`, for `p` between 0 and 1.
pub fn logit(p: f32) -> f32 {
    (p / (1.0 - p)).ln()
}

/// `1 / (1 + e^-logit)`: the confidence, 0 to 1, that a logit stands for.
pub fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Appends the boxes of the cells of one level whose confidence is at least `floor`: of one or
/// two classes those that have it; of more all, where they have it together.
///
/// `boxes` holds rows x columns x 4 x `bins`, `classes` rows x columns x
/// `class_count` numbers.
pub fn decode_level<T: Sample>(
    level: &Level,
    boxes: Values<'_, T>,
    classes: Values<'_, T>,
    (class_count, bins): (usize, usize),
    floor: f32,
    out: &mut Vec<Candidate>,
) {
    let floor = Floor::new(floor, class_count);
    let stored = |confidence: f32| T::at_least(logit(confidence), classes.quantization);
    let (Some(strongest), Some(least)) = (stored(floor.strongest), stored(floor.class)) else {
        return;
    };
    let confidence = |stored: &T| sigmoid(stored.real(classes.quantization));
    for (cell, logits) in classes.data.chunks_exact(class_count).enumerate() {
        let enough = logits.iter().any(|stored| *stored >= strongest);
        if !enough || !floor.is_face(logits.iter().map(confidence)) {
            continue;
        }
        let (x, y) = ((cell % level.columns) as f32, (cell / level.columns) as f32);
        let stride = level.stride as f32;
        let side = |side: usize| {
            let first = (cell * 4 + side) * bins;
            let distribution = &boxes.data[first..first + bins];
            expected_bin(distribution, boxes) * stride
        };
        let (centre_x, centre_y) = ((x + 0.5) * stride, (y + 0.5) * stride);
        let edges =
            [centre_x - side(0), centre_y - side(1), centre_x + side(2), centre_y + side(3)];
        for (class, stored) in logits.iter().enumerate().filter(|(_, stored)| **stored >= least) {
            out.push(Candidate::new(class, confidence(stored), edges));
        }
    }
}

/// The mean of a distribution given by its logits: softmax, then expectation.
fn expected_bin<T: Sample>(distribution: &[T], values: Values<'_, T>) -> f32 {
    let real = |stored: &T| stored.real(values.quantization);
    let highest = distribution.iter().map(real).fold(f32::MIN, f32::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for (bin, stored) in distribution.iter().enumerate() {
        let weight = (real(stored) - highest).exp();
        total += weight;
        weighted += weight * bin as f32;
    }
    weighted / total
}

#[cfg(test)]
mod tests {
    use super::super::tflite::Quantization;
    use super::*;
    use proptest::prelude::*;

    const LEVEL: Level = Level { rows: 3, columns: 4, stride: 8, boxes: 0, classes: 1 };

    /// Everything decoded in floating point, thresholded last.
    fn reference(
        boxes: &[i8],
        classes: &[i8],
        (bq, cq): (Quantization, Quantization),
        (n, bins): (usize, usize),
        floor: f32,
    ) -> Vec<Candidate> {
        let mut all = Vec::new();
        for row in 0..LEVEL.rows {
            for column in 0..LEVEL.columns {
                let cell = row * LEVEL.columns + column;
                let distance = |side: usize| {
                    let bin =
                        |b: usize| f64::from(boxes[(cell * 4 + side) * bins + b].real(bq)).exp();
                    let total: f64 = (0..bins).map(bin).sum();
                    (0..bins).map(|b| b as f64 * bin(b) / total).sum::<f64>() * 8.0
                };
                let (x, y) = (column as f64 * 8.0 + 4.0, row as f64 * 8.0 + 4.0);
                let edges = [x - distance(0), y - distance(1), x + distance(2), y + distance(3)]
                    .map(|v| v as f32);
                let logits: Vec<f32> = (0..n).map(|c| classes[cell * n + c].real(cq)).collect();
                // Of one or two classes each by itself, of more all but what is next to nothing.
                let together = logits.iter().map(|logit| sigmoid(*logit)).sum::<f32>();
                let least = if n <= 2 { floor } else { 0.1 * (floor / n as f32) };
                for (class, logit) in logits.into_iter().enumerate() {
                    if (n <= 2 || together >= floor) && logit >= super::logit(least) {
                        all.push(Candidate::new(class, sigmoid(logit), edges));
                    }
                }
            }
        }
        all
    }

    /// Seven classes of which one or none has the floor of 0.1.
    #[test]
    fn a_face_whose_classes_together_have_the_floor_has_all_of_them() {
        let plain = Quantization { scale: 1.0, zero_point: 0 };
        let level = Level { rows: 1, columns: 1, ..LEVEL };
        let found = |confidences: [f32; 7]| -> Vec<f32> {
            let (boxes, logits) = ([0.0f32; 8], confidences.map(logit));
            let boxes = Values { data: &boxes[..], quantization: plain };
            let logits = Values { data: &logits[..], quantization: plain };
            let mut out = Vec::new();
            decode_level(&level, boxes, logits, (7, 2), 0.1, &mut out);
            out.iter().map(|one| one.confidence).collect()
        };
        let doubtful = [0.05, 0.64, 0.06, 0.07, 0.08, 0.09, 0.06];
        for (wanted, found) in doubtful.iter().zip(found(doubtful)) {
            assert!((wanted - found).abs() < 1e-5, "{found} for {wanted}");
        }
        assert_eq!(found(doubtful).len(), 7);
        assert_eq!(found([0.016; 7]).len(), 7, "0.112 together");
        assert!(found([0.014; 7]).is_empty(), "0.098 together");
        assert_eq!(found([0.2, 0.00002, 0.0, 0.0, 0.0, 0.0, 0.0]).len(), 1, "next to nothing");
    }

    proptest! {
        #[test]
        fn equals_decoding_everything_in_floating_point(
            bytes in proptest::collection::vec(any::<i8>(), 12 * (4 * 16 + 9)),
            n in 1usize..9, bins in 2usize..16, floor in 0.01f32..0.99,
            scales in (0.01f32..0.1, 0.01f32..0.1), zeros in (-128i32..128, -128i32..128),
        ) {
            let bq = Quantization { scale: scales.0, zero_point: zeros.0 };
            let cq = Quantization { scale: scales.1, zero_point: zeros.1 };
            let (boxes, classes) = (&bytes[..12 * 4 * bins], &bytes[12 * 4 * 16..][..12 * n]);
            let mut found = Vec::new();
            let (b, c) = (Values { data: boxes, quantization: bq }, Values { data: classes, quantization: cq });
            decode_level(&LEVEL, b, c, (n, bins), floor, &mut found);
            let wanted = reference(boxes, classes, (bq, cq), (n, bins), floor);
            prop_assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(&wanted) {
                prop_assert_eq!((found.class, found.confidence), (wanted.class, wanted.confidence));
                for (a, b) in found.edges.iter().zip(wanted.edges) {
                    prop_assert!((a - b).abs() < 0.01, "{a} for {b}");
                }
            }
        }
    }
}
