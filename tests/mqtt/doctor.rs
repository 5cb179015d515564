//! `expressiond doctor` as its users run it: with a real Mosquitto that refuses in
//! every way there is, with wrong settings, without a camera, on a disk that is full;
//! and its page and schema against what it prints.

mod beside_the_daemon;
mod broker;
mod camera;
mod credentials;
mod state;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use expressiond::contract::payload::ReasonCode;
use expressiond::doctor::finding::{Check, SCHEMA_VERSION, Verdict};
use expressiond::error::Kind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mosquitto::Mosquitto;
use crate::ports::free_port;
use crate::program::program;
use crate::reference::table;
use crate::running::output;
use crate::support::url;

const PAGE: &str = include_str!("../../docs/ref/doctor.md");
const SCHEMA: &str = include_str!("../../docs/ref/doctor.schema.json");

/// Settings with a folder of their own, a face to look at, and a broker at `url`.
struct Device {
    folder: TempDir,
}

impl Device {
    fn new(url: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let own = format!(
            "[device]\nid = \"d1\"\nstate_dir = \"{}\"\n\
             [camera]\nsource = \"models/self-test.jpg\"\n[mqtt]\nurl = \"{url}\"\n{more}",
            state.display()
        );
        std::fs::write(folder.path().join("e.toml"), own).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut program = program(&[command, "--config"]);
        program.current_dir(env!("CARGO_MANIFEST_DIR"));
        program.arg(self.file("e.toml")).args(more).stdin(Stdio::null());
        program
    }

    fn examine(&self, more: &[&str]) -> Report {
        Report::of(output(&mut self.command("doctor", &[&["--json"], more].concat())))
    }
}

struct Report(Value);

impl Report {
    /// Checks what holds for every report.
    fn of(output: Output) -> Self {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).expect(&words);
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {report:#}");
        let checks = report["checks"].as_array().unwrap();
        let order: Vec<_> = checks.iter().map(|check| check["check"].clone()).collect();
        assert_eq!(order, Check::ALL.map(|check| json!(check.name())));
        let code = report["exit_code"].as_i64().unwrap();
        assert_eq!(output.status.code().map(i64::from), Some(code), "{words}");
        assert_eq!(code == 0, report["verdict"] != "problem", "{report:#}");
        Self(report)
    }

    fn check(&self, name: &str) -> &Value {
        let checks = self.0["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).unwrap()
    }

    /// The first problem is this one, with these words, and decides the exit code.
    #[track_caller]
    fn ends_with(&self, code: i64, check: &str, words: &str) {
        let checks = self.0["checks"].as_array().unwrap();
        let first = checks.iter().find(|check| check["verdict"] == "problem");
        let first = first.unwrap_or_else(|| panic!("no problem in {:#}", self.0));
        assert_eq!(first["check"], check, "{:#}", self.0);
        assert!(first["message"].as_str().unwrap().contains(words), "{first:#}");
        assert!(first["remedy"].is_string(), "{first:#}");
        assert_eq!(self.0["exit_code"], code, "{:#}", self.0);
    }

    #[track_caller]
    fn is(&self, check: &str, verdict: &str, words: &str) {
        let found = self.check(check);
        assert_eq!(found["verdict"], verdict, "{:#}", self.0);
        assert!(found["message"].as_str().unwrap().contains(words), "{found:#}");
    }
}

/// What only the loaded model shows to be wrong: `doctor` says what the daemon would say.
#[test]
fn groups_and_sensors_that_the_model_does_not_tell_are_named_with_their_line() {
    for (more, words) in [
        ("[expression]\ngroups = [\"cheerful\"]\n", "expression.groups name cheerful"),
        (
            "[home_assistant]\nbinary_sensors = [\"sad\"]\n",
            "home_assistant.binary_sensors has sad, which is not told: happy, not_happy",
        ),
    ] {
        let words = format!("e.toml:9: {words}");
        let device = Device::new(&url(free_port()), more);
        device.examine(&[]).ends_with(78, "model", &words);
        let output = device.command("discovery", &[]).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{message}");
        assert!(message.contains(&words), "{message}");
    }
}

#[test]
fn a_device_that_is_well_is_told_so() {
    let broker = Mosquitto::start();
    let report = Device::new(&url(broker.port), "").examine(&[]);
    assert_eq!(report.0["device"], "d1");
    for (check, words) in [
        ("settings", "e.toml"),
        ("library", ", XNNPACK runs"),
        ("model", "self-test passed"),
        ("camera", "faces in the picture: 1"),
        ("state", "can be written"),
        ("broker", "answers"),
        ("login", "anonymous"),
        ("topics", "expressiond/d1/command"),
    ] {
        report.is(check, "ok", words);
    }
    report.is("tls", "skipped", "does not ask");
    report.is("home_assistant", "warning", "homeassistant/device/expressiond_d1/config");
    assert_eq!(report.0["exit_code"], 0);
}

#[test]
fn people_and_scripts_get_lines() {
    let device = Device::new(&url(free_port()), "");
    let output = device.command("doctor", &[]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let is_of = |(line, check): (&str, Check)| line[9..].starts_with(check.name());
    assert!(lines.lines().zip(Check::ALL).all(is_of), "{lines}");
    assert!(lines.lines().nth(7).unwrap().starts_with("problem  broker "), "{lines}");
    assert!(lines.contains("; do: start the broker"), "{lines}");
    assert!(!lines.contains('\u{1b}'), "{lines}");
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expressiond: broker: "));
}

#[test]
fn wrong_settings_are_named_with_their_line() {
    let device = Device::new("mqtt://127.0.0.1", "nonsense = 1\n");
    let report = device.examine(&[]);
    report.ends_with(78, "settings", "e.toml:8");
    report.is("broker", "skipped", "settings must be right");
    assert_eq!(report.0["device"], Value::Null);
}

#[test]
fn the_page_and_the_schema_name_what_there_is() {
    let documented: Vec<_> =
        table(PAGE, "## Checks").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, Check::ALL.map(Check::name));
    let verdicts: Vec<_> =
        table(PAGE, "each with a verdict").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(verdicts, Verdict::ALL.map(Verdict::name));
    for code in table(PAGE, "## Checks").iter().filter_map(|row| row[3].parse::<u8>().ok()) {
        assert!(Kind::ALL.iter().any(|kind| kind.exit_code() == code), "{code}");
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA_VERSION);
    let item = &schema["properties"]["checks"]["items"]["properties"];
    assert_eq!(item["check"]["enum"], json!(Check::ALL));
    assert_eq!(schema["$defs"]["verdict"]["enum"], json!(Verdict::ALL));
    let mut reasons = vec![Value::Null];
    reasons.extend(ReasonCode::ALL.map(|code| json!(code)));
    assert_eq!(item["reason"]["enum"], Value::Array(reasons));
    let mut codes = vec![0];
    codes.extend(Kind::ALL.map(Kind::exit_code));
    // A refused model and a panic end with one code.
    codes.dedup();
    assert_eq!(schema["properties"]["exit_code"]["enum"], json!(codes));
}
