//! The `[camera]` section.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::controls::ControlValues;
use super::formats::{self, FORMATS};
use super::media;
use crate::limits::{Mistake, within};
use crate::name::Name;
use crate::pixels::frame::Orientation;
use crate::pixels::planes::MAX_SIDE;

/// The `[camera]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name in topics and events: letters, digits, `_` and `-`. Default `camera`.
    pub name: String,
    /// `auto` (the first usable camera), a device (`/dev/video0`, `video0` or `0`; better
    /// the link that `expressiond cameras` shows), a part of a camera's name, bus or link, a folder of
    /// pictures, a picture, or a Motion-JPEG file (`.mjpeg`). `./` before a folder's name tells
    /// it from `auto` and from a device. Streams and films must be bridged. Default `auto`.
    pub source: String,
    /// Pixel format by its four letters (`YUYV`, `MJPG`, `NV12`, ...), in any case; empty:
    /// the one that costs least. Default empty.
    pub format: String,
    /// Width in pixels, 1 to 16384; 0: chosen among the camera's modes. Default 0.
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
    pub controls: ControlValues,
    /// Controls that are set while it is too dark to find a face, and taken back when
    /// light returns: a longer exposure, a lower frame rate. Default none.
    pub low_light: ControlValues,
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
            controls: ControlValues::new(),
            low_light: ControlValues::new(),
        }
    }
}

/// What `camera.source` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The first camera that can be used.
    First,
    /// A folder or file that is there.
    Recorded(PathBuf),
    /// A device, or a path at which nothing is.
    Device(PathBuf),
    /// A part of a camera's name, bus or link, in lower case.
    Named(String),
}

impl Settings {
    /// The key of an impossible value, and what it must be.
    ///
    /// # Errors
    ///
    /// The first such value.
    pub fn check(&self) -> Result<(), Mistake> {
        Name::camera(&*self.name).map_err(|error| ("name", error.to_string()))?;
        check_source(&self.source).map_err(|reason| ("source", reason))?;
        if !self.format.is_empty() && self.fourcc().is_none() {
            return Err(("format", unreadable_format(&self.format)));
        }
        within("width", self.width, 0, MAX_SIDE)?;
        within("height", self.height, 0, MAX_SIDE)?;
        within("fps", self.fps, 1, 240)?;
        if ![0, 90, 180, 270].contains(&self.rotate) {
            return Err(("rotate", format!("is {}, it must be 0, 90, 180 or 270", self.rotate)));
        }
        Ok(())
    }

    /// How the pictures are turned to stand upright.
    pub fn orientation(&self) -> Orientation {
        Orientation { quarter_turns: (self.rotate / 90) as u8, mirror: self.mirror }
    }

    /// Whether the source is recorded: each picture counts, and it may end.
    pub fn is_recorded(&self) -> bool {
        matches!(self.target(), Target::Recorded(_))
    }

    pub(super) fn target(&self) -> Target {
        self.target_where(|path| path.is_dir() || path.is_file())
    }

    /// The same with `is_there` to tell where pictures are.
    fn target_where(&self, is_there: impl Fn(&Path) -> bool) -> Target {
        // Before what is there: a camera is not another thing wherever the daemon is started.
        let lower = self.source.to_lowercase();
        if lower == "auto" {
            return Target::First;
        }
        let number = lower.strip_prefix("video").unwrap_or(&lower);
        if !number.is_empty() && number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit()) {
            return Target::Device(format!("/dev/video{number}").into());
        }
        let path = Path::new(&self.source);
        if is_there(path) {
            Target::Recorded(path.to_owned())
        } else if path.is_absolute() || is_written_as_path(path) {
            Target::Device(path.to_owned())
        } else {
            Target::Named(lower)
        }
    }

    /// The pinned pixel format, if one is.
    pub(super) fn fourcc(&self) -> Option<[u8; 4]> {
        formats::by_name(&self.format)
    }
}

/// Whether a relative path is meant, whatever is there: cameras are not called like this.
fn is_written_as_path(path: &Path) -> bool {
    let first = path.components().next();
    let is_relative = matches!(first, Some(Component::CurDir | Component::ParentDir));
    is_relative || media::is_read(path) || media::is_motion_jpeg(path)
}

/// # Errors
///
/// What the source is that is not read, and the way around.
fn check_source(source: &str) -> Result<(), String> {
    if source.trim().is_empty() {
        return Err("is empty, it must be auto, a device, a name or a path".into());
    }
    if let Some((scheme, rest)) = source.split_once("://") {
        // The address itself may hold a password.
        return Err(if scheme.eq_ignore_ascii_case("file") {
            format!("is an address, it must be the path: {rest}")
        } else {
            format!(
                "is the address of a stream ({scheme}://), and only devices and pictures are \
                 read: ffmpeg and v4l2loopback make a device of it, \
                 docs/guide/cameras.md, \"A network camera\""
            )
        });
    }
    if source.starts_with('~') || source.starts_with('$') {
        return Err(format!("is '{source}', and no shell expands that here: write the whole path"));
    }
    if source.contains('*') {
        let words = "is a pattern; a part of the camera's name, bus or link is enough, without *";
        return Err(words.into());
    }
    // A folder may be called anything.
    match media::by_name(Path::new(source)).filter(|_| !Path::new(source).is_dir()) {
        Some(medium) => Err(format!("is the name of {medium}")),
        None => Ok(()),
    }
}

fn unreadable_format(format: &str) -> String {
    let letters =
        FORMATS.map(|(letters, _)| String::from_utf8_lossy(&letters).trim_end().to_owned());
    let compressed = ["H264", "H265", "HEVC", "AVC1", "VP8", "VP9", "VP80", "VP90", "AV1", "MPG4"];
    let upper = format.to_uppercase();
    let why = if compressed.contains(&&*upper) {
        "video that is not decoded here (ffmpeg can bridge it: docs/guide/cameras.md)"
    } else {
        "not read here"
    };
    format!("is '{format}', which is {why}; it must be empty or one of {}", letters.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str) -> Option<String> {
        let settings = Settings { source: source.into(), ..Settings::default() };
        settings.check().err().map(|(key, reason)| {
            assert_eq!(key, "source");
            reason
        })
    }

    #[test]
    fn what_is_no_device_is_called_what_it_is_with_the_way_around() {
        for (source, words) in [
            ("rtsp://user:secret@cam/stream", &["rtsp://", "ffmpeg", "A network camera"][..]),
            ("http://cam/v.mjpg", &["http://", "v4l2loopback"]),
            ("RTMP://cam/live", &["stream"]),
            ("file:///home/pi/x.jpg", &["path: /home/pi/x.jpg"]),
            ("~/pictures", &["~/pictures", "whole path"]),
            ("$HOME/pictures", &["whole path"]),
            ("/dev/video*", &["without *"]),
            ("film.mp4", &["MP4 film", "mjpeg"]),
            ("/srv/Film.AVI", &["AVI film"]),
            ("x.heic", &["HEIC picture", "heif-convert"]),
            ("x.webp", &["WebP picture"]),
            (" ", &["empty"]),
        ] {
            let reason = refused(source).unwrap_or_else(|| panic!("{source} passed"));
            assert!(words.iter().all(|word| reason.contains(word)), "{source}: {reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }

    #[test]
    fn what_can_be_a_camera_or_pictures_passes() {
        let folder = tempfile::tempdir().expect("a folder");
        let odd = folder.path().join("holiday.mp4");
        std::fs::create_dir(&odd).expect("a folder in it");
        let odd = odd.to_string_lossy().into_owned();
        for source in ["auto", "C920", "0", "video2", "/dev/video0", "usb-0000:01:00.0-1.3", &odd] {
            assert_eq!(refused(source), None, "{source}");
        }
    }

    #[test]
    fn numbers_and_nodes_are_devices() {
        let target =
            |source: &str| Settings { source: source.into(), ..Settings::default() }.target();
        assert_eq!(target("0"), Target::Device("/dev/video0".into()));
        assert_eq!(target("video12"), Target::Device("/dev/video12".into()));
        assert_eq!(target("/dev/v4l/by-id/x"), Target::Device("/dev/v4l/by-id/x".into()));
        assert_eq!(target("Auto"), Target::First);
        assert_eq!(target("C920"), Target::Named("c920".into()));
        assert_eq!(target("video"), Target::Named("video".into()));
        assert_eq!(target("/"), Target::Recorded("/".into()));
    }

    #[test]
    fn a_relative_path_at_which_nothing_is_is_no_cameras_name() {
        let target = |source: &str| {
            Settings { source: source.into(), ..Settings::default() }.target_where(|_| false)
        };
        for path in ["./film.mjpeg", "film.MJPEG", "../pictures", "./2024", "a.jpg", "x/y.png"] {
            assert_eq!(target(path), Target::Device(path.into()), "{path}");
        }
        for name in ["usb-0000:01:00.0-1.3", "c920", "by-id/usb-046d", "cam v1.2"] {
            assert_eq!(target(name), Target::Named(name.into()), "{name}");
        }
    }

    #[test]
    fn a_folder_in_the_working_folder_takes_no_cameras_name() {
        let target = |source: &str| {
            Settings { source: source.into(), ..Settings::default() }.target_where(|_| true)
        };
        assert_eq!(target("auto"), Target::First);
        for camera in ["0", "video0", "VIDEO0"] {
            assert_eq!(target(camera), Target::Device("/dev/video0".into()), "{camera}");
        }
        for folder in ["./auto", "./0", "holidays", "2024"] {
            assert_eq!(target(folder), Target::Recorded(folder.into()));
        }
    }

    #[test]
    fn formats_are_those_that_are_read_in_any_case() {
        let check = |format: &str| {
            Settings { format: format.into(), ..Settings::default() }
                .check()
                .map_err(|error| error.1)
        };
        assert_eq!(check("yuyv"), Ok(()));
        assert_eq!(check("Y16"), Ok(()));
        assert_eq!(check(""), Ok(()));
        assert!(check("H264").expect_err("refused").contains("ffmpeg"));
        let error = check("abc").expect_err("refused");
        assert!(
            error.contains("'abc'") && error.contains("YUYV") && error.contains("Y16"),
            "{error}"
        );
    }
}
