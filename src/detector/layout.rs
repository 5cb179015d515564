//! Which of the two output layouts a file has, told by the shapes of its tensors.

use super::ModelError;
use super::flat_head::Flat;
use super::raw_head::Level;
use super::sidecar::Layout;
use super::tflite::{Dtype, TensorInfo};
use crate::geometry::Size;

/// How the outputs are to be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// Levels, and bins of each side's distribution.
    Raw {
        levels: Vec<Level>,
        bins: usize,
    },
    Flat(Flat),
}

impl Head {
    /// The layout's name in a side-car.
    pub fn layout(&self) -> Layout {
        match self {
            Self::Raw { .. } => Layout::RawDfl,
            Self::Flat(_) => Layout::Flat,
        }
    }
}

/// Sides of a box.
const SIDES: usize = 4;
/// With one scale for pixels and confidences, a step of this size leaves only a
/// few different confidences: such an export finds nothing.
const COARSEST_CONFIDENCE: f32 = 0.05;

/// The picture size of an input `[1, height, width, 3]`.
pub fn input_size(input: &TensorInfo) -> Result<Size, ModelError> {
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

/// Recognises the layout of `outputs` for `class_count` classes.
pub fn recognise(
    outputs: &[TensorInfo],
    input: Size,
    class_count: usize,
) -> Result<Head, ModelError> {
    match outputs {
        [only] if only.shape.len() == 3 => flat(only, class_count),
        many if many.len() >= 2 && many.len().is_multiple_of(2) => raw(many, input, class_count),
        _ => Err(foreign(outputs)),
    }
}

fn foreign(outputs: &[TensorInfo]) -> ModelError {
    let shapes: Vec<String> = outputs.iter().map(|o| format!("{:?}", o.shape)).collect();
    ModelError::Layout(format!(
        "outputs {} are neither a box and a class tensor per level nor one \
         [1, 4 + classes, anchors]: export as docs/ref/model.md describes",
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
        if depth % SIDES != 0 || bins.is_some_and(|bins| bins != depth / SIDES) || rows == 0 {
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

fn flat(output: &TensorInfo, class_count: usize) -> Result<Head, ModelError> {
    let channels = SIDES + class_count;
    let flat = match output.shape[..] {
        [1, first, anchors] if first == channels => Flat { anchors, channels_first: true },
        [1, anchors, last] if last == channels => Flat { anchors, channels_first: false },
        _ => {
            return Err(ModelError::Layout(format!(
                "output {:?} does not hold 4 + {class_count} channels for the classes named",
                output.shape
            )));
        }
    };
    if output.dtype != Dtype::Float32 && output.quantization.scale > COARSEST_CONFIDENCE {
        return Err(ModelError::Layout(format!(
            "boxes and confidences share one output with scale {}: every confidence below it is \
             zero. Export with separate outputs or with normalised coordinates",
            output.quantization.scale
        )));
    }
    Ok(Head::Flat(flat))
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
            let head = recognise(&three_levels(size, classes), input, classes).unwrap();
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
            let head = recognise(&[tensor(&shape, 0.004)], input, 2).unwrap();
            assert_eq!(head, Head::Flat(Flat { anchors: 2100, channels_first }));
        }
    }

    #[test]
    fn broken_and_foreign_files_are_refused_with_the_reason() {
        let input = Size::new(320, 320);
        let reason = |outputs: &[TensorInfo], classes| {
            recognise(outputs, input, classes).unwrap_err().to_string()
        };
        assert!(reason(&[tensor(&[1, 6, 2100], 2.65)], 2).contains("share one output"));
        assert!(reason(&[tensor(&[1, 6, 2100], 0.004)], 3).contains("4 + 3 channels"));
        assert!(reason(&[tensor(&[1, 1000], 0.1)], 2).contains("neither"));
        let odd = [tensor(&[1, 33, 33, 64], 0.1), tensor(&[1, 33, 33, 2], 0.1)];
        assert!(reason(&odd, 2).contains("do not divide"));
        assert!(reason(&three_levels(320, 2)[..4], 5).contains("neither"));
    }
}
