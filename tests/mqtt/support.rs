//! What every test here needs.

use std::sync::Arc;

use expressiond::clock::SystemClock;
use expressiond::publish::broker::Broker;
use expressiond::publish::credentials::Credentials;
use expressiond::publish::topics::Name;
use expressiond::publish::{Publisher, Received, Settings, Start};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::mosquitto::Mosquitto;
use crate::observer::Seen;

/// Either broker; both must serve.
pub enum AnyBroker {
    Mosquitto(Mosquitto),
    Embedded(Broker),
}

impl AnyBroker {
    pub fn both() -> [Self; 2] {
        let embedded = Broker::start(crate::mosquitto::free_port()).expect("a free port");
        [Self::Mosquitto(Mosquitto::start()), Self::Embedded(embedded)]
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) => broker.port,
            Self::Embedded(broker) => broker.url().port,
        }
    }
}

pub fn camera() -> Name {
    Name::camera("front").expect("valid")
}

/// Quick to notice and to come back, otherwise as by default.
pub fn settings(port: u16) -> Settings {
    Settings {
        url: format!("mqtt://127.0.0.1:{port}"),
        keep_alive_s: 5,
        reconnect_max_s: 1,
        ..Settings::default()
    }
}

pub fn begin(settings: Settings) -> Start {
    Start {
        settings,
        device: Name::new("d1").expect("valid"),
        state_dir: None,
        credentials: Credentials::default(),
        subscriptions: Vec::new(),
        clock: Arc::new(SystemClock),
    }
}

pub fn publisher(settings: Settings) -> (Publisher, mpsc::Receiver<Received>) {
    Publisher::start(begin(settings)).expect("starts")
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
