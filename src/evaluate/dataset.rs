//! A YOLO-format set: `data.yaml`, pictures below `images`, labels below `labels`.
//!
//! Sets differ in how they say where their pictures are: a folder, a list of pictures in a
//! text file, several of both, and Roboflow's `../valid/images`, which means the
//! `valid/images` beside the file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::description::{self, Description};
use super::labels::{self, KeyPoints};
use super::left_out::LeftOut;
use super::{Truth, text};
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::tracks::grouping::{Grouping, Groups};
use crate::tracks::vocabulary::called;

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

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        Error::new(Kind::Input, error.to_string())
    }
}

/// An opened set.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// In order of name, each one once.
    pub pictures: Vec<PathBuf>,
    /// What was left out while looking for pictures.
    pub left_out: Vec<LeftOut>,
    /// For each class number of the set, the model's.
    classes: Vec<usize>,
    key_points: Option<KeyPoints>,
}

impl DataSet {
    /// Opens one split of the set that `yaml` describes, for a model of these classes.
    ///
    /// # Errors
    ///
    /// A description that cannot be read, other classes than the model's, a place that is
    /// not there, no picture, or no label of any picture.
    pub fn open(yaml: &Path, split: &str, classes: &[String]) -> Result<Self, DataError> {
        let mapped =
            |names: &[String]| mapped(names, classes).ok_or_else(|| remedy(names, classes));
        Self::open_where(yaml, split, classes, mapped)
    }

    /// The same for a model whose classes are told in groups: each class of the set must
    /// have its place among them.
    pub fn open_grouped(yaml: &Path, split: &str, grouping: &Grouping) -> Result<Self, DataError> {
        let places = |names: &[String]| placed(names, grouping).ok_or("");
        Self::open_where(yaml, split, grouping.told(), places)
    }

    fn open_where(
        yaml: &Path,
        split: &str,
        classes: &[String],
        mapped: impl Fn(&[String]) -> Result<Vec<usize>, &'static str>,
    ) -> Result<Self, DataError> {
        let bytes = std::fs::read(yaml).map_err(|error| wrong(yaml.display(), error))?;
        let about =
            Description::parse(&bytes, split).map_err(|reason| wrong(yaml.display(), reason))?;
        let classes = mapped(&about.names).map_err(|remedy| {
            let (own, models) = (about.names.join(", "), classes.join(", "));
            let reason = format!("the classes {own} are not the model's: {models}{remedy}");
            wrong(yaml.display(), reason)
        })?;
        let mut found = Found::default();
        let folder = yaml.parent().unwrap_or(Path::new(""));
        for place in &about.places {
            found.place(&resolve(place, folder, &about.folder)?, folder)?;
        }
        let pictures: Vec<PathBuf> = found.pictures.into_values().collect();
        let places = about.places.iter().map(|place| place.display().to_string());
        let places = places.collect::<Vec<_>>().join(", ");
        let Some(first) = pictures.first() else {
            let why = found.left_out.first().map_or(String::new(), |first| {
                format!(": {} files left out, first {first}", found.left_out.len())
            });
            return Err(wrong(yaml.display(), format!("no pictures in {places}{why}")));
        };
        if !pictures.iter().any(|picture| label_file(picture).is_file()) {
            let sought = label_file(first);
            return Err(wrong(
                yaml.display(),
                format!(
                    "none of the {} pictures in {places} has labels; those of {} were looked for \
                     in {}",
                    pictures.len(),
                    first.display(),
                    sought.display()
                ),
            ));
        }
        let left_out = found.left_out.into_iter().collect();
        Ok(Self { pictures, left_out, classes, key_points: about.key_points })
    }

    /// The labels of a picture of this size; without a label file it has no face.
    ///
    /// # Errors
    ///
    /// A label file that cannot be read, with the line.
    pub fn labels(&self, picture: &Path, size: Size) -> Result<Vec<Truth>, DataError> {
        let path = label_file(picture);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(wrong(path.display(), error)),
        };
        let text = text::decode(&bytes).map_err(|reason| wrong(path.display(), reason))?;
        labels::parse(&text, &self.classes, self.key_points, size)
            .map_err(|(line, reason)| wrong(format!("{}:{line}", path.display()), reason))
    }
}

/// The model's number of each class of a set that has the same ones, in whatever order and
/// whatever word for them.
fn mapped(own: &[String], models: &[String]) -> Option<Vec<usize>> {
    let places: Vec<usize> = own.iter().map(|name| called(name, models)).collect::<Option<_>>()?;
    let all = places.iter().collect::<BTreeSet<_>>().len() == models.len();
    (all && own.len() == models.len()).then_some(places)
}

/// What each class of a set is told as.
fn placed(own: &[String], grouping: &Grouping) -> Option<Vec<usize>> {
    own.iter().map(|name| grouping.place(name)).collect()
}

/// How a set of other classes can be measured all the same, where it can.
fn remedy(own: &[String], models: &[String]) -> &'static str {
    let smiles = Groups::Named(["happy", "not_happy"].map(str::to_owned).to_vec());
    let smiles = Grouping::resolve(&smiles, models, &BTreeMap::new());
    match smiles.ok().and_then(|grouping| placed(own, &grouping)) {
        Some(_) => "; --groups happy,not_happy measures what both of them tell",
        None => "",
    }
}

/// Where a place of a split is: as the file says, or, where that is not there, beside the
/// file. Sets are moved, and `path` stays what it was on the machine that made them;
/// Roboflow's places begin with one `../` too many.
fn resolve(place: &Path, folder: &Path, root: &Path) -> Result<PathBuf, DataError> {
    let stripped = place.strip_prefix("..").unwrap_or(place);
    let candidates = [folder.join(root).join(place), folder.join(place), folder.join(stripped)];
    candidates.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let sought = candidates.each_ref().map(|path| path.display().to_string());
        let sought: BTreeSet<String> = sought.into();
        let sought = sought.into_iter().collect::<Vec<_>>().join(", nor ");
        wrong(place.display(), format!("there is no {sought}"))
    })
}

/// Pictures and what is left out, in order.
#[derive(Default)]
struct Found {
    /// By their absolute paths without `.` and `..`: one that two places name counts once.
    pictures: BTreeMap<PathBuf, PathBuf>,
    left_out: BTreeSet<LeftOut>,
    /// Folders that were walked, by their real paths: links may lead in a circle.
    walked: BTreeSet<PathBuf>,
}

impl Found {
    /// Takes what a place of the split holds: a folder, a list, or one picture.
    fn place(&mut self, path: &Path, root: &Path) -> Result<(), DataError> {
        if path.is_dir() {
            return self.folder(path).map_err(|error| wrong(path.display(), error));
        }
        if is_picture(path) {
            self.picture(path);
            return Ok(());
        }
        let bytes = std::fs::read(path).map_err(|error| wrong(path.display(), error))?;
        let text = text::decode(&bytes).map_err(|reason| wrong(path.display(), reason))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let listed = description::path(line);
            // Relative to the list, as most programs write, or to the set.
            let places = [folder.join(&listed), root.join(&listed), listed];
            match places.iter().find(|place| place.exists()) {
                Some(place) => self.picture(place),
                None => {
                    let [file, ..] = places;
                    let reason = format!("listed in {}, but not there", path.display());
                    self.left_out.insert(LeftOut { file, reason });
                }
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path) -> std::io::Result<()> {
        if !self.walked.insert(folder.canonicalize()?) {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                // macOS' archives have a second tree of its own notes.
                if path.file_name() != Some("__MACOSX".as_ref()) {
                    self.folder(&path).unwrap_or_else(|error| {
                        self.left_out.insert(LeftOut { file: path, reason: error.to_string() });
                    });
                }
            } else if is_picture(&path) {
                self.picture(&path);
            }
        }
        Ok(())
    }

    fn picture(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(b"._") {
            let reason = "a note of macOS beside a file, no picture".to_owned();
            self.left_out.insert(LeftOut { file: path.to_owned(), reason });
        } else {
            // A relative folder and a list with absolute names may mean the same picture.
            let whole = std::path::absolute(path);
            let key = plain(whole.as_deref().unwrap_or(path));
            self.pictures.insert(key, path.components().collect());
        }
    }
}

/// A path without `.` and `..`, as it is written: links are not followed.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            _ => plain.push(part),
        }
        plain
    })
}

/// Endings of pictures, also of such as cannot be read: they are left out by name.
const PICTURES: [&str; 20] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff", "heic",
    "heif", "avif", "jp2", "jxl", "mpo", "ppm", "pgm", "dng",
];

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    PICTURES.contains(&extension.as_str())
}

/// `images/val/a.jpg` has its labels in `labels/val/a.txt`; what is not below `images` has
/// them beside itself.
fn label_file(picture: &Path) -> PathBuf {
    let mut parts: Vec<_> = picture.iter().collect();
    if let Some(images) = parts.iter().rposition(|part| *part == "images") {
        parts[images] = "labels".as_ref();
        let file = parts.iter().collect::<PathBuf>().with_extension("txt");
        let beside = picture.with_extension("txt");
        return if !file.exists() && beside.exists() { beside } else { file };
    }
    picture.with_extension("txt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn classes_are_the_models_in_any_order_and_word() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let models = names(&["happy", "not_happy"]);
        for (own, places) in [
            (vec!["happy", "not_happy"], Some(vec![0, 1])),
            (vec!["Not_Happy", "HAPPY"], Some(vec![1, 0])),
            (vec!["happy"], None),
            (vec!["happy", "happy"], None),
            (vec!["happy", "not_happy", "happy"], None),
            (vec!["happy", "sad"], None),
        ] {
            assert_eq!(mapped(&names(&own), &models), places, "{own:?}");
        }
        let seven = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger"];
        let own = ["neutral", "joy", "sadness", "surprised", "fearful", "disgusted", "angry"];
        assert_eq!(mapped(&names(&own), &names(&seven)), Some((0..7).collect()));
        assert!(remedy(&names(&seven), &models).contains("--groups happy,not_happy"));
        assert_eq!(remedy(&names(&["cat", "dog"]), &models), "");
    }

    /// A set whose pictures are empty files, each with a label file.
    fn set(yaml: &str, pictures: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data.yaml"), format!("{yaml}\nnames: [a]\n")).unwrap();
        for picture in pictures {
            let path = folder.path().join(picture);
            for file in [path.clone(), label_file(&path)] {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, "").unwrap();
            }
        }
        folder
    }

    fn opened(folder: &Path) -> Result<(Vec<String>, Vec<String>), String> {
        let yaml = folder.join("data.yaml");
        let data = DataSet::open(&yaml, "val", &["a".to_owned()]).map_err(|e| e.to_string())?;
        let relative = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
        let pictures = data.pictures.iter().map(|path| relative(path)).collect();
        Ok((pictures, data.left_out.iter().map(|file| relative(&file.file)).collect()))
    }

    #[test]
    fn places_are_found_as_the_programs_that_wrote_them_meant() {
        for (yaml, place) in [
            ("val: images/val", "images/val"),
            ("val: ../valid/images", "valid/images"),
            ("val: ..\\valid\\images", "valid/images"),
            ("path: set\nval: images/val", "set/images/val"),
            ("path: /content/gone\nval: images/val", "images/val"),
            ("path: ../datasets/gone\nval: images", "images"),
            ("val: pictures", "pictures"),
        ] {
            let picture = format!("{place}/a.jpg");
            let folder = set(yaml, &[&picture]);
            assert_eq!(opened(folder.path()).unwrap().0, [picture], "{yaml}");
        }
        let folder = set("val: images/val", &["images/train/a.jpg"]);
        let reason = opened(folder.path()).unwrap_err();
        assert!(reason.contains("there is no") && reason.contains("images/val"), "{reason}");
    }

    #[test]
    fn lists_name_pictures_from_their_own_folder_or_the_sets() {
        let folder =
            set("val: [lists/val.txt, one/c.JPG, images]", &["images/a.jpg", "b.jpg", "one/c.JPG"]);
        std::fs::create_dir(folder.path().join("lists")).unwrap();
        let list = "\u{feff}../images/a.jpg\r\n\r\nb.jpg\r\n./b.jpg\r\ngone.jpg\r\n";
        std::fs::write(folder.path().join("lists/val.txt"), list).unwrap();
        let (pictures, left_out) = opened(folder.path()).unwrap();
        assert_eq!(pictures, ["b.jpg", "images/a.jpg", "one/c.JPG"]);
        assert_eq!(left_out, ["lists/gone.jpg"]);
        // a list that was made elsewhere
        std::fs::write(folder.path().join("data.yaml"), "val: lists/val.txt\nnames: [a]").unwrap();
        let list = "/content/data/images/a.jpg\n/content/data/images/b.jpg\n";
        std::fs::write(folder.path().join("lists/val.txt"), list).unwrap();
        let reason = opened(folder.path()).unwrap_err();
        let words = "no pictures in lists/val.txt: 2 files left out, first /content/data/images/a.jpg: \
                     listed in";
        assert!(reason.contains(words), "{reason}");
    }

    #[test]
    fn a_relative_folder_and_an_absolute_list_name_a_picture_once() {
        let folder = set("val: [images, val.txt]", &["images/a.jpg"]);
        let picture = folder.path().join("images/a.jpg").display().to_string();
        std::fs::write(folder.path().join("val.txt"), picture).unwrap();
        let here = std::env::current_dir().unwrap();
        let root: PathBuf = here.components().skip(1).map(|_| Component::ParentDir).collect();
        let yaml = root.join(folder.path().strip_prefix("/").unwrap()).join("data.yaml");
        let data = DataSet::open(&yaml, "val", &["a".to_owned()]).unwrap();
        assert_eq!(data.pictures.len(), 1, "{:?}", data.pictures);
    }

    #[test]
    fn folders_are_walked_and_what_is_no_picture_is_passed_over_or_named() {
        let folder = set("val: images", &["images/a.jpg", "images/x/y/b.png", "images/c.webp"]);
        let images = folder.path().join("images");
        for other in ["._a.jpg", ".DS_Store", "Thumbs.db", "notes.txt"] {
            std::fs::write(images.join(other), "").unwrap();
        }
        std::fs::create_dir(images.join("__MACOSX")).unwrap();
        std::fs::write(images.join("__MACOSX/a.jpg"), "").unwrap();
        symlink("..", images.join("x/circle")).unwrap();
        let (pictures, left_out) = opened(folder.path()).unwrap();
        assert_eq!(pictures, ["images/a.jpg", "images/c.webp", "images/x/y/b.png"]);
        assert_eq!(left_out, ["images/._a.jpg"]);
    }

    #[test]
    fn labels_beside_the_pictures_are_found_and_none_at_all_is_an_error() {
        let folder = set("val: images", &["images/a.jpg"]);
        std::fs::rename(folder.path().join("labels/a.txt"), folder.path().join("images/a.txt"))
            .unwrap();
        assert_eq!(opened(folder.path()).unwrap().0, ["images/a.jpg"]);
        std::fs::remove_file(folder.path().join("images/a.txt")).unwrap();
        let reason = opened(folder.path()).unwrap_err();
        assert!(reason.contains("has labels") && reason.contains("labels/a.txt"), "{reason}");
        std::fs::remove_file(folder.path().join("images/a.jpg")).unwrap();
        let reason = opened(folder.path()).unwrap_err();
        assert!(reason.contains("no pictures in images"), "{reason}");
    }
}
