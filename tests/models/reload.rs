//! A running daemon takes a new model on SIGHUP.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::daemon::log::Log;
use super::daemon::{LIMIT, Running};
use super::{Board, NAME, own_version};

struct Daemon {
    process: Running,
    log: Log,
}

impl Daemon {
    fn start(board: &Board) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_expressiond"))
            .args(["run", "--config"])
            .arg(board.path("settings.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::of(&mut child);
        Self { process: Running(child), log }
    }

    fn reload(&self) {
        kill_process(Pid::from_child(&self.process.0), Signal::HUP).unwrap();
    }
}

/// What a subscriber of the daemon's own broker is told as status.
fn status(port: &str) -> Value {
    let output = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", port, "-t", "expressiond/test/status", "-C", "1"])
        .args(["-W", &LIMIT.as_secs().to_string()])
        .output()
        .expect("mosquitto_sub is installed by `make setup`");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_running_daemon_takes_a_new_model_and_says_which_it_refused() {
    let board = Board::new();
    let daemon = Daemon::start(&board);
    daemon.log.says(&format!("model: {NAME}@{}", own_version()));
    daemon.log.says("broker: ");
    board.install("90.0.0", |_, _| {});
    daemon.reload();
    daemon.log.says(&format!("model: {NAME}@90.0.0"));
    let broker = daemon.log.says("broker: ");
    board.install("90.1.0", |card, _| card["self_test"]["expect"][0]["box"] = json!([0, 0, 9, 9]));
    daemon.reload();
    let told = daemon.log.says("model refused");
    assert!(told.contains("90.1.0") && told.contains("self-test failed"), "{told} after {broker}");
    daemon.log.says(&format!("model: {NAME}@90.0.0"));
    let broker = daemon.log.says("broker: ");
    let port = broker.split("127.0.0.1:").nth(1).unwrap().split(|c: char| !c.is_ascii_digit());
    let status = status(port.clone().next().unwrap());
    assert!(status["model"].as_str().unwrap().starts_with(&format!("{NAME}@90.0.0")), "{status}");
    let reasons = status["reasons"].as_array().unwrap();
    let refused = reasons.iter().find(|reason| reason["code"] == "model_refused").unwrap();
    assert!(refused["message"].as_str().unwrap().contains("90.1.0"), "{status}");
}
