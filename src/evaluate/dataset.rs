//! A YOLO-format set: `data.yaml`, pictures below `images`, labels below `labels`.
//!
//! Sets differ in how they say where their pictures are: a folder, a list of pictures in a
//! text file, several of both, and Roboflow's `../valid/images`, which means the
//! `valid/images` beside the file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::description::{self, Description};
use super::labels::{self, KeyPoints};
use super::left_out::LeftOut;
use super::{Truth, text};
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::printable::{self, quoted};
use crate::source::media::is_picture;
use crate::storage::if_there;
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
    DataError { place: printable::line(&place.to_string()), reason: reason.to_string() }
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
    /// That of its description.
    folder: PathBuf,
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
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or a class has no place.
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
        let bytes = std::fs::read(yaml).map_err(|error| match error.kind() {
            ErrorKind::IsADirectory => wrong(yaml.display(), "is a folder: name its data.yaml"),
            _ => wrong(yaml.display(), error),
        })?;
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
        let folder = folder.to_owned();
        Ok(Self { pictures, left_out, folder, classes, key_points: about.key_points })
    }

    /// What a picture is called, apart from all others of the set: its path from the set's
    /// folder on.
    pub fn name(&self, picture: &Path) -> String {
        picture.strip_prefix(&self.folder).unwrap_or(picture).display().to_string()
    }

    /// The labels of a picture of this size; without a label file it has no face.
    ///
    /// # Errors
    ///
    /// A label file that cannot be read, with the line.
    pub fn labels(&self, picture: &Path, size: Size) -> Result<Vec<Truth>, DataError> {
        let path = label_file(picture);
        let bytes = if_there(std::fs::read(&path)).map_err(|error| wrong(path.display(), error))?;
        let bytes = bytes.unwrap_or_default();
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

/// The longest path that Linux takes, in bytes (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;

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
            return self.folders(path).map_err(|error| wrong(path.display(), error));
        }
        // Also such as cannot be read: they are left out by name.
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
                    // What is no path at all is named by its beginning.
                    let file = if line.len() > LONGEST_PATH { quoted(line).into() } else { file };
                    let reason = format!("listed in {}, but not there", path.display());
                    self.left_out.insert(LeftOut { file, reason });
                }
            }
        }
        Ok(())
    }

    /// Takes the pictures of a folder and of those below it, in whatever order the disk has
    /// them. A folder is entered once, and by a link only after those that are none: labels
    /// go by its own name.
    ///
    /// The same order as `pictures_below` in models/training/expression_training/dataset.py.
    fn folders(&mut self, folder: &Path) -> std::io::Result<()> {
        let (mut waiting, mut links) = (Vec::new(), VecDeque::new());
        self.folder(folder, &mut waiting, &mut links)?;
        while let Some(path) = waiting.pop().or_else(|| links.pop_front()) {
            self.folder(&path, &mut waiting, &mut links).unwrap_or_else(|error| {
                self.left_out.insert(LeftOut { file: path, reason: error.to_string() });
            });
        }
        Ok(())
    }

    /// Takes the pictures of one folder; the folders in it, and the links to some, are to be
    /// entered yet.
    fn folder(
        &mut self,
        folder: &Path,
        waiting: &mut Vec<PathBuf>,
        links: &mut VecDeque<PathBuf>,
    ) -> std::io::Result<()> {
        if !self.walked.insert(folder.canonicalize()?) {
            return Ok(());
        }
        let inner = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
        let mut inner: Vec<PathBuf> = inner.collect::<Result<_, _>>()?;
        inner.sort();
        for path in inner {
            // macOS' archives have a second tree of its own notes.
            if path.is_dir() && path.file_name() != Some("__MACOSX".as_ref()) {
                if path.is_symlink() {
                    links.push_back(path);
                } else {
                    waiting.push(path);
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
mod tests;
