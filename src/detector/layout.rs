//! Which output layout a file has: told by the shapes of its tensors and, where these
//! fit two layouts, by what the file or its side-car says.

use super::ModelError;
use super::end_to_end::{COLUMNS, EndToEnd};
use super::flat_head::{Flat, Unit};
use super::raw_head::Level;
use super::sidecar::Layout;
use super::tflite::{Dtype, TensorInfo};
use crate::geometry::Size;

/// How the outputs are to be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Levels, and bins of each side's distribution.
    Raw {
        levels: Vec<Level>,
        bins: usize,
    },
    Flat(Flat),
    EndToEnd(EndToEnd),
}

impl Head {
    /// The layout's name in a side-car.
    pub(super) fn layout(&self) -> Layout {
        match self {
            Self::Raw { .. } => Layout::RawDfl,
            Self::Flat(_) => Layout::Flat,
            Self::EndToEnd(_) => Layout::EndToEnd,
        }
    }
}

/// Sides of a box.
const SIDES: usize = 4;
/// With one scale for pixels and confidences, a step of this size leaves only a
/// few different confidences: such an export finds nothing.
const COARSEST_CONFIDENCE: f32 = 0.05;
/// Strides of the levels of usual networks: an input of 320x320 has 40x40 cells of the
/// first, and so on, one anchor for each.
const STRIDES: [&[usize]; 3] = [&[8, 16, 32], &[4, 8, 16, 32], &[8, 16, 32, 64]];
/// No exporter keeps more boxes behind non-maximum suppression (300 is the default).
const MOST_ROWS: usize = 1000;

/// The picture size of an input `[1, height, width, 3]`.
pub(super) fn input_size(input: &TensorInfo) -> Result<Size, ModelError> {
    match input.shape[..] {
        [1, height, width, 3] if width > 0 && height > 0 && width <= 4096 && height <= 4096 => {
            Ok(Size::new(width as u32, height as u32))
        }
        _ => Err(ModelError::Layout(format!(
            "input {} is {:?}, it must be [1, height, width, 3]",
            input.name, input.shape
        ))),
    }
}

/// Recognises the layout of `outputs` for `class_count` classes; `claim` is the layout
/// that the file or its side-car names, if one does.
pub(super) fn recognise(
    outputs: &[TensorInfo],
    input: Size,
    class_count: usize,
    claim: Option<Layout>,
) -> Result<Head, ModelError> {
    match outputs {
        [only] if only.shape.len() == 3 => single(only, input, class_count, claim),
        four if is_post_process(four) => Err(ModelError::Layout(
            "outputs are the boxes, classes, scores and count of TensorFlow Lite's own detection \
             post-processing (SSD, EfficientDet): not read, since which is which cannot be told \
             from the file. Export as docs/ref/model.md describes"
                .to_owned(),
        )),
        many if many.len() >= 2 && many.len().is_multiple_of(2) => raw(many, input, class_count),
        _ => Err(foreign(outputs)),
    }
}

/// Boxes `[1, n, 4]`, two tensors `[1, n]` and a count `[1]`, in any order.
fn is_post_process(outputs: &[TensorInfo]) -> bool {
    let mut shapes: Vec<&[usize]> = outputs.iter().map(|output| &*output.shape).collect();
    shapes.sort_unstable_by_key(|shape| shape.len());
    match shapes[..] {
        [[1], [1, a], [1, b], [1, n, 4]] => a == n && b == n,
        _ => false,
    }
}

fn foreign(outputs: &[TensorInfo]) -> ModelError {
    let shapes: Vec<String> = outputs.iter().map(|o| format!("{:?}", o.shape)).collect();
    ModelError::Layout(format!(
        "outputs {} are neither a box and a class tensor per level nor one \
         [1, 4 + classes, anchors] or [1, boxes, 6]: export as docs/ref/model.md describes",
        shapes.join(", ")
    ))
}

fn raw(outputs: &[TensorInfo], input: Size, class_count: usize) -> Result<Head, ModelError> {
    let mut levels: Vec<Level> = Vec::new();
    let mut bins = None;
    let channels = |info: &TensorInfo| info.shape.last().copied().unwrap_or(0);
    for (index, info) in outputs.iter().enumerate() {
        let [1, rows, columns, depth] = info.shape[..] else {
            return Err(foreign(outputs));
        };
        if depth == class_count {
            continue;
        }
        let others = bins.is_some_and(|bins| bins != depth / SIDES);
        if depth % SIDES != 0 || others || rows == 0 || columns == 0 {
            return Err(foreign(outputs));
        }
        bins = Some(depth / SIDES);
        let classes = outputs
            .iter()
            .position(|o| o.shape == [1, rows, columns, class_count] && channels(o) == class_count)
            .ok_or_else(|| foreign(outputs))?;
        if outputs[classes].dtype != info.dtype {
            return Err(ModelError::Layout(format!(
                "{} is {:?} but {} is {:?}: both tensors of a level must have one type",
                info.name, info.dtype, outputs[classes].name, outputs[classes].dtype
            )));
        }
        let stride = input.width as usize / columns;
        if stride * columns != input.width as usize || stride * rows != input.height as usize {
            return Err(ModelError::Layout(format!(
                "{} has {columns}x{rows} cells, which do not divide an input of {input}",
                info.name
            )));
        }
        levels.push(Level { rows, columns, stride, boxes: index, classes });
    }
    match bins {
        Some(bins) if levels.len() * 2 == outputs.len() && bins >= 2 => {
            levels.sort_unstable_by_key(|level| level.stride);
            Ok(Head::Raw { levels, bins })
        }
        _ => Err(foreign(outputs)),
    }
}

/// One output of three dimensions: flat, or a row for each box. Of two classes both have
/// six channels; then the number of anchors decides, or what is claimed.
fn single(
    output: &TensorInfo,
    input: Size,
    class_count: usize,
    claim: Option<Layout>,
) -> Result<Head, ModelError> {
    let [_, first, last] = output.shape[..] else {
        return Err(foreign(std::slice::from_ref(output)));
    };
    // The length of the other dimension, and whether the wanted one comes first.
    let with = |channels: usize| {
        if output.shape[0] != 1 {
            None
        } else if first == channels {
            Some((last, true))
        } else {
            (last == channels).then_some((first, false))
        }
    };
    let flat = with(SIDES + class_count).map(|(anchors, channels_first)| Flat {
        anchors,
        channels_first,
        unit: Unit::Share,
    });
    let rows = with(COLUMNS).map(|(rows, columns_first)| EndToEnd { rows, columns_first });
    let head = match (flat, rows) {
        (Some(flat), None) => Head::Flat(flat),
        (None, Some(rows)) if rows.rows <= MOST_ROWS && !are_anchors(rows.rows, input) => {
            Head::EndToEnd(rows)
        }
        (Some(flat), Some(rows)) => either(flat, rows, input, claim)?,
        _ => return Err(unfit(output, input, class_count)),
    };
    if output.dtype != Dtype::Float32 && output.quantization.scale > COARSEST_CONFIDENCE {
        return Err(ModelError::Layout(format!(
            "boxes and confidences share one output with scale {}: every confidence below it is \
             zero. Export with separate outputs or with normalised coordinates",
            output.quantization.scale
        )));
    }
    Ok(head)
}

fn either(
    flat: Flat,
    rows: EndToEnd,
    input: Size,
    claim: Option<Layout>,
) -> Result<Head, ModelError> {
    let count = flat.anchors;
    let (usual, possible) = (are_anchors(count, input), may_be_anchors(count, input));
    let unlike = |said: &str| {
        Err(ModelError::Layout(format!(
            "it has {count} rows of 6 numbers for two classes and an input of {input}, which does \
             not fit the layout {said} that is claimed for it: \"layout\" of a side-car says which \
             it is (docs/ref/model.md)"
        )))
    };
    match claim {
        Some(Layout::EndToEnd) if !usual && count <= MOST_ROWS => Ok(Head::EndToEnd(rows)),
        Some(Layout::EndToEnd) => unlike("end_to_end"),
        _ if usual || count > MOST_ROWS => Ok(Head::Flat(flat)),
        Some(Layout::Flat) if possible => Ok(Head::Flat(flat)),
        Some(Layout::Flat) => unlike("flat"),
        _ if possible => Err(ModelError::Layout(format!(
            "its {count} rows of 6 numbers may be anchors of two classes or boxes that are left \
             after suppression: \"layout\" of a side-car says which (docs/ref/model.md)"
        ))),
        _ => Ok(Head::EndToEnd(rows)),
    }
}

fn cells(input: Size, strides: &[usize]) -> usize {
    let along = |side: u32, stride: &usize| (side as usize).div_ceil(*stride);
    strides.iter().map(|s| along(input.width, s) * along(input.height, s)).sum()
}

/// Whether a usual network has so many anchors; older ones have three for each cell.
fn are_anchors(count: usize, input: Size) -> bool {
    STRIDES.iter().map(|strides| cells(input, strides)).any(|c| count == c || count == 3 * c)
}

/// Whether a network with any levels next to each other has so many anchors.
fn may_be_anchors(count: usize, input: Size) -> bool {
    let all = [4, 8, 16, 32, 64];
    let mut runs = (0..all.len()).flat_map(|from| (from..all.len()).map(move |to| (from, to)));
    runs.any(|(from, to)| cells(input, &all[from..=to]) == count)
}

fn unfit(output: &TensorInfo, input: Size, class_count: usize) -> ModelError {
    let objectness = match output.shape[..] {
        [1, a, b] => [(a, b), (b, a)].into_iter().any(|(channels, anchors)| {
            channels == SIDES + 1 + class_count && are_anchors(anchors, input)
        }),
        _ => false,
    };
    let more = if objectness {
        "; it has one more, the objectness of YOLOv5 and YOLOv7, which is not read"
    } else {
        ""
    };
    ModelError::Layout(format!(
        "output {:?} does not hold 4 + {class_count} channels for the classes named{more}",
        output.shape
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tflite::Quantization;
    use super::*;

    fn tensor(shape: &[usize], scale: f32) -> TensorInfo {
        let quantization = Quantization { scale, zero_point: 0 };
        TensorInfo { name: "t".to_owned(), shape: shape.to_vec(), dtype: Dtype::Int8, quantization }
    }

    fn three_levels(size: usize, classes: usize) -> Vec<TensorInfo> {
        let level = |stride| {
            let cells = size / stride;
            [tensor(&[1, cells, cells, 64], 0.1), tensor(&[1, cells, cells, classes], 0.1)]
        };
        [32, 8, 16].into_iter().flat_map(level).collect()
    }

    #[test]
    fn any_size_and_class_count_of_the_raw_head() {
        for (size, classes) in [(224, 2), (640, 9), (160, 1)] {
            let input = Size::new(size as u32, size as u32);
            let head = recognise(&three_levels(size, classes), input, classes, None).unwrap();
            let Head::Raw { levels, bins } = head else { panic!("not raw") };
            assert_eq!(bins, 16);
            let strides: Vec<_> = levels.iter().map(|level| level.stride).collect();
            assert_eq!(strides, [8, 16, 32]);
            assert!(levels.iter().all(|l| l.rows == size / l.stride && l.boxes != l.classes));
        }
    }

    #[test]
    fn the_flat_layout_in_both_orders() {
        let input = Size::new(320, 320);
        for (shape, channels_first) in [([1, 6, 2100], true), ([1, 2100, 6], false)] {
            let head = recognise(&[tensor(&shape, 0.004)], input, 2, None).unwrap();
            assert_eq!(head, flat(2100, channels_first));
        }
    }

    /// The daemon's own lite model may have the finest level only.
    #[test]
    fn any_levels_of_the_raw_head() {
        let input = Size::new(320, 320);
        let all = three_levels(320, 2); // of strides 32, 8, 16
        for (kept, strides) in [(2..4, vec![8]), (0..2, vec![32]), (2..6, vec![8, 16])] {
            let head = recognise(&all[kept], input, 2, None).unwrap();
            let Head::Raw { levels, .. } = head else { panic!("not raw") };
            assert_eq!(levels.iter().map(|level| level.stride).collect::<Vec<_>>(), strides);
        }
    }

    fn flat(anchors: usize, channels_first: bool) -> Head {
        Head::Flat(Flat { anchors, channels_first, unit: Unit::Share })
    }

    fn end_to_end(rows: usize, columns_first: bool) -> Head {
        Head::EndToEnd(EndToEnd { rows, columns_first })
    }

    #[test]
    fn six_channels_of_two_classes_are_told_apart() {
        let (square, wide) = (Size::new(320, 320), Size::new(320, 192));
        let claims = [None, Some(Layout::Flat), Some(Layout::EndToEnd)];
        for (input, shape, outcomes) in [
            (
                square,
                [1, 300, 6],
                [Some(end_to_end(300, false)), None, Some(end_to_end(300, false))],
            ),
            (square, [1, 6, 300], [Some(end_to_end(300, true)), None, Some(end_to_end(300, true))]),
            (square, [1, 6, 2100], [Some(flat(2100, true)), Some(flat(2100, true)), None]),
            // one level of stride 8
            (square, [1, 1600, 6], [Some(flat(1600, false)), Some(flat(1600, false)), None]),
            // strides 16 and 32 of this input have 300 cells
            (wide, [1, 300, 6], [None, Some(flat(300, false)), Some(end_to_end(300, false))]),
        ] {
            for (claim, outcome) in claims.into_iter().zip(outcomes) {
                let found = recognise(&[tensor(&shape, 0.004)], input, 2, claim);
                assert_eq!(found.ok(), outcome, "{shape:?} of {input}, {claim:?}");
            }
        }
    }

    #[test]
    fn six_columns_of_other_numbers_of_classes_are_rows() {
        let input = Size::new(320, 320);
        for classes in [1, 3, 7] {
            let found = recognise(&[tensor(&[1, 300, 6], 0.004)], input, classes, None);
            assert_eq!(found.unwrap(), end_to_end(300, false));
        }
    }

    #[test]
    fn layouts_that_are_not_read_are_refused_by_name() {
        let input = Size::new(320, 320);
        let reason = |shapes: &[&[usize]], classes| {
            let outputs: Vec<_> = shapes.iter().map(|shape| tensor(shape, 0.004)).collect();
            recognise(&outputs, input, classes, None).unwrap_err().to_string()
        };
        let processed: [&[usize]; 4] = [&[1, 10, 4], &[1, 10], &[1, 10], &[1]];
        for turn in 0..4 {
            let mut outputs = processed;
            outputs.rotate_left(turn);
            assert!(reason(&outputs, 2).contains("post-processing"));
        }
        for (shape, classes) in [([1, 6300, 7], 2), ([1, 6300, 6], 1), ([1, 6, 6300], 1)] {
            assert!(reason(&[&shape], classes).contains("objectness"), "{shape:?}");
        }
        // segments and poses: more columns than six
        for shape in [[1, 300, 38], [1, 300, 57], [2, 300, 6]] {
            assert!(reason(&[&shape], 2).contains("4 + 2 channels"), "{shape:?}");
        }
    }

    #[test]
    fn broken_and_foreign_files_are_refused_with_the_reason() {
        let input = Size::new(320, 320);
        let reason = |outputs: &[TensorInfo], classes| {
            recognise(outputs, input, classes, None).unwrap_err().to_string()
        };
        assert!(reason(&[tensor(&[1, 6, 2100], 2.65)], 2).contains("share one output"));
        assert!(reason(&[tensor(&[1, 6, 2100], 0.004)], 3).contains("4 + 3 channels"));
        assert!(reason(&[tensor(&[1, 1000], 0.1)], 2).contains("neither"));
        let odd = [tensor(&[1, 33, 33, 64], 0.1), tensor(&[1, 33, 33, 2], 0.1)];
        assert!(reason(&odd, 2).contains("do not divide"));
        for (rows, columns) in [(0, 40), (40, 0)] {
            let none = [64, 2].map(|depth| tensor(&[1, rows, columns, depth], 0.1));
            assert!(reason(&none, 2).contains("neither"), "{rows}x{columns}");
        }
        assert!(reason(&three_levels(320, 2)[..4], 5).contains("neither"));
    }
}
