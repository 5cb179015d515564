//! Our numbers against those of pycocotools, and the commands `evaluate` and `detect` on the
//! committed model.

mod detect;
#[path = "../daemon/program.rs"]
mod program;
#[path = "../reference/mod.rs"]
mod reference;
mod set;

use std::os::unix::ffi::OsStrExt;

use expressiond::detector::Detection;
use expressiond::evaluate::Truth;
use expressiond::evaluate::average_precision::PictureResult;
use expressiond::evaluate::pairs::followed;
use expressiond::evaluate::summary::summarize;
use expressiond::geometry::Rect;
use program::program;
use reference::names_the_keys;
use serde::Deserialize;
use serde_json::Value;
use set::{YAML, evaluate, face_line, json, renamed, set};

#[derive(Deserialize)]
struct Case {
    map50: f32,
    map50_95: f32,
    #[serde(rename = "sheets")]
    results: Vec<RawResult>,
}

#[derive(Deserialize)]
struct RawResult {
    found: Vec<[f32; 6]>,
    truth: Vec<[f32; 5]>,
}

fn result(raw: &RawResult) -> PictureResult {
    let rect = |edges: &[f32]| Rect::from_edges(edges[0], edges[1], edges[2], edges[3]);
    let found = raw.found.iter().map(|row| Detection {
        class: row[5] as usize,
        confidence: row[4],
        rect: rect(row),
    });
    let truth = raw.truth.iter().map(|row| Truth { class: row[4] as usize, rect: rect(row) });
    let found: Vec<Detection> = found.collect();
    PictureResult { faces: followed(&found, 2), found, truth: truth.collect() }
}

#[test]
fn agrees_with_pycocotools() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../coco/coco.json")).unwrap();
    let names = ["a".to_owned(), "b".to_owned()];
    for case in cases {
        let results: Vec<PictureResult> = case.results.iter().map(result).collect();
        let groups = vec![String::new(); results.len()];
        let summary = summarize("m", &names, &[0.5, 0.5], &results, &groups);
        let map50 = summary.map50.unwrap();
        assert!((map50 - case.map50).abs() < 0.002, "{map50} for {}", case.map50);
        let strict = (summary.map50_95.unwrap(), case.map50_95);
        assert!((strict.0 - strict.1).abs() < 0.002, "{} for {}", strict.0, strict.1);
        // every face and every detection at that confidence stands once in the matrix
        let faces: usize = results.iter().map(|result| result.truth.len()).sum();
        let rows: usize = summary.confusion.counts[..2].iter().flatten().sum();
        assert_eq!(rows, faces);
    }
}

/// Not a class of this set is measured that it does not label: mAP is 1, as COCO has it.
#[test]
fn a_class_without_labels_counts_into_nothing() {
    let face = face_line(0);
    let names = ["home_1", "home_2", "street_1", "street_2"];
    let folder = set(YAML, &names.map(|name| (name, &*face)));
    let result = json(folder.path(), &[]);
    for pointer in ["/map50", "/groups/0/map50", "/groups/1/map50", "/best_f1/value"] {
        assert!(result.pointer(pointer).unwrap().as_f64().unwrap() > 0.99, "{pointer}: {result}");
    }
    assert!(result["best_f1"]["confidence"].as_f64().unwrap() > 0.1, "{result}");
    assert_eq!(result["classes"][1]["faces"], 0);
    assert!(result["classes"][1]["ap50"].is_null(), "{result}");
    let report = folder.path().join("report");
    let output = evaluate(folder.path(), &["--report", report.to_str().unwrap()]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("no face of it in the set"), "{told}");
    assert!(std::fs::read_to_string(report.join("index.html")).unwrap().contains("no face"));
}

/// What took minutes to measure is not lost with the report of it.
#[test]
fn a_report_that_cannot_be_written_does_not_cost_the_numbers() {
    let folder = set(YAML, &[("home_1", &face_line(0))]);
    let report = folder.path().join("report");
    std::fs::create_dir_all(report.join("index.html")).unwrap();
    let output = evaluate(folder.path(), &["--json", "--report", report.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(74));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["map50"].as_f64().unwrap() > 0.99, "{result}");
    let file = folder.path().join("data.yaml/report");
    let output = evaluate(folder.path(), &["--report", file.to_str().unwrap()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(74), 0), "known before it looks");
}

/// Every form of a set that well-known programs write gives the same number.
#[test]
fn sets_and_labels_as_people_have_them() {
    let face = face_line(0);
    let confident = format!("{face} 0.93");
    let folder = set(YAML, &[("a", &face), ("b", &confident)]);
    std::fs::write(folder.path().join("val.txt"), "\u{feff}./images/val/a.jpg\r\n").unwrap();
    let inner = folder.path().join("images/val/more");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::create_dir_all(folder.path().join("labels/val/more")).unwrap();
    std::fs::copy("models/self-test.jpg", inner.join("c.jpg")).unwrap();
    std::fs::write(folder.path().join("labels/val/more/c.txt"), face_line(0)).unwrap();
    for (yaml, images) in [
        (YAML, 3),
        ("val: val.txt\nnames: [happy, not_happy]", 1),
        ("path: .\nval: [val.txt, images/val]\nnames: {0: Happy, 1: Not_Happy}", 3),
        ("val: ../images/val/more\nnames: ['happy', 'not_happy']", 1),
        ("\u{feff}val: images\\val\r\nnames:\r\n  0: happy\r\n  1: not_happy\r\n", 3),
    ] {
        std::fs::write(folder.path().join("data.yaml"), yaml).unwrap();
        let result = json(folder.path(), &[]);
        assert_eq!(result["images"], images, "{yaml}");
        assert!(result["map50"].as_f64().unwrap() > 0.99, "{yaml}: {result}");
    }
    // the other way round: numbers are those of the names, not of the model
    std::fs::write(folder.path().join("labels/val/a.txt"), face_line(1)).unwrap();
    let yaml = "val: val.txt\nnames: [not_happy, happy]";
    std::fs::write(folder.path().join("data.yaml"), yaml).unwrap();
    assert!(json(folder.path(), &[])["map50"].as_f64().unwrap() > 0.99);
}

/// Whatever is wrong with single files: the rest is measured, and they are named.
#[test]
fn files_that_cannot_be_used_are_left_out_counted_and_named() {
    let face = face_line(0);
    let folder =
        set(YAML, &[("a", &face), ("broken", &face), ("lines", "0 .5 .5 x .5"), ("w", "")]);
    let images = folder.path().join("images/val");
    let whole = std::fs::read(images.join("a.jpg")).unwrap();
    std::fs::write(images.join("broken.jpg"), &whole[..whole.len() / 5]).unwrap();
    std::fs::write(images.join("w.jpg"), b"RIFF\x1a\0\0\0WEBPVP8L").unwrap();
    std::fs::write(images.join("._a.jpg"), b"\0\x05\x16\x07").unwrap();
    std::fs::write(images.join("empty.png"), b"").unwrap();
    let latin = std::ffi::OsStr::from_bytes(b"b\xfcro.jpg");
    std::fs::write(images.join(latin), b"").unwrap();
    let result = json(folder.path(), &[]);
    assert_eq!(result["images"], 1, "{result}");
    assert!(result["map50"].as_f64().unwrap() > 0.99, "{result}");
    let left_out = result["left_out"].as_array().unwrap();
    for name in ["broken.jpg", "lines.jpg", "w.jpg", "._a.jpg", "empty.png", "b\u{fffd}ro.jpg"] {
        let named = left_out.iter().find(|file| file["file"].as_str().unwrap().ends_with(name));
        assert!(named.is_some_and(|file| !file["reason"].as_str().unwrap().is_empty()), "{name}");
    }
    assert_eq!(left_out.len(), 6, "{result}");
    let told = evaluate(folder.path(), &[]);
    let told = String::from_utf8(told.stdout).unwrap();
    for words in ["6 files left out", "lines.txt:1", "broken.jpg"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// Sets come from anywhere, and so do the names in them.
#[test]
fn what_a_set_holds_commands_no_terminal_and_fills_none() {
    let face = face_line(0);
    let long = "0 ".repeat(1 << 19);
    let folder =
        set(YAML, &[("a", &face), ("clear\u{1b}[2J\nforged", "0 \u{1b}[2J"), ("z", &long)]);
    let images = folder.path().join("images/val");
    std::fs::write(images.join("empty\u{1b}[2J.jpg"), b"").unwrap();
    let output = evaluate(folder.path(), &["--whole"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("3 files left out"), "{told}");
    assert!(!told.contains('\u{1b}') && told.len() < 2000, "{told:?}");
    assert!(!told.lines().any(|line| line.starts_with("forged")), "{told}");
    let detect = program(&["detect", "--whole"])
        .args(["clear\u{1b}[2J\nforged.jpg", "empty\u{1b}[2J.jpg"].map(|name| images.join(name)))
        .output()
        .unwrap();
    for bytes in [detect.stdout, detect.stderr] {
        let told = String::from_utf8(bytes).unwrap();
        assert!(told.contains("[2J") && !told.contains('\u{1b}'), "{told:?}");
        assert!(!told.lines().any(|line| line.starts_with("forged")), "{told}");
    }
}

#[test]
fn what_measures_nothing_is_an_error_with_the_place() {
    let face = face_line(0);
    let folder = set(YAML, &[("a", &face)]);
    let refused = |more: &[&str]| {
        let output = evaluate(folder.path(), more);
        assert_eq!(output.status.code(), Some(65), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["--split", "valid"]).contains("it has val"));
    assert!(refused(&["--group", "x"]).contains("begins with 'x'"));
    // what macOS adds to a set is not why
    std::fs::write(folder.path().join("images/val/._a.jpg"), b"\0\x05\x16\x07").unwrap();
    assert!(refused(&["--group", "x"]).contains("begins with 'x'"));
    std::fs::write(folder.path().join("labels/val/a.txt"), "x").unwrap();
    let told = refused(&[]);
    assert!(told.contains("none of 1 pictures can be used") && told.contains("a.txt:1"), "{told}");
    assert_eq!(told.matches("a.txt").count(), 1, "{told}");
    std::fs::remove_file(folder.path().join("labels/val/a.txt")).unwrap();
    let told = refused(&[]);
    assert!(told.contains("labels/val/a.txt") && !told.contains("mAP"), "{told}");
}

/// Pictures without a face say how many false alarms there are, and no mean of nothing.
#[test]
fn a_set_without_a_face_measures_false_alarms_only() {
    let folder = set(YAML, &[("a", "")]);
    let result = json(folder.path(), &[]);
    assert!(result["map50"].is_null() && result["best_f1"].is_null(), "{result}");
    assert_eq!(result["false_alarms"]["pictures"], 1);
    assert!(result["false_alarms"]["boxes"].as_u64().unwrap() > 0, "{result}");
    let told = String::from_utf8(evaluate(folder.path(), &[]).stdout).unwrap();
    assert!(told.contains("no face is labelled"), "{told}");
}

/// A row for each key, and in it what is within: docs/ref/evaluate.md is a contract.
#[test]
fn the_command_writes_the_documented_keys_and_a_report() {
    let face = face_line(0);
    // Of two places, for groups, and a file that is none, to be left out.
    let names = ["nasa_1", "nasa_2", "street_1", "street_2", "street_3"];
    let folder = set(YAML, &names.map(|name| (name, &*face)));
    std::fs::write(folder.path().join("images/val/street_3.jpg"), "").unwrap();
    let report = folder.path().join("report");
    let result = json(folder.path(), &["--report", report.to_str().unwrap()]);
    names_the_keys(include_str!("../../docs/ref/evaluate.md"), &result);
    assert_eq!(result["images"], 4);
    assert!(result["classes"][0]["ap50"].as_f64().unwrap() > 0.99);
    for file in ["index.html", "f1.svg", "precision.svg", "recall.svg", "confusion.svg"] {
        assert!(std::fs::metadata(report.join(file)).unwrap().len() > 500, "{file}");
    }
}

/// A model of one vocabulary is measured on sets of others.
#[test]
fn groups_are_measured_on_sets_that_name_classes_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let model = renamed(folder.path(), ["Smile", "angry"]);
    let model = model.to_str().unwrap();
    for (names, smile) in
        [("[happy, not_happy]", 0), ("[neutral, happiness, sad]", 1), ("[angry, smile]", 1)]
    {
        let yaml = format!("val: images/val\nnames: {names}\n");
        let set = set(&yaml, &[("a", &face_line(smile))]);
        let result = json(set.path(), &["--groups", "happy,not_happy", "--model", model]);
        assert!(result["map50"].as_f64().unwrap() > 0.99, "{names}: {result}");
        assert_eq!(
            result["confusion"]["labels"],
            serde_json::json!(["happy", "not_happy", "nothing"])
        );
        assert_eq!(result["confusion"]["counts"][0][0], 1, "{names}: {result}");
    }
    // Without groups the set's words need only mean what the model's do.
    let words = set("val: images/val\nnames: [anger, happiness]\n", &[("a", &face_line(1))]);
    let result = json(words.path(), &["--model", model]);
    assert_eq!(result["confusion"]["labels"][0], "Smile", "{result}");
    assert!(result["map50"].as_f64().unwrap() > 0.99, "{result}");
    let set = set("val: images/val\nnames: [face]\n", &[("a", &face_line(0))]);
    let output = evaluate(set.path(), &["--groups", "happy,not_happy", "--model", model]);
    assert_eq!(output.status.code(), Some(65));
}
