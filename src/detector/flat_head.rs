//! The common one-output layout: per anchor the centre and size of a box, as
//! shares of the input's sides, and a confidence per class.

use super::Candidate;
use super::sample::{Sample, Values};
use crate::geometry::Size;

/// Shape of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat {
    pub anchors: usize,
    /// True: `[1, 4 + classes, anchors]`; false: `[1, anchors, 4 + classes]`.
    pub channels_first: bool,
}

/// Appends the anchors whose class confidence is at least `floor`.
pub fn decode<T: Sample>(
    flat: Flat,
    values: Values<'_, T>,
    class_count: usize,
    input: Size,
    floor: f32,
    out: &mut Vec<Candidate>,
) {
    let Some(least) = T::at_least(floor, values.quantization) else {
        return;
    };
    let channels = 4 + class_count;
    let index = |channel: usize, anchor: usize| {
        if flat.channels_first {
            channel * flat.anchors + anchor
        } else {
            anchor * channels + channel
        }
    };
    for anchor in 0..flat.anchors {
        for class in 0..class_count {
            let stored = values.data[index(4 + class, anchor)];
            if stored < least {
                continue;
            }
            let share = |channel: usize| values.real(index(channel, anchor));
            let (width, height) = (input.width as f32, input.height as f32);
            let (x, y) = (share(0) * width, share(1) * height);
            let (half_w, half_h) = (share(2) * width / 2.0, share(3) * height / 2.0);
            let confidence = stored.real(values.quantization).clamp(0.0, 1.0);
            let edges = [x - half_w, y - half_h, x + half_w, y + half_h];
            out.push(Candidate::new(class, confidence, edges));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tflite::Quantization;
    use super::*;

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
            let flat = Flat { anchors: 2, channels_first };
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
}
