//! A daemon that is killed and a broker that comes and goes lose nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use expressiond::mqtt::protocol::Version;
use expressiond::publish::Publisher;

use crate::mosquitto::Mosquitto;
use crate::observer::{Observer, Seen};
use crate::running::LIMIT;
use crate::support::{begin, camera, event, first_sightings, settings, speaking};

const PORT: &str = "EXPRESSIOND_TEST_PORT";
const STATE: &str = "EXPRESSIOND_TEST_STATE";
const VERSION: &str = "EXPRESSIOND_TEST_VERSION";
const TRACKS: u64 = 3;

/// What a killed process is: it publishes each number it is told on its standard
/// input and says so once the outbox has taken it.
#[tokio::test]
#[ignore = "the child process of the tests below"]
async fn child() {
    let port = std::env::var(PORT).expect("set by the parent").parse().expect("a number");
    let version = match std::env::var(VERSION).expect("set by the parent").as_str() {
        "5" => Version::V5,
        _ => Version::V311,
    };
    let mut start = begin(speaking(version, port));
    start.state_dir = Some(std::env::var_os(STATE).expect("set by the parent").into());
    let (publisher, _received) = Publisher::start(start).expect("starts");
    // The runtime has one thread: reading stands on another.
    let reading = std::thread::spawn({
        let publisher = publisher.clone();
        move || {
            println!("ready");
            for line in std::io::stdin().lines() {
                let number: u64 = line.expect("text").parse().expect("a number");
                let event = event(number % TRACKS, number);
                let track = (number % TRACKS).to_string();
                publisher.publish_event(&camera(), &track, &event).expect("taken");
                println!("taken {number}");
            }
        }
    });
    while !reading.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    publisher.shutdown().await;
    println!("failed writes: {}", publisher.stats().store_errors);
}

struct Daemon {
    process: Child,
    input: ChildStdin,
    /// What it says, line by line.
    output: Receiver<String>,
}

impl Daemon {
    fn start(version: Version, port: u16, state: &Path) -> Self {
        Self::from(Command::new(std::env::current_exe().expect("this test")), version, port, state)
    }

    /// `command` is to run this test's binary with the arguments that it gets.
    fn from(mut command: Command, version: Version, port: u16, state: &Path) -> Self {
        let mut process = command
            .args(["--exact", "kills::child", "--ignored", "--nocapture"])
            .env(PORT, port.to_string())
            .env(STATE, state)
            .env(VERSION, if version == Version::V5 { "5" } else { "3.1.1" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let input = process.stdin.take().expect("piped");
        let output = lines(process.stdout.take().expect("piped"));
        let mut daemon = Self { process, input, output };
        daemon.wait_for("ready");
        daemon
    }

    fn wait_for(&mut self, text: &str) {
        // The test harness begins a line of its own ("test kills::child ... ").
        while !self.next_line(text).ends_with(text) {}
    }

    /// Returns when the outbox has the event.
    fn publish(&mut self, number: u64) {
        writeln!(self.input, "{number}").expect("it listens");
        self.wait_for(&format!("taken {number}"));
    }

    /// SIGKILL, with one more event handed over and not confirmed.
    fn kill(mut self, unconfirmed: u64) {
        writeln!(self.input, "{unconfirmed}").expect("it listens");
        self.end();
    }

    fn end(&mut self) {
        self.process.kill().expect("signal");
        self.process.wait().expect("ended");
    }

    /// SIGKILL in the middle of these, after `confirmed` of them. Returns how many it
    /// had confirmed when it was dead.
    fn kill_within(mut self, numbers: std::ops::Range<u64>, confirmed: u64) -> u64 {
        let lines: String = numbers.map(|number| format!("{number}\n")).collect();
        self.input.write_all(lines.as_bytes()).expect("a pipe holds more");
        for _ in 0..confirmed {
            self.wait_for_any();
        }
        self.end();
        confirmed + self.output.iter().filter(|line| line.contains("taken")).count() as u64
    }

    fn wait_for_any(&mut self) {
        while !self.next_line("taken").contains("taken") {}
    }

    fn next_line(&mut self, wanted: &str) -> String {
        let line = self.output.recv_timeout(LIMIT);
        line.unwrap_or_else(|why| panic!("the child does not say {wanted}: {why}"))
    }

    /// Lets it end in order. Returns how many of its writes had failed.
    fn finish(self) -> u64 {
        let Self { mut process, input, output } = self;
        drop(input);
        // Its output ends with it.
        let mut lines = Vec::new();
        loop {
            match output.recv_timeout(LIMIT) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the child does not end: {lines:?}"),
            }
        }
        assert!(process.wait().expect("ended").success());
        let failed = lines.iter().find_map(|line| line.strip_prefix("failed writes: "));
        failed.expect("it says so at the end").parse().expect("a number")
    }
}

/// Reading from a pipe has no limit of its own: a thread reads, and the test waits for it.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn complete(seen: &[Seen], total: u64) -> bool {
    (0..TRACKS).map(|track| first_sightings(seen, track).len() as u64).sum::<u64>() == total
}

#[tokio::test]
async fn a_thousand_events_survive_ten_outages_and_five_kills() {
    survive_ten_outages_and_five_kills(Version::V5).await;
}

#[tokio::test]
async fn so_they_do_in_the_old_protocol() {
    survive_ten_outages_and_five_kills(Version::V311).await;
}

async fn survive_ten_outages_and_five_kills(version: Version) {
    const EVENTS: u64 = 1000;
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let mut daemon = Daemon::start(version, broker.port, state.path());
    for number in 0..EVENTS {
        // Outages and kills overlap differently each time: 10 outages of 45 events,
        // 5 kills, some while the broker is there and some while it is not.
        match number % 100 {
            // Caught up, so that each outage breaks a living connection.
            20 => {
                observer.until("everything so far", |seen| complete(seen, number)).await;
            }
            30 => broker.stop(),
            75 => broker.resume(),
            _ => {}
        }
        if number % 170 == 160 {
            daemon.kill(number);
            daemon = Daemon::start(version, broker.port, state.path());
        }
        daemon.publish(number);
    }
    let seen = observer.until("every event", |seen| complete(seen, EVENTS)).await;
    for track in 0..TRACKS {
        let numbers = first_sightings(&seen, track);
        assert!(numbers.is_sorted(), "track {track} is out of order: {numbers:?}");
    }
    daemon.finish();
}

#[tokio::test]
async fn a_kill_at_any_moment_costs_nothing_that_was_taken() {
    const BURST: u64 = 100;
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    broker.stop();
    let mut taken = Vec::new();
    for round in 0..8 {
        let daemon = Daemon::start(Version::V5, broker.port, state.path());
        let first = round * BURST;
        // Where the child stands when the signal comes, the machine decides; that it
        // is not always at the same place, this number.
        let confirmed = (round * 37) % BURST;
        let confirmed = daemon.kill_within(first..first + BURST, confirmed);
        taken.extend(first..first + confirmed);
    }
    broker.resume();
    let daemon = Daemon::start(Version::V5, broker.port, state.path());
    let has_all = |seen: &[Seen]| {
        // The look at each of them is for the end.
        if seen.len() < taken.len() {
            return false;
        }
        let found: BTreeSet<u64> = (0..TRACKS).flat_map(|t| first_sightings(seen, t)).collect();
        taken.iter().all(|number| found.contains(number))
    };
    let seen = observer.until("every event that was taken", has_all).await;
    for track in 0..TRACKS {
        assert!(first_sightings(&seen, track).is_sorted(), "track {track} is out of order");
    }
    daemon.finish();
}

/// This test's own program, under a limit on the size of files that stands for a disk that
/// is full: a write ends half way, then fails (setrlimit(2), RLIMIT_FSIZE).
fn with_file_limit(ulimit: &str) -> Command {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!(r#"trap "" XFSZ; {ulimit}; exec "$0" "$@""#)])
        .arg(std::env::current_exe().expect("this test"));
    limited
}

#[tokio::test]
async fn a_full_disk_is_counted_and_stops_no_delivery() {
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    broker.stop();
    let limited = with_file_limit("ulimit -f 8");
    let mut daemon = Daemon::from(limited, Version::V5, broker.port, state.path());
    for number in 0..200 {
        daemon.publish(number);
    }
    broker.resume();
    let seen = observer.until("every event", |seen| complete(seen, 200)).await;
    for track in 0..TRACKS {
        assert!(first_sightings(&seen, track).is_sorted(), "track {track} is out of order");
    }
    assert!(daemon.finish() > 0, "the disk was never full");
}

/// What a full disk kept out of the file is written once there is room, and then survives
/// a kill. It used to stay in memory only.
#[tokio::test]
async fn what_a_full_disk_left_out_is_written_when_there_is_room() {
    const EVENTS: u64 = 200;
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    broker.stop();
    let limited = with_file_limit("ulimit -S -f 8");
    let mut daemon = Daemon::from(limited, Version::V5, broker.port, state.path());
    for number in 0..EVENTS {
        daemon.publish(number);
    }
    let journal = state.path().join("outbox.journal");
    let size = || std::fs::metadata(&journal).expect("there").len();
    assert!(size() <= 8 * 1024, "the disk was never full");
    let raised = Command::new("prlimit")
        .args(["--pid", &daemon.process.id().to_string(), "--fsize=unlimited:unlimited"])
        .status();
    assert!(raised.expect("comes with util-linux").success());
    let missing = || {
        let bytes = std::fs::read(&journal).expect("there");
        (0..EVENTS).find(|number| {
            let text = format!("\"number\":{number}}}").into_bytes();
            let other = format!("\"number\":{number},").into_bytes();
            !bytes.windows(text.len()).any(|part| part == text || part == other)
        })
    };
    let limit = Instant::now() + LIMIT;
    while let Some(number) = missing() {
        assert!(Instant::now() < limit, "event {number} is not on the disk");
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.kill(EVENTS);
    broker.resume();
    let daemon = Daemon::start(Version::V5, broker.port, state.path());
    let has_all = |seen: &[Seen]| {
        let found = (0..TRACKS).map(|track| first_sightings(seen, track).len() as u64);
        found.sum::<u64>() >= EVENTS
    };
    observer.until("every event", has_all).await;
    daemon.finish();
}

#[tokio::test]
async fn events_of_an_earlier_run_are_delivered_late_and_say_so() {
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    broker.stop();
    let mut daemon = Daemon::start(Version::V5, broker.port, state.path());
    daemon.publish(0);
    daemon.kill(3);
    broker.resume();
    let mut start = begin(settings(broker.port));
    start.state_dir = Some(state.path().to_owned());
    let (publisher, _received) = Publisher::start(start).expect("starts");
    let seen = observer.until("the old event", |seen| !first_sightings(seen, 0).is_empty()).await;
    let late = seen.iter().find(|seen| seen.topic.ends_with("/event")).expect("just seen");
    assert_eq!(late.json()["late"], true);
    publisher.shutdown().await;
    assert_eq!(publisher.stats().waiting, 0);
}
