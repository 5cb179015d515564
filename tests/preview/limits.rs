//! What a client does wrong costs nobody else anything.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;

use serde_json::json;

use crate::daemon::LIMIT;
use crate::daemon::http::{Live, ended, get, open, post};
use crate::start;

#[test]
fn ten_viewers_who_do_not_read_hold_up_no_event() {
    let setup = start("max_viewers = 10\nmax_fps = 5.0\n");
    let (device, broker) = (&setup.device, &setup.broker);
    let stuck: Vec<_> = (0..10).map(|_| open(device.port, "GET", "/api/live", &[], "").0).collect();
    broker.until(|topic, text| topic.ends_with("/status") && text.contains("\"viewers\":10"));
    assert_eq!(open(device.port, "GET", "/api/live", &[], "").1.status, 503, "one too many");
    // Two rounds of the demonstration with all their events, while they sit there: by then
    // what the sockets hold of pictures is long full.
    for event in ["face_appeared", "face_left", "face_appeared", "face_left"] {
        broker.until(|topic, text| topic.ends_with("/event") && text.contains(event));
    }
    drop(stuck);
    broker.until(|topic, text| topic.ends_with("/status") && text.contains("\"viewers\":0"));
}

/// Processor time of the threads of this name so far, in the kernel's ticks (proc(5): fields
/// 14 and 15 of `stat`).
fn ticks(process: u32, name: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let own: Vec<String> = stats.filter(|stat| stat.contains(&format!("({name}"))).collect();
    assert!(!own.is_empty(), "no thread is called {name}");
    let ticks = |stat: &String| {
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    own.iter().map(ticks).sum()
}

/// Whatever the machine, next to what the networks take.
#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "what an emulator costs says nothing")]
fn a_page_that_nobody_opens_costs_next_to_nothing() {
    let setup = start("");
    let process = setup.device.process.0.id();
    let round = || {
        for event in ["face_appeared", "face_left"] {
            setup.broker.until(|topic, text| topic.ends_with("/event") && text.contains(event));
        }
    };
    round();
    let spent = || (ticks(process, "preview"), ticks(process, "inference"));
    let before = spent();
    round();
    round();
    let after = spent();
    let (page, networks) = (after.0 - before.0, after.1 - before.1);
    assert!(networks > 0 && page <= networks / 10, "{page} ticks of {networks}");
}

#[test]
fn what_is_too_long_or_too_slow_is_ended() {
    let setup = start("");
    let device = &setup.device;
    let long = "x".repeat(20_000);
    assert_eq!(open(device.port, "GET", "/", &[("X-Long", &long)], "").1.status, 431);
    let body = json!({ "camera.controls.gain": "x".repeat(17_000) });
    assert_eq!(post(device.port, "/api/try", &body).status, 413);

    let mut slow = TcpStream::connect(("127.0.0.1", device.port)).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: 127.0").unwrap();
    ended(&mut slow);
    assert_eq!(get(device.port, "/healthz").status, 200);
}

/// Each of them would have a thread of those that the settings are read and saved with.
#[test]
fn a_broker_that_says_nothing_is_tried_once_at_a_time() {
    let setup = start("");
    let port = setup.device.port;
    // It takes connections, and nobody reads what they send.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = json!({ "mqtt.url": format!("mqtt://{}", silent.local_addr().unwrap()) });
    std::thread::scope(|scope| {
        let (tell, told) = channel();
        for _ in 0..3 {
            let (tell, broker) = (tell.clone(), &broker);
            scope.spawn(move || tell.send(post(port, "/api/setup/test", broker)));
        }
        for _ in 0..2 {
            let refused = told.recv_timeout(LIMIT).expect("an answer while one hangs");
            assert_eq!(refused.status, 409, "{}", refused.text());
            assert!(refused.text().contains("tried already"), "{}", refused.text());
        }
        assert_eq!(get(port, "/api/settings").status, 200);
        let changes = json!({ "tracking.start_confidence": 0.5 });
        assert_eq!(post(port, "/api/save", &changes).status, 200);
        drop(silent);
    });
}

#[test]
fn bytes_that_are_no_request_harm_nobody() {
    let setup = start("");
    let device = &setup.device;
    for bytes in [
        &b"\0\xff\xfe\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", device.port)).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let answer = ended(&mut stream);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{bytes:?}");
    }
    Live::watch(device.port, &[]).until("picture", |_| true);
}
