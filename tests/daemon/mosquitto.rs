//! A Mosquitto of our own on a free port, with its own configuration.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::ports::free_port;
use super::running::LIMIT;

pub struct Mosquitto {
    pub port: u16,
    folder: TempDir,
    environment: Vec<(&'static str, PathBuf)>,
    child: Option<Child>,
}

impl Mosquitto {
    /// Anonymous clients, sessions that survive a restart.
    pub fn start() -> Self {
        Self::with("allow_anonymous true\n")
    }

    /// A listener on a free loopback port with these further lines, which win.
    pub fn with(lines: &str) -> Self {
        Self::in_environment(lines, &[])
    }

    /// As [`Self::with`], with environment variables.
    pub fn in_environment(lines: &str, environment: &[(&'static str, &Path)]) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let port = free_port();
        let state = folder.path().display();
        // Started by root it would become a user who cannot write in our folder.
        let text = format!(
            "user root\npersistence true\npersistence_location {state}/\n\
             autosave_on_changes true\nautosave_interval 1\n\
             log_type all\nmax_queued_messages 100000\nmax_inflight_messages 1000\n\
             listener {port} 127.0.0.1\n{lines}\n"
        );
        fs::write(folder.path().join("mosquitto.conf"), text).expect("configuration");
        let environment = environment.iter().map(|(k, v)| (*k, v.to_path_buf())).collect();
        let mut broker = Self { port, folder, environment, child: None };
        broker.resume();
        broker
    }

    /// Starts it (again) and waits until it says that it listens: whoever answers at its port
    /// may be somebody else.
    pub fn resume(&mut self) {
        let running = |log: &str| log.matches(" running\n").count();
        let before = running(&self.log());
        let log =
            fs::File::options().create(true).append(true).open(self.folder.path().join("log"));
        let child = Command::new(binary())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log.expect("log file"))
            .spawn()
            .expect("mosquitto starts");
        self.child = Some(child);
        self.says("that it listens", |log| running(log) > before);
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until it has said so.
    pub fn says(&mut self, what: &str, said: impl Fn(&str) -> bool) {
        let limit = Instant::now() + LIMIT;
        loop {
            let log = self.log();
            if said(&log) {
                return;
            }
            let child = self.child.as_mut().expect("running");
            assert!(child.try_wait().expect("status").is_none(), "mosquitto ended: {log}");
            assert!(Instant::now() < limit, "mosquitto does not say {what}: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a service manager does: it keeps its sessions on disk.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.wait();
    }

    /// Stops it from running, with all its connections open; `thaw` lets it go on.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("running");
        kill_process(Pid::from_child(child), signal).expect("signal");
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.child.as_mut().expect("running").kill().expect("signal");
        self.wait();
    }

    /// Removes what it has written, as if it had no persistence.
    pub fn forget(&self) {
        fs::remove_file(self.folder.path().join("mosquitto.db")).expect("it had written");
    }

    fn wait(&mut self) {
        let mut child = self.child.take().expect("running");
        let limit = Instant::now() + LIMIT;
        while child.try_wait().expect("status").is_none() {
            assert!(Instant::now() < limit, "mosquitto does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("what mosquitto said:\n{}", self.log());
        }
    }
}

/// Debian installs it where only root's PATH looks.
fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|file| file.exists())
        .expect("these tests need a real broker: apt-get install mosquitto")
}
