//! Zones as the whole program knows them: pictures in, events and states out.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::mosquitto::Mosquitto;
use crate::observer::{Observer, Seen};
use crate::program::program;
use crate::running::Running;
use crate::support::publish;

const COMMAND: &str = "expressiond/d1/command";
const STATE: &str = "expressiond/d1/camera/state";

/// A zone that counts and one that hides, each the whole picture.
fn settings(port: u16, state: &Path, masked: bool) -> String {
    let points = "points = [[0, 0], [1, 0], [1, 1], [0, 1]]";
    format!(
        "[device]\nid = 'd1'\nstate_dir = '{}'\n[mqtt]\nurl = 'mqtt://127.0.0.1:{port}'\n\
         [camera]\nsource = 'tests/demo/frames'\nfps = 6\nrepeat = {}\n\
         [[zone]]\nname = 'room'\n{points}\n\
         [[zone]]\nname = 'hidden'\nkind = 'mask'\n{points}\nenabled = {masked}\n",
        state.display(),
        !masked,
    )
}

fn start(folder: &Path, settings: &str) -> Running {
    let file = folder.join("settings.toml");
    std::fs::write(&file, settings).expect("written");
    let child = program(&["run", "--config"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(&file)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    Running(child)
}

fn events(seen: &[Seen]) -> Vec<Value> {
    seen.iter().filter(|seen| seen.topic.ends_with("/event")).map(Seen::json).collect()
}

/// The zone `room` of the camera's state, as it was told last.
fn room(seen: &[Seen]) -> Option<Value> {
    let state = seen.iter().rev().find(|seen| seen.topic == STATE && !seen.payload.is_empty())?;
    Some(state.json()["zones"]["room"].clone())
}

#[tokio::test]
async fn a_masked_room_is_empty_and_one_that_counts_tells_who_is_in_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    start(folder.path(), &settings(broker.port, folder.path(), true)).code();
    let offline = |seen: &[Seen]| seen.iter().filter(|seen| seen.payload == b"offline").count();
    let seen = observer.until("the end of the first run", |seen| offline(seen) > 0).await;
    assert_eq!(events(&seen), Vec::<Value>::new(), "everything was masked");
    assert_eq!(room(&seen).expect("a state")["faces"], 0);

    // The same pictures without the mask, so the room was empty for no other reason.
    let daemon = start(folder.path(), &settings(broker.port, folder.path(), false));
    let told = |seen: &[Seen]| events(seen).iter().any(|e| e["event_type"] == "face_left");
    let seen = observer.until("a visit", told).await;
    assert!(events(&seen).iter().all(|event| event["zones"] == serde_json::json!(["room"])));
    let busy = |seen: &[Seen]| {
        room(seen).is_some_and(|room| {
            room["faces"] == 1 && room["since"].is_string() && room["dwell_s"].is_number()
        })
    };
    observer.until("a second visit, and how long the first was", busy).await;

    publish(broker.port, COMMAND, &[r#"{"command":"set","zones":{"room":false,"hidden":true}}"#]);
    let off = |seen: &[Seen]| room(seen).is_some_and(|room| room["faces"] == 0);
    observer.until("nobody is counted", off).await;
    publish(broker.port, COMMAND, &[r#"{"command":"set","zones":{"attic":true}}"#]);
    publish(broker.port, COMMAND, &[r#"{"command":"set","zones":{"hidden":null}}"#]);
    let status = |seen: &[Seen]| -> Option<Value> {
        Some(seen.iter().rev().find(|seen| seen.topic == "expressiond/d1/status")?.json())
    };
    let settled = |seen: &[Seen]| {
        status(seen).is_some_and(|status| {
            let zones = &status["in_force"]["zones"];
            let given = |zone: &str| (zones[zone]["value"].clone(), zones[zone]["from"].clone());
            status["mqtt"]["commands_refused"] == 1
                && given("room") == (false.into(), "command".into())
                && given("hidden") == (false.into(), "file".into())
        })
    };
    observer.until("what was set, and one refusal", settled).await;
    drop(daemon);

    // Kept for the next run.
    let connections = observer.seen().len();
    let _daemon = start(folder.path(), &settings(broker.port, folder.path(), false));
    let kept = |seen: &[Seen]| {
        // States of a run follow its announcement.
        let mut run = seen[connections..].split(|seen| seen.topic.starts_with("homeassistant/"));
        let status = run.nth(1).and_then(status);
        status.is_some_and(|status| status["in_force"]["zones"]["room"]["from"] == "command")
    };
    observer.until("a zone that is still off", kept).await;
}
