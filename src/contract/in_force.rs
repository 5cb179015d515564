//! What is in force of everything that can change while the daemon runs, and who said so.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::tuning::Tuning;

/// Whose word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The settings file, or its default.
    File,
    /// A group of this name.
    Group(String),
    /// A command to this device.
    Command,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Author::File => f.write_str("file"),
            // No name holds a colon.
            Author::Group(group) => write!(f, "group:{group}"),
            Author::Command => f.write_str("command"),
        }
    }
}

impl Serialize for Author {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value and who gave it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Given<T> {
    /// What is in force.
    pub value: T,
    /// Who gave it.
    pub from: Author,
}

impl<T> Given<T> {
    /// The value, where a group or a command gave it: what the settings say waits then.
    pub fn imposed(&self) -> Option<&T> {
        (self.from != Author::File).then_some(&self.value)
    }
}

/// What counts now, of everything that can change while the device runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InForce {
    /// Confidence from which a face is followed, 0 to 1 (`tracking.start_confidence`).
    pub threshold: Given<Option<f32>>,
    /// Frames that are looked at per second at most, 0.1 to 240 (`pace.max_fps`).
    pub max_fps: Given<Option<f32>>,
    /// Whether the camera is closed.
    pub paused: Given<bool>,
    /// Whether pictures may leave the device when somebody asks for one.
    pub snapshots: Given<bool>,
    /// Which zones hold, by their names.
    pub zones: BTreeMap<String, Given<bool>>,
}

impl InForce {
    /// Whether the zone of this name holds.
    pub fn holds(&self, zone: &str) -> bool {
        self.zones.get(zone).is_some_and(|given| given.value)
    }

    /// Whether it is one of these who says whether the zone of this name holds.
    pub fn says(&self, zone: &str, by: fn(&Author) -> bool) -> bool {
        self.zones.get(zone).is_some_and(|given| by(&given.from))
    }

    /// Whether no picture may leave the device in any way: its owner has closed the
    /// camera, or holds pictures back by a command.
    pub fn is_private(&self) -> bool {
        self.paused.value || (!self.snapshots.value && self.snapshots.from == Author::Command)
    }

    /// Why no picture may leave that somebody asks for; none while one may.
    pub fn no_snapshot(&self) -> Option<&'static str> {
        match (self.snapshots.value, &self.snapshots.from) {
            (false, Author::File) => Some("snapshots.enabled is false in the settings file"),
            (false, _) => Some("a command holds pictures back; set snapshots to true"),
            (true, _) => self.paused.value.then_some("paused, the camera is closed"),
        }
    }

    /// The numbers alone.
    pub fn tuning(&self) -> Tuning {
        Tuning { threshold: self.threshold.value, max_fps: self.max_fps.value }
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, given) in [("threshold", &self.threshold), ("max_fps", &self.max_fps)] {
            if let Some(value) = given.value {
                write!(f, "{name} {value} ({}), ", given.from)?;
            }
        }
        let state = if self.paused.value { "paused" } else { "not paused" };
        write!(f, "{state} ({})", self.paused.from)?;
        for (zone, given) in &self.zones {
            let state = if given.value { "on" } else { "off" };
            write!(f, ", zone {zone} {state} ({})", given.from)?;
        }
        Ok(())
    }
}
