//! The `[camera]` section.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::controls::Wishes;
use crate::name::Name;
use crate::pixels::frame::Orientation;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name in topics and events: letters, digits, `_` and `-`. Default `camera`.
    pub name: String,
    /// `auto` (the first usable camera), a device (`/dev/video0`, or better a link below
    /// `/dev/v4l/by-id`), a part of a camera's name, bus or link, a folder of pictures, a
    /// picture, or a Motion-JPEG file (`.mjpeg`). Default `auto`.
    pub source: String,
    /// Pixel format by its four letters (`YUYV`, `MJPG`, `NV12`, ...); empty: the one that
    /// costs least. Default empty.
    pub format: String,
    /// Width in pixels, 1 to 16384; 0: the least that fills the model's input.
    /// Default 0.
    pub width: u32,
    /// Height in pixels, 1 to 16384; 0 likewise. Default 0.
    pub height: u32,
    /// Frames per second to ask for, or to replay pictures at, 1 to 240. Default 15.
    pub fps: u32,
    /// Clockwise degrees to turn the picture upright: 0, 90, 180 or 270. Default 0.
    pub rotate: u32,
    /// Mirror left to right, after turning. Default false.
    pub mirror: bool,
    /// Play pictures for ever instead of once. Default false.
    pub repeat: bool,
    /// Controls of the camera by the names of `v4l2-ctl --list-ctrls`: a number, true or
    /// false, or a menu's entry. Default none: the camera keeps what it has.
    pub controls: Wishes,
    /// Controls that are set while it is too dark to find a face, and taken back when
    /// light returns: a longer exposure, a lower frame rate. Default none.
    pub low_light: Wishes,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "camera".to_owned(),
            source: "auto".to_owned(),
            format: String::new(),
            width: 0,
            height: 0,
            fps: 15,
            rotate: 0,
            mirror: false,
            repeat: false,
            controls: Wishes::new(),
            low_light: Wishes::new(),
        }
    }
}

impl Settings {
    /// The key of an impossible value, and what it must be.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        Name::camera(&*self.name).map_err(|error| ("name", error.to_string()))?;
        if self.source.is_empty() {
            return Err(("source", "is empty, it must be auto, a device, a name or a path".into()));
        }
        if !(self.format.is_empty() || (self.format.len() == 4 && self.format.is_ascii())) {
            return Err(("format", format!("is '{}', it must have four letters", self.format)));
        }
        for (key, value, least, most) in [
            ("width", self.width, 0, 16384),
            ("height", self.height, 0, 16384),
            ("fps", self.fps, 1, 240),
        ] {
            if !(least..=most).contains(&value) {
                return Err((key, format!("is {value}, it must be from {least} to {most}")));
            }
        }
        if ![0, 90, 180, 270].contains(&self.rotate) {
            return Err(("rotate", format!("is {}, it must be 0, 90, 180 or 270", self.rotate)));
        }
        Ok(())
    }

    pub fn orientation(&self) -> Orientation {
        Orientation { quarter_turns: (self.rotate / 90) as u8, mirror: self.mirror }
    }

    /// Whether the source is recorded: each picture counts, and it may end.
    pub fn is_recorded(&self) -> bool {
        let path = PathBuf::from(&self.source);
        path.is_dir() || path.is_file()
    }
}
