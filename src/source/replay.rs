//! Recorded pictures: a folder, a single picture, a Motion-JPEG file. Played at the
//! set rate, once or for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{FrameSource, Settings, SourceError, motion_jpeg, picture};
use crate::clock::Clock;
use crate::pixels::frame::{Frame, Orientation, PixelFormat};

/// What is played.
#[derive(Debug)]
enum Reel {
    Files(Vec<PathBuf>),
    /// A file's bytes and where its pictures lie.
    MotionJpeg {
        bytes: Vec<u8>,
        pictures: Vec<std::ops::Range<usize>>,
    },
}

/// A source that plays recorded pictures.
pub struct Replay {
    reel: Reel,
    name: String,
    fps: u32,
    repeat: bool,
    turn: Orientation,
    clock: Arc<dyn Clock>,
    next: usize,
    /// When the next picture is due, on the monotonic clock.
    due: Option<Duration>,
}

const MOTION_JPEG: [&str; 2] = ["mjpeg", "mjpg"];
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

fn has_extension(path: &Path, of: &[&str]) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    of.contains(&extension.as_str())
}

impl Replay {
    /// `path` is a folder (its pictures in order of name) or a file.
    pub fn open(
        path: &Path,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        let lost = |reason: &dyn std::fmt::Display| {
            SourceError::Lost(format!("{}: {reason}", path.display()))
        };
        let reel = if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|error| lost(&error))?;
            let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            files.retain(|file| has_extension(file, &PICTURES));
            files.sort();
            Reel::Files(files)
        } else if has_extension(path, &MOTION_JPEG) {
            let bytes = std::fs::read(path).map_err(|error| lost(&error))?;
            Reel::MotionJpeg { pictures: motion_jpeg::split(&bytes), bytes }
        } else {
            Reel::Files(vec![path.to_owned()])
        };
        let replay = Self {
            reel,
            name: path.display().to_string(),
            fps: settings.fps,
            repeat: settings.repeat,
            turn: settings.orientation(),
            clock,
            next: 0,
            due: None,
        };
        if replay.len() == 0 {
            return Err(lost(&"no pictures in it (JPEG or PNG, or a .mjpeg file)"));
        }
        Ok(replay)
    }

    fn len(&self) -> usize {
        match &self.reel {
            Reel::Files(files) => files.len(),
            Reel::MotionJpeg { pictures, .. } => pictures.len(),
        }
    }

    /// Waits until the next picture's time. Late pictures are not hurried: recorded
    /// pictures are each looked at.
    fn wait(&mut self) {
        let now = self.clock.now().monotonic;
        let due = *self.due.get_or_insert(now);
        if let Some(early) = due.checked_sub(now) {
            std::thread::sleep(early);
        }
        self.due = Some(due.max(now) + Duration::from_secs(1) / self.fps);
    }
}

impl FrameSource for Replay {
    fn next_frame(&mut self, frame: &mut Frame, _limit: Duration) -> Result<(), SourceError> {
        if self.next == self.len() {
            if !self.repeat {
                return Err(SourceError::End);
            }
            self.next = 0;
        }
        self.wait();
        let number = self.next;
        self.next += 1;
        match &self.reel {
            Reel::Files(files) => picture::read_into(&files[number], frame)
                .map_err(|error| SourceError::BadFrame(error.to_string()))?,
            Reel::MotionJpeg { bytes, pictures } => {
                frame.data.clear();
                frame.data.extend_from_slice(&bytes[pictures[number].clone()]);
                frame.format = PixelFormat::Mjpeg;
                frame.orientation = Orientation::default();
                frame.size = motion_jpeg::size(&frame.data).ok_or_else(|| {
                    SourceError::BadFrame(format!("{}: picture {number} has no size", self.name))
                })?;
            }
        }
        frame.orientation = frame.orientation.then(self.turn);
        frame.captured = self.clock.now();
        frame.sequence += 1;
        Ok(())
    }

    fn describe(&self) -> String {
        let times = if self.repeat { "for ever" } else { "once" };
        format!("{} pictures of {} at {}/s, {times}", self.len(), self.name, self.fps)
    }
}
