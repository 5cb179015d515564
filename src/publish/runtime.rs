//! What was changed while running and must survive a restart. The settings file
//! stays its owner's: this is another file, in the state folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Changes made over MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// Whether its owner has paused the device.
    pub paused: bool,
}

const FILE: &str = "runtime.json";

impl Runtime {
    /// What an earlier run kept in `state_dir`; the default when it kept nothing.
    /// A file that cannot be understood counts as paused: a camera that its owner
    /// may have closed is not opened by accident.
    pub fn load(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => return Self::unknown(&path, &error),
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| Self::unknown(&path, &error))
    }

    fn unknown(path: &Path, error: &dyn std::error::Error) -> Self {
        log::error!(
            "cannot tell whether the device was paused, so it is: {}: {error}. \
             Send resume, or remove the file",
            path.display()
        );
        Self { paused: true }
    }

    /// Keeps it for the next run: written beside, forced to disk, renamed over.
    pub fn save(&self, state_dir: &Path) -> io::Result<()> {
        fs::create_dir_all(state_dir)?;
        let path: PathBuf = state_dir.join(FILE);
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(state_dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_survives() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let state = folder.path().join("state");
        assert_eq!(Runtime::load(&state), Runtime::default());
        Runtime { paused: true }.save(&state).expect("saved");
        assert_eq!(Runtime::load(&state), Runtime { paused: true });
        Runtime { paused: false }.save(&state).expect("saved");
        assert_eq!(Runtime::load(&state), Runtime { paused: false });
    }

    #[test]
    fn a_broken_file_does_not_open_the_camera() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for text in ["", "{", "\"paused\"", r#"{"paused":1}"#] {
            fs::write(folder.path().join(FILE), text).expect("written");
            assert!(Runtime::load(folder.path()).paused, "{text}");
        }
    }
}
