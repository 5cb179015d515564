//! What is in force of everything that can change while the daemon runs, and who said so.

use std::fmt;

use serde::{Serialize, Serializer};

use super::tuning::Tuning;

/// Whose word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The settings file, or its default.
    File,
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
    pub value: T,
    pub from: Author,
}

/// What counts now, of everything that can change while the device runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InForce {
    pub threshold: Given<Option<f32>>,
    pub max_fps: Given<Option<f32>>,
    pub paused: Given<bool>,
    /// Whether pictures may leave the device when somebody asks for one.
    pub snapshots: Given<bool>,
}

impl InForce {
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
        write!(f, "{state} ({})", self.paused.from)
    }
}
