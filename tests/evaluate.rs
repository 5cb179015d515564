//! Our numbers against those of pycocotools, and the command on the committed model.

#[path = "daemon/program.rs"]
mod program;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Output;

use expressiond::detector::Detection;
use expressiond::evaluate::Truth;
use expressiond::evaluate::average_precision::PictureResult;
use expressiond::evaluate::pairs::followed;
use expressiond::evaluate::summary::summarize;
use expressiond::geometry::Rect;
use program::program;
use serde::Deserialize;
use serde_json::Value;

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
    let cases: Vec<Case> = serde_json::from_str(include_str!("coco/coco.json")).unwrap();
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

/// Where the committed self-test picture has its face, as a line of labels.
fn face_line(class: usize) -> String {
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
fn set(yaml: &str, labels: &[(&str, &str)]) -> tempfile::TempDir {
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

fn evaluate(folder: &Path, more: &[&str]) -> Output {
    let words = [&["evaluate"], more].concat();
    program(&words).arg(folder.join("data.yaml")).output().unwrap()
}

fn json(folder: &Path, more: &[&str]) -> Value {
    let output = evaluate(folder, &[&["--json"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const YAML: &str = "val: images/val\nnames: [happy, not_happy]\n";

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

/// A file's name may be any bytes.
#[test]
fn detect_tells_of_pictures_whose_names_are_not_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join(std::ffi::OsStr::from_bytes(b"b\xfcro.jpg"));
    std::fs::copy("models/self-test.jpg", &picture).unwrap();
    let output = program(&["detect", "--json", "--annotate"])
        .arg(folder.path().join("out"))
        .arg(&picture)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["picture"].as_str().unwrap().ends_with("b\u{fffd}ro.jpg"), "{told}");
    assert_eq!(told["faces"].as_array().unwrap().len(), 1);
}

#[test]
fn detects_json_has_the_documented_keys_and_no_others() {
    let page = include_str!("../docs/ref/detect.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let output = program(&["detect", "--json", "models/self-test.jpg"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let face = &told["faces"][0];
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    let own = documented.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(sorted([keys(&told), keys(face)].concat()), sorted(own));
    let number = |value: &Value| value.as_f64().unwrap();
    for (object, names) in
        [(&told["frame"], &["width", "height"][..]), (&face["box"], &["x", "y", "width", "height"])]
    {
        assert_eq!(sorted(keys(object)), sorted(names.iter().map(|name| (*name).into()).collect()));
        assert!(names.iter().all(|name| page.contains(&format!("`{name}`"))), "{names:?}");
    }
    let right = number(&face["box"]["x"]) + number(&face["box"]["width"]);
    assert!(right <= number(&told["frame"]["width"]) + 0.01, "{told}");
    assert!((0.0..=1.0).contains(&number(&face["confidence"])), "{told}");
    let shares: f64 = face["shares"].as_object().unwrap().values().map(number).sum();
    assert!((shares - 1.0).abs() < 1e-5, "{told}");
}

/// A set of the committed self-test picture alone, which the model must get right.
#[test]
fn the_command_writes_the_documented_keys_and_a_report() {
    let yaml = "path: .\nval: images/val\nnames: {0: happy, 1: not_happy}\n";
    let folder = set(yaml, &[("nasa_1", &face_line(0))]);
    let report = folder.path().join("report");
    let output = evaluate(folder.path(), &["--json", "--report", report.to_str().unwrap()]);
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

/// The committed model under a side-car that calls its classes otherwise.
fn renamed(folder: &Path, classes: [&str; 2]) -> std::path::PathBuf {
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

#[test]
fn detect_tells_the_shares_of_all_classes_and_groups_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = renamed(folder.path(), ["Smile", "angry"]);
    let detect = |more: &[&str]| {
        let output = program(&["detect", "--json", "models/self-test.jpg", "--model"])
            .arg(&model)
            .args(more)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output, text)
    };
    for (more, smile, other) in [
        (&[][..], "Smile", "angry"),
        (&["--groups", "happy,not_happy"], "happy", "not_happy"),
        (&["--groups", "Bright,dull"], "Bright", "dull"),
        (&["--groups", "negative"], "Smile", "negative"),
        (&["--groups", " happy, not_happy,"], "happy", "not_happy"),
        (&["--groups", "tense = anger, other=*"], "other", "tense"),
        (&["--groups", ""], "Smile", "angry"),
        (&["--threshold", "0.5"], "Smile", "angry"),
    ] {
        let (output, text) = detect(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let face = serde_json::from_str::<Value>(&text).unwrap()["faces"][0].clone();
        assert_eq!(face["class"], smile, "{more:?}");
        let shares = face["shares"].as_object().unwrap();
        assert_eq!(shares.len(), 2, "{more:?}: {shares:?}");
        let share = |name: &str| shares[name].as_f64().unwrap();
        assert!(share(smile) > share(other) && (share(smile) + share(other) - 1.0).abs() < 1e-5);
    }
    let (output, _) = detect(&["--groups", "cheerful"]);
    assert_eq!(output.status.code(), Some(78));
    let message = String::from_utf8(output.stderr).unwrap();
    for word in ["--groups name cheerful", "bright, dull", "Smile, angry"] {
        assert!(message.contains(word), "{message}");
    }
    let (output, _) = detect(&["--groups", "a=smile+Smile"]);
    assert_eq!(output.status.code(), Some(78));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("--groups put smile into a twice"), "{message}");
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
