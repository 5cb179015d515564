//! The daemon as its users run it: committed photographs in, events out through a
//! real Mosquitto; and what it does when something is wrong or missing.

mod commands;
#[path = "../daemon/mod.rs"]
mod daemon;

use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use daemon::{Broker, LIMIT, Running, command, daemon};
use expressiond::events::Event;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
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
        Some("event") => include_str!("../../docs/ref/event.schema.json"),
        Some("state") => include_str!("../../docs/ref/camera-state.schema.json"),
        Some("status") => include_str!("../../docs/ref/status.schema.json"),
        Some("inventory") => include_str!("../../docs/ref/inventory.schema.json"),
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
    let broker = Broker::start();
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
    let (broker, pictures) = (Broker::start(), folder.path().join("pictures"));
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
    let broker = Broker::start();
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
    let broker = Broker::start();
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
    let broker = Broker::start();
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
    let broker = Broker::start();
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
    let (broker, log) = (Broker::start(), folder.path().join("log"));
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
    let (broker, log) = (Broker::start(), folder.path().join("log"));
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
    let broker = Broker::start();
    let settings =
        [("camera.source", "models/self-test.jpg"), ("camera.fps", "1"), ("camera.repeat", "true")];
    let _daemon = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, text| topic.ends_with("camera/event") && text.contains("face_appeared"));
}

#[test]
fn a_signal_ends_every_story_and_says_goodbye() {
    let folder = temporary();
    let broker = Broker::start();
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
    while !broker.log().contains("Received DISCONNECT from expressiond-test") {
        assert!(Instant::now() < end, "{}", broker.log());
        std::thread::sleep(Duration::from_millis(10));
    }
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

/// As a share that has gone away leaves them: whoever stops it must not have to kill it.
#[test]
fn a_signal_ends_it_while_its_settings_do_not_come() {
    let folder = temporary();
    let pipe = folder.path().join("f.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for signal in [Signal::TERM, Signal::INT] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_expressiond"));
        run.args(["run", "--config"]).arg(&pipe).stderr(Stdio::null());
        let mut daemon = Running(run.spawn().unwrap());
        // Can be opened without waiting as soon as it reads at the other end.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        let end = Instant::now() + LIMIT;
        let _silent = loop {
            match options.open(&pipe) {
                Ok(pipe) => break pipe,
                Err(error) => assert!(Instant::now() < end, "it reads no settings: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        kill_process(Pid::from_child(&daemon.0), signal).unwrap();
        assert_eq!(daemon.code(), Some(0), "{signal:?}");
    }
}

/// What a start says that ends by itself, with its code.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let mut refused = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut stderr = refused.0.stderr.take().unwrap();
    let words = std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap());
    let code = refused.code();
    (code, words.join().unwrap())
}

#[test]
fn a_broker_inside_whose_port_is_taken_ends_with_the_code_for_what_is_not_to_be_had() {
    let folder = temporary();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let settings = [("mqtt.url", ""), ("mqtt.embedded_port", &*port)];
    let (code, words) = refused(command(folder.path(), 1, &settings));
    assert_eq!(code, Some(69), "{words}");
    assert!(words.contains("mqtt.embedded_port") && words.contains(&port), "{words}");
}

#[test]
fn a_second_daemon_on_one_state_folder_ends_with_the_code_for_the_disk_and_says_why() {
    let folder = temporary();
    let broker = Broker::start();
    let mut first = daemon(folder.path(), broker.port, &FOR_EVER);
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "online");
    let (code, words) = refused(command(folder.path(), broker.port, &FOR_EVER));
    assert_eq!(code, Some(74), "{words}");
    assert!(words.contains("outbox.lock"), "{words}");
    assert!(first.0.try_wait().unwrap().is_none(), "the first goes on");
}
