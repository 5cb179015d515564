//! Saved settings and the new start that takes them over, or does not.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::Setup;
use crate::daemon::held::Held;
use crate::daemon::http::{Live, get, post, until};
use crate::daemon::page::Device;
use crate::start;

/// Right by themselves, but naming a file that is not there.
const UNFIT: &str = "[mqtt]\nusername = 'a'\npassword_file = '/absent/password'\n";

fn reload(device: &Device) {
    kill_process(Pid::from_child(&device.process.0), Signal::HUP).unwrap();
    device.says("reading the settings again");
}

/// Its owner writes a file of their own.
fn write_own(setup: &Setup, text: &str) {
    let folder = setup.folder.path().join("conf.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("50-own.toml"), text).unwrap();
}

#[test]
fn settings_that_a_new_start_refuses_are_told_on_the_page_and_nothing_is_saved_with_them() {
    let setup = start("");
    let port = setup.device.port;
    let mut live = Live::watch(port, &[]);
    live.until("state", |state| state["settings_refused"].is_null());
    write_own(&setup, UNFIT);
    reload(&setup.device);
    let refused = |state: &Value| {
        state["settings_refused"].as_str().is_some_and(|why| why.contains("/absent/password"))
    };
    live.until("state", refused);
    let told = inventory(&setup, "settings");
    assert!(told["failed"][0]["message"].as_str().unwrap().contains("/absent/password"), "{told}");
    for (path, changes) in [
        ("/api/save", json!({ "tracking.start_confidence": 0.5 })),
        ("/api/setup/save", json!({ "home_assistant.device_name": "Hall" })),
        ("/api/setup/save", json!({})),
    ] {
        let answer = post(port, path, &changes);
        assert_eq!(answer.status, 409, "{path} {changes}: {}", answer.text());
        assert!(answer.json()["why"].as_str().unwrap().contains("/absent/password"));
    }
    assert!(!setup.folder.path().join("conf.d/90-page.toml").exists());
    // Mended, nothing of it is left to be seen by whoever looks after a fleet.
    write_own(&setup, "");
    reload(&setup.device);
    setup.device.listens();
    inventory(&setup, "");
}

/// Waits until the device says that it goes on without this, or without anything if that is
/// empty.
fn inventory(setup: &Setup, failed: &str) -> Value {
    inventory_that(setup, |told| told["failed"][0]["what"].as_str().unwrap_or("") == failed)
}

/// Waits for an inventory that fits.
fn inventory_that(setup: &Setup, fits: impl Fn(&Value) -> bool) -> Value {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let all = setup
        .broker
        .until(|topic, text| topic == "expressiond/test/inventory" && fits(&parsed(text)));
    parsed(&all.last().unwrap().1)
}

/// Whoever looks after a fleet would take what waits for a reload, or was refused at one, for
/// what runs.
#[test]
fn the_inventory_names_no_settings_that_the_daemon_has_not_taken_over() {
    let setup = start("");
    let port = setup.device.port;
    let own = ["mqtt.keep_alive_s", "model.path"];
    let told_after = |what: &str, path: &str, body: &Value, saved: bool| {
        let answer = post(port, path, body);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let told = inventory_that(&setup, |told| names(told, "tracking.confirm_s") == saved);
        assert!(own.iter().all(|key| !names(&told, key)), "{what}: {told}");
    };
    let confirm = json!({ "tracking.confirm_s": 1.5 });
    inventory_that(&setup, |told| names(told, "mqtt.url"));
    write_own(&setup, "[mqtt]\nkeep_alive_s = 20\n");
    told_after("saved before a reload", "/api/save", &confirm, true);
    told_after("taken back before a reload", "/api/undo", &json!({}), false);
    // A save does not try the model, a reload does.
    write_own(&setup, "[model]\npath = '/absent/model.tflite'\n");
    reload(&setup.device);
    inventory(&setup, "settings");
    told_after("saved after a refusal", "/api/save", &confirm, true);
    // Taken over, it is told.
    write_own(&setup, "[mqtt]\nkeep_alive_s = 20\n");
    reload(&setup.device);
    let all = |told: &Value| names(told, own[0]) && names(told, "tracking.confirm_s");
    inventory_that(&setup, all);
}

/// Whether the inventory has the key among those that differ from the defaults.
fn names(told: &Value, key: &str) -> bool {
    told["settings"]["changed"].as_array().unwrap().iter().any(|changed| changed == key)
}

#[test]
fn where_nothing_is_new_nothing_is_saved_and_the_daemon_goes_on() {
    let setup = start("");
    let port = setup.device.port;
    let mut live = Live::watch(port, &[]);
    live.until("state", |_| true);
    let none = post(port, "/api/setup/save", &json!({}));
    assert_eq!((none.status, &none.json()["written"]), (200, &json!(false)), "{}", none.text());
    // A new start would have ended it by then.
    for _ in 0..3 {
        live.until("state", |_| true);
    }
    let named = post(port, "/api/setup/save", &json!({ "home_assistant.device_name": "Hall" }));
    assert_eq!(named.json()["written"], true, "{}", named.text());
    let again = setup.device.listens();
    assert_eq!(get(again, "/api/settings").json()["about"]["name"], "Hall");
}

#[test]
fn a_save_while_other_settings_are_tried_is_taken_over_when_those_are_refused() {
    let setup = start("");
    let device = &setup.device;
    let held = Held::within(setup.folder.path());
    write_own(&setup, &format!("[mqtt]\n{}", held.keys()));
    reload(device);
    let trial = held.reached();
    write_own(&setup, "");
    let named =
        post(device.port, "/api/setup/save", &json!({ "home_assistant.device_name": "Hall" }));
    assert_eq!(named.status, 200, "{}", named.text());
    trial.fails();
    device.says("the new settings are refused");
    assert_eq!(get(device.listens(), "/api/settings").json()["about"]["name"], "Hall");
}

/// Asks and is gone before the device has read any of it, as a telephone that is put away.
fn ask_and_go(device: &Device, path: &str, body: &Value) {
    let (host, body) = (format!("127.0.0.1:{}", device.port), body.to_string());
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let signal = |signal| kill_process(Pid::from_child(&device.process.0), signal).unwrap();
    signal(Signal::STOP);
    TcpStream::connect(host).unwrap().write_all(request.as_bytes()).unwrap();
    signal(Signal::CONT);
}

#[test]
fn what_is_saved_or_taken_back_takes_effect_also_where_nobody_waits_for_the_answer() {
    let setup = start("");
    let device = &setup.device;
    let holds = |threshold: f64| {
        until(&format!("{threshold} holds"), || {
            let values = get(device.port, "/api/settings").json()["values"].clone();
            (values["tracking.start_confidence"] == threshold).then_some(())
        });
    };
    ask_and_go(device, "/api/save", &json!({ "tracking.start_confidence": 0.55 }));
    holds(0.55);
    ask_and_go(device, "/api/undo", &json!({}));
    holds(0.7);
    ask_and_go(device, "/api/setup/save", &json!({ "home_assistant.device_name": "Hall" }));
    assert_eq!(get(device.listens(), "/api/settings").json()["about"]["name"], "Hall");
}

/// What is hidden of one camera's picture would be seen in another's.
#[test]
fn a_mask_holds_the_camera_that_it_was_drawn_for() {
    let setup = start("");
    let choose = |port: u16, source: &str| {
        post(port, "/api/setup/save", &json!({ "camera.source": source }))
    };
    let chosen = choose(setup.device.port, "/dev/video97");
    assert_eq!(chosen.status, 200, "nothing is hidden: {}", chosen.text());
    let mut port = setup.device.listens();
    let points = "points = [[0, 0], [1, 0], [1, 1], [0, 1]]";
    write_own(&setup, &format!("[[zone]]\nname = 'tv'\nkind = 'mask'\n{points}\n"));
    // Before the daemon knows of the mask, and after.
    for known in [false, true] {
        if known {
            reload(&setup.device);
            port = setup.device.listens();
        }
        let undone = post(port, "/api/undo", &json!({}));
        for refused in [choose(port, "/dev/video98"), choose(port, "auto"), undone] {
            assert_eq!(refused.status, 409, "{}", refused.text());
            let why = refused.json()["why"].as_str().unwrap().to_owned();
            assert!(why.starts_with("camera.source") && why.contains("mask"), "{why}");
        }
    }
    let other = post(port, "/api/setup/save", &json!({ "home_assistant.device_name": "Hall" }));
    assert_eq!(other.status, 200, "{}", other.text());
    let renamed = choose(setup.device.listens(), "video97");
    assert_eq!(renamed.status, 200, "another name of the same: {}", renamed.text());
}

#[test]
fn settings_that_cannot_be_read_are_told_where_a_camera_is_chosen() {
    let setup = start("");
    write_own(&setup, "[camera\n");
    let answer = post(setup.device.port, "/api/setup", &json!({}));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.json()["why"].as_str().unwrap().contains("50-own.toml"), "{}", answer.text());
}
