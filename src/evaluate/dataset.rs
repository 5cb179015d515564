//! A YOLO-format set: `data.yaml`, pictures below `images`, labels below `labels`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::Truth;
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};

/// A set that cannot be used: the file, the line and what is wrong.
#[derive(Debug, Error)]
#[error("{place}: {reason}")]
pub struct DataError {
    place: String,
    reason: String,
}

fn wrong(place: impl std::fmt::Display, reason: impl std::fmt::Display) -> DataError {
    DataError { place: place.to_string(), reason: reason.to_string() }
}

/// What `data.yaml` says; other keys are other programs'.
#[derive(Debug, Deserialize)]
struct DataYaml {
    #[serde(default)]
    path: PathBuf,
    names: Names,
    #[serde(flatten)]
    splits: BTreeMap<String, serde_yaml_ng::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    List(Vec<String>),
    Map(BTreeMap<usize, String>),
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        Error::new(Kind::Input, error.to_string())
    }
}

/// An opened set.
#[derive(Clone, Debug)]
pub struct DataSet {
    pub names: Vec<String>,
    folder: PathBuf,
}

impl DataSet {
    /// Opens one split of the set that `yaml` describes.
    pub fn open(yaml: &Path, split: &str) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(yaml).map_err(|error| wrong(yaml.display(), error))?;
        let data: DataYaml =
            serde_yaml_ng::from_str(&text).map_err(|error| wrong(yaml.display(), error))?;
        let names = match data.names {
            Names::List(names) => names,
            Names::Map(names) => names.into_values().collect(),
        };
        let place = data.splits.get(split).and_then(serde_yaml_ng::Value::as_str);
        let place =
            place.ok_or_else(|| wrong(yaml.display(), format!("has no split '{split}'")))?;
        let folder = yaml.parent().unwrap_or(Path::new("")).join(data.path).join(place);
        Ok(Self { names, folder })
    }

    /// The pictures, in order of name.
    pub fn pictures(&self) -> Result<Vec<PathBuf>, DataError> {
        let entries =
            std::fs::read_dir(&self.folder).map_err(|error| wrong(self.folder.display(), error))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| {
            let extension = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            ["jpg", "jpeg", "png"].contains(&extension.as_str())
        });
        files.sort();
        if files.is_empty() {
            return Err(wrong(self.folder.display(), "no pictures in it"));
        }
        Ok(files)
    }

    /// The labels of a picture of this size; without a label file it has no face.
    pub fn labels(&self, picture: &Path, size: Size) -> Result<Vec<Truth>, DataError> {
        let path = label_file(picture);
        match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text, self.names.len(), size)
                .map_err(|(line, reason)| wrong(format!("{}:{line}", path.display()), reason)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(wrong(path.display(), error)),
        }
    }
}

/// `images/val/a.jpg` has its labels in `labels/val/a.txt`.
fn label_file(picture: &Path) -> PathBuf {
    let mut parts: Vec<_> = picture.iter().collect();
    if let Some(images) = parts.iter().rposition(|part| *part == "images") {
        parts[images] = "labels".as_ref();
    }
    parts.iter().collect::<PathBuf>().with_extension("txt")
}

/// Lines of class, centre x, centre y, width, height as shares of the picture.
fn parse(text: &str, classes: usize, size: Size) -> Result<Vec<Truth>, (usize, String)> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let numbers: Vec<f32> =
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [class, x, y, w, h] = numbers[..] else {
            return Err((line, format!("'{text}' is not a class and four numbers")));
        };
        if !(class >= 0.0 && class.fract() == 0.0 && (class as usize) < classes) {
            return Err((line, format!("class {class} is not below {classes}")));
        }
        if ![x, y, w, h].iter().all(|share| (-0.01..=1.01).contains(share)) {
            return Err((line, format!("'{text}' has a share outside 0 to 1")));
        }
        let (width, height) = (size.width as f32, size.height as f32);
        let rect = Rect::new((x - w / 2.0) * width, (y - h / 2.0) * height, w * width, h * height);
        found.push(Truth { class: class as usize, rect });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_become_pixels_and_mistakes_have_a_line() {
        let size = Size::new(200, 100);
        let truth = parse("1 0.5 0.5 0.5 0.5\n\n", 2, size).unwrap();
        assert_eq!(truth, [Truth { class: 1, rect: Rect::new(50.0, 25.0, 100.0, 50.0) }]);
        for (text, line) in
            [("0 .1 .1 .1 .1\n2 .1 .1 .1 .1", 2), ("0 .1 .1 .1", 1), ("0 9 .1 .1 .1", 1)]
        {
            assert_eq!(parse(text, 2, size).unwrap_err().0, line, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_label_text_is_read_without_harm(text in "[0-9. naif\\n-]{0,80}") {
            let _ = parse(&text, 2, Size::new(10, 10));
        }
    }
}
