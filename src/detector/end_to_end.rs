//! The layout of exports that have non-maximum suppression inside: a row for each box
//! that is left, with its two corners, its confidence and the number of its class.

use super::candidate::SAME_FACE_IOU;
use super::floor::Floor;
use super::sample::{Sample, Values};
use super::{Candidate, ModelError};
use crate::geometry::Size;

/// Numbers of a row.
pub(super) const COLUMNS: usize = 6;

/// A coordinate up to here is a share of the input's side. A box all of whose coordinates
/// are that small in pixels would be two pixels large, which no face is.
const LARGEST_SHARE: f32 = 2.0;

/// How far a number that stands for a class may be from a whole one, besides rounding to
/// the steps of an integer tensor.
const NEARLY: f32 = 0.01;

/// How far it may be in a tensor with such steps.
pub(super) fn tolerance(step: f32) -> f32 {
    NEARLY.max(step)
}

/// Shape of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndToEnd {
    /// Boxes at most; those that there are not have a confidence of 0.
    pub rows: usize,
    /// True: `[1, 6, rows]`; false: `[1, rows, 6]`.
    pub columns_first: bool,
}

impl EndToEnd {
    fn index(&self, column: usize, row: usize) -> usize {
        if self.columns_first { column * self.rows + row } else { row * COLUMNS + column }
    }
}

/// Appends the rows whose confidence is at least `floor`, in pixels of the input: of one or two
/// classes those that have it; of more also those that have it together with what other rows
/// say of the same face.
///
/// # Errors
///
/// A row that cannot be one of this layout: it shows that the file has another.
pub(super) fn decode<T: Sample>(
    head: EndToEnd,
    values: Values<'_, T>,
    class_count: usize,
    input: Size,
    floor: f32,
    out: &mut Vec<Candidate>,
) -> Result<(), ModelError> {
    let floor = Floor::new(floor, class_count);
    let Some(least) = T::at_least(floor.class, values.quantization) else {
        return Ok(());
    };
    let rows = || (0..head.rows).filter(|row| values.data[head.index(4, *row)] >= least);
    let read = |row: usize| read(head, values, class_count, input, row);
    for row in rows() {
        let one = read(row)?;
        // Suppression is inside, so no class has two rows of one face.
        let others = rows().filter_map(|other| read(other).ok()).filter(|other| {
            other.class != one.class && other.rect().iou(&one.rect()) >= SAME_FACE_IOU
        });
        let others = others.map(|other| other.confidence);
        if floor.is_face(std::iter::once(one.confidence).chain(others)) {
            out.push(one);
        }
    }
    Ok(())
}

/// A row's box, in pixels of the input.
fn read<T: Sample>(
    head: EndToEnd,
    values: Values<'_, T>,
    class_count: usize,
    input: Size,
    row: usize,
) -> Result<Candidate, ModelError> {
    let tolerance = tolerance(T::step(values.quantization));
    let [left, top, right, bottom, confidence, number] =
        std::array::from_fn(|column| values.real(head.index(column, row)));
    let class = class(number, class_count, tolerance).filter(|_| confidence <= 1.0 + tolerance);
    let Some(class) = class else {
        return Err(ModelError::Layout(format!(
            "row {row} of its output has a confidence of {confidence} and class {number} of \
             {class_count}: it is not left, top, right, bottom, confidence, class: export as \
             docs/ref/model.md describes"
        )));
    };
    let edges = [left, top, right, bottom];
    let shares = edges.iter().all(|edge| edge.abs() <= LARGEST_SHARE);
    let (width, height) =
        if shares { (input.width as f32, input.height as f32) } else { (1.0, 1.0) };
    let edges = [left * width, top * height, right * width, bottom * height];
    Ok(Candidate::new(class, confidence.min(1.0), edges))
}

fn class(number: f32, class_count: usize, tolerance: f32) -> Option<usize> {
    let whole = number.round();
    let fits = (number - whole).abs() <= tolerance && (0.0..class_count as f32).contains(&whole);
    fits.then_some(whole as usize)
}

#[cfg(test)]
mod tests {
    use super::super::tflite::Quantization;
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Quantization = Quantization { scale: 1.0, zero_point: 0 };

    fn decoded(rows: &[[f32; 6]], columns_first: bool) -> Result<Vec<Candidate>, String> {
        decoded_of(2, rows, columns_first)
    }

    fn decoded_of(
        class_count: usize,
        rows: &[[f32; 6]],
        columns_first: bool,
    ) -> Result<Vec<Candidate>, String> {
        let data: Vec<f32> = if columns_first {
            (0..COLUMNS).flat_map(|column| rows.iter().map(move |row| row[column])).collect()
        } else {
            rows.concat()
        };
        let values = Values { data: data.as_slice(), quantization: PLAIN };
        let mut found = Vec::new();
        let head = EndToEnd { rows: rows.len(), columns_first };
        decode(head, values, class_count, Size::new(320, 160), 0.25, &mut found)
            .map_err(|error| error.to_string())?;
        Ok(found)
    }

    #[test]
    fn shares_and_pixels_in_both_orders_are_the_same_box() {
        let shares = [0.25, 0.25, 0.5, 0.75, 0.9, 1.0];
        let pixels = [80.0, 40.0, 160.0, 120.0, 0.9, 1.0];
        let wanted = vec![Candidate::new(1, 0.9, [80.0, 40.0, 160.0, 120.0])];
        for row in [shares, pixels] {
            for columns_first in [false, true] {
                assert_eq!(decoded(&[row, [0.0; 6]], columns_first), Ok(wanted.clone()));
            }
        }
    }

    #[test]
    fn a_row_of_another_layout_is_refused() {
        for (row, words) in [
            ([0.1, 0.1, 0.2, 0.2, 0.9, 0.37], "class 0.37"),
            ([0.1, 0.1, 0.2, 0.2, 0.9, 2.0], "class 2 of 2"),
            ([0.1, 0.1, 0.2, 0.2, 0.9, -1.0], "class -1"),
            ([0.1, 0.1, 0.2, 0.2, 0.9, f32::NAN], "class NaN"),
            ([10.0, 10.0, 20.0, 20.0, 57.0, 1.0], "confidence of 57"),
        ] {
            let reason = decoded(&[row], false).unwrap_err();
            assert!(reason.contains(words), "{reason}");
        }
    }

    /// Of seven classes none of which has the floor of 0.25, and of two.
    #[test]
    fn rows_of_one_face_that_together_have_the_floor_all_count() {
        let row =
            |left: f32, confidence, class| [left, 40.0, left + 80.0, 120.0, confidence, class];
        let face = [row(80.0, 0.2, 3.0), row(84.0, 0.15, 5.0), row(80.0, 0.02, 1.0)];
        let rows = [&face[..], &[row(200.0, 0.24, 3.0), row(80.0, 0.0, 0.0)]].concat();
        let found = decoded_of(7, &rows, false).expect("of this layout");
        let told: Vec<_> = found.iter().map(|one| (one.class, one.confidence)).collect();
        assert_eq!(told, [(3, 0.2), (5, 0.15), (1, 0.02)]);
        let two = [row(80.0, 0.2, 0.0), row(80.0, 0.15, 1.0)];
        assert_eq!(decoded_of(2, &two, false), Ok(vec![]));
    }

    /// Mostly numbers of this layout, and now and then any.
    fn row() -> impl Strategy<Value = [f32; 6]> {
        let or_any = |usual: BoxedStrategy<f32>| prop_oneof![30 => usual, 1 => any::<f32>()];
        let edge = or_any((0f32..1.5).boxed());
        let class = or_any((0u8..2).prop_map(f32::from).boxed());
        let confidence = or_any((0f32..1.0).boxed());
        (prop::array::uniform4(edge), confidence, class).prop_map(
            |([left, top, right, bottom], confidence, class)| {
                [left, top, right, bottom, confidence, class]
            },
        )
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in proptest::collection::vec(any::<i8>(), 60), scale in 0.001f32..2.0, n in 1usize..9,
            zero_point in -128i32..128, columns_first: bool,
        ) {
            let values = Values { data: bytes.as_slice(), quantization: Quantization { scale, zero_point } };
            let head = EndToEnd { rows: 10, columns_first };
            let _ = decode(head, values, n, Size::new(320, 192), 0.3, &mut Vec::new());
        }

        #[test]
        fn what_is_found_has_a_class_of_the_model_and_its_floor(
            rows in proptest::collection::vec(row(), 1..10), n in 2usize..9, columns_first: bool,
        ) {
            let Ok(found) = decoded_of(n, &rows, columns_first) else {
                let is_usual = |row: &[f32; 6]| {
                    row.iter().all(|number| (0.0..1.5).contains(number))
                        && row[4] <= 1.0
                        && row[5].fract() == 0.0
                };
                prop_assert!(!rows.iter().all(is_usual), "refused without a reason: {rows:?}");
                return Ok(());
            };
            let least = if n == 2 { 0.25 } else { 0.025 / n as f32 };
            prop_assert!(found.iter().all(|one| one.class < n && (least..=1.0).contains(&one.confidence)));
            let sure = rows.iter().filter(|row| row[4] >= 0.25).count();
            prop_assert!(found.len() >= sure, "{found:?} of {rows:?}");
        }
    }
}
