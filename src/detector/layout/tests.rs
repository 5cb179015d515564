//! Which layouts are recognised, and what is refused.

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
        (square, [1, 300, 6], [Some(end_to_end(300, false)), None, Some(end_to_end(300, false))]),
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
    for shape in [[1, 0, 6], [1, 6, 0], [1, 300, 0]] {
        assert!(reason(&[&shape], 2).contains("no boxes at all"), "{shape:?}");
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
    assert!(reason(&three_levels(320, 64), 64).contains("cannot be told"));
}

#[test]
fn an_input_is_one_picture_with_its_channels_last() {
    let reason = |shape: &[usize]| input_size(&tensor(shape, 1.0)).unwrap_err().to_string();
    assert!(reason(&[1, 3, 320, 320]).contains("channels come first; export with height"));
    for shape in [&[2, 320, 320, 3][..], &[1, 320, 320, 1], &[1, 5000, 320, 3], &[1, 0, 320, 3]] {
        assert!(reason(shape).contains("export it as [1, height, width, 3]"), "{shape:?}");
    }
    // As wide as there are channels.
    assert_eq!(input_size(&tensor(&[1, 3, 320, 3], 1.0)).unwrap(), Size::new(320, 3));
}

#[test]
fn an_input_takes_colours_from_0_to_1() {
    let check = |dtype, scale, zero_point| {
        let quantization = Quantization { scale, zero_point };
        check_colours(&TensorInfo { dtype, quantization, ..tensor(&[1, 32, 32, 3], 1.0) })
    };
    for (dtype, scale, zero_point) in [
        (Dtype::Int8, 1.0 / 255.0, -128),
        (Dtype::UInt8, 1.0 / 255.0, 0),
        // As calibration on pictures finds it.
        (Dtype::Int8, 0.003_9, -128),
        (Dtype::Int8, 0.003_7, -126),
        (Dtype::UInt8, 1.0 / 256.0, 0),
        // Zero in the middle.
        (Dtype::Int8, 1.0 / 127.0, 0),
        // Not quantized: nothing says what it takes.
        (Dtype::Float32, 1.0, 0),
    ] {
        assert!(check(dtype, scale, zero_point).is_ok(), "{dtype:?} {scale} {zero_point}");
    }
    for (dtype, scale, zero_point, range) in [
        (Dtype::Int8, 1.0, -128, "from 0 to 255"),
        (Dtype::UInt8, 1.0, 0, "from 0 to 255"),
        // Less the mean and by the deviation of ImageNet.
        (Dtype::Int8, 0.018_66, -15, "from -2.1 to 2.6"),
    ] {
        let reason = check(dtype, scale, zero_point).unwrap_err().to_string();
        assert!(reason.contains(range) && reason.contains("0 to 1"), "{reason}");
    }
}
