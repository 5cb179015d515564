//! The program as it is installed, towards brokers that come, go and cannot be found.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use expressiond::contract::payload::STATUS_INTERVAL;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

use crate::fake::{ACCEPTED, ACCEPTED_V5, acknowledge, listen, packet, publish_id, welcome};
use crate::mosquitto::Mosquitto;
use crate::observer::{Observer, Seen};
use crate::program::program;
use crate::running::{LIMIT, Running};
use crate::support::url;

fn start(url: &str, state: &Path, environment: &[(&str, &Path)]) -> Running {
    start_with(url, state, &[], environment)
}

pub fn start_with(
    url: &str,
    state: &Path,
    settings: &[&str],
    environment: &[(&str, &Path)],
) -> Running {
    let mut command = command(url, state, settings);
    Running(command.envs(environment.iter().copied()).spawn().expect("starts"))
}

fn command(url: &str, state: &Path, settings: &[&str]) -> Command {
    let mut command = program(&["run", "--set", &format!("mqtt.url={url}")]);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--set", &format!("device.state_dir={}", state.display())])
        .args(["--set", "device.id=d1", "--set", "camera.source=tests/demo/frames"])
        .args(["--set", "camera.repeat=true", "--set", "camera.fps=2"])
        .args(["--set", "mqtt.reconnect_max_s=1"])
        .args(settings.iter().flat_map(|setting| ["--set", setting]))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Ends it as systemd does.
fn stop(mut daemon: Running) {
    daemon.terminate();
    assert_eq!(daemon.code(), Some(0));
}

/// As of two boards that were made of one image, of which each throws the other out: the journal
/// had two lines of every connection, for ever.
#[test]
fn connections_that_come_and_go_are_told_once() {
    let state = tempfile::tempdir().expect("temporary folder");
    let journal = tempfile::NamedTempFile::new().expect("temporary file");
    let (listening, port) = listen();
    let mut command = command(&url(port), state.path(), &["mqtt.version=5"]);
    let stderr = journal.reopen().expect("a second descriptor");
    let daemon = Running(command.stderr(stderr).spawn().expect("starts"));
    for _ in 0..4 {
        // DISCONNECT with "Session taken over" (MQTT 5, 3.14.2.1).
        let mut peer = welcome(&listening, &[&ACCEPTED_V5[..], &[0xe0, 1, 0x8e]].concat());
        while packet(&mut peer).is_some() {}
    }
    stop(daemon);
    let told = std::fs::read_to_string(journal.path()).expect("text");
    let lines = |words: &str| told.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("another client has connected"), 1, "{told}");
    // The first one, and that there is one again.
    assert_eq!(lines("connected to the broker"), 2, "{told}");
}

/// As of an owner who starts a broker again and again until its settings are right: the last line
/// was that there is a connection, for as long as there was none.
#[test]
fn an_outage_after_short_connections_is_told_each_time() {
    let state = tempfile::tempdir().expect("temporary folder");
    let journal = tempfile::NamedTempFile::new().expect("temporary file");
    let (mut listening, port) = listen();
    let mut command = command(&url(port), state.path(), &["mqtt.version=3.1.1"]);
    let stderr = journal.reopen().expect("a second descriptor");
    let daemon = Running(command.stderr(stderr).spawn().expect("starts"));
    let told = || std::fs::read_to_string(journal.path()).expect("text");
    for outages in 1..3 {
        let peer = welcome(&listening, &ACCEPTED);
        drop(listening);
        drop(peer);
        let end = Instant::now() + LIMIT;
        while told().matches("nothing listens there").count() < outages {
            assert!(Instant::now() < end, "{}", told());
            std::thread::sleep(Duration::from_millis(20));
        }
        listening = TcpListener::bind(("127.0.0.1", port)).expect("free again");
    }
    drop(welcome(&listening, &ACCEPTED));
    stop(daemon);
}

/// Told because it is news, not when a status is due anyway: sooner after the one before, by
/// the device's own clock, so that it does not matter how slow this machine is.
#[tokio::test]
async fn the_status_says_connected_soon_after_reconnecting() {
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let url = url(broker.port);
    let observer = Observer::at(broker.port).await;
    let daemon = start(&url, state.path(), &[]);
    let of = |seen: &[Seen], connections: u64| -> Option<Value> {
        let status = seen.iter().rev().find(|seen| seen.topic.ends_with("d1/status"))?.json();
        (status["mqtt"]["connections"] == connections).then_some(status)
    };
    let online = |seen: &[Seen]| {
        let online =
            |seen: &&Seen| seen.topic == "expressiond/d1/availability" && seen.payload == b"online";
        seen.iter().filter(online).count()
    };
    observer.until("the first connection", |seen| of(seen, 1).is_some() && online(seen) > 0).await;
    broker.stop();
    broker.resume();
    observer.until("online again", |seen| online(seen) >= 2).await;
    let seen = observer.until("the second connection", |seen| of(seen, 2).is_some()).await;
    assert_eq!(of(&seen, 2).expect("just seen")["mqtt"]["connected"], true);
    let statuses = seen.iter().filter(|seen| seen.topic.ends_with("d1/status"));
    let statuses: Vec<Value> = statuses.map(Seen::json).collect();
    let mut connections = statuses.iter().map(|status| &status["mqtt"]["connections"]);
    let news = connections.position(|connections| connections == 2).expect("just seen");
    let uptime = |status: &Value| status["uptime_s"].as_u64().expect("a number");
    let waited = uptime(&statuses[news]) - uptime(&statuses[news - 1]);
    // A look is a second; it used to be all of the interval.
    assert!(waited < STATUS_INTERVAL.as_secs(), "{waited} s");
    drop(daemon);
}

/// A library of these functions, to stand before those of the C library (`LD_PRELOAD`, ld.so(8)).
pub fn preload(folder: &Path, text: &str) -> PathBuf {
    let (source, library) = (folder.join("preload.c"), folder.join("preload.so"));
    std::fs::write(&source, text).expect("write");
    // Of the processor that the daemon was built for, which may be an emulated one.
    let compiler = match std::env::consts::ARCH {
        "aarch64" => "aarch64-linux-gnu-gcc",
        "arm" => "arm-linux-gnueabihf-gcc",
        _ => "cc",
    };
    let built = Command::new(compiler)
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .expect("this test needs a C compiler: apt-get install gcc");
    assert!(built.success());
    library
}

/// A name server that never answers, stood for by a getaddrinfo(3) that does not return: whoever
/// waited for it would not end at all.
#[test]
fn a_stop_does_not_wait_for_a_name_server() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mark = folder.path().join("asked");
    let library = preload(
        folder.path(),
        "#include <fcntl.h>\n#include <netdb.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
         int getaddrinfo(const char *n, const char *s, const struct addrinfo *h,\n\
                         struct addrinfo **r) {\n\
           close(open(getenv(\"ASKED\"), O_CREAT | O_WRONLY, 0600));\n\
           for (;;) pause();\n}\n",
    );
    let environment = [("LD_PRELOAD", library.as_path()), ("ASKED", mark.as_path())];
    let daemon = start("mqtt://broker.example", folder.path(), &environment);
    let limit = Instant::now() + LIMIT;
    while !mark.exists() {
        assert!(Instant::now() < limit, "the name was never asked for");
        std::thread::sleep(Duration::from_millis(10));
    }
    stop(daemon);
}

/// A clock that cannot be read is one of the few things that the standard library panics
/// about: here the wall clock, once, in the thread that is named, when a file says so.
#[tokio::test]
async fn a_thread_that_panics_ends_the_daemon_with_70_after_the_broker_was_told() {
    for thread in ["capture", "inference"] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let go = folder.path().join("go");
        let library = preload(
            folder.path(),
            "#define _GNU_SOURCE\n#include <errno.h>\n#include <stdlib.h>\n#include <string.h>\n\
             #include <sys/prctl.h>\n#include <sys/syscall.h>\n#include <time.h>\n\
             #include <unistd.h>\n\
             int clock_gettime(clockid_t id, struct timespec *time) {\n\
               static int failed;\n\
               char name[16] = \"\";\n\
               if (id == CLOCK_REALTIME && !failed && access(getenv(\"GO\"), F_OK) == 0) {\n\
                 prctl(PR_GET_NAME, name);\n\
                 if (strcmp(name, getenv(\"PANICS\")) == 0) {\n\
                   failed = 1;\n\
                   errno = EINVAL;\n\
                   return -1;\n\
                 }\n\
               }\n\
               return syscall(SYS_clock_gettime, id, time);\n}\n",
        );
        let environment = [
            ("LD_PRELOAD", library.as_path()),
            ("GO", go.as_path()),
            ("PANICS", Path::new(thread)),
        ];
        let broker = Mosquitto::start();
        let observer = Observer::at(broker.port).await;
        let url = url(broker.port);
        let mut daemon = start(&url, folder.path(), &environment);
        let said = |seen: &[Seen], word: &[u8]| {
            let last = seen.iter().rev().find(|seen| seen.topic.ends_with("d1/availability"));
            last.is_some_and(|last| last.payload == word)
        };
        observer.until("online", |seen| said(seen, b"online")).await;
        std::fs::write(&go, "").expect("write");
        observer.until("offline", |seen| said(seen, b"offline")).await;
        assert_eq!(daemon.code(), Some(70), "{thread}");
    }
}

/// A process that has no descriptor left must go on with those that it has, and end when it is
/// told to. It used to try again at once to force events to the disk, and did nothing else.
#[test]
fn without_a_free_descriptor_signals_are_obeyed() {
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let url = url(broker.port);
    // Each event is due at once, and one comes every few seconds.
    let settings = ["mqtt.outbox.sync_after_s=0", "camera.fps=12"];
    let mut daemon = start_with(&url, state.path(), &settings, &[]);
    let kept = || {
        let journal = std::fs::metadata(state.path().join("outbox.journal"));
        journal.map_or(0, |journal| journal.len())
    };
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let limit = Instant::now() + LIMIT;
        while !done() {
            assert!(Instant::now() < limit, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until("it listens to signals", &|| state.path().join("outbox.lock").exists());
    broker.stop();
    until("an event waits", &|| kept() > 0);
    let process = Some(Pid::from_child(&daemon.0));
    // What is open stays open (getrlimit(2)).
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let none = Rlimit { current: Some(3), maximum };
    prlimit(process, Resource::Nofile, none).expect("it runs");
    let before = kept();
    until("another event waits", &|| kept() > before);
    daemon.terminate();
    assert_eq!(daemon.code(), Some(0));
}

/// The broker has sent a command that comes while the daemon says goodbye, and does not say it
/// again. A camera that was closed in that moment used to be open at the next start.
#[tokio::test]
async fn what_is_told_while_it_ends_counts_from_the_next_start() {
    let state = tempfile::tempdir().expect("temporary folder");
    let (listening, port) = listen();
    let (connected, is_connected) = std::sync::mpsc::channel();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED);
        while let Some((first, body)) = packet(&mut peer) {
            let Some(id) = publish_id(first, &body) else { continue };
            let of_device = body[2..].starts_with(b"expressiond/d1/availability");
            // One that is stopped before it knows that it is accepted says no goodbye.
            if of_device && body.ends_with(b"online") {
                connected.send(()).expect("somebody waits");
            }
            if of_device && body.ends_with(b"offline") {
                let topic = b"expressiond/d1/command";
                let told =
                    [&[0, topic.len() as u8], &topic[..], br#"{"command":"pause"}"#].concat();
                let header = [0x30, told.len() as u8];
                peer.write_all(&[&header, &told[..]].concat()).expect("it listens");
            }
            acknowledge(&mut peer, id);
        }
    });
    let daemon = start_with(&url(port), state.path(), &["mqtt.version=3.1.1"], &[]);
    is_connected.recv_timeout(LIMIT).expect("it connects");
    stop(daemon);
    broker.join().expect("no assertion of the broker failed");

    let broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let daemon = start(&url(broker.port), state.path(), &[]);
    let status = |seen: &[Seen]| -> Option<Value> {
        Some(seen.iter().find(|seen| seen.topic.ends_with("d1/status"))?.json())
    };
    let seen = observer.until("a status", |seen| status(seen).is_some()).await;
    assert_eq!(status(&seen).expect("just seen")["paused"], true);
    stop(daemon);
}

/// What a fleet's owner asks a device, answered by the program as it is installed.
#[tokio::test]
async fn the_inventory_is_of_the_program_that_runs() {
    let state = tempfile::tempdir().expect("temporary folder");
    let broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let url = url(broker.port);
    let daemon = start(&url, state.path(), &[]);
    let inventory = |seen: &[Seen]| -> Option<Value> {
        Some(seen.iter().find(|seen| seen.topic.ends_with("d1/inventory"))?.json())
    };
    let seen = observer.until("an inventory", |seen| inventory(seen).is_some()).await;
    let inventory = inventory(&seen).expect("just seen");
    assert_eq!(inventory["version"], env!("CARGO_PKG_VERSION"));
    assert!(inventory["model"].as_str().expect("text").contains('@'), "{inventory}");
    let changed = inventory["settings"]["changed"].as_array().expect("a list");
    assert!(changed.iter().any(|key| key == "mqtt.url"), "{inventory}");
    assert!(!inventory.to_string().contains(&url), "no value is told: {inventory}");
    assert_eq!(inventory["failed"], serde_json::json!([]));
    stop(daemon);
}
