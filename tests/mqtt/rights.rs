//! What an access list must allow: `docs/ref/mqtt.md`, "Rights", against what `expressiond
//! discovery` prints, and both against what the program really does at a broker.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::access::{LIST, PASSWORD, broker_for};
use crate::certificates::text;
use crate::contract::{placed, table};
use crate::program::program;
use crate::running::output;

/// A topic or filter, and whether it is written or read.
type Rights = BTreeSet<(String, String)>;

/// Runs `command` for the device `d1` of group `hall`, whose camera is `front`.
fn run(command: &str, port: u16, folder: &Path, more: &[&str]) -> std::process::Output {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let set = |key: &str, value: &str| ["--set".to_owned(), format!("{key}={value}")];
    let settings = [
        set("device.id", "d1"),
        set("device.groups", "[\"hall\"]"),
        set("device.state_dir", &text(folder)),
        set("camera.name", "front"),
        set("camera.source", "models/self-test.jpg"),
        set("mqtt.url", &format!("mqtt://127.0.0.1:{port}")),
        set("mqtt.username", "d1"),
        set("mqtt.password_file", &text(&password)),
    ];
    let mut program = program(&[command, "--config", "/dev/null"]);
    program.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    output(program.args(settings.concat()).args(more))
}

fn printed(folder: &Path, more: &[&str]) -> Rights {
    let told = run("discovery", 1, folder, more);
    let text = String::from_utf8(told.stdout).unwrap();
    let right = |line: &str| {
        let (word, topic) = line.split_once(' ')?;
        let right = word.strip_suffix('s').filter(|right| ["write", "read"].contains(right))?;
        Some((topic.trim().to_owned(), right.to_owned()))
    };
    text.lines().filter_map(right).collect()
}

fn documented() -> Rights {
    let place =
        |topic: &str| placed(topic).replace("<group>", "hall").replace("<prefix>", "homeassistant");
    table("## Rights").iter().map(|row| (place(&row[0]), row[1].clone())).collect()
}

#[test]
fn every_right_is_printed_and_documented() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(printed(folder.path(), &[]), documented());
    // What was announced before is taken back.
    let birth = ("homeassistant/status".to_owned(), "read".to_owned());
    let quiet = printed(folder.path(), &["--set", "home_assistant.enabled=false"]);
    let others: Rights = documented().into_iter().filter(|right| *right != birth).collect();
    assert_eq!(quiet, others);
}

/// The patterns of a device in the committed list give these rights and no others.
#[test]
fn the_access_list_of_a_fleet_gives_these_rights() {
    let mut listed = Rights::new();
    for line in LIST.lines().filter_map(|line| line.strip_prefix("pattern ")) {
        let (rights, topic) = line.split_once(' ').unwrap();
        for right in ["write", "read"] {
            if rights.contains(right) {
                listed.insert((topic.replace("%u", "d1"), right.to_owned()));
            }
        }
    }
    let any = |topic: &str| {
        let topic = topic.replace("/front/", "/+/").replace("/doctor/", "/+/");
        topic.replace("/hall/", "/+/")
    };
    let needed = documented().into_iter().map(|(topic, right)| (any(&topic), right)).collect();
    assert_eq!(listed, needed);
}

/// An access list made of what is printed, and nothing else.
#[test]
fn a_list_of_what_is_printed_is_enough_for_doctor() {
    let folder = tempfile::tempdir().unwrap();
    let lines = printed(folder.path(), &[]);
    let lines = lines.iter().map(|(topic, right)| format!("topic {right} {topic}\n"));
    let list = format!("user d1\n{}", lines.collect::<String>());
    let broker = broker_for(folder.path(), &["d1"], &list);
    let told = run("doctor", broker.port, folder.path(), &["--json"]);
    let report: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(0), "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let topics = checks.iter().find(|check| check["check"] == "topics").unwrap();
    assert_eq!(topics["verdict"], "ok", "{report:#}");
}
