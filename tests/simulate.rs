//! A small fleet as `expressiond simulate` runs the large one (`make fleet-test`).

use std::process::Command;

use serde_json::Value;

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
