//! A daemon with its page, on settings of its own and on the demonstration's pictures.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Running;
use super::log::Log;
use super::program::program;

/// It does not outlive its test.
pub struct Device {
    pub process: Running,
    pub port: u16,
    pub settings: PathBuf,
    log: Log,
}

/// The demonstration for ever, on a page without a password, and `more`.
pub fn settings(folder: &Path, broker: u16, more: &str) -> PathBuf {
    let file = folder.join("expressiond.toml");
    let text = format!(
        "[device]\nid = \"test\"\nstate_dir = {:?}\n\
         [camera]\nname = \"door\"\nsource = \"tests/demo/frames\"\nfps = 6\nrepeat = true\n\
         [mqtt]\nurl = \"mqtt://127.0.0.1:{broker}\"\n\
         [preview]\nlisten = \"127.0.0.1:0\"\n{more}",
        folder.join("state")
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// Another layer of the settings in `folder`.
pub fn layer(folder: &Path, name: &str, text: &str) {
    let folder = folder.join("conf.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}

/// A single picture instead of the demonstration's, which can be lost as a camera is.
pub struct Picture(PathBuf);

impl Picture {
    /// For the settings in `folder`.
    pub fn instead(folder: &Path) -> Self {
        let picture = Self(folder.join("room.jpg"));
        picture.put();
        layer(folder, "20-camera.toml", &format!("[camera]\nsource = {:?}\n", picture.0));
        picture
    }

    pub fn put(&self) {
        // In one step: half a picture would be a broken one.
        let new = self.0.with_extension("new");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg"), &new).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }

    pub fn lose(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

impl Device {
    pub fn start(settings: PathBuf) -> Self {
        let mut command = program(&["run", "--config"]);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(&settings);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(&mut child);
        let mut device = Self { process: Running(child), port: 0, settings, log };
        device.port = device.listens();
        device
    }

    /// What `check-config` says of its settings, which are fit.
    pub fn checked_settings(&self) -> String {
        let checked = program(&["check-config", "--config"]).arg(&self.settings).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        String::from_utf8_lossy(&checked.stdout).into_owned()
    }

    /// Waits until it says where its page is.
    pub fn listens(&self) -> u16 {
        let line = self.says("page: http");
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap();
        port.parse().unwrap_or_else(|_| panic!("{line}"))
    }

    /// Waits for a line with these words.
    pub fn says(&self, words: &str) -> String {
        self.log.says(words)
    }
}
