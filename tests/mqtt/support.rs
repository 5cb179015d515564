//! What every test here needs.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use expressiond::clock::SystemClock;
use expressiond::mqtt::credentials::Credentials;
use expressiond::mqtt::embedded::EmbeddedBroker;
use expressiond::mqtt::message::Subscriptions;
use expressiond::mqtt::protocol::Version;
use expressiond::mqtt::received;
use expressiond::mqtt::settings::Settings;
use expressiond::mqtt::stats::Stats;
use expressiond::name::Name;
use expressiond::publish::{Publisher, Start};
use expressiond::random::jitter;
use serde_json::{Value, json};

use crate::mosquitto::Mosquitto;
use crate::observer::Seen;
use crate::running::LIMIT;

/// Either broker; both must serve.
pub enum AnyBroker {
    Mosquitto(Mosquitto),
    Embedded(EmbeddedBroker),
}

impl AnyBroker {
    pub fn both() -> [Self; 2] {
        [Self::Mosquitto(Mosquitto::start()), Self::embedded()]
    }

    pub fn embedded() -> Self {
        Self::Embedded(EmbeddedBroker::start(crate::ports::free_port()).expect("a free port"))
    }

    /// Mosquitto in both protocols, and the one inside in the protocol that is found.
    pub fn each() -> [(Self, Version); 3] {
        let [five, old] = VERSIONS.map(|version| (Self::Mosquitto(Mosquitto::start()), version));
        [five, old, (Self::embedded(), Version::Auto)]
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) => broker.port,
            Self::Embedded(broker) => broker.url().port,
        }
    }
}

/// Publishes without the retain flag, as a person would, one message after the other.
///
/// All through one connection: rumqttd 0.20 hears twice that a client left, by its DISCONNECT
/// and by its socket, and at the second takes down whoever has its number by then. A quick
/// succession of clients loses one now and then.
pub fn publish(port: u16, topic: &str, payloads: &[&str]) {
    let port = port.to_string();
    let mut program = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-l"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("these tests need mosquitto_pub: apt-get install mosquitto-clients");
    let mut lines = program.stdin.take().expect("piped");
    for payload in payloads {
        writeln!(lines, "{payload}").expect("it reads");
    }
    drop(lines);
    assert!(program.wait().expect("it ends").success());
}

pub fn camera() -> Name {
    Name::camera("front").expect("valid")
}

/// Of a broker here, without TLS.
pub fn url(port: u16) -> String {
    format!("mqtt://127.0.0.1:{port}")
}

/// Both protocols.
pub const VERSIONS: [Version; 2] = [Version::V5, Version::V311];

/// As [`settings`], in this protocol.
pub fn speaking(version: Version, port: u16) -> Settings {
    Settings { version, ..settings(port) }
}

/// Quick to notice and to come back, otherwise as by default.
pub fn settings(port: u16) -> Settings {
    Settings { url: url(port).into(), keep_alive_s: 5, reconnect_max_s: 1, ..Settings::default() }
}

pub fn begin(settings: Settings) -> Start {
    Start {
        settings,
        device: Name::new("d1").expect("valid"),
        state_dir: None,
        credentials: Credentials::default(),
        subscriptions: Subscriptions::default(),
        clock: Arc::new(SystemClock),
        jitter,
    }
}

pub fn publisher(settings: Settings) -> (Publisher, received::Receiver) {
    Publisher::start(begin(settings)).expect("starts")
}

/// Waits until `done` holds for the numbers of the publisher.
pub async fn until(publisher: &Publisher, what: &str, done: impl Fn(&Stats) -> bool) -> Stats {
    let limit = Instant::now() + LIMIT;
    loop {
        let stats = publisher.stats();
        if done(&stats) {
            return stats;
        }
        assert!(Instant::now() < limit, "not in time: {what}: {stats:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An event as the daemon would send it, as far as delivery is concerned.
pub fn event(track: u64, number: u64) -> Value {
    json!({ "track": track, "number": number })
}

/// The numbers of the events of `track`, at their first sighting.
pub fn first_sightings(seen: &[Seen], track: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for event in seen.iter().filter(|seen| seen.topic.ends_with("/event")).map(Seen::json) {
        let number = event["number"].as_u64().expect("a number");
        if event["track"] == track && !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}
