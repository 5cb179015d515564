//! Sets of copies of the committed self-test picture, models that call their classes otherwise, and
//! the command on both.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::program::program;

/// Where the committed self-test picture has its face, as a line of labels.
pub fn face_line(class: usize) -> String {
    let card: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("models/expression-yolo12n.json").unwrap())
            .unwrap();
    let edges: Vec<f64> = card["self_test"]["expect"][0]["box"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge.as_f64().unwrap() / 320.0)
        .collect();
    let [left, top, right, bottom] = edges[..] else { panic!("a box has four edges") };
    let (x, y, w, h) = ((left + right) / 2.0, (top + bottom) / 2.0, right - left, bottom - top);
    format!("{class} {x} {y} {w} {h}")
}

/// A set of copies of that picture, which the model must get right: for each name the
/// text of its label file.
pub fn set(yaml: &str, labels: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["images", "labels"] {
        std::fs::create_dir_all(folder.path().join(kind).join("val")).unwrap();
    }
    for (name, text) in labels {
        let picture = folder.path().join(format!("images/val/{name}.jpg"));
        std::fs::copy("models/self-test.jpg", picture).unwrap();
        std::fs::write(folder.path().join(format!("labels/val/{name}.txt")), text).unwrap();
    }
    std::fs::write(folder.path().join("data.yaml"), yaml).unwrap();
    folder
}

pub fn evaluate(folder: &Path, more: &[&str]) -> Output {
    let words = [&["evaluate"], more].concat();
    program(&words).arg(folder.join("data.yaml")).output().unwrap()
}

pub fn json(folder: &Path, more: &[&str]) -> Value {
    let output = evaluate(folder, &[&["--json"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub const YAML: &str = "val: images/val\nnames: [happy, not_happy]\n";

/// The committed model under a side-car that calls its classes otherwise.
pub fn renamed(folder: &Path, classes: [&str; 2]) -> std::path::PathBuf {
    let text = std::fs::read_to_string("models/expression-yolo12n.json").unwrap();
    let mut card: Value = serde_json::from_str(&text).unwrap();
    let before: Vec<String> = serde_json::from_value(card["classes"].clone()).unwrap();
    let name = |class: &Value| classes[before.iter().position(|b| class == b.as_str()).unwrap()];
    let thresholds = card["thresholds"].as_object().unwrap().iter();
    // Names are compared whatever the case of their letters.
    let renamed = thresholds
        .map(|(class, value)| (name(&class.as_str().into()).to_uppercase(), value.clone()));
    let renamed = renamed.collect::<serde_json::Map<_, _>>();
    let expected = name(&card["self_test"]["expect"][0]["class"]).to_owned();
    card["thresholds"] = renamed.into();
    card["self_test"]["expect"][0]["class"] = expected.into();
    card["classes"] = classes.as_slice().into();
    card["groups"] = serde_json::json!({ "bright": [classes[0]], "dull": [classes[1]] });
    let model = folder.join("renamed.tflite");
    std::fs::copy("models/expression-yolo12n.tflite", &model).unwrap();
    std::fs::copy("models/self-test.jpg", folder.join("self-test.jpg")).unwrap();
    std::fs::write(model.with_extension("json"), card.to_string()).unwrap();
    model
}
