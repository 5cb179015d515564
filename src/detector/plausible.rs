//! Whether numbers can be what the layout says that they are: logits, confidences, numbers of
//! classes. Shapes do not tell these apart, and a network that is read as another finds faces
//! everywhere, or hardly any.

use std::ops::RangeInclusive;

use super::ModelError;
use super::end_to_end::tolerance;
use super::flat_head::Flat;
use super::floor::Floor;
use super::layout::Head;
use super::raw_head::{Level, sigmoid};
use super::sample::Output;
use super::settings::FLOOR;
use super::tflite::{Engine, TensorInfo};

/// What confidences may be: a little more than 0 to 1, since integers are steps.
const CONFIDENCES: RangeInclusive<f32> = -0.05..=1.05;

/// What can be told from the integers of quantized outputs alone.
///
/// # Errors
///
/// They cannot stand for what this layout has; says how to export instead.
pub(super) fn check_ranges(
    head: &Head,
    outputs: &[TensorInfo],
    class_count: usize,
) -> Result<(), ModelError> {
    let most = match head {
        Head::Raw { levels, .. } => {
            let tensors = levels.iter().map(|level| &outputs[level.classes]);
            tensors.clone().try_for_each(check_logits)?;
            // One of floats may be as confident as can be.
            tensors
                .map(|tensor| tensor.range().map_or(1.0, |(_, most)| sigmoid(most)))
                .reduce(f32::max)
        }
        Head::EndToEnd(_) => {
            check_numbers(&outputs[0], class_count)?;
            outputs[0].range().map(|(_, most)| most)
        }
        Head::Flat(_) => outputs[0].range().map(|(_, most)| most),
    };
    most.map_or(Ok(()), |most| check_confidence(most, class_count))
}

/// A sigmoid makes at least a half of what is never below 0: that would be faces everywhere.
fn check_logits(tensor: &TensorInfo) -> Result<(), ModelError> {
    match tensor.range() {
        Some((least, most)) if least >= 0.0 => Err(ModelError::Layout(format!(
            "{} holds {least:.2} to {most:.2}, no logits: {WITHOUT_SIGMOID}",
            tensor.name
        ))),
        _ => Ok(()),
    }
}

/// One scale serves boxes, confidences and the numbers of classes, which are taken as whole ones
/// where they nearly are.
fn check_numbers(output: &TensorInfo, class_count: usize) -> Result<(), ModelError> {
    let last = class_count.saturating_sub(1);
    let nearly = tolerance(output.quantization.scale);
    match output.range() {
        Some((_, most)) if most + nearly < last as f32 => Err(ModelError::Layout(format!(
            "its integers mean {most:.2} at most, so that no box can have a class number up to \
                 {last}: calibrate the quantization with pictures of all classes, or export \
                 without suppression (docs/ref/model.md)"
        ))),
        _ => Ok(()),
    }
}

/// `most` is what a class can have at most. A floor that an owner has set higher than any face is
/// the settings' fault, not the model's.
fn check_confidence(most: f32, class_count: usize) -> Result<(), ModelError> {
    if most >= Floor::new(FLOOR, class_count).strongest {
        return Ok(());
    }
    Err(ModelError::Layout(format!(
        "its integers mean a confidence of {most:.2} at most, which is no face (model.floor is \
         {FLOOR} by default): calibrate the quantization with pictures of all classes, or export without \
         quantization (docs/ref/model.md)"
    )))
}

/// What can be told from the outputs for an empty picture.
///
/// # Errors
///
/// They hold confidences where logits belong, or the other way round.
pub(super) fn check_blank(
    head: &Head,
    engine: &Engine,
    class_count: usize,
) -> Result<(), ModelError> {
    match head {
        Head::Raw { levels, .. } => blank_raw(levels, engine, class_count),
        Head::Flat(flat) => blank_flat(*flat, engine, class_count),
        // Each row that counts is checked when it is read.
        Head::EndToEnd(_) => Ok(()),
    }
}

const WITHOUT_SIGMOID: &str = "a confidence seems to be made of each already. Export the classes \
                               without the sigmoid at their end (docs/ref/model.md)";

fn blank_raw(levels: &[Level], engine: &Engine, class_count: usize) -> Result<(), ModelError> {
    for level in levels {
        let tensor = engine.output(level.classes)?;
        let output = Output::of(&tensor, &engine.outputs[level.classes]);
        let count = level.rows * level.columns * class_count;
        if (0..count).any(|index| output.real(index) < 0.0) {
            return Ok(());
        }
    }
    Err(ModelError::Layout(format!(
        "on an empty picture no class number is below 0, as logits would be: {WITHOUT_SIGMOID}"
    )))
}

fn blank_flat(flat: Flat, engine: &Engine, class_count: usize) -> Result<(), ModelError> {
    let tensor = engine.output(0)?;
    let output = Output::of(&tensor, &engine.outputs[0]);
    let numbers = (0..flat.anchors)
        .flat_map(|anchor| (0..class_count).map(move |class| (class, anchor)))
        .map(|(class, anchor)| output.real(flat.class_index(class, anchor, class_count)));
    match numbers.into_iter().find(|number| !CONFIDENCES.contains(number)) {
        None => Ok(()),
        Some(number) => Err(ModelError::Layout(format!(
            "on an empty picture a class has {number:.2}, no confidence from 0 to 1: a logit, it \
             seems. Export the classes with the sigmoid at their end (docs/ref/model.md)"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::end_to_end::EndToEnd;
    use super::super::flat_head::Unit;
    use super::super::tflite::{Dtype, Quantization};
    use super::*;

    fn tensor(scale: f32, zero_point: i32) -> TensorInfo {
        let quantization = Quantization { scale, zero_point };
        TensorInfo { name: "t".to_owned(), shape: Vec::new(), dtype: Dtype::Int8, quantization }
    }

    fn told(head: &Head, outputs: &[TensorInfo], class_count: usize) -> String {
        check_ranges(head, outputs, class_count)
            .map_or_else(|why| why.to_string(), |()| String::new())
    }

    #[test]
    fn one_scale_holds_the_numbers_of_all_classes_and_a_confidence_that_counts() {
        let head = Head::EndToEnd(EndToEnd { rows: 30, columns_first: false });
        // From 0 to 1, as normalised boxes have it: of two classes the second is 1.
        let share = 1.0 / 255.0;
        assert_eq!(told(&head, &[tensor(share, -128)], 2), "");
        assert_eq!(told(&head, &[tensor(2.0 * share, -128)], 3), "");
        // TensorFlow Lite's scale of what ends with a sigmoid; and half a step below the last one.
        assert_eq!(told(&head, &[tensor(1.0 / 256.0, -128)], 2), "");
        assert_eq!(told(&head, &[tensor(2.0 / 256.0, -128)], 3), "");
        assert_eq!(told(&head, &[tensor(2.0 / 255.4, -128)], 3), "");
        for (scale, count) in [(share, 3), (1.03 * share, 3), (5.9 * share, 7)] {
            let reason = told(&head, &[tensor(scale, -128)], count);
            let remedy = "pictures of all classes, or export without suppression";
            assert!(reason.contains(remedy), "{scale} {count}: {reason}");
        }
        let floats = TensorInfo { dtype: Dtype::Float32, ..tensor(1.0, 0) };
        assert_eq!(told(&head, &[floats], 7), "");
    }

    #[test]
    fn some_confidence_is_a_face() {
        let flat = Flat { anchors: 21, channels_first: true, unit: Unit::Share };
        let to = |most: f32| [tensor(most / 255.0, -128)];
        assert_eq!(told(&Head::Flat(flat), &to(0.15), 2), "");
        let reason = told(&Head::Flat(flat), &to(0.08), 2);
        assert!(reason.contains("0.08 at most") && reason.contains("is 0.1"), "{reason}");
        // More than two add up to a face.
        assert_eq!(told(&Head::Flat(flat), &to(0.08), 3), "");
        // Of several levels one is enough: not each has seen faces of its size.
        let level = |classes| Level { rows: 1, columns: 1, stride: 8, boxes: 0, classes };
        let raw = Head::Raw { levels: vec![level(0), level(1)], bins: 16 };
        let up_to = |most: f32| tensor(0.1, 127 - (most / 0.1) as i32);
        assert_eq!(told(&raw, &[up_to(-4.0), up_to(1.0)], 2), "");
        let reason = told(&raw, &[up_to(-4.0), up_to(-3.0)], 2);
        assert!(reason.contains("0.05 at most"), "{reason}");
    }

    #[test]
    fn logits_are_below_0_where_there_is_no_face() {
        let level = Level { rows: 1, columns: 1, stride: 8, boxes: 0, classes: 0 };
        let raw = Head::Raw { levels: vec![level], bins: 16 };
        let reason = told(&raw, &[tensor(1.0 / 256.0, -128)], 2);
        assert!(reason.contains("without the sigmoid"), "{reason}");
        assert_eq!(told(&raw, &[tensor(0.1, 0)], 2), "");
    }
}
