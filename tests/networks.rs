//! Which smaller network looks closely: one of the same version with the same classes.

use std::path::{Path, PathBuf};

use expressiond::detector::Settings;
use expressiond::detector::networks::{Network, Networks};
use serde_json::{Value, json};

/// A folder with copies of the committed models: the main one as `a`, the lite one as
/// `a-close`, whose side-car is changed by `change`.
fn folder(change: impl Fn(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let copy = |from: &str, to: PathBuf| std::fs::copy(models.join(from), to).unwrap();
    copy("self-test.jpg", folder.path().join("self-test.jpg"));
    for (from, to) in [("expression-yolo12n", "a"), ("expression-yolo12n-lite", "a-close")] {
        copy(&format!("{from}.tflite"), folder.path().join(format!("{to}.tflite")));
        let text = std::fs::read_to_string(models.join(format!("{from}.json"))).unwrap();
        let mut card: Value = serde_json::from_str(&text).unwrap();
        card["name"] = json!(to);
        if to == "a-close" {
            change(&mut card);
        }
        std::fs::write(folder.path().join(format!("{to}.json")), card.to_string()).unwrap();
    }
    folder
}

fn load(folder: &tempfile::TempDir) -> Networks {
    let close = vec!["none-such".to_owned(), "a-close".to_owned()];
    let path = folder.path().join("a.tflite");
    Networks::load(&Settings { path, close, ..Settings::default() }).unwrap()
}

#[test]
fn a_companion_of_the_same_version_looks_closely() {
    let networks = load(&folder(|_| {}));
    assert_eq!(networks.close_info().name, "a-close");
    assert!(networks.input(Network::Close).area() < networks.input(Network::Main).area());
    assert!(networks.refused().is_empty());
}

#[test]
fn one_of_another_version_is_none_and_a_broken_one_is_told() {
    let networks = load(&folder(|card| card["version"] = json!("99.0.0")));
    assert_eq!(networks.close_info().name, "a");
    assert_eq!(networks.input(Network::Close), networks.input(Network::Main));
    assert!(networks.refused().is_empty());

    let broken = folder(|card| card["sha256"] = json!("0".repeat(64)));
    let networks = load(&broken);
    assert_eq!(networks.close_info().name, "a");
    assert!(networks.refused()[0].contains("a-close"), "{:?}", networks.refused());

    let other = folder(|card| {
        card["classes"] = json!(["smiling", "other"]);
        card["thresholds"] = json!({"smiling": 0.5, "other": 0.5});
        card.as_object_mut().unwrap().remove("self_test");
    });
    let networks = load(&other);
    assert_eq!(networks.close_info().name, "a");
    assert!(networks.refused()[0].contains("classes"), "{:?}", networks.refused());
}
