//! `expressiond detect`.

use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use super::program::program;
use super::set::renamed;

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
    let page = include_str!("../../docs/ref/detect.md");
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
