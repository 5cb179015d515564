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
}

impl Gallery {
    /// In `folder`, which must be there.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, kept: 0 }
    }

    /// Writes the frame with the faces drawn on it, once for each event. A file that
    /// cannot be written is a warning in the log: events go on without pictures.
    pub(crate) fn keep(
        &mut self,
        frame: &Frame,
        events: &[Event],
        faces: &[TrackedFace],
        legend: &Legend,
    ) {
        if events.is_empty() {
            return;
        }
        let Ok(picture) = annotated(frame, faces, legend) else { return };
        for event in events {
            self.kept += 1;
            let name = format!("{:04}-{}-{}.jpg", self.kept, event.event_type.name(), event.class);
            if let Err(error) = save(&picture, &self.folder.join(&name)) {
                log::warn!("cannot keep {name} in {}: {error}", self.folder.display());
            }
        }
    }
}
