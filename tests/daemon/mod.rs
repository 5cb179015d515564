//! The daemon as a process of its own, and a broker for it, for tests that run both.

// Each test binary uses a part of this.
#![allow(dead_code)]

pub mod held;
pub mod http;
pub mod log;
mod mosquitto;
pub mod page;
pub mod ports;
pub mod program;
pub mod running;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use mosquitto::Mosquitto;
use program::program;
pub use running::{LIMIT, Running};

/// A broker of this test's own, and what it hears.
pub struct Broker {
    pub port: u16,
    mosquitto: Mosquitto,
    _subscriber: Running,
    pub heard: Receiver<(String, String)>,
}

impl Broker {
    pub fn start() -> Self {
        let mut mosquitto = Mosquitto::start();
        let port = mosquitto.port;
        let mut subscriber = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-v", "-q", "1", "-t", "expressiond/#"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto_sub is installed by `make setup`");
        mosquitto.says("that somebody listens", |log| log.contains("Sending SUBACK"));
        let lines = BufReader::new(subscriber.stdout.take().unwrap()).split(b'\n');
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // A picture is no text; what matters of it here is that it came.
                let line = String::from_utf8_lossy(&line);
                let (topic, payload) = line.split_once(' ').unwrap_or((&line, ""));
                if tell.send((topic.to_owned(), payload.to_owned())).is_err() {
                    return;
                }
            }
        });
        Self { port, mosquitto, _subscriber: Running(subscriber), heard }
    }

    /// What the broker has said so far.
    pub fn log(&self) -> String {
        self.mosquitto.log()
    }

    /// Publishes a message, and waits until the broker has it.
    pub fn say(&self, topic: &str, text: &str) {
        publish(self.port, topic, &["-m", text]);
    }

    /// Messages up to and including the first that fits.
    pub fn until(&self, fits: impl Fn(&str, &str) -> bool) -> Vec<(String, String)> {
        let end = Instant::now() + LIMIT;
        let mut all = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((topic, payload)) = self.heard.recv_timeout(left) else {
                panic!("not heard within {LIMIT:?}; heard {all:#?}");
            };
            let found = fits(&topic, &payload);
            all.push((topic, payload));
            if found {
                return all;
            }
        }
    }
}

/// Starts the daemon with these settings on top of a state folder of its own.
pub fn daemon(folder: &Path, port: u16, settings: &[(&str, &str)]) -> Running {
    daemon_that_logs(folder, port, settings, Stdio::null())
}

/// As [`daemon`], with its log going there.
pub fn daemon_that_logs(
    folder: &Path,
    port: u16,
    settings: &[(&str, &str)],
    log: impl Into<Stdio>,
) -> Running {
    Running(command(folder, port, settings).stderr(log).spawn().unwrap())
}

/// The same, for whoever wants to hear what it says.
pub fn command(folder: &Path, port: u16, settings: &[(&str, &str)]) -> Command {
    let mut command = program(&["run", "--config"]);
    let file = folder.join("empty.toml");
    std::fs::write(&file, "").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(file);
    let (url, state) = (format!("mqtt://127.0.0.1:{port}"), folder.display().to_string());
    let own = [("device.id", "test"), ("device.state_dir", &*state), ("mqtt.url", &*url)];
    for (key, value) in own.iter().chain(settings) {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command
}

/// Publishes with `mosquitto_pub`'s own options.
pub fn publish(port: u16, topic: &str, more: &[&str]) {
    let port = port.to_string();
    let status = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic])
        .args(more)
        .status()
        .expect("mosquitto_pub is installed by `make setup`");
    assert!(status.success());
}
