//! The line that `systemctl status` shows of a running daemon. `doctor` reads it back,
//! so both directions are here.

use std::fmt;

/// What one line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// Whether the device makes itself known just now.
    pub identifying: bool,
    pub camera: CameraWords,
    /// Empty in a line that is not ours.
    pub broker: String,
}

/// What it tells of the camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraWords {
    /// Not to be had; why.
    Failed(String),
    /// What is there is no camera; why.
    NotACamera(String),
    /// Closed, because its owner or a group said so.
    Paused,
    /// It is opened, or runs, or its pictures are over.
    Other(String),
}

const IDENTIFYING: &str = "here I am; ";
const FAILED: &str = "no camera: ";
const NOT_A_CAMERA: &str = "not a camera: ";
const PAUSED: &str = "paused, the camera is closed";

/// How the words about the broker begin.
pub(super) const CONNECTED: &str = "connected to the broker";
pub(super) const CONNECTING: &str = "connecting to the broker";
pub(super) const NO_BROKER: &str = "no broker: ";

impl fmt::Display for CameraWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "{FAILED}{why}"),
            Self::NotACamera(why) => write!(f, "{NOT_A_CAMERA}{why}"),
            Self::Paused => f.write_str(PAUSED),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for StatusLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identifying = if self.identifying { IDENTIFYING } else { "" };
        write!(f, "{identifying}{}; {}", self.camera, self.broker)
    }
}

impl StatusLine {
    /// Reads a line back. The first words that could be about the broker end what is
    /// told of the camera.
    pub fn parse(line: &str) -> Self {
        let (identifying, rest) = match line.strip_prefix(IDENTIFYING) {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let begins = |at: &usize| {
            let words = &rest[at + 2..];
            [CONNECTED, CONNECTING, NO_BROKER].iter().any(|begin| words.starts_with(begin))
        };
        let end = rest.match_indices("; ").map(|(at, _)| at).find(begins);
        let (camera, broker) = match end {
            Some(at) => (&rest[..at], &rest[at + 2..]),
            None => (rest, ""),
        };
        let camera = if camera == PAUSED {
            CameraWords::Paused
        } else if let Some(why) = camera.strip_prefix(FAILED) {
            CameraWords::Failed(why.to_owned())
        } else if let Some(why) = camera.strip_prefix(NOT_A_CAMERA) {
            CameraWords::NotACamera(why.to_owned())
        } else {
            CameraWords::Other(camera.to_owned())
        };
        Self { identifying, camera, broker: broker.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn camera() -> impl Strategy<Value = CameraWords> {
        let why = "[a-z(][a-z;,:? ]{0,40}[a-z)]";
        prop_oneof![
            why.prop_map(CameraWords::Failed),
            why.prop_map(CameraWords::NotACamera),
            Just(CameraWords::Paused),
            "[0-9]{1,3} frames/s".prop_map(CameraWords::Other),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            identifying: bool,
            camera in camera(),
            broker in "connected to the broker|connecting to the broker|no broker: [a-z; ]{0,40}",
        ) {
            let line = StatusLine { identifying, camera, broker };
            prop_assert_eq!(StatusLine::parse(&line.to_string()), line);
        }

        #[test]
        fn any_line_is_read(line in "\\PC{0,60}") {
            StatusLine::parse(&line);
        }
    }
}
