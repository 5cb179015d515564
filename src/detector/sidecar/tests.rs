use super::*;
use serde_json::{Value, json};

fn card() -> Value {
    json!({
        "schema": 1, "name": "expression-yolo12n", "version": "1.0.0", "task": "detect",
        "layout": "flat", "classes": ["happy", "not_happy"],
        "input": {"width": 320, "height": 256, "dtype": "int8", "scale": 0.003_921_57,
                  "zero_point": -128, "color": "RGB"},
        "thresholds": {"happy": 0.5, "not_happy": 0.4}, "nms_iou": 0.5,
        "close_look": 2.0,
        "groups": {"any": ["happy", "Not_Happy"]},
        "outputs": [{"role": "all", "tensor_index": 0, "shape": [1, 6, 1680],
                     "dtype": "int8", "scale": 0.004, "zero_point": -128}],
        "sha256": "ab".repeat(32),
        "self_test": {"picture": "self-test.jpg", "expect": [
            {"class": "happy", "box": [1, 2, 3, 4], "min_confidence": 0.5}]},
        "training": {"epochs": 100}, "license": "MIT OR Apache-2.0",
    })
}

fn parsed(value: &Value) -> Result<SideCar, String> {
    SideCar::parse(&value.to_string())
}

#[test]
fn what_only_informs_is_kept() {
    let card = parsed(&card()).unwrap();
    assert_eq!(card.about["training"]["epochs"], 100);
    assert_eq!(card.outputs[0].about["role"], "all");
    assert_eq!(parsed(&serde_json::to_value(&card).unwrap()).unwrap(), card);
}

/// Every wrong value is refused with the name of its key.
#[test]
fn wrong_values_name_their_key() {
    for (pointer, wrong, key) in [
        ("/schema", json!(2), "schema"),
        ("/name", json!("a/b"), "name"),
        ("/version", json!(""), "version"),
        ("/version", json!("1.2"), "version is \"1.2\""),
        ("/version", json!("v1.2.3"), "version is \"v1.2.3\""),
        ("/task", json!("classify"), "task"),
        ("/layout", json!("anchors"), "layout"),
        ("/classes", json!([]), "classes"),
        ("/classes/1", json!("happy"), "classes[1]"),
        ("/classes/0", json!("a\nb"), "classes[0]"),
        ("/classes/0", json!("Not_Happy"), "classes[1]"),
        ("/classes/0", json!("none"), "classes[0] is none"),
        ("/classes/1", json!("Unknown"), "classes[1] is Unknown"),
        ("/input/width", json!("wide"), "input.width"),
        ("/input/dtype", json!("int4"), "input.dtype"),
        ("/input/color", json!("BGR"), "input.color"),
        ("/thresholds", json!({"happy": 0.5}), "not_happy"),
        ("/thresholds/happy", json!(50), "thresholds.happy"),
        ("/nms_iou", json!(-0.1), "nms_iou"),
        ("/close_look", json!(0.5), "close_look"),
        ("/close_look", json!("near"), "close_look"),
        ("/groups", json!({"none": ["happy"]}), "groups.none"),
        ("/groups", json!({"any": []}), "groups.any is empty"),
        ("/groups", json!({"any": ["sad"]}), "groups.any has sad"),
        ("/groups", json!({"any": ["happy", "Happy"]}), "groups put happy into any twice"),
        ("/groups", json!({"Any": ["happy"], "any": ["happy"]}), "groups.any for the second"),
        ("/groups", json!({"any ": ["happy"]}), "groups.any , which has blanks"),
        ("/classes/0", json!(" neutral "), "classes[0] is  neutral , which has blanks"),
        ("/outputs/0/shape", json!([1, -6]), "outputs[0].shape[1]"),
        ("/sha256", json!("abc"), "sha256"),
        ("/self_test/picture", json!("../face.jpg"), "self_test.picture"),
        ("/self_test/expect", json!([]), "self_test.expect"),
        ("/self_test/expect/0/class", json!("sad"), "self_test.expect[0].class"),
        ("/self_test/expect/0/box", json!([3, 2, 1, 4]), "self_test.expect[0].box"),
        ("/self_test/expect/0/min_confidence", json!(2), "expect[0].min_confidence"),
    ] {
        let mut card = card();
        *card.pointer_mut(pointer).unwrap() = wrong;
        let reason = parsed(&card).unwrap_err();
        assert!(reason.contains(key), "{pointer}: {reason}");
    }
    for key in ["schema", "name", "classes", "input", "thresholds", "nms_iou", "sha256"] {
        let mut card = card();
        card.as_object_mut().unwrap().remove(key);
        let reason = parsed(&card).unwrap_err();
        assert!(reason.contains(key), "without {key}: {reason}");
    }
}

#[test]
fn nothing_may_stand_behind_the_json() {
    let text = format!("{:#}", card());
    assert_eq!(SideCar::parse(&format!("{text} \n")), SideCar::parse(&text));
    for rest in ["xx", "}", "{}", "\0", &text] {
        let reason = SideCar::parse(&format!("{text}\n{rest}")).unwrap_err();
        let line = format!("trailing characters at line {} column 1", text.lines().count() + 1);
        assert_eq!(reason, line, "{rest:?}");
    }
}

#[test]
fn a_side_car_of_another_file_names_what_differs() {
    let tensor = |shape: &[usize], scale| TensorInfo {
        name: "t".to_owned(),
        shape: shape.to_vec(),
        dtype: Dtype::Int8,
        quantization: Quantization { scale, zero_point: -128 },
    };
    let input = tensor(&[1, 256, 320, 3], 1.0 / 255.0);
    let outputs = [tensor(&[1, 6, 1680], 0.004)];
    let size = Size::new(320, 256);
    let against = |pointer: &str, value: Value| {
        let mut card = card();
        *card.pointer_mut(pointer).unwrap() = value;
        parsed(&card).unwrap().agrees(Layout::Flat, size, &input, &outputs)
    };
    assert_eq!(against("/version", json!("2.0.0")), Ok(()));
    for (pointer, wrong, key) in [
        ("/layout", json!("raw_dfl"), "layout"),
        ("/input/height", json!(320), "input.height"),
        ("/input/scale", json!(0.0078), "input.scale"),
        ("/input/zero_point", json!(0), "input.zero_point"),
        ("/outputs/0/tensor_index", json!(1), "outputs[0].tensor_index"),
        ("/outputs/0/shape", json!([1, 7, 1680]), "outputs[0].shape"),
        ("/outputs/0/scale", json!(2.65), "outputs[0].scale"),
    ] {
        let reason = against(pointer, wrong).unwrap_err();
        assert!(reason.starts_with(key), "{pointer}: {reason}");
    }
}
