//! What the page asks of rooms that stand above it: to keep settings, to take that back,
//! to try a broker.

use serde::Serialize;
use serde_json::Value;

use super::tunable::{Changes, Tunable};

/// The key of the camera.
pub(super) const SOURCE: &str = "camera.source";

/// Settings that the page changes besides [`tunable`](super::tunable): the daemon starts
/// again with them.
pub(super) const SETUP: [&str; 5] = [
    SOURCE,
    "home_assistant.device_name",
    "home_assistant.suggested_area",
    "mqtt.url",
    "mqtt.username",
];

/// Where a value stands, and whether what the page saves would win over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// `/etc/expressiond/expressiond.toml:12`, `--set camera.fps`, `built-in default`.
    pub place: String,
    /// It stands nowhere: nobody gave another.
    pub is_default: bool,
    /// A later layer gives it: saving it here would change nothing.
    pub fixed: bool,
}

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// The file that now holds it.
    pub file: String,
    /// It did not before: something was written.
    pub written: bool,
}

/// Why nothing was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// For a person.
    pub why: String,
    /// What would have been written, for its owner to copy; empty where it was wrong.
    pub lines: String,
}

impl Refused {
    /// With nothing to copy.
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), lines: String::new() }
    }
}

/// What the settings are after an undo.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// Those that the page changes while it watches.
    pub settings: Tunable,
    /// Another one has changed, too: only a new start takes it over.
    pub restarts: bool,
}

/// Refuses settings, in words.
pub type Permit = dyn Fn(&Tunable) -> Result<(), String>;

/// The settings files, and whoever can try a broker. Everything here may wait for a disk
/// or the network, and is called on threads that nobody waits for.
pub trait SettingsStore: Send + Sync {
    /// Where the value of each of these keys stands.
    fn origins(&self, keys: &[String]) -> Vec<Origin>;

    /// Keeps values for the next start, in a file of the page's own.
    ///
    /// # Errors
    ///
    /// A start would be refused with it, `permit` refuses these settings, in its words, or
    /// the file cannot be written: it is as before.
    fn save(&self, changes: &Changes, permit: &Permit) -> Result<Saved, Refused>;

    /// Whether [`undo`](Self::undo) has something to take back: what was saved last is still
    /// all that the page's file holds.
    fn can_undo(&self) -> bool;

    /// Puts the page's file back to what it was before the last save; the settings that
    /// follow from it.
    ///
    /// # Errors
    ///
    /// As for [`save`](Self::save), or there is nothing to take back.
    fn undo(&self, permit: &Permit) -> Result<Undone, Refused>;

    /// The values of these keys in the settings.
    ///
    /// # Errors
    ///
    /// The settings cannot be read.
    fn values(&self, keys: &[&str]) -> Result<Changes, Refused>;

    /// Whether other instances may run beside this one, each with a camera of its own.
    fn is_instance(&self) -> bool;

    /// Reaches a broker as the daemon would, with these values changed: doctor's findings.
    fn test_broker(&self, changes: &Changes) -> Vec<Value>;
}
