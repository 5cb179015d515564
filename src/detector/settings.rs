//! The `[model]` section.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "expression-yolo12n.tflite";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The `.tflite` file; its side-car `.json` stands beside it. Empty: the default
    /// model that came with the program. Default empty.
    pub path: PathBuf,
    /// Threads for inference, 1 to 64; more than the board has cores makes it many
    /// times slower. `expressiond bench` finds the best. Default 1.
    pub threads: usize,
    /// Boxes below this confidence do not exist, 0.001 to 0.999; weak ones above it
    /// keep a track alive without starting one. Default 0.1.
    pub floor: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: PathBuf::new(), threads: 1, floor: 0.1 }
    }
}

impl Settings {
    /// The key of an impossible value, and what it must be.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=64).contains(&self.threads) {
            return Err(("threads", format!("is {}, it must be from 1 to 64", self.threads)));
        }
        if !(0.001..=0.999).contains(&self.floor) {
            return Err(("floor", format!("is {}, it must be from 0.001 to 0.999", self.floor)));
        }
        Ok(())
    }

    /// The file to load: the one named, or the default model in the working
    /// directory's `models`, beside the program, or where packages put it.
    pub fn resolve(&self) -> PathBuf {
        if !self.path.as_os_str().is_empty() {
            return self.path.clone();
        }
        let program = std::env::current_exe().unwrap_or_default();
        let installed =
            program.parent().unwrap_or(Path::new("")).join("../share/expressiond/models");
        let folders = [PathBuf::from("models"), installed, "/usr/share/expressiond/models".into()];
        let files = folders.map(|folder| folder.join(DEFAULT_MODEL));
        files.iter().find(|file| file.exists()).unwrap_or(&files[0]).clone()
    }
}
