//! What a `data.yaml` says, in each form that well-known programs write.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::labels::KeyPoints;
use super::text;
use crate::detector::metadata::class_names;

/// What a `data.yaml` says about one of its splits; its other keys are other programs'.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// In the order of the class numbers.
    pub names: Vec<String>,
    /// The set's folder, mostly relative to the file's.
    pub(super) folder: PathBuf,
    /// Folders and lists of the split.
    pub(super) places: Vec<PathBuf>,
    pub(super) key_points: Option<KeyPoints>,
}

#[derive(Deserialize)]
struct Yaml {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    names: serde_json::Value,
    #[serde(default)]
    kpt_shape: Option<KeyPoints>,
    #[serde(flatten)]
    splits: BTreeMap<String, Value>,
}

impl Description {
    /// Reads a `data.yaml`.
    ///
    /// # Errors
    ///
    /// In words: what of it cannot be read, or that it has no such split.
    pub fn parse(bytes: &[u8], split: &str) -> Result<Self, String> {
        let text = text::decode(bytes)?;
        let yaml: Yaml = serde_yaml_ng::from_str(&text).map_err(|error| error.to_string())?;
        if yaml.names.is_null() {
            return Err("names no classes".to_owned());
        }
        let names = class_names(&yaml.names)?;
        let places = match yaml.splits.get(split) {
            Some(value) => places(value).map_err(|why| format!("split '{split}' {why}"))?,
            None => {
                let others = yaml.splits.iter().filter(|(_, value)| places(value).is_ok());
                let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
                let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
                return Err(format!("has no split '{split}'; it has {others}"));
            }
        };
        let folder = path(&yaml.path.unwrap_or_default());
        Ok(Self { names, folder, places, key_points: yaml.kpt_shape })
    }
}

/// A path or a list of paths. An empty one would be the set's own folder, and with it the
/// pictures of all splits.
fn places(value: &Value) -> Result<Vec<PathBuf>, &'static str> {
    let places = match value {
        Value::Null => &[][..],
        Value::Sequence(places) => places.as_slice(),
        one => std::slice::from_ref(one),
    };
    let places: Option<Vec<PathBuf>> = places.iter().map(|one| one.as_str().map(path)).collect();
    let places = places.ok_or("lists something else than paths")?;
    if places.is_empty() || places.iter().any(|place| place.as_os_str().is_empty()) {
        return Err("names no place: its folder, or a list of its pictures");
    }
    Ok(places)
}

/// A path as it is written, perhaps on Windows.
pub(super) fn path(text: &str) -> PathBuf {
    text.trim().replace('\\', "/").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(yaml: &str) -> Result<Description, String> {
        Description::parse(yaml.as_bytes(), "val")
    }

    #[test]
    fn names_and_places_in_every_form() {
        let folder = vec![PathBuf::from("images/val")];
        for (yaml, names, places) in [
            ("val: images/val\nnames: [a, b]", ["a", "b"], folder.clone()),
            (
                "\u{feff}val: images/val\r\nnames:\r\n  0: a\r\n  1: b\r\n",
                ["a", "b"],
                folder.clone(),
            ),
            ("val: [images/val]\nnames: {1: b, 0: a}", ["a", "b"], folder.clone()),
            ("val: images\\val\nnames: {'0': a, '1': b}", ["a", "b"], folder.clone()),
            ("val: images/val\nnames: [0, 1]\nnc: 2", ["0", "1"], folder.clone()),
            ("val: images/val\nnames: [yes, true]\npath:", ["yes", "true"], folder.clone()),
            ("val:\n- x\n- y.txt\nnames: [a, b]", ["a", "b"], vec!["x".into(), "y.txt".into()]),
        ] {
            let about = parsed(yaml).unwrap();
            assert_eq!(
                (about.names, about.places),
                (names.map(str::to_owned).into(), places),
                "{yaml}"
            );
        }
        let about = parsed("val: x\nnames: [a]\nkpt_shape: [5, 3]").unwrap();
        assert_eq!(about.key_points, Some((5, 3)));
    }

    #[test]
    fn what_is_missing_is_told_in_words() {
        for (yaml, words) in [
            ("names: [a]\ntest: x\nnc: 1", "no split 'val'; it has test"),
            ("names: [a]\nnc: 1", "no split 'val'; it has none"),
            ("val:\ntrain: x\nnames: [a]", "split 'val' names no place"),
            ("val: ''\nnames: [a]", "split 'val' names no place"),
            ("val: []\nnames: [a]", "split 'val' names no place"),
            ("val: [x, ' ']\nnames: [a]", "split 'val' names no place"),
            ("val: 3\nnames: [a]", "something else than paths"),
            ("val: x", "names no classes"),
            ("val: x\nnames: {1: a, 2: b}", "none for class 0"),
            ("val: x\nnames: {0: a, 2: b}", "none for class 1"),
            ("val: x\nnames: [[a]]", "no name"),
            ("val: x\nnames: a", "neither a list nor a map"),
            ("val: [[x]]\nnames: [a]", "something else than paths"),
            ("val: x\n\tnames: [a]", "line 2"),
            ("[]", "invalid type"),
            ("", "names no classes"),
        ] {
            let reason = parsed(yaml).unwrap_err();
            assert!(reason.contains(words), "{yaml}: {reason}");
        }
    }

    proptest! {
        #[test]
        fn any_description_is_read_or_refused(text in "[a-z0-9 :,\\[\\]{}&*!\n\"'-]{0,80}") {
            let _ = parsed(&format!("val: x\nnames: {text}"));
            let _ = parsed(&text);
        }
    }
}
