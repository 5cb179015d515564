//! A small fleet as `expressiond simulate` runs the large one (`make fleet-test`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "daemon/mosquitto.rs"]
mod mosquitto;
#[path = "daemon/ports.rs"]
mod ports;
#[path = "daemon/running.rs"]
mod running;

use mosquitto::Mosquitto;
use running::{LIMIT, Running};

/// Ends after ten minutes (timeout(1), with 124): the longest takes half a minute.
fn command() -> Command {
    let mut command = Command::new("timeout");
    command.args(["600", env!("CARGO_BIN_EXE_expressiond"), "simulate"]);
    command
}

fn simulate(more: &[&str]) -> Value {
    let output = command().args(["--json", "--every", "6"]).args(more).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_fleet_whose_broker_restarts_loses_nothing() {
    let report = simulate(&["--devices", "30", "--seconds", "8", "--outage", "4"]);
    let events = &report["events"];
    assert!(number(&events["made"]) > 100, "{report:#}");
    for never in ["lost", "out_of_order"] {
        assert_eq!(events[never], 0, "{report:#}");
    }
    assert!(number(&report["restart"]["waiting"]) > 0, "{report:#}");
    let back = report["restart"]["back"]["per_100_ms"].as_array().unwrap();
    assert_eq!(back.iter().map(number).sum::<u64>(), 30);
    let documented: Vec<&str> = include_str!("../docs/ref/simulate.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let sent: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(sent.len(), documented.len(), "{sent:?}");
    assert!(sent.iter().all(|key| documented.contains(&key.as_str())), "{sent:?}");
}

#[test]
fn outboxes_can_be_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().display().to_string();
    let more = ["--devices", "5", "--seconds", "6", "--outage", "2", "--state-dir", &state];
    let report = simulate(&more);
    assert_eq!(report["events"]["lost"], 0, "{report:#}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn no_other_machine_is_loaded() {
    let output = command().args(["--url", "mqtt://192.0.2.1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("only simulated against a broker on this machine"), "{message}");
}

#[test]
fn a_broker_that_runs_already_is_not_taken_away() {
    let more = ["--url", "mqtt://127.0.0.1:1", "--outage", "10"];
    let output = command().args(more).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("--outage"), "{message}");
}

#[test]
fn nothing_of_it_stays_at_a_broker_that_runs_already() {
    let broker = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    simulate(&["--devices", "2", "--seconds", "1", "--url", &url]);
    let last = listener_s_connections(&broker).pop().unwrap();
    assert!(last.contains(CLEAN), "{last}");
}

#[test]
fn nothing_of_it_stays_there_either_when_somebody_ends_it() {
    let broker = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let child = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["simulate", "--devices", "2", "--seconds", "600", "--url", &url])
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let first = until("a listener", || listener_s_connections(&broker).pop());
    assert!(first.contains("(p2, c0,"), "{first}");
    running.terminate();
    assert_eq!(running.code(), Some(69));
    let last = listener_s_connections(&broker).pop().unwrap();
    assert!(last.contains(CLEAN), "{last}");
}

/// A clean session: the broker has forgotten the one before, and keeps none.
const CLEAN: &str = "(p2, c1,";

/// What a broker says of them.
fn listener_s_connections(broker: &Mosquitto) -> Vec<String> {
    let log = broker.log();
    let lines = log.lines().filter(|line| line.contains(" as simulation-listener-"));
    lines.map(str::to_owned).collect()
}

#[test]
fn whoever_ends_it_ends_its_mosquitto() {
    let temporary = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["simulate", "--devices", "2", "--seconds", "600"])
        .env("TMPDIR", temporary.path())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    // Its log is there when its Mosquitto is.
    let folder = until_there(temporary.path(), |folder| folder.join("log").exists());
    let mode = folder.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    running.terminate();
    assert_eq!(running.code(), Some(69));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

/// The folder below `parent`, as soon as it is `ready`.
fn until_there(parent: &Path, ready: impl Fn(&Path) -> bool) -> PathBuf {
    until(&format!("a folder in {}", parent.display()), || {
        let folder = fs::read_dir(parent).unwrap().next().map(|entry| entry.unwrap().path());
        folder.filter(|folder| ready(folder))
    })
}

/// Asks until there is an answer.
fn until<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no {what} within {LIMIT:?}");
}
