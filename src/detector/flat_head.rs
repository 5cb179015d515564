//! The common one-output layout: per anchor the centre and size of a box, and a
//! confidence per class.

use super::Candidate;
use super::floor::Floor;
use super::sample::{Sample, Values};
use crate::geometry::Size;

/// Shape of the output, and what its boxes are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flat {
    pub anchors: usize,
    /// True: `[1, 4 + classes, anchors]`; false: `[1, anchors, 4 + classes]`.
    pub channels_first: bool,
    pub unit: Unit,
}

/// What centre and size of a box are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Shares of the input's width and height.
    Share,
    /// Pixels of the input.
    Pixel,
}

impl Flat {
    fn index(&self, channel: usize, anchor: usize, class_count: usize) -> usize {
        if self.channels_first {
            channel * self.anchors + anchor
        } else {
            anchor * (4 + class_count) + channel
        }
    }

    /// Where the confidence of a class stands.
    pub(super) fn class_index(&self, class: usize, anchor: usize, class_count: usize) -> usize {
        self.index(4 + class, anchor, class_count)
    }
}

/// Appends the boxes of the anchors whose confidence is at least `floor`: of one or two classes
/// those that have it; of more all, where they have it together.
pub(super) fn decode<T: Sample>(
    flat: Flat,
    values: Values<'_, T>,
    class_count: usize,
    input: Size,
    floor: f32,
    out: &mut Vec<Candidate>,
) {
    let floor = Floor::new(floor, class_count);
    let stored = |confidence: f32| T::at_least(confidence, values.quantization);
    let (Some(strongest), Some(least)) = (stored(floor.strongest), stored(floor.class)) else {
        return;
    };
    let confidence = |stored: T| stored.real(values.quantization).clamp(0.0, 1.0);
    let (width, height) = match flat.unit {
        Unit::Share => (input.width as f32, input.height as f32),
        Unit::Pixel => (1.0, 1.0),
    };
    for anchor in 0..flat.anchors {
        let stored = |class| values.data[flat.class_index(class, anchor, class_count)];
        let classes = || (0..class_count).map(stored);
        let enough = classes().any(|stored| stored >= strongest);
        if !enough || !floor.is_face(classes().map(confidence)) {
            continue;
        }
        let number = |channel| values.real(flat.index(channel, anchor, class_count));
        let (x, y) = (number(0) * width, number(1) * height);
        let (half_w, half_h) = (number(2) * width / 2.0, number(3) * height / 2.0);
        let edges = [x - half_w, y - half_h, x + half_w, y + half_h];
        for (class, stored) in classes().enumerate().filter(|(_, stored)| *stored >= least) {
            out.push(Candidate::new(class, confidence(stored), edges));
        }
    }
}

/// The largest width or height among all boxes, as the file has them.
pub(super) fn largest_side<T: Sample>(
    flat: Flat,
    values: Values<'_, T>,
    class_count: usize,
) -> f32 {
    let sides = (0..flat.anchors).flat_map(|anchor| {
        [2, 3].map(|channel| values.real(flat.index(channel, anchor, class_count)))
    });
    sides.fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::super::tflite::Quantization;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_orders_give_the_same_boxes() {
        let plain = Quantization { scale: 1.0, zero_point: 0 };
        let rows = [[0.5, 0.25, 0.5, 0.5, 0.9, 0.1], [0.1, 0.1, 0.1, 0.1, 0.2, 0.3]];
        let by_anchor: Vec<f32> = rows.concat();
        let by_channel: Vec<f32> =
            (0..6).flat_map(|channel| rows.map(|row| row[channel])).collect();
        let mut found = [Vec::new(), Vec::new()];
        for (data, channels_first) in [(&by_anchor, false), (&by_channel, true)] {
            let values = Values { data: data.as_slice(), quantization: plain };
            let flat = Flat { anchors: 2, channels_first, unit: Unit::Share };
            decode(
                flat,
                values,
                2,
                Size::new(100, 200),
                0.25,
                &mut found[usize::from(channels_first)],
            );
        }
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0].len(), 2);
        assert_eq!(found[0][0], Candidate::new(0, 0.9, [25.0, 0.0, 75.0, 100.0]));
        assert_eq!(found[0][1].class, 1);
    }

    #[test]
    fn boxes_in_pixels_are_the_same_boxes() {
        let shares = [0.5f32, 0.25, 0.5, 0.5, 0.9];
        let pixels = [50.0f32, 50.0, 50.0, 100.0, 0.9];
        let found = [(&shares, Unit::Share), (&pixels, Unit::Pixel)].map(|(row, unit)| {
            let quantization = Quantization { scale: 1.0, zero_point: 0 };
            let values = Values { data: row.as_slice(), quantization };
            let mut found = Vec::new();
            let flat = Flat { anchors: 1, channels_first: false, unit };
            decode(flat, values, 1, Size::new(100, 200), 0.25, &mut found);
            found
        });
        assert_eq!(found[0], found[1]);
    }

    proptest! {
        /// Against decoding every anchor in floating point and thresholding last.
        #[test]
        fn equals_decoding_everything(
            bytes in proptest::collection::vec(any::<i8>(), 30 * 12), n in 1usize..9,
            floor in 0.01f32..0.99, scale in 0.001f32..0.02, zero_point in -128i32..128,
        ) {
            let quantization = Quantization { scale, zero_point };
            let values = Values { data: &bytes[..30 * (4 + n)], quantization };
            let flat = Flat { anchors: 30, channels_first: false, unit: Unit::Share };
            let mut found = Vec::new();
            decode(flat, values, n, Size::new(320, 192), floor, &mut found);
            let mut wanted = Vec::new();
            for row in values.data.chunks(4 + n) {
                let real = |i: usize| (i32::from(row[i]) - zero_point) as f32 * scale;
                // Of one or two classes each by itself, of more all but what is next to nothing.
                let together = (0..n).map(|class| real(4 + class).clamp(0.0, 1.0)).sum::<f32>();
                let least = if n <= 2 { floor } else { 0.1 * (floor / n as f32) };
                if n > 2 && together < floor {
                    continue;
                }
                for class in (0..n).filter(|class| real(4 + class) >= least) {
                    let (x, y, w, h) = (real(0) * 320., real(1) * 192., real(2) * 320., real(3) * 192.);
                    let edges = [x - w / 2., y - h / 2., x + w / 2., y + h / 2.];
                    wanted.push(Candidate::new(class, real(4 + class).min(1.0), edges));
                }
            }
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
