//! A daemon that is killed and a broker that comes and goes lose nothing.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use expressiond::publish::Publisher;

use crate::mosquitto::Mosquitto;
use crate::observer::{Observer, Seen};
use crate::support::{begin, camera, event, first_sightings, settings};

const PORT: &str = "EXPRESSIOND_TEST_PORT";
const STATE: &str = "EXPRESSIOND_TEST_STATE";
const TRACKS: u64 = 3;

/// What a killed process is: it publishes each number it is told on its standard
/// input and says so once the outbox has taken it.
#[tokio::test]
#[ignore = "the child process of the tests below"]
async fn child() {
    let port = std::env::var(PORT).expect("set by the parent").parse().expect("a number");
    let mut start = begin(settings(port));
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
}

struct Daemon {
    process: Child,
    input: ChildStdin,
    output: std::io::Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    fn start(port: u16, state: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "kills::child", "--ignored", "--nocapture"])
            .env(PORT, port.to_string())
            .env(STATE, state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut daemon = Self { process, input, output };
        daemon.wait_for("ready");
        daemon
    }

    fn wait_for(&mut self, text: &str) {
        // The test harness begins a line of its own ("test kills::child ... ").
        let found = self.output.by_ref().any(|line| line.expect("text").ends_with(text));
        assert!(found, "the child ended without saying {text}");
    }

    /// Returns when the outbox has the event.
    fn publish(&mut self, number: u64) {
        writeln!(self.input, "{number}").expect("it listens");
        self.wait_for(&format!("taken {number}"));
    }

    /// SIGKILL, with one more event handed over and not confirmed.
    fn kill(mut self, unconfirmed: u64) {
        writeln!(self.input, "{unconfirmed}").expect("it listens");
        self.process.kill().expect("signal");
        self.process.wait().expect("ended");
    }

    fn finish(self) {
        let Self { mut process, input, output } = self;
        drop(input);
        assert!(process.wait().expect("ended").success());
        drop(output);
    }
}

fn complete(seen: &[Seen], total: u64) -> bool {
    (0..TRACKS).map(|track| first_sightings(seen, track).len() as u64).sum::<u64>() == total
}

#[tokio::test]
async fn a_thousand_events_survive_ten_outages_and_five_kills() {
    const EVENTS: u64 = 1000;
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let mut daemon = Daemon::start(broker.port, state.path());
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
            daemon = Daemon::start(broker.port, state.path());
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
async fn events_of_an_earlier_run_are_delivered_late_and_say_so() {
    let state = tempfile::tempdir().expect("temporary folder");
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    broker.stop();
    let mut daemon = Daemon::start(broker.port, state.path());
    daemon.publish(0);
    daemon.kill(3);
    broker.resume();
    let mut start = begin(settings(broker.port));
    start.state_dir = Some(state.path().to_owned());
    start.settings.outbox.late_after_s = 0;
    let (publisher, _received) = Publisher::start(start).expect("starts");
    let seen = observer.until("the old event", |seen| !first_sightings(seen, 0).is_empty()).await;
    let late = seen.iter().find(|seen| seen.topic.ends_with("/event")).expect("just seen");
    assert_eq!(late.json()["late"], true);
    publisher.shutdown().await;
    assert_eq!(publisher.stats().waiting, 0);
}
