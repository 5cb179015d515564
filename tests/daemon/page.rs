//! A daemon with its page, on settings of its own and on the demonstration's pictures.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::program::program;
use super::{LIMIT, Running};

/// It does not outlive its test.
pub struct Device {
    pub process: Running,
    pub port: u16,
    pub settings: PathBuf,
    /// What it logs.
    pub log: Receiver<String>,
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
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Read on when nobody listens: a daemon whose log is full would wait.
                let _ = tell.send(line);
            }
        });
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
        let mut before = Vec::new();
        // Of the line, not of the next one: a daemon that works goes on to log.
        let end = Instant::now() + LIMIT;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => before.push(line),
                Err(_) => panic!("it did not say {words}: {before:#?}"),
            }
        }
    }
}
