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
const STATUS: &str = "expressiond/d1/status";
/// Frames of the demonstration.
const ROUND: u64 = 60;

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
    Some(last(seen, STATE)?["zones"]["room"].clone())
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
    let _daemon = start(folder.path(), &settings(broker.port, folder.path(), false));
    let told = |seen: &[Seen]| events(seen).iter().any(|e| e["event_type"] == "face_left");
    let seen = observer.until("a visit", told).await;
    assert!(events(&seen).iter().all(|event| event["zones"] == serde_json::json!(["room"])));
    let busy = |seen: &[Seen]| {
        room(seen).is_some_and(|room| {
            room["faces"] == 1 && room["since"].is_string() && room["dwell_s"].is_number()
        })
    };
    observer.until("a second visit, and how long the first was", busy).await;
}

/// The last of what this topic says.
fn last(seen: &[Seen], topic: &str) -> Option<Value> {
    let said = |seen: &&Seen| seen.topic == topic && !seen.payload.is_empty();
    Some(seen.iter().rev().find(said)?.json())
}

/// How many faces the camera's last state has, and how many of them are in the zone `room`.
fn faces(seen: &[Seen]) -> Option<(Value, Value)> {
    let state = last(seen, STATE)?;
    Some((state["faces"].clone(), state["zones"]["room"]["faces"].clone()))
}

/// Frames that were delivered, once the zone `hidden` is what was said by `from`.
fn captured(seen: &[Seen], hidden: (bool, &str)) -> Option<u64> {
    let status = last(seen, STATUS)?;
    let zone = &status["in_force"]["zones"]["hidden"];
    (zone["value"] == hidden.0 && zone["from"] == hidden.1)
        .then(|| status["frames"]["captured"].as_u64().expect("a number"))
}

#[tokio::test]
async fn a_command_switches_a_zone_off_and_a_mask_on() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let daemon = start(folder.path(), &settings(broker.port, folder.path(), false));
    let inside = |seen: &[Seen]| faces(seen) == Some((1.into(), 1.into()));
    observer.until("somebody in the room", inside).await;

    publish(broker.port, COMMAND, &[r#"{"command":"set","zones":{"room":false}}"#]);
    let uncounted = |seen: &[Seen]| faces(seen) == Some((1.into(), 0.into()));
    observer.until("somebody is there and counted nowhere", uncounted).await;

    // While somebody is there: whoever is seen later was not seen before.
    publish(broker.port, COMMAND, &[r#"{"command":"set","zones":{"hidden":true}}"#]);
    let hidden = |seen: &[Seen]| {
        captured(seen, (true, "command")).filter(|_| faces(seen) == Some((0.into(), 0.into())))
    };
    let seen = observer.until("nobody is seen any more", |seen| hidden(seen).is_some()).await;
    let (from, frames) = (seen.len(), hidden(&seen).expect("as awaited"));
    let rounds = |seen: &[Seen]| hidden(seen) >= Some(frames + 2 * ROUND);
    let seen = observer.until("two rounds under the mask", rounds).await;
    // That the last one leaves may be told behind the state.
    let came = |event: &&Value| event["event_type"] == "face_appeared";
    assert_eq!(events(&seen[from..]).iter().find(came), None);

    publish(broker.port, COMMAND, &[r#"{"command":"set","zones":{"attic":true}}"#]);
    publish(broker.port, COMMAND, &[r#"{"command":"set","zones":{"hidden":null}}"#]);
    let settled = |seen: &[Seen]| {
        let refused = last(seen, STATUS).map(|status| status["mqtt"]["commands_refused"].clone());
        refused == Some(1.into()) && captured(seen, (false, "file")).is_some()
    };
    observer.until("the file's word on the mask, and one refusal", settled).await;
    observer.until("it was the mask", uncounted).await;
    drop(daemon);

    // Kept for the next run.
    let before = observer.seen().len();
    let _daemon = start(folder.path(), &settings(broker.port, folder.path(), false));
    let kept = |seen: &[Seen]| {
        // States of a run follow its announcement.
        let mut run = seen[before..].split(|seen| seen.topic.starts_with("homeassistant/"));
        let status = run.nth(1).and_then(|run| last(run, STATUS));
        status.is_some_and(|status| {
            let room = &status["in_force"]["zones"]["room"];
            room["from"] == "command" && room["value"] == false
        })
    };
    observer.until("a zone that is still off", kept).await;
}
