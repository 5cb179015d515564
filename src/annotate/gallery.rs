//! A folder with an annotated picture of every event (`run --annotate`).

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::drawing::save;
use super::snapshot::{Legend, annotated};
use crate::error::{Error, Kind, Result};
use crate::events::Event;
use crate::pixels::frame::Frame;
use crate::tracks::TrackedFace;

/// Keeps a picture of each event, numbered on from what is there: a reload is a new run, and
/// must not overwrite what the one before has kept.
#[derive(Debug)]
pub(crate) struct Gallery {
    folder: PathBuf,
    /// The number of the last picture.
    kept: u64,
    /// The frame that was looked at last: of what time alone tells (a face that nobody has
    /// seen any more has left) there is no other.
    last: Option<Frame>,
}

impl Gallery {
    /// In `folder`, which must be there.
    ///
    /// # Errors
    ///
    /// [`Kind::Output`]: nobody can see what is there already.
    pub(crate) fn open(folder: PathBuf) -> Result<Self> {
        let kept = highest_number(&folder).map_err(|error| {
            let what = format!("cannot read the folder {}", folder.display());
            Error::caused(Kind::Output, what, error)
        })?;
        Ok(Self { folder, kept, last: None })
    }

    /// This frame was looked at: events show it from now on.
    pub(crate) fn looked(&mut self, frame: &Frame) {
        self.last = Some(frame.clone());
    }

    /// Writes the frame that was looked at last with the faces drawn on it, once for each
    /// event. A file that cannot be written is a warning in the log: events go on without
    /// pictures.
    pub(crate) fn keep(&mut self, events: &[Event], faces: &[TrackedFace], legend: &Legend) {
        let Some(frame) = self.last.as_ref().filter(|_| !events.is_empty()) else { return };
        let Ok(picture) = annotated(frame, faces, legend) else { return };
        for event in events {
            self.kept = self.kept.saturating_add(1);
            let name = file_name(self.kept, event.event_type.name(), &event.class);
            if let Err(error) = save(&picture, &self.folder.join(&name)) {
                log::warn!("cannot keep {name} in {}: {error}", self.folder.display());
            }
        }
    }
}

/// Of the pictures in `folder`; 0 where there is none. What else is there may have any name.
fn highest_number(folder: &Path) -> io::Result<u64> {
    let mut highest = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.split_once('-')?.0.parse().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

/// Classes are called as their owner likes, also with what divides folders.
fn file_name(number: u64, event: &str, class: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
    let class: String = class.chars().map(plain).collect();
    format!("{number:04}-{event}-{class}.jpg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_class_can_be_part_of_a_files_name() {
        let name = |class| file_name(7, "face_left", class);
        assert_eq!(name("not_happy-7"), "0007-face_left-not_happy-7.jpg");
        assert_eq!(name("smile/joy"), "0007-face_left-smile_joy.jpg");
        assert_eq!(name("../a\0b c"), "0007-face_left-___a_b_c.jpg");
        assert_eq!(name("fröhlich"), "0007-face_left-fröhlich.jpg");
    }

    #[test]
    fn numbers_go_on_behind_what_earlier_runs_have_kept() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let kept = || Gallery::open(folder.path().to_owned()).expect("readable").kept;
        assert_eq!(kept(), 0);
        let foreign = ["notes.txt", "99999", "holiday-2.jpg", "99999999999999999999-x.jpg"];
        let last = file_name(12345, "face_left", "happy");
        let ours = [&*last, &*file_name(9, "face_left", "smile/joy")];
        for name in foreign.iter().chain(&ours) {
            fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(kept(), 12345);
        let missing = Gallery::open(folder.path().join("missing")).expect_err("not there");
        assert_eq!(missing.kind(), Kind::Output);
    }
}
