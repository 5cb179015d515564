//! Our numbers against those of pycocotools, and the command on the committed model.

use std::path::Path;
use std::process::Command;

use expressiond::detector::Detection;
use expressiond::evaluate::Truth;
use expressiond::evaluate::average_precision::Sheet;
use expressiond::evaluate::summary::summarize;
use expressiond::geometry::Rect;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    map50: f32,
    map50_95: f32,
    sheets: Vec<RawSheet>,
}

#[derive(Deserialize)]
struct RawSheet {
    found: Vec<[f32; 6]>,
    truth: Vec<[f32; 5]>,
}

fn sheet(raw: &RawSheet) -> Sheet {
    let rect = |edges: &[f32]| Rect::from_edges(edges[0], edges[1], edges[2], edges[3]);
    let found = raw.found.iter().map(|row| Detection {
        class: row[5] as usize,
        confidence: row[4],
        rect: rect(row),
    });
    let truth = raw.truth.iter().map(|row| Truth { class: row[4] as usize, rect: rect(row) });
    Sheet { found: found.collect(), truth: truth.collect() }
}

#[test]
fn agrees_with_pycocotools() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("coco/coco.json")).unwrap();
    let names = ["a".to_owned(), "b".to_owned()];
    for case in cases {
        let sheets: Vec<Sheet> = case.sheets.iter().map(sheet).collect();
        let groups = vec![String::new(); sheets.len()];
        let summary = summarize("m", &names, &[0.5, 0.5], &sheets, &groups);
        assert!((summary.map50 - case.map50).abs() < 0.002, "{} for {}", summary.map50, case.map50);
        let strict = (summary.map50_95, case.map50_95);
        assert!((strict.0 - strict.1).abs() < 0.002, "{} for {}", strict.0, strict.1);
        // every face and every detection at that confidence stands once in the matrix
        let faces: usize = sheets.iter().map(|sheet| sheet.truth.len()).sum();
        let rows: usize = summary.confusion.counts[..2].iter().flatten().sum();
        assert_eq!(rows, faces);
    }
}

/// A set of the committed self-test picture alone, which the model must get right.
#[test]
fn the_command_writes_the_documented_keys_and_a_report() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for kind in ["images", "labels"] {
        std::fs::create_dir_all(folder.path().join(kind).join("val")).unwrap();
    }
    let picture = folder.path().join("images/val/nasa_1.jpg");
    std::fs::copy(root.join("models/self-test.jpg"), picture).unwrap();
    let card: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(root.join("models/expression-yolo12n.json")).unwrap(),
    )
    .unwrap();
    let edges: Vec<f64> = card["self_test"]["expect"][0]["box"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge.as_f64().unwrap() / 320.0)
        .collect();
    let [left, top, right, bottom] = edges[..] else { panic!("a box has four edges") };
    let (x, y, w, h) = ((left + right) / 2.0, (top + bottom) / 2.0, right - left, bottom - top);
    std::fs::write(folder.path().join("labels/val/nasa_1.txt"), format!("0 {x} {y} {w} {h}\n"))
        .unwrap();
    let yaml = folder.path().join("data.yaml");
    std::fs::write(&yaml, "path: .\nval: images/val\nnames: {0: happy, 1: not_happy}\n").unwrap();
    let report = folder.path().join("report");
    let output = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .current_dir(root)
        .args(["evaluate", "--json", "--report"])
        .args([&report, &yaml])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["map50", "map50_95", "best_f1", "classes", "images", "model"] {
        assert!(!result[key].is_null(), "no {key}");
    }
    for key in ["name", "precision", "recall", "ap50", "f1"] {
        assert!(!result["classes"][0][key].is_null(), "no classes.{key}");
    }
    assert_eq!(result["images"], 1);
    assert!(result["classes"][0]["ap50"].as_f64().unwrap() > 0.99);
    for file in ["index.html", "f1.svg", "precision.svg", "recall.svg", "confusion.svg"] {
        assert!(std::fs::metadata(report.join(file)).unwrap().len() > 500, "{file}");
    }
}
