//! Models as people export them: each layout is read as what it is, or refused by name.
//! The files are made by `tests/exports/make.py`; what an exporter appends is added here.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

const TODAY: &str = r#"{"task": "detect", "names": {"0": "happy", "1": "not_happy"}}"#;

const THREE: &str = r#"{"names": ["happy", "neutral", "sad"]}"#;

/// A model of `tests/exports` with a file in an archive behind it.
fn export(folder: &TempDir, model: &str, entry: &str, text: &str) -> PathBuf {
    let bytes = std::fs::read(format!("tests/exports/{model}.tflite")).unwrap();
    packed(folder, model, bytes, entry, text)
}

/// The same of these bytes.
fn packed(folder: &TempDir, model: &str, bytes: Vec<u8>, entry: &str, text: &str) -> PathBuf {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(entry, SimpleFileOptions::default()).unwrap();
    archive.write_all(text.as_bytes()).unwrap();
    let path = folder.path().join(format!("{model}.tflite"));
    std::fs::write(&path, [bytes, archive.finish().unwrap().into_inner()].concat()).unwrap();
    path
}

/// The owner's word about a model of two classes.
fn describe(model: &Path, layout: &str) {
    let sha256 = Sha256::digest(std::fs::read(model).unwrap());
    let card = json!({
        "schema": 1, "name": "mine", "version": "1.0.0", "layout": layout,
        "classes": ["happy", "not_happy"], "nms_iou": 0.5,
        "thresholds": {"happy": 0.5, "not_happy": 0.5},
        "input": {"width": 32, "height": 32, "dtype": "float32"}, "sha256": format!("{sha256:x}"),
    });
    std::fs::write(model.with_extension("json"), card.to_string()).unwrap();
}

/// The faces that are seen, or the exit code and the words.
fn detect(model: &Path) -> Result<Vec<Value>, (Option<i32>, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        // What these models see does not depend on where they look.
        .args(["detect", "--whole", "models/self-test.jpg", "--json", "--model"])
        .arg(model)
        .output()
        .unwrap();
    if !output.status.success() {
        return Err((output.status.code(), String::from_utf8(output.stderr).unwrap()));
    }
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(seen["faces"].as_array().unwrap().clone())
}

/// The one face of all these models, in the picture of 320x320.
fn assert_the_face(model: &Path, class: &str) {
    let faces = detect(model).unwrap();
    let [face] = &faces[..] else { panic!("{}: {faces:?}", model.display()) };
    assert_eq!(face["class"], class);
    assert!((face["confidence"].as_f64().unwrap() - 0.9).abs() < 0.001, "{face}");
    for (key, wanted) in [("x", 80.0), ("y", 80.0), ("width", 80.0), ("height", 160.0)] {
        let found = face["box"][key].as_f64().unwrap();
        assert!((found - wanted).abs() < 0.1, "{}: {key} of {face}", model.display());
    }
}

#[test]
fn every_layout_shows_the_same_face() {
    let folder = tempfile::tempdir().unwrap();
    let flagged = r#"{"end2end": true, "names": ["happy", "not_happy"]}"#;
    let asked = r#"{"args": {"nms": true}, "names": ["happy", "not_happy"]}"#;
    // Of a head that has its own suppression Ultralytics 8.3 says so.
    let not_asked = r#"{"args": {"nms": false}, "names": ["happy", "not_happy"]}"#;
    for (model, about) in [
        ("rows", flagged),
        ("rows", asked),
        ("rows", TODAY),
        ("rows", not_asked),
        ("flat", not_asked),
        ("rows", THREE),
        ("rows-pixels", flagged),
        ("rows-pixels", TODAY),
        ("flat", TODAY),
        ("flat-pixels", TODAY),
        ("one-level", TODAY),
    ] {
        assert_the_face(&export(&folder, model, "metadata.json", about), "happy");
    }
}

/// What an exporter wrote may be wrong, and only the side-car can be changed.
#[test]
fn of_two_layouts_the_side_car_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = r#"{"end2end": false, "names": ["a", "b"]}"#;
    let model = export(&folder, "rows", "metadata.json", wrong);
    assert!(detect(&model).unwrap_err().1.contains("\"layout\" of a side-car says"));
    describe(&model, "end_to_end");
    assert_the_face(&model, "happy");
    // It cannot make of a file what that is not.
    describe(&model, "flat");
    assert_eq!(detect(&model).unwrap_err().0, Some(70));
}

#[test]
fn older_exports_are_read_with_their_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{'description': 'Model', 'names': {0: 'happy', 1: 'not_happy'}, 'task': 'detect'}";
    for entry in ["temp_meta.txt", "meta.txt"] {
        assert_the_face(&export(&folder, "flat", entry, text), "happy");
    }
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (model, entry, about, words) in [
        ("post-process", "metadata.json", TODAY, "post-processing"),
        ("flat", "metadata.json", r#"{"end2end": true, "names": ["a", "b"]}"#, "end_to_end"),
        ("rows", "metadata.json", r#"{"end2end": false, "names": ["a", "b"]}"#, "flat"),
        ("flat", "metadata.json", r#"{"task": "pose", "names": ["a", "b"]}"#, "task 'pose'"),
        ("flat", "metadata.json", r#"{"names": ["a", "b", "c"]}"#, "4 + 3 channels"),
        ("flat", "metadata.json", r#"{"names": {"1": "a", "2": "b"}}"#, "none for class 0"),
        ("flat", "metadata.json", r#"{"names": ["none", "happy"]}"#, "classes[0] is none"),
        ("flat", "metadata.json", r#"{"names": ["none", "happy"]}"#, "a side-car can give it"),
        ("flat", "metadata.json", r#"{"names": ["happy", "Happy"]}"#, "second time"),
        ("flat", "temp_meta.txt", "{'names': {0: 'a}", "temp_meta.txt"),
        ("flat", "labels.txt", "a\nb\n", "names no classes"),
        ("logits", "metadata.json", TODAY, "with the sigmoid at their end"),
        ("confidences", "metadata.json", TODAY, "without the sigmoid at their end"),
        ("rows-bytes", "metadata.json", THREE, "with pictures of all classes"),
        ("no-rows", "metadata.json", TODAY, "has no boxes at all"),
        ("channels-first", "metadata.json", TODAY, "export with height, width, channels"),
        ("shorts", "metadata.json", TODAY, "export with int8 or float32 inputs and outputs"),
    ] {
        let (code, told) = detect(&export(&folder, model, entry, about)).unwrap_err();
        assert!(code == Some(70) && told.contains(words), "{model} {about}: {told}");
        let reason = told.lines().find(|line| line.starts_with("expressiond: ")).unwrap();
        assert!(told.trim().ends_with(reason), "more than one line: {told}");
    }
}

/// The committed one for close looks, as if its pixels were not divided by 255: it would see black.
#[test]
fn a_network_for_other_colours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read("models/expression-yolo12n-close.tflite").unwrap();
    let (usual, whole) = ((1.0_f32 / 255.0).to_le_bytes(), 1.0_f32.to_le_bytes());
    let places: Vec<usize> =
        (0..bytes.len() - 4).filter(|at| bytes[*at..at + 4] == usual).collect();
    assert!(!places.is_empty(), "its input is quantized as pictures are");
    for at in places {
        bytes[at..at + 4].copy_from_slice(&whole);
    }
    let model = packed(&folder, "others", bytes, "metadata.json", TODAY);
    let (code, told) = detect(&model).unwrap_err();
    assert!(code == Some(70) && told.contains("takes colours from 0 to 255"), "{told}");
}

fn sensors(model: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["discovery", "--json", "--config", "/dev/null", "--set", "device.id=test", "--set"])
        .arg(format!("model.path={}", model.display()))
        // As the guides have it, and where only the service finds it.
        .args(["--set", "mqtt.username=board", "--set", "mqtt.password_file=mqtt-password"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whoever trained the model, and on whichever set: Home Assistant has the same entity.
#[test]
fn a_class_that_means_happy_has_its_entity_whatever_its_case() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["happy", "Happy", "HAPPINESS", "Smile"] {
        let about = format!(r#"{{"names": ["{class}", "other"]}}"#);
        let model = export(&folder, "flat", "metadata.json", &about);
        assert_the_face(&model, class);
        let told = sensors(&model).to_string();
        assert!(told.contains("camera_happy"), "{class}: {told}");
        assert!(
            told.contains(&format!(r#"value_json.expression == \"{class}\""#)),
            "{class}: {told}"
        );
    }
    let model = export(&folder, "flat", "metadata.json", r#"{"names": ["not_happy", "unhappy"]}"#);
    assert!(!sensors(&model).to_string().contains("camera_happy"));
}
