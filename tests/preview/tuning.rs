//! What is tried, saved and taken back.

use std::process::Command;

use serde_json::json;

use crate::daemon::http::{Live, get, post, until};
use crate::daemon::page::Device;
use crate::{Setup, start};

fn in_force(state: &serde_json::Value) -> f64 {
    state["status"]["in_force"]["threshold"]["value"].as_f64().unwrap()
}

#[test]
fn a_threshold_takes_effect_at_once_and_says_what_it_would_have_changed() {
    let setup = start("");
    let device = &setup.device;
    let mut live = Live::watch(device.port, &[]);
    // A whole round of the demonstration has one face at least.
    live.until("picture", |about| !about["faces"].as_array().unwrap().is_empty());
    let nobody = json!({ "tracking.start_confidence": 1.0 });
    let seen = until("a face in the last minute", || {
        let seen = post(device.port, "/api/try", &nobody).json();
        (seen["before"]["faces"].as_u64()? > 0).then_some(seen)
    });
    assert_eq!(seen["after"]["faces"], 0, "{seen}");
    live.until("state", |state| in_force(state) == 1.0);
    let turned = json!({ "camera.rotate": 90, "camera.mirror": true });
    assert_eq!(post(device.port, "/api/try", &turned).status, 200);
    live.until("picture", |about| about["width"] == 480 && about["height"] == 640);
    live.until("state", |state| in_force(state) < 1.0);
    let refused = post(device.port, "/api/try", &json!({ "expression.enter": 7 }));
    assert_eq!(refused.status, 422);
    assert!(refused.json()["why"].as_str().unwrap().contains("expression.enter"));
    // Whoever leaves without saving leaves nothing behind.
    drop(live);
    let tried = || get(device.port, "/api/settings").json()["tried"].as_object().unwrap().len();
    until("what was tried is taken back", || (tried() == 0).then_some(()));
}

#[test]
fn what_is_saved_survives_and_can_be_taken_back() {
    let Setup { device, folder, broker } = start("");
    let saved = post(device.port, "/api/save", &json!({ "tracking.start_confidence": 0.55 }));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let file = folder.path().join("conf.d/90-page.toml");
    assert_eq!(saved.json()["file"], file.display().to_string());
    let checked = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["check-config", "--config"])
        .arg(&device.settings)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success());
    assert!(shown.contains("0.55") && shown.contains("90-page.toml"), "{shown}");

    let path = device.settings.clone();
    drop(device);
    let device = Device::start(path);
    let settings = get(device.port, "/api/settings").json();
    assert_eq!(settings["values"]["tracking.start_confidence"], 0.55);
    assert_eq!(settings["can_undo"], true);
    let place = settings["origins"]["tracking.start_confidence"]["place"].as_str().unwrap();
    assert!(place.contains("90-page.toml"), "{place}");
    assert_eq!(post(device.port, "/api/undo", &json!({})).status, 200);
    assert!(!file.exists());
    broker.until(|topic, text| {
        topic.ends_with("/status") && text.contains("\"threshold\":{\"value\":0.7,")
    });
}

#[test]
fn zones_are_refused_in_words_or_saved_and_taken_over_by_a_new_start() {
    let setup = start("");
    let device = &setup.device;
    let zone = |points: serde_json::Value| json!({ "zone": [{ "name": "tv", "kind": "mask", "points": points, "enabled": true }] });
    let bow = zone(json!([[0, 0], [0.5, 1], [0.5, 0], [0, 1]]));
    for path in ["/api/try", "/api/save"] {
        let refused = post(device.port, path, &bow);
        assert_eq!(refused.status, 422);
        let why = refused.json()["why"].as_str().unwrap().to_owned();
        assert!(why.starts_with("zone 'tv'") && why.contains("crosses"), "{why}");
    }
    let half = zone(json!([[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]));
    let saved = post(device.port, "/api/save", &half);
    assert_eq!(saved.status, 200, "{}", saved.text());
    let port = device.listens();
    assert_eq!(get(port, "/api/settings").json()["values"]["zone"], half["zone"]);
    let mut live = Live::watch(port, &[]);
    live.until("state", |state| state["status"]["in_force"]["zones"]["tv"]["value"] == true);
    let about = live.until("picture", |about| !about["looks"].as_array().unwrap().is_empty());
    assert_eq!(about["looks"][0]["rect"].as_array().unwrap().len(), 4, "{about}");
    let undone = post(port, "/api/undo", &json!({}));
    assert_eq!(undone.json()["restarts"], true, "{}", undone.text());
    let port = device.listens();
    assert_eq!(get(port, "/api/settings").json()["values"]["zone"], json!([]));
}

#[test]
fn what_a_command_has_set_is_not_fought() {
    let setup = start("");
    let (device, broker) = (&setup.device, &setup.broker);
    // Only then does it hear commands.
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "online");
    broker.say("expressiond/test/command", r#"{"command":"set","threshold":0.8}"#);
    broker.until(|topic, text| {
        topic.ends_with("/status") && text.contains("0.8,\"from\":\"command\"")
    });
    let refused = until("the page knows", || {
        let answer = post(device.port, "/api/try", &json!({ "tracking.start_confidence": 0.3 }));
        (answer.status == 422).then(|| answer.json())
    });
    assert!(refused["why"].as_str().unwrap().contains("command"), "{refused}");
}

#[test]
fn a_name_and_a_broker_are_tried_saved_and_taken_over_by_a_new_start() {
    let setup = start("");
    let (device, broker) = (&setup.device, &setup.broker);
    let port = device.port;
    let shown = post(port, "/api/setup", &json!({})).json();
    assert!(shown["cameras"].is_array());
    assert_eq!(shown["values"]["camera.source"], "tests/demo/frames", "{shown}");
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let findings = post(port, "/api/setup/test", &json!({ "mqtt.url": url })).json();
    let verdict = |check: &str| {
        let all = findings.as_array().unwrap();
        all.iter().find(|finding| finding["check"] == check).map(|f| f["verdict"].clone())
    };
    assert_eq!(verdict("broker"), Some(json!("ok")), "{findings}");
    assert_eq!(verdict("topics"), Some(json!("ok")), "{findings}");
    let nobody = post(port, "/api/setup/test", &json!({ "mqtt.url": "mqtt://127.0.0.1:1" })).json();
    assert_eq!(nobody[0]["verdict"], "problem", "{nobody}");
    let wrong = post(port, "/api/setup/save", &json!({ "mqtt.url": "http://x" }));
    assert_eq!(wrong.status, 409);
    let other = post(port, "/api/setup/save", &json!({ "preview.listen": "0.0.0.0:1" }));
    assert_eq!(other.status, 422);

    let named = post(port, "/api/setup/save", &json!({ "home_assistant.device_name": "Hall" }));
    assert_eq!(named.status, 200, "{}", named.text());
    // The same process starts anew, and listens elsewhere as port 0 says.
    let port = device.listens();
    assert_eq!(get(port, "/api/settings").json()["about"]["name"], "Hall");
}
