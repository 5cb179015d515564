//! Annotated pictures of events, in a folder, for an owner who asked for them.

use std::path::PathBuf;

use crate::annotate::{self, Mark};
use crate::events::Event;
use crate::pixels::frame::Frame;
use crate::pixels::rgb::to_rgb;
use crate::tracks::Snapshot;

/// Keeps a picture per event, numbered.
#[derive(Debug)]
pub struct Gallery {
    folder: PathBuf,
    kept: usize,
}

impl Gallery {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, kept: 0 }
    }

    /// Writes the frame with the faces drawn on it, once for each event.
    pub fn keep(
        &mut self,
        frame: &Frame,
        events: &[Event],
        faces: &[Snapshot],
        classes: &[String],
    ) {
        if events.is_empty() {
            return;
        }
        let Ok(mut picture) = to_rgb(frame) else { return };
        let labels: Vec<String> = faces
            .iter()
            .map(|face| match face.expression {
                Some((class, share)) => format!("{} {} {share:.2}", face.track, classes[class]),
                None => format!("{} ?", face.track),
            })
            .collect();
        let marks: Vec<Mark> = faces
            .iter()
            .zip(&labels)
            .map(|(face, label)| {
                // one colour more than classes: undecided
                let class = face.expression.map_or(classes.len(), |(class, _)| class);
                Mark { rect: face.rect, class, label }
            })
            .collect();
        annotate::draw(&mut picture, &marks);
        for event in events {
            self.kept += 1;
            let name = format!("{:04}-{}-{}.jpg", self.kept, event.event_type.name(), event.class);
            if let Err(error) = picture.save(self.folder.join(&name)) {
                log::warn!("cannot keep {name} in {}: {error}", self.folder.display());
            }
        }
    }
}
