//! What the daemon does when it is told to, by a command or for a group.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use expressiond::events::Event;

use super::daemon::{Broker, LIMIT, Running, daemon, daemon_that_logs, publish};
use super::{DEMONSTRATION, FOR_EVER, temporary};

fn tell(port: u16, command: &str) {
    publish(port, "expressiond/test/command", &["-m", command]);
}

#[test]
fn groups_have_their_say_between_the_file_and_a_command() {
    let folder = temporary();
    let broker = Broker::start();
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
    let broker = Broker::start();
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
    let broker = Broker::start();
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
    let broker = Broker::start();
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
    let broker = Broker::start();
    let settings = [("camera.source", "/dev/video-none"), ("snapshots.enabled", "true")];
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let _daemon = daemon_that_logs(folder.path(), broker.port, &settings, file);
    broker.until(|topic, text| topic.ends_with("test/status") && text.contains("no_camera"));
    let refused = |count: usize, lines_so_far: usize| {
        let words = format!(r#""commands_refused":{count}"#);
        broker.until(|topic, text| topic.ends_with("test/status") && text.contains(&words));
        let log = std::fs::read_to_string(&log).unwrap();
        let lines = log.lines().filter(|line| line.contains("no snapshot"));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        assert_eq!(lines.len(), lines_so_far, "each once: {log}");
        lines.last().unwrap().clone()
    };
    tell(broker.port, r#"{"command":"snapshot"}"#);
    // One that comes before it is answered is answered with it.
    tell(broker.port, r#"{"command":"snapshot"}"#);
    let without_a_camera = refused(2, 1);
    assert!(without_a_camera.contains("2 commands"), "{without_a_camera}");
    assert!(without_a_camera.contains("/dev/video-none"), "{without_a_camera}");
    // What is owed when the camera is closed is owed no longer.
    tell(broker.port, r#"{"command":"snapshot"}"#);
    tell(broker.port, r#"{"command":"pause"}"#);
    let paused = refused(3, 2);
    assert!(paused.contains("no snapshot: paused"), "{paused}");
}

#[test]
fn pausing_closes_the_camera_and_survives_a_restart() {
    let folder = temporary();
    let broker = Broker::start();
    let settings = [&FOR_EVER[..], &[("camera.fps", "6")]].concat();
    let tell = |command: &str| tell(broker.port, command);
    let mut first = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, text| topic == "expressiond/test/door/availability" && text == "online");
    tell(r#"{"command":"pause"}"#);
    // What is wanted and what is so are told by two messages.
    let (wanted, closed) = (Cell::new(false), Cell::new(false));
    broker.until(|topic, text| {
        let paused = topic.ends_with("test/status") && text.contains(r#""paused":true"#);
        wanted.set(wanted.get() || paused);
        closed.set(
            closed.get() || (topic == "expressiond/test/door/availability" && text == "offline"),
        );
        wanted.get() && closed.get()
    });
    let captured = |words: &str| {
        let fits = |topic: &str, text: &str| topic.ends_with("test/status") && text.contains(words);
        let status = broker.until(fits).pop().unwrap().1;
        serde_json::from_str::<serde_json::Value>(&status).unwrap()["frames"]["captured"].clone()
    };
    // Closed, and not only said to be: in the ten seconds that it makes itself known no
    // frame comes.
    tell(r#"{"command":"identify"}"#);
    let at_first = captured(r#""identifying":true"#);
    assert!(at_first.as_u64() >= Some(1), "{at_first}");
    assert_eq!(captured(r#""identifying":false"#), at_first);
    first.terminate();
    assert_eq!(first.code(), Some(0));
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "offline");
    let _second = daemon(folder.path(), broker.port, &settings);
    broker.until(|topic, text| topic.ends_with("test/status") && text.contains("\"paused\":true"));
    tell(r#"{"command":"resume"}"#);
    broker.until(|topic, text| topic == "expressiond/test/door/availability" && text == "online");
}

/// Whoever has started it starts it again (`Restart=always`): it ends as on a signal.
#[test]
fn a_restart_ends_every_story_and_the_program() {
    let folder = temporary();
    let broker = Broker::start();
    let mut daemon = daemon(folder.path(), broker.port, &FOR_EVER);
    broker.until(|topic, text| topic.ends_with("/event") && text.contains("face_appeared"));
    tell(broker.port, r#"{"command":"restart"}"#);
    let heard =
        broker.until(|topic, text| topic == "expressiond/test/availability" && text == "offline");
    assert_eq!(daemon.code(), Some(0));
    let event = heard.iter().rev().find(|(topic, _)| topic.ends_with("/event"));
    let last: Event = serde_json::from_str(&event.expect("one is told at the end").1).unwrap();
    assert_eq!(last.event_type.name(), "face_left");
}
