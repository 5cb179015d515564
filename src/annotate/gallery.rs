//! A folder with an annotated picture of every event (`run --annotate`).

use std::path::PathBuf;

use super::drawing::save;
use super::snapshot::{Legend, annotated};
use crate::events::Event;
use crate::pixels::frame::Frame;
use crate::tracks::TrackedFace;

/// Keeps a picture of each event, numbered from 1 in each run.
#[derive(Debug)]
pub(crate) struct Gallery {
    folder: PathBuf,
    kept: usize,
    /// The frame that was looked at last: of what time alone tells (a face that nobody has
    /// seen any more has left) there is no other.
    last: Option<Frame>,
}

impl Gallery {
    /// In `folder`, which must be there.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, kept: 0, last: None }
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
            self.kept += 1;
            let name = file_name(self.kept, event.event_type.name(), &event.class);
            if let Err(error) = save(&picture, &self.folder.join(&name)) {
                log::warn!("cannot keep {name} in {}: {error}", self.folder.display());
            }
        }
    }
}

/// Classes are called as their owner likes, also with what divides folders.
fn file_name(number: usize, event: &str, class: &str) -> String {
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
}
