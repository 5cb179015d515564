//! The daemon as its users run it: committed photographs in, events out through a
//! real Mosquitto; and what it does when something is wrong or missing.

mod daemon;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use daemon::{Broker, LIMIT, Running, command, daemon, daemon_that_logs, publish};
use expressiond::events::Event;
use tempfile::TempDir;

const DEMONSTRATION: [(&str, &str); 3] =
    [("camera.name", "door"), ("camera.source", "tests/demo/frames"), ("camera.fps", "6")];
/// For ever, at the pace of the settings.
const FOR_EVER: [(&str, &str); 3] = [DEMONSTRATION[0], DEMONSTRATION[1], ("camera.repeat", "true")];

fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// What the daemon says fits the schema that `docs/ref/mqtt.md` names for its topic.
fn assert_documented(topic: &str, text: &str) {
    let schema = match topic.rsplit('/').next() {
        Some("event") => include_str!("../docs/ref/event.schema.json"),
        Some("state") => include_str!("../docs/ref/camera-state.schema.json"),
        Some("status") => include_str!("../docs/ref/status.schema.json"),
        Some("inventory") => include_str!("../docs/ref/inventory.schema.json"),
        Some("availability") => return assert!(["online", "offline"].contains(&text), "{text}"),
        _ => panic!("{topic} is not documented"),
    };
    let payload = serde_json::from_str(text).unwrap();
    let outcome = jsonschema::validate(&serde_json::from_str(schema).unwrap(), &payload);
    assert!(outcome.is_ok(), "{topic}: {outcome:?} in {text}");
}

#[test]
fn a_visit_is_told_over_mosquitto_from_the_first_event_to_offline() {
    for version in ["5", "3.1.1"] {
        tell_a_visit(version);
    }
}

fn tell_a_visit(version: &str) {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let settings = [&DEMONSTRATION[..], &[("mqtt.version", version)]].concat();
    let mut daemon = daemon(folder.path(), broker.port, &settings);
    let heard =
        broker.until(|topic, text| topic == "expressiond/test/availability" && text == "offline");
    assert_eq!(daemon.code(), Some(0));
    heard.iter().for_each(|(topic, text)| assert_documented(topic, text));
    let spoken = format!("\"protocol\":\"{version}\"");
    assert!(heard.iter().any(|(topic, text)| topic.ends_with("/status") && text.contains(&spoken)));
    let events: Vec<Event> = heard
        .iter()
        .filter(|(topic, _)| topic == "expressiond/test/door/event")
        .map(|(_, payload)| serde_json::from_str(payload).unwrap())
        .collect();
    let story: Vec<(&str, &str)> =
        events.iter().map(|event| (event.event_type.name(), event.class.as_str())).collect();
    // The warped neutral face at the beginning is a thin smile to the shipped model, so
    // whether the smile starts or takes over is the model's affair; that it is told
    // once, and ends before the face leaves, is ours.
    assert_eq!(story.first().map(|event| event.0), Some("face_appeared"));
    assert_eq!(story[story.len() - 2..], [("expression_ended", "happy"), ("face_left", "happy")]);
    let smiles = |event: &&(&str, &str)| {
        ["expression_started", "expression_changed"].contains(&event.0) && event.1 == "happy"
    };
    assert_eq!(story.iter().filter(smiles).count(), 1, "{story:?}");
    let sequence: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequence, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(
        heard.iter().any(|(topic, text)| topic.ends_with("/state") && text.contains("\"happy\""))
    );
    let first = heard
        .iter()
        .position(|(topic, text)| topic.ends_with("test/availability") && text == "online");
    let event = heard.iter().position(|(topic, _)| topic.ends_with("/event"));
    assert!(first < event, "online comes before events");
}

/// Also of those that only time or the end of the run tells, and whatever the class is called.
#[test]
fn every_event_has_its_annotated_picture() {
    let folder = temporary();
    let (broker, pictures) = (Broker::start(folder.path()), folder.path().join("pictures"));
    // Of an earlier run: it stays, and what comes stands behind it.
    std::fs::create_dir(&pictures).unwrap();
    std::fs::write(pictures.join("0041-face_left-happy.jpg"), "earlier").unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let groups = "[expression.groups]\n\"smile/joy\" = [\"happy\"]\n";
    std::fs::write(folder.path().join("conf.d/10.toml"), groups).unwrap();
    // A face is there to the end.
    let film = folder.path().join("film");
    std::fs::create_dir(&film).unwrap();
    let face = concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg");
    for number in 0..12 {
        std::fs::copy(face, film.join(format!("{number:02}.jpg"))).unwrap();
    }
    let source = film.display().to_string();
    let settings = [("camera.source", &*source), ("camera.fps", "6")];
    let mut daemon = command(folder.path(), broker.port, &settings);
    daemon.arg("--annotate").arg(&pictures).stderr(Stdio::null());
    let mut daemon = Running(daemon.spawn().unwrap());
    let heard =
        broker.until(|topic, text| topic == "expressiond/test/availability" && text == "offline");
    assert_eq!(daemon.code(), Some(0));
    let events: Vec<&str> = heard
        .iter()
        .filter(|(topic, _)| topic.ends_with("/event"))
        .map(|(_, text)| text.as_str())
        .collect();
    assert!(events.iter().any(|text| text.contains("smile/joy")), "{events:#?}");
    assert!(events.last().unwrap().contains("face_left"), "{events:#?}");
    let names = std::fs::read_dir(&pictures).unwrap().map(|entry| entry.unwrap().file_name());
    let mut numbers: Vec<usize> =
        names.map(|name| name.to_str().unwrap()[..4].parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (41..=41 + events.len()).collect::<Vec<_>>(), "{events:#?}");
}

#[test]
fn a_missing_camera_is_a_state_with_a_reason() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let mut daemon = daemon(folder.path(), broker.port, &[("camera.source", "/dev/video-none")]);
    broker.until(|topic, text| topic.ends_with("test/status") && text.contains("no_camera"));
    daemon.terminate();
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "offline");
    assert_eq!(daemon.code(), Some(0));
}

#[test]
fn a_broken_picture_among_good_ones_is_counted_and_passed_over() {
    let folder = temporary();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let good = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg")).unwrap();
    for number in 0..12 {
        let data = if number == 5 { &good[..good.len() / 2] } else { &good[..] };
        std::fs::write(pictures.join(format!("{number:02}.jpg")), data).unwrap();
    }
    std::fs::write(pictures.join("06b.jpg"), "no picture").unwrap();
    let broker = Broker::start(folder.path());
    let source = pictures.display().to_string();
    let settings = [("camera.source", &*source), ("camera.fps", "6"), ("camera.repeat", "true")];
    let _daemon = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, _| topic.ends_with("camera/event"));
    let counts = |text: &str| {
        let status: serde_json::Value = serde_json::from_str(text).unwrap();
        ["bad", "detected", "reopened"].map(|key| status["frames"][key].as_u64().unwrap())
    };
    // More than the first round had: it went on behind them.
    let heard = broker.until(|topic, text| topic.ends_with("test/status") && counts(text)[0] >= 4);
    let [bad, detected, reopened] = counts(&heard.last().unwrap().1);
    assert!(detected > bad && reopened == 0, "{detected} good, {bad} bad, {reopened} reopened");
    // One now and then is no reason.
    assert!(!heard.iter().any(|(_, text)| text.contains("bad_frames")), "{heard:#?}");
}

/// A recording of which no picture can be read: where it is.
fn broken_pictures(folder: &Path, count: usize) -> String {
    let pictures = folder.join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for number in 0..count {
        std::fs::write(pictures.join(format!("{number:02}.jpg")), "no picture").unwrap();
    }
    pictures.display().to_string()
}

#[test]
fn pictures_of_which_none_can_be_read_are_a_reason_and_not_an_empty_room() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let source = broken_pictures(folder.path(), 12);
    let settings = [("camera.source", &*source), ("camera.fps", "4"), ("camera.repeat", "true")];
    let _daemon = daemon(folder.path(), broker.port, &settings);
    let heard =
        broker.until(|topic, text| topic.ends_with("test/status") && text.contains("bad_frames"));
    assert!(
        heard.last().unwrap().1.contains("00.jpg") || heard.last().unwrap().1.contains("02.jpg")
    );
    heard.iter().for_each(|(topic, text)| assert_documented(topic, text));
    assert!(!heard.iter().any(|(_, text)| text.contains("no_face")), "{heard:#?}");
    let available = "expressiond/test/camera/availability";
    assert!(!heard.iter().any(|(topic, text)| topic == available && text == "online"));
}

/// Two are too few to call its frames broken: it is opened again after each round.
#[test]
fn a_source_that_never_delivers_is_not_well_while_it_is_tried_again() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let source = broken_pictures(folder.path(), 2);
    let settings = [("camera.source", &*source), ("camera.fps", "1"), ("camera.repeat", "true")];
    let _daemon = daemon(folder.path(), broker.port, &settings);
    let status = |topic: &str, text: &str| {
        topic.ends_with("test/status").then(|| serde_json::from_str::<serde_json::Value>(text))
    };
    broker.until(|topic, text| topic.ends_with("test/status") && text.contains("no_camera"));
    let heard = broker.until(|topic, text| {
        status(topic, text).is_some_and(|it| it.unwrap()["frames"]["reopened"].as_u64() >= Some(3))
    });
    for (topic, text) in &heard {
        let Some(status) = status(topic, text) else { continue };
        assert_eq!(status.unwrap()["reasons"][0]["code"], "no_camera", "{text}");
    }
}

/// A share that is mounted late, say: what is opened decides, and not what was there at first.
#[test]
fn a_recording_that_comes_late_is_looked_at_picture_by_picture() {
    let folder = temporary();
    let (broker, log) = (Broker::start(folder.path()), folder.path().join("log"));
    let late = folder.path().join("late");
    let source = late.display().to_string();
    let settings = [("camera.source", &*source), ("camera.fps", "60")];
    let mut daemon = command(folder.path(), broker.port, &settings);
    daemon.stderr(std::fs::File::create(&log).unwrap());
    let mut daemon = Running(daemon.spawn().unwrap());
    broker.until(|topic, text| topic.ends_with("test/status") && text.contains("no_camera"));
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/frames");
    let making = folder.path().join("making");
    std::fs::create_dir(&making).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(frames).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), making.join(entry.file_name())).unwrap();
        count += 1;
    }
    std::fs::rename(making, late).unwrap();
    assert_eq!(daemon.code(), Some(0), "it ends when all are played");
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains(&format!("looked at {count} frames (0 broken)")), "{said}");
}

/// JPEGs that were cut short on their way, files without a byte, and text: a script must not
/// take that for an empty room, nor wait for ever.
#[test]
fn recorded_pictures_none_of_which_can_be_read_end_with_the_code_for_input() {
    let folder = temporary();
    let (broker, log) = (Broker::start(folder.path()), folder.path().join("log"));
    let whole = std::fs::read("models/self-test.jpg").unwrap();
    for (kind, bytes) in
        [("cut", &whole[..whole.len() / 3]), ("empty", b""), ("text", b"no picture")]
    {
        let broken = folder.path().join(kind);
        std::fs::create_dir(&broken).unwrap();
        for name in ["1.jpg", "2.jpg"] {
            std::fs::write(broken.join(name), bytes).unwrap();
        }
        let source = broken.display().to_string();
        let mut daemon = command(folder.path(), broker.port, &[("camera.source", &*source)]);
        daemon.stderr(std::fs::File::create(&log).unwrap());
        assert_eq!(Running(daemon.spawn().unwrap()).code(), Some(65), "{kind}");
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(said.contains("none of the 2 recorded pictures could be read"), "{kind}: {said}");
    }
}

#[test]
fn a_face_is_told_at_one_picture_a_second() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let settings =
        [("camera.source", "models/self-test.jpg"), ("camera.fps", "1"), ("camera.repeat", "true")];
    let _daemon = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, text| topic.ends_with("camera/event") && text.contains("face_appeared"));
}

#[test]
fn a_signal_ends_every_story_and_says_goodbye() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let mut daemon = daemon(folder.path(), broker.port, &FOR_EVER);
    broker.until(|topic, text| topic.ends_with("/event") && text.contains("expression_started"));
    daemon.terminate();
    let heard =
        broker.until(|topic, text| topic == "expressiond/test/availability" && text == "offline");
    assert_eq!(daemon.code(), Some(0));
    let last: Vec<Event> = heard
        .iter()
        .filter(|(topic, _)| topic.ends_with("/event"))
        .map(|(_, payload)| serde_json::from_str(payload).unwrap())
        .collect();
    assert_eq!(last.last().unwrap().event_type.name(), "face_left");
    // By ourselves, acknowledged: the last will would not be preceded by this.
    // The broker may hear of it after we have left.
    let end = Instant::now() + LIMIT;
    let log = || std::fs::read_to_string(folder.path().join("broker.log")).unwrap();
    while !log().contains("Received DISCONNECT from expressiond-test") {
        assert!(Instant::now() < end, "{}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn tell(port: u16, command: &str) {
    publish(port, "expressiond/test/command", &["-m", command]);
}

#[test]
fn groups_have_their_say_between_the_file_and_a_command() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let settings = [&FOR_EVER[..], &[("device.groups", r#"["building", "hall"]"#)]].concat();
    let status = |words: &'static str| {
        broker.until(|topic, text| topic.ends_with("test/status") && text.contains(words))
    };
    let group = |group: &str, payload: &str| {
        let topic = format!("expressiond/groups/{group}/settings");
        publish(broker.port, &topic, &["-r", "-m", payload]);
    };
    // Stands there before the device has ever been heard of.
    group("building", r#"{"threshold":0.5,"paused":true}"#);
    let mut first = daemon(folder.path(), broker.port, &settings);
    status(r#""threshold":{"value":0.5,"from":"group:building"}"#);
    status(r#""code":"paused","camera":"door","message":"its group building is paused""#);
    group("hall", r#"{"threshold":0.6,"paused":false}"#);
    status(r#""threshold":{"value":0.6,"from":"group:hall"}"#);
    tell(broker.port, r#"{"command":"set","threshold":0.9}"#);
    status(r#""threshold":{"value":0.9,"from":"command"}"#);
    group("hall", r#"{"threshold":2}"#);
    status(r#""commands_refused":1"#);
    first.terminate();
    assert_eq!(first.code(), Some(0));
    drop(broker);

    // A broker that knows nothing opens no camera, and resuming is not for the device.
    let broker = Broker::start(folder.path());
    let _second = daemon(folder.path(), broker.port, &settings);
    let status = |words: &'static str| {
        broker.until(|topic, text| topic.ends_with("test/status") && text.contains(words))
    };
    let closed = r#""paused":{"value":true,"from":"group:building"}"#;
    status(closed);
    tell(broker.port, r#"{"command":"resume"}"#);
    tell(broker.port, r#"{"command":"set","threshold":null}"#);
    let heard = status(r#""threshold":{"value":0.6,"from":"group:hall"}"#);
    assert!(heard.last().unwrap().1.contains(closed), "{heard:?}");
    publish(broker.port, "expressiond/groups/building/settings", &["-r", "-n"]);
    broker.until(|topic, text| topic == "expressiond/test/door/availability" && text == "online");
}

#[test]
fn what_is_set_is_shown_and_survives_a_restart() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let status = |words: &'static str| {
        broker.until(|topic, text| topic.ends_with("test/status") && text.contains(words))
    };
    let mut first = daemon(folder.path(), broker.port, &FOR_EVER);
    status(r#""runtime":{"threshold":null,"max_fps":null}"#);
    tell(broker.port, r#"{"command":"set","threshold":0.9}"#);
    status(r#""runtime":{"threshold":0.9,"max_fps":null}"#);
    tell(broker.port, r#"{"command":"set","max_fps":5}"#);
    status(r#""runtime":{"threshold":0.9,"max_fps":5.0}"#);
    tell(broker.port, r#"{"command":"identify"}"#);
    status(r#""identifying":true"#);
    // Nobody has allowed pictures.
    tell(broker.port, r#"{"command":"snapshot"}"#);
    status(r#""commands_refused":1"#);
    first.terminate();
    assert_eq!(first.code(), Some(0));
    let _second = daemon(folder.path(), broker.port, &FOR_EVER);
    for word in ["offline", "online"] {
        broker.until(|topic, text| topic == "expressiond/test/availability" && text == word);
    }
    tell(broker.port, r#"{"command":"set","threshold":null}"#);
    let heard = status(r#""runtime":{"threshold":null,"max_fps":5.0}"#);
    assert!(heard.iter().all(|(topic, _)| !topic.ends_with("/snapshot")));
}

#[test]
fn a_snapshot_is_one_picture_that_fits_and_is_not_kept() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    // Of a camera with a bad cable: three of four are cut off, and the fourth answers.
    let camera = folder.path().join("camera");
    std::fs::create_dir(&camera).unwrap();
    let whole = std::fs::read(Path::new(DEMONSTRATION[1].1).join("000.jpg")).unwrap();
    for (name, end) in [("0.jpg", 1), ("1.jpg", 2), ("2.jpg", 2), ("3.jpg", 2)] {
        std::fs::write(camera.join(name), &whole[..whole.len() / end]).unwrap();
    }
    let camera = [("camera.source", camera.to_str().unwrap()), ("camera.repeat", "true")];
    let pictures = [("snapshots.enabled", "true"), ("mqtt.max_packet_bytes", "16384")];
    let settings = [&FOR_EVER[..], &camera, &pictures].concat();
    let _daemon = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, text| topic == "expressiond/test/door/availability" && text == "online");
    let port = broker.port.to_string();
    let subscribe = || {
        let mut subscriber = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port, "-F", "%t %r %x"])
            .args(["-t", "expressiond/test/status", "-t", "expressiond/test/door/snapshot"])
            .args(["-t", "marker"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(subscriber.stdout.take().unwrap()).lines();
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        // The retained status comes first: all subscriptions of the packet are in force.
        let first = heard.recv_timeout(LIMIT).unwrap();
        assert!(first.contains("/status 1 "), "{first}");
        (Running(subscriber), heard)
    };
    let next = |heard: &Receiver<String>, topics: &[&str]| loop {
        let line = heard.recv_timeout(LIMIT).unwrap();
        if topics.iter().any(|topic| line.starts_with(topic)) {
            break line;
        }
    };
    let (_subscriber, heard) = subscribe();
    tell(broker.port, r#"{"command":"snapshot"}"#);
    let picture = next(&heard, &["expressiond/test/door/snapshot "]);
    let digits = picture.strip_prefix("expressiond/test/door/snapshot 0 ").unwrap();
    let bytes: Vec<u8> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    assert!(bytes.len() < 16384);
    image::load_from_memory(&bytes).unwrap();
    // Whoever comes later gets the status and no picture: a retained one would come before
    // what is published after the subscription.
    let (_later, heard) = subscribe();
    publish(broker.port, "marker", &["-m", "now"]);
    let first = next(&heard, &["expressiond/test/door/snapshot ", "marker "]);
    assert!(first.starts_with("marker "), "{first}");
}

#[test]
fn a_snapshot_that_cannot_be_is_refused_with_the_reason() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let settings = [("camera.source", "/dev/video-none"), ("snapshots.enabled", "true")];
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let _daemon = daemon_that_logs(folder.path(), broker.port, &settings, file);
    broker.until(|topic, text| topic.ends_with("test/status") && text.contains("no_camera"));
    let refused = |count: usize| {
        let words = format!(r#""commands_refused":{count}"#);
        broker.until(|topic, text| topic.ends_with("test/status") && text.contains(&words));
        let log = std::fs::read_to_string(&log).unwrap();
        let lines = log.lines().filter(|line| line.contains("no snapshot"));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        assert_eq!(lines.len(), count, "each once: {log}");
        lines.last().unwrap().clone()
    };
    tell(broker.port, r#"{"command":"snapshot"}"#);
    let without_a_camera = refused(1);
    assert!(without_a_camera.contains("/dev/video-none"), "{without_a_camera}");
    // What is owed when the camera is closed is owed no longer.
    tell(broker.port, r#"{"command":"snapshot"}"#);
    tell(broker.port, r#"{"command":"pause"}"#);
    let paused = refused(2);
    assert!(paused.contains("no snapshot: paused"), "{paused}");
}

#[test]
fn pausing_closes_the_camera_and_survives_a_restart() {
    let folder = temporary();
    let broker = Broker::start(folder.path());
    let settings = [&FOR_EVER[..], &[("camera.fps", "6")]].concat();
    let tell = |command: &str| tell(broker.port, command);
    let mut first = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, text| topic == "expressiond/test/door/availability" && text == "online");
    tell(r#"{"command":"pause"}"#);
    let captured = |words: &str| {
        let fits = |topic: &str, text: &str| topic.ends_with("test/status") && text.contains(words);
        let status = broker.until(fits).pop().unwrap().1;
        serde_json::from_str::<serde_json::Value>(&status).unwrap()["frames"]["captured"].clone()
    };
    let at_first = captured(r#""paused":true"#);
    assert!(at_first.as_u64() >= Some(1), "{at_first}");
    // Closed, and not only said to be: in the ten seconds that it makes itself known no
    // frame comes.
    tell(r#"{"command":"identify"}"#);
    captured(r#""identifying":true"#);
    assert_eq!(captured(r#""identifying":false"#), at_first);
    first.terminate();
    assert_eq!(first.code(), Some(0));
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "offline");
    let _second = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, text| topic.ends_with("test/status") && text.contains("\"paused\":true"));
    tell(r#"{"command":"resume"}"#);
    broker.until(|topic, text| topic == "expressiond/test/door/availability" && text == "online");
}

#[test]
fn what_only_the_owner_can_mend_ends_with_its_exit_code() {
    let folder = temporary();
    let model = folder.path().join("m.tflite");
    let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/models/expression-yolo12n.tflite");
    let mut bytes = std::fs::read(whole).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    std::fs::copy(Path::new(whole).with_extension("json"), model.with_extension("json")).unwrap();
    let path = model.display().to_string();
    assert_eq!(daemon(folder.path(), 1, &[("model.path", &path)]).code(), Some(70));
    assert_eq!(daemon(folder.path(), 1, &[("model.path", "none.tflite")]).code(), Some(70));
    assert_eq!(daemon(folder.path(), 1, &[("camera.fps", "0")]).code(), Some(78));
    assert_eq!(daemon(folder.path(), 1, &[("camera.none", "0")]).code(), Some(78));
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_command_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let stderr = child.stderr.take().unwrap();
    Running(child).code();
    assert_eq!(std::io::read_to_string(stderr).unwrap(), "");
}
