//! Which output layout a file has: told by the shapes of its tensors and, where these
//! fit two layouts, by what the file or its side-car says.

use std::ops::RangeInclusive;

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
        [1, 3, _, _] => Err(ModelError::Layout(format!(
            "input {} is {:?}: channels come first; export with height, width, channels: \
             [1, height, width, 3] (docs/ref/model.md)",
            input.name, input.shape
        ))),
        _ => Err(ModelError::Layout(format!(
            "input {} is {:?}: export it as [1, height, width, 3], one picture of at most \
             4096x4096 (docs/ref/model.md)",
            input.name, input.shape
        ))),
    }
}

/// A quantized input tells which numbers it takes. A picture is given as 0 to 1, whatever these
/// are: a network for 0 to 255 would see black. Calibration on pictures moves the ends a little,
/// and quantization with zero in the middle (PyTorch's) leaves room for -1 to 0, which is unused.
pub(super) fn check_colours(input: &TensorInfo) -> Result<(), ModelError> {
    const BLACK: RangeInclusive<f32> = -1.1..=0.25;
    const WHITE: RangeInclusive<f32> = 0.5..=2.0;
    match input.range() {
        Some((black, white)) if !(BLACK.contains(&black) && WHITE.contains(&white)) => {
            let tenths = |value: f32| (value * 10.0).round() / 10.0;
            Err(ModelError::Layout(format!(
                "input {} takes colours from {} to {}, it must take 0 to 1: with pictures it would \
                 see black or grey. Export it with colours divided by 255 \
                 (docs/ref/model.md)",
                input.name,
                tenths(black),
                tenths(white)
            )))
        }
        _ => Ok(()),
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
                "{} is {:?} but {} is {:?}: export both tensors \
                 of a level with one type",
                info.name, info.dtype, outputs[classes].name, outputs[classes].dtype
            )));
        }
        let stride = input.width as usize / columns;
        if stride * columns != input.width as usize || stride * rows != input.height as usize {
            return Err(ModelError::Layout(format!(
                "{} has {columns}x{rows} cells, which do not divide an input of {input}: export with \
                 sides that are multiples of the largest stride",
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
        // All are as deep as those of classes, and boxes may be so, too.
        None if class_count.is_multiple_of(SIDES) && class_count >= 2 * SIDES => {
            Err(ModelError::Layout(format!(
                "outputs all have {class_count} channels, as many as there are classes: which are \
                 boxes, with {} bins for each side, cannot be told. Export with another number of \
                 classes or bins, or with one output (docs/ref/model.md)",
                class_count / SIDES
            )))
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
    if first == 0 || last == 0 {
        return Err(ModelError::Layout(format!(
            "output {:?} has no boxes at all: export as docs/ref/model.md describes",
            output.shape
        )));
    }
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
             zero. Export with coordinates normalised to 0 to 1, without quantization, or with the \
             raw outputs of each level (docs/ref/model.md)",
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
        "it has one more, the objectness of YOLOv5 and YOLOv7, which is not read"
    } else {
        "name all of its classes, or export as docs/ref/model.md describes"
    };
    ModelError::Layout(format!(
        "output {:?} does not hold 4 + {class_count} channels for the classes named; {more}",
        output.shape
    ))
}

#[cfg(test)]
mod tests;
