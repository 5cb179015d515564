//! What a client does wrong costs nobody else anything.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::http::{Live, get, open, post, until};
use crate::start;

/// Of how many frames the faces are known so far.
fn looked_at(port: u16) -> u64 {
    let text = get(port, "/metrics").text();
    let name = "expressiond_frame_age_seconds_count";
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a metric");
    line.trim().parse().unwrap()
}

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

/// Processor time of the page's threads so far, in the kernel's ticks (proc(5): fields 14
/// and 15 of `stat`, of which there are a hundred a second).
fn ticks(process: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let own: Vec<String> = stats.filter(|stat| stat.contains("(preview")).collect();
    assert!(!own.is_empty(), "the page's threads are called otherwise");
    let ticks = |stat: &String| {
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    own.iter().map(ticks).sum()
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "what an emulator costs says nothing")]
fn a_page_that_nobody_opens_costs_less_than_a_hundredth_of_a_core() {
    let setup = start("");
    let process = setup.device.process.0.id();
    until("a first frame", || Some(looked_at(setup.device.port)).filter(|count| *count > 6));
    let before = ticks(process);
    // Nothing is waited for: this is the time that is measured.
    std::thread::sleep(Duration::from_secs(10));
    let spent = ticks(process) - before;
    assert!(spent < 10, "{spent} ticks in ten seconds");
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
    slow.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: 127.0").unwrap();
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(begun.elapsed() < Duration::from_secs(30), "it was kept for {:?}", begun.elapsed());
    assert_eq!(get(device.port, "/healthz").status, 200);
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
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{bytes:?}");
    }
    Live::watch(device.port, &[]).until("picture", |_| true);
}
