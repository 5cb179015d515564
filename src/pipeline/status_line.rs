//! The line that `systemctl status` shows of a running daemon. `doctor` reads it back,
//! so both directions are here.

use std::fmt;

use crate::contract::payload::ReasonCode;

/// What one line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusLine {
    /// Whether the device makes itself known just now.
    pub identifying: bool,
    /// What it tells of the camera.
    pub camera: CameraWords,
    /// Empty in a line that is not ours.
    pub broker: String,
}

/// What it tells of the camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CameraWords {
    /// Why no face can be found: a reason that [`is_trouble`], and its words.
    Trouble(ReasonCode, String),
    /// Closed, because its owner or this group said so.
    Paused(Option<String>),
    /// It is opened, or runs, or its pictures are over.
    Other(String),
}

const IDENTIFYING: &str = "here I am; ";
const PAUSED: &str = "paused";
const BY_GROUP: &str = " by its group ";
const CLOSED: &str = ", the camera is closed";

/// How the words about the broker begin.
pub(super) const CONNECTED: &str = "connected to the broker";
pub(super) const CONNECTING: &str = "connecting to the broker";
pub(super) const NO_BROKER: &str = "no broker: ";

/// Whether it says that a camera does not help to find a face.
pub(super) fn is_trouble(code: ReasonCode) -> bool {
    code.is_blind() || code.is_tampering() || code == ReasonCode::Dark
}

/// How the words about such a camera begin.
fn beginning(code: ReasonCode) -> String {
    format!("{}: ", code.name().replace('_', " "))
}

impl fmt::Display for CameraWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trouble(code, why) => write!(f, "{}{why}", beginning(*code)),
            Self::Paused(None) => write!(f, "{PAUSED}{CLOSED}"),
            Self::Paused(Some(group)) => write!(f, "{PAUSED}{BY_GROUP}{group}{CLOSED}"),
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
    pub(crate) fn parse(line: &str) -> Self {
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
        let mut troubles = ReasonCode::ALL.into_iter().filter(|code| is_trouble(*code));
        let trouble =
            troubles.find_map(|code| Some((code, camera.strip_prefix(&beginning(code))?)));
        let camera = match trouble {
            Some((code, why)) => CameraWords::Trouble(code, why.to_owned()),
            None => paused(camera).unwrap_or_else(|| CameraWords::Other(camera.to_owned())),
        };
        Self { identifying, camera, broker: broker.to_owned() }
    }
}

/// What is told of a camera that is closed.
fn paused(words: &str) -> Option<CameraWords> {
    let by = words.strip_prefix(PAUSED)?.strip_suffix(CLOSED)?;
    let group = by.strip_prefix(BY_GROUP).map(ToOwned::to_owned);
    (by.is_empty() || group.is_some()).then_some(CameraWords::Paused(group))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn camera() -> impl Strategy<Value = CameraWords> {
        let why = "[a-z(][a-z;,:? ]{0,40}[a-z)]";
        let troubles = ReasonCode::ALL.into_iter().filter(|code| is_trouble(*code));
        let trouble = prop::sample::select(troubles.collect::<Vec<_>>());
        prop_oneof![
            (trouble, why).prop_map(|(code, why)| CameraWords::Trouble(code, why)),
            Just(CameraWords::Paused(None)),
            "[a-z_-]{1,9}".prop_map(|group| CameraWords::Paused(Some(group))),
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
