//! What is tried, saved and taken back.

use std::net::TcpListener;
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::daemon::http::{self, Live, Part, ended, get, post, until};
use crate::daemon::page::{Device, layer, settings};
use crate::daemon::{Broker, LIMIT};
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
    // A face may be told with full confidence; none is as high as the picture.
    let nobody = json!({ "tracking.start_confidence": 1.0, "tracking.smallest_face": 1.0 });
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

/// Who was followed is at another place in it: they stayed beside themselves for a while.
#[test]
fn a_picture_that_is_mirrored_begins_with_nobody() {
    let setup = start("");
    let (device, broker) = (&setup.device, &setup.broker);
    let mut live = Live::watch(device.port, &[]);
    live.until("picture", |about| !about["faces"].as_array().unwrap().is_empty());
    let mirrored = json!({ "camera.mirror": true });
    assert_eq!(post(device.port, "/api/try", &mirrored).status, 200);
    for event in ["face_left", "face_appeared"] {
        broker.until(|topic, text| {
            assert!(!topic.ends_with("/state") || !text.contains("\"faces\":2"), "{text}");
            topic.ends_with("/event") && text.contains(event)
        });
    }
}

#[test]
fn what_is_tried_by_whoever_does_not_watch_is_taken_back_too() {
    let setup = start("");
    let port = setup.device.port;
    let tried = || get(port, "/api/settings").json()["tried"].as_object().unwrap().len();
    let keep = json!({ "expression.hold_s": 3.0 });
    // From the second round on, nobody has watched for long.
    for _ in 0..2 {
        assert_eq!(post(port, "/api/try", &keep).status, 200);
        assert_eq!(tried(), 1);
        until("what was tried is taken back", || (tried() == 0).then_some(()));
    }
}

#[test]
fn a_second_page_learns_of_the_first_and_takes_nothing_of_it_back_unawares() {
    let setup = start("");
    let port = setup.device.port;
    let mut live = Live::watch(port, &[]);
    let known = get(port, "/api/settings").json()["tuning"].as_u64().unwrap();
    let origin = format!("http://127.0.0.1:{port}");
    let knowing = |version: u64, path: &str, changes: &serde_json::Value| {
        let tag = format!("\"{version}\"");
        let headers = [("Origin", &*origin), ("If-Match", &*tag)];
        http::ask(port, "POST", path, &headers, &changes.to_string())
    };
    let tried = || get(port, "/api/settings").json()["tried"].clone();
    let mask = json!({ "zone": [whole("tv", "mask")] });
    let first = knowing(known, "/api/try", &mask);
    assert_eq!(first.status, 200, "{}", first.text());
    let version = first.json()["tuning"].as_u64().unwrap();
    assert!(version > known);
    live.until("state", |state| state["tuning"] == version);
    // The other page has not heard of it yet.
    let slower = json!({ "pace.max_fps": 3 });
    for path in ["/api/try", "/api/save", "/api/undo"] {
        let late = knowing(known, path, &slower);
        assert_eq!(late.status, 412, "{path}: {}", late.text());
        assert_eq!(tried(), mask, "{path}");
    }
    // A script that speaks of no version does not lift a mask that it does not name.
    assert_eq!(post(port, "/api/try", &slower).status, 200);
    assert_eq!(tried(), json!({ "pace.max_fps": 3, "zone": mask["zone"] }));
    let version = get(port, "/api/settings").json()["tuning"].as_u64().unwrap();
    let saved = knowing(version, "/api/save", &slower);
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(saved.json()["restarts"], false);
    let version = saved.json()["tuning"].as_u64().unwrap();
    live.until("state", |state| state["tuning"] == version);
    assert_eq!(get(port, "/api/settings").json()["values"]["pace.max_fps"], 3.0);
    assert_eq!(knowing(version, "/api/undo", &json!({})).json()["restarts"], false);
    assert_eq!(post(port, "/api/try", &json!({})).status, 200, "all is taken back");
    assert_eq!(tried(), json!({}));
}

#[test]
fn what_is_saved_survives_and_can_be_taken_back() {
    let Setup { device, folder, broker } = start("");
    let saved = post(device.port, "/api/save", &json!({ "tracking.start_confidence": 0.55 }));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let file = folder.path().join("conf.d/90-page.toml");
    assert_eq!(saved.json()["file"], file.display().to_string());
    let shown = device.checked_settings();
    assert!(shown.contains("0.55") && shown.contains("90-page.toml"), "{shown}");
    // No new start was needed, and the inventory tells of the new settings all the same.
    let (_, digest) = shown.rsplit_once("is right (").expect("its digest");
    let digest = &digest[..16];
    broker.until(|topic, text| topic.ends_with("/inventory") && text.contains(digest));

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

/// The whole picture, as a zone of this kind.
fn whole(name: &str, kind: &str) -> serde_json::Value {
    let points = json!([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]);
    json!({ "name": name, "kind": kind, "points": points, "enabled": true })
}

fn faces(about: &serde_json::Value) -> usize {
    about["faces"].as_array().unwrap().len()
}

#[test]
fn zones_take_effect_while_they_are_tried_and_the_world_hears_of_none() {
    let Setup { device, broker, folder: _folder } = start("");
    let mut live = Live::watch(device.port, &[]);
    live.until("picture", |about| faces(about) > 0 && about["zones"] == json!({}));
    let room = json!({ "zone": [whole("room", "count")] });
    assert_eq!(post(device.port, "/api/try", &room).status, 200);
    live.until("picture", |about| faces(about) > 0 && about["zones"]["room"] == faces(about));
    // Events, the camera's state and Home Assistant know the zones of the settings only.
    let events = |state: &serde_json::Value| state["events"].as_array().unwrap().clone();
    let told = live.until("state", |state| !events(state).is_empty());
    assert!(events(&told).iter().all(|event| event.get("zones").is_none()), "{told}");
    assert_eq!(told["status"]["in_force"]["zones"], json!({}), "{told}");
    let hide = json!({ "zone": [whole("tv", "mask")] });
    let seen = post(device.port, "/api/try", &hide).json();
    assert_eq!(seen["after"]["faces"], 0, "{seen}");
    live.until("picture", |about| faces(about) == 0 && about["zones"] == json!({}));
    // Longer than any face stays away in the demonstration: it is the mask that hides them.
    for _ in 0..40 {
        let about = live.until("picture", |_| true);
        assert_eq!(faces(&about), 0, "{about}");
    }
    // Whoever leaves without saving leaves nothing behind.
    drop(live);
    device.says("what was tried and not saved is taken back");
    let mut live = Live::watch(device.port, &[]);
    live.until("picture", |about| faces(about) > 0);
    let told: Vec<_> = broker.heard.try_iter().collect();
    assert!(told.iter().any(|(topic, _)| topic.ends_with("/event")), "{told:?}");
    for (topic, text) in told {
        assert!(!text.contains("\"room\"") && !text.contains("\"tv\""), "{topic}: {text}");
    }
}

#[test]
fn a_mask_that_was_saved_stays_while_others_are_tried() {
    let points = "points = [[0, 0], [1, 0], [1, 1], [0, 1]]";
    let setup = start(&format!("[[zone]]\nname = 'all'\nkind = 'mask'\n{points}\n"));
    let port = setup.device.port;
    let mut live = Live::watch(port, &[]);
    for tried in [json!([]), json!([whole("all", "count")])] {
        assert_eq!(post(port, "/api/try", &json!({ "zone": tried })).status, 200);
        // Of those on their way, the first may be from before.
        for _ in 0..3 {
            let about = live.until("picture", |_| true);
            assert_eq!(faces(&about), 0, "{about}");
            let Part::Jpeg(picture) = live.part() else { panic!("a picture follows") };
            let picture = image::load_from_memory(&picture).unwrap().into_luma8();
            assert!(picture.pixels().all(|pixel| pixel.0[0] < 8), "something is seen");
        }
    }
    // Nor is the picture moved under it.
    for moved in [json!({ "camera.rotate": 180 }), json!({ "camera.mirror": true, "zone": [] })] {
        for path in ["/api/try", "/api/save"] {
            let refused = post(port, path, &moved);
            assert_eq!(refused.status, 422, "{moved}");
            let why = refused.json()["why"].as_str().unwrap().to_owned();
            assert!(why.starts_with("camera.") && why.contains("mask"), "{why}");
        }
    }
    assert_eq!(post(port, "/api/try", &json!({ "camera.rotate": 0 })).status, 200, "as it is");
}

#[test]
fn taking_back_does_not_move_the_picture_under_a_mask_either() {
    let setup = start("");
    let device = &setup.device;
    let saved = post(device.port, "/api/save", &json!({ "camera.rotate": 180 }));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let file = setup.folder.path().join("conf.d/90-page.toml");
    let turned = std::fs::read_to_string(&file).unwrap();
    let mask = "[[zone]]\nname = 'top'\nkind = 'mask'\n\
                points = [[0, 0], [1, 0], [1, 0.4], [0, 0.4]]\n";
    std::fs::write(setup.folder.path().join("conf.d/50-own.toml"), mask).unwrap();
    // Before the daemon knows of the mask, and after.
    let mut port = device.port;
    for known in [false, true] {
        if known {
            kill_process(Pid::from_child(&device.process.0), Signal::HUP).unwrap();
            port = device.listens();
        }
        let refused = post(port, "/api/undo", &json!({}));
        assert_eq!(refused.status, 409, "{}", refused.text());
        let why = refused.json()["why"].as_str().unwrap().to_owned();
        assert!(why.starts_with("camera.rotate") && why.contains("mask"), "{why}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), turned);
        let settings = get(port, "/api/settings").json();
        assert_eq!(
            (&settings["values"]["camera.rotate"], &settings["can_undo"]),
            (&json!(180), &json!(true))
        );
    }
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
fn only_a_camera_of_the_list_is_ever_opened_for_its_picture() {
    let setup = start("");
    let (device, broker) = (&setup.device, &setup.broker);
    let ask = |path: &str| post(device.port, "/api/setup/picture", &json!({ "path": path }));
    for path in ["/dev/null", "/dev/video0/../null", "/etc/passwd", "tests/demo/frames", ""] {
        let refused = ask(path);
        assert_eq!(refused.status, 409, "{path}");
        let why = refused.json()["why"].as_str().unwrap().to_owned();
        assert!(why.contains("is none of the cameras here"), "{path}: {why}");
    }
    let wrong = json!({ "path": "/dev/video0", "format": "MJPG" });
    assert_eq!(post(device.port, "/api/setup/picture", &wrong).status, 422);
    let foreign = [("Origin", "http://elsewhere.example")];
    let body = r#"{"path":"/dev/video0"}"#;
    assert_eq!(http::ask(device.port, "POST", "/api/setup/picture", &foreign, body).status, 403);
    assert_eq!(get(device.port, "/api/setup/picture").status, 404, "no link, no image element");
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "online");
    broker.say("expressiond/test/command", r#"{"command":"pause"}"#);
    broker.until(|topic, text| topic.ends_with("/status") && text.contains("\"paused\":true"));
    let why = until("that it is held back", || {
        let why = ask("/dev/null").json()["why"].as_str().unwrap().to_owned();
        (!why.contains("none of the cameras")).then_some(why)
    });
    assert!(why.contains("closed"), "{why}");
}

#[test]
fn a_name_and_a_broker_are_tried_saved_and_taken_over_by_a_new_start() {
    let setup = start("");
    let (device, broker) = (&setup.device, &setup.broker);
    let port = device.port;
    let shown = post(port, "/api/setup", &json!({})).json();
    assert!(shown["cameras"].is_array());
    assert_eq!(shown["open"], json!(null), "it plays pictures");
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
    let name = |port: u16| get(port, "/api/settings").json()["about"]["name"].clone();
    assert_eq!(name(port), "Hall");
    let undone = post(port, "/api/undo", &json!({}));
    assert_eq!(undone.json()["restarts"], true, "{}", undone.text());
    assert_ne!(name(device.listens()), "Hall");
}

/// Whoever may try an address could else have the password sent to one of his own.
#[test]
fn the_password_is_sent_to_the_broker_of_the_settings_alone() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    let secret = folder.path().join("password");
    std::fs::write(&secret, "not for everybody").unwrap();
    let user = format!("[mqtt]\nusername = \"door\"\npassword_file = {secret:?}\n");
    layer(folder.path(), "20-user.toml", &user);
    let device = Device::start(settings(folder.path(), broker.port, ""));
    let login = |port: u16| {
        let url = json!({ "mqtt.url": format!("mqtt://127.0.0.1:{port}") });
        let findings = post(device.port, "/api/setup/test", &url).json();
        let mut all = findings.as_array().unwrap().iter();
        all.find(|finding| finding["check"] == "login").unwrap().clone()
    };
    assert_eq!(login(broker.port)["verdict"], "ok");

    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let (mut visitor, _) = stranger.accept().unwrap();
        let _ = tell.send(ended(&mut visitor));
    });
    let reached = login(port);
    assert_eq!(reached["verdict"], "skipped", "{reached}");
    assert!(reached["message"].as_str().unwrap().contains("password"), "{reached}");
    assert_eq!(heard.recv_timeout(LIMIT).expect("it came and went"), Vec::<u8>::new());
}
