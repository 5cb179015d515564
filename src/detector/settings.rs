//! The `[model]` section.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sidecar::{PLAIN, plain};
use crate::limits::{Mistake, within};

/// Threads that inference can be given.
pub const THREADS: RangeInclusive<usize> = 1..=64;

/// Confidence of a face that is read, 0 to 1, where the settings say no other.
pub(super) const FLOOR: f32 = 0.1;

/// Section `[model]`: which model runs, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A `.tflite` file; its side-car `.json` stands beside it. Empty: the newest model
    /// called `name`. Default empty.
    pub path: PathBuf,
    /// Which model where `path` is empty: the newest of this name that passes every
    /// check, among those that came with the program and in `packages`. Default
    /// `expression-yolo12n`.
    pub name: String,
    /// Smaller networks of the same family for faces that are looked at closely, the best
    /// one first: the first is taken that is there in the model's version. None: the model
    /// does that, too. Default `expression-yolo12n-close`,
    /// `expression-yolo12n-7-close`, `expression-yolo12n-lite`.
    pub close: Vec<String>,
    /// Folder in which model packages put theirs. Default
    /// `/usr/share/expressiond/models.d`.
    pub packages: PathBuf,
    /// Folder with the public keys (`*.pem`) of those who may sign model packages.
    /// Default `/etc/expressiond/model-keys.d`.
    pub keys: PathBuf,
    /// Threads for inference, 1 to 64; more than the board has cores makes it many
    /// times slower. `expressiond bench` finds the best, of another model than the default
    /// with `--model`. Default 1.
    pub threads: usize,
    /// A face below this confidence does not exist, 0.001 to 0.999; a weak one above it
    /// keeps a track alive without starting one. All classes of a face together must have it,
    /// of a model with one or two classes each by itself. Default 0.1.
    pub floor: f32,
}

#[cfg(test)]
impl Settings {
    /// The models of this checkout, whatever packages have brought to this machine.
    pub(crate) fn committed() -> Self {
        Self { packages: "/nonexistent".into(), ..Self::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            name: "expression-yolo12n".to_owned(),
            close: [
                "expression-yolo12n-close",
                "expression-yolo12n-7-close",
                "expression-yolo12n-lite",
            ]
            .map(Into::into)
            .into(),
            packages: "/usr/share/expressiond/models.d".into(),
            keys: "/etc/expressiond/model-keys.d".into(),
            threads: 1,
            floor: FLOOR,
        }
    }
}

impl Settings {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        if !plain(&self.name) {
            return Err(("name", format!("is {:?}, it must be {PLAIN}", self.name)));
        }
        if let Some(name) = self.close.iter().find(|name| !plain(name)) {
            return Err(("close", format!("has {name:?}, each must be {PLAIN}")));
        }
        within("threads", self.threads, *THREADS.start(), *THREADS.end())?;
        within("floor", self.floor, 0.001, 0.999)
    }
}
