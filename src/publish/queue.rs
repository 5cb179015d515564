//! What goes to the broker next: pure state, shared by callers and the client.
//!
//! Retained messages are latest-wins: one slot per topic, sent again whenever it
//! changed or a connection is new. Their class gives the order after a connect:
//! availability, discovery, states; only then events.

use std::collections::BTreeMap;
use std::fs::File;

use serde::Serialize;

use super::message::{Class, Message, Qos, packet_size};
use super::outbox::{Accepted, Dropped, Entry, Outbox, Sequence};
use super::settings::Settings;
use crate::clock::Moment;

/// A retained message and how much of it the broker has been told.
#[derive(Debug)]
struct Slot {
    payload: Vec<u8>,
    version: u64,
    /// Version that was handed to this connection; 0 is none.
    sent: u64,
}

/// Says which message an acknowledgement is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticket {
    Event(Sequence),
    Retained,
    /// The removal of a retained message.
    Removed(Class, String),
    Snapshot,
}

/// Why a message was refused at the door.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "a message of {size} bytes for {topic} exceeds mqtt.max_packet_bytes = {limit}: \
         it would break the connection"
    )]
    Oversized { topic: String, size: usize, limit: usize },
    #[error("the topic '{0}' is empty or holds a wildcard or a control character")]
    Topic(String),
    #[error("there is no connection to the broker, and a picture is not kept for later")]
    NotConnected,
    #[error("the message cannot be written as JSON: {0}")]
    Json(String),
}

/// Numbers for the status topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Whether the broker has accepted us now.
    pub connected: bool,
    /// Connections since the start.
    pub connections: u64,
    /// Why the last connection broke or failed; none if none did.
    pub last_error: Option<String>,
    /// Messages that the broker has (acknowledged, or sent at QoS 0).
    pub delivered: u64,
    /// Events that wait for an acknowledgement.
    pub waiting: usize,
    /// Events lost, by cause.
    pub dropped: Dropped,
    /// Writes of the outbox to the disk that failed.
    pub store_errors: u64,
    /// Retained messages refused because of their size.
    pub states_refused: u64,
    /// Messages that arrived and could not be taken in.
    pub commands_dropped: u64,
    /// Commands that were refused: not understood, too large, too many.
    pub commands_refused: u64,
}

#[derive(Debug)]
pub struct Queue {
    outbox: Outbox,
    retained: BTreeMap<(Class, String), Slot>,
    /// Topic and picture, for this connection only.
    snapshot: Option<(String, Vec<u8>)>,
    max_packet: usize,
    event_qos: Qos,
    state_qos: Qos,
    hold_discovery: bool,
    stats: Stats,
}

impl Queue {
    pub fn new(settings: &Settings, outbox: Outbox) -> Self {
        Self {
            outbox,
            retained: BTreeMap::new(),
            snapshot: None,
            max_packet: settings.max_packet_bytes,
            event_qos: settings.event_qos,
            state_qos: settings.state_qos,
            hold_discovery: false,
            stats: Stats::default(),
        }
    }

    /// Takes an event; it stays until acknowledged, dropped (and counted) or too old.
    pub fn push_event(
        &mut self,
        topic: String,
        track: String,
        payload: Vec<u8>,
        now: Moment,
    ) -> Result<(), Refused> {
        // Room for the mark that a late event gets.
        if let Err(refused) = self.admit(&topic, payload.len() + LATE.len(), &payload) {
            if matches!(refused, Refused::Oversized { .. }) {
                self.outbox.count_oversized();
            }
            return Err(refused);
        }
        self.outbox.push(Entry { topic, track, payload, accepted: Accepted::Now(now) });
        Ok(())
    }

    /// Sets what a retained topic says; the latest wins. An empty payload removes
    /// it from the broker (MQTT 3.1.1, 3.3.1.3).
    pub fn set_retained(
        &mut self,
        class: Class,
        topic: String,
        payload: Vec<u8>,
    ) -> Result<(), Refused> {
        debug_assert!(class.retained(), "events are not retained");
        if let Err(refused) = self.admit(&topic, payload.len(), &payload) {
            self.stats.states_refused += 1;
            return Err(refused);
        }
        let slot = self.retained.entry((class, topic)).or_insert_with(|| Slot {
            payload: Vec::new(),
            version: 0,
            sent: 0,
        });
        if slot.version == 0 || slot.payload != payload {
            slot.payload = payload;
            slot.version += 1;
        }
        Ok(())
    }

    /// Takes a picture to send once: not retained, not kept for another connection.
    pub fn push_snapshot(&mut self, topic: String, jpeg: Vec<u8>) -> Result<(), Refused> {
        self.admit(&topic, jpeg.len(), &jpeg)?;
        if !self.stats.connected {
            return Err(Refused::NotConnected);
        }
        self.snapshot = Some((topic, jpeg));
        Ok(())
    }

    fn admit(&self, topic: &str, payload_len: usize, payload: &[u8]) -> Result<(), Refused> {
        if topic.is_empty() || topic.contains(|c: char| c == '+' || c == '#' || c.is_control()) {
            return Err(Refused::Topic(topic.to_owned()));
        }
        let size = packet_size(topic, payload) + payload_len - payload.len();
        if size > self.max_packet {
            let limit = self.max_packet;
            return Err(Refused::Oversized { topic: topic.to_owned(), size, limit });
        }
        Ok(())
    }

    /// A new connection: it has been told nothing yet. With `hold_discovery` it
    /// is not told of discovery before [`Self::release_discovery`].
    pub fn connected(&mut self, hold_discovery: bool) {
        self.hold_discovery = hold_discovery;
        self.stats.connected = true;
        self.stats.connections += 1;
        self.outbox.connected();
    }

    pub fn release_discovery(&mut self) {
        self.hold_discovery = false;
    }

    /// Says every retained message again: somebody who forgot them has come back.
    pub fn repeat_retained(&mut self) {
        for slot in self.retained.values_mut() {
            slot.sent = 0;
        }
    }

    /// The connection broke or a try failed, for this reason unless we ended it.
    pub fn lost(&mut self, reason: Option<String>) {
        self.stats.connected = false;
        self.stats.last_error = reason.or(self.stats.last_error.take());
        self.repeat_retained();
        self.snapshot = None;
        self.outbox.lost();
    }

    /// The next message for this connection, or none until something changes.
    pub fn next(&mut self, now: Moment) -> Option<(Ticket, Message)> {
        self.next_retained().or_else(|| self.next_snapshot()).or_else(|| self.next_event(now))
    }

    fn next_snapshot(&mut self) -> Option<(Ticket, Message)> {
        let (topic, payload) = self.snapshot.take()?;
        let (class, qos) = (Class::Snapshot, Qos::AtMostOnce);
        Some((Ticket::Snapshot, Message { topic, payload, class, qos }))
    }

    fn next_retained(&mut self) -> Option<(Ticket, Message)> {
        let held = self.hold_discovery;
        let ((class, topic), slot) = self.retained.iter_mut().find(|((class, _), slot)| {
            slot.sent != slot.version && !(held && *class == Class::Discovery)
        })?;
        slot.sent = slot.version;
        let ticket = if slot.payload.is_empty() {
            Ticket::Removed(*class, topic.clone())
        } else {
            Ticket::Retained
        };
        // A device that is silently not there is worse than one more round trip.
        let qos = if *class == Class::State { self.state_qos } else { Qos::AtLeastOnce };
        let message =
            Message { topic: topic.clone(), payload: slot.payload.clone(), class: *class, qos };
        Some((ticket, message))
    }

    fn next_event(&mut self, now: Moment) -> Option<(Ticket, Message)> {
        let outgoing = self.outbox.take(now)?;
        let entry = outgoing.entry;
        let payload = if outgoing.late { mark_late(&entry.payload) } else { entry.payload.clone() };
        let message = Message {
            topic: entry.topic.clone(),
            payload,
            class: Class::Event,
            qos: self.event_qos,
        };
        Some((Ticket::Event(outgoing.sequence), message))
    }

    /// The broker has the message (or it left at QoS 0).
    pub fn acknowledged(&mut self, ticket: Ticket) {
        self.stats.delivered += 1;
        match ticket {
            Ticket::Event(sequence) => self.outbox.acknowledged(sequence),
            Ticket::Retained | Ticket::Snapshot => {}
            Ticket::Removed(class, topic) => {
                let key = (class, topic);
                if self.retained.get(&key).is_some_and(|slot| slot.payload.is_empty()) {
                    self.retained.remove(&key);
                }
            }
        }
    }

    /// See [`Outbox::to_sync`].
    pub fn to_sync(&self, now: Moment) -> Option<File> {
        self.outbox.to_sync(now)
    }

    pub fn count_dropped_command(&mut self) {
        self.stats.commands_dropped += 1;
    }

    pub fn count_refused_command(&mut self) {
        self.stats.commands_refused += 1;
    }

    pub fn stats(&self) -> Stats {
        Stats { waiting: self.outbox.len(), dropped: self.outbox.dropped(), ..self.stats.clone() }
    }
}

const LATE: &str = r#""late":true,"#;

/// Adds `"late": true` to a JSON object. Events are written by us as objects, so
/// the first byte is the brace; anything else goes out as it is.
fn mark_late(payload: &[u8]) -> Vec<u8> {
    match payload {
        [b'{', rest @ ..] if rest != b"}" => [b"{", LATE.as_bytes(), rest].concat(),
        other => other.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment {
            monotonic: Duration::from_secs(seconds),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    fn queue() -> Queue {
        let settings = Settings { max_packet_bytes: 4096, ..Settings::default() };
        Queue::new(&settings, Outbox::new(settings.outbox.clone()))
    }

    fn drain(queue: &mut Queue, now: u64) -> Vec<(String, String)> {
        std::iter::from_fn(|| queue.next(at(now)))
            .map(|(_, m)| (m.topic, String::from_utf8_lossy(&m.payload).into_owned()))
            .collect()
    }

    fn pair(topic: &str, payload: &str) -> (String, String) {
        (topic.into(), payload.into())
    }

    #[test]
    fn a_connection_hears_online_then_discovery_then_states_then_events() {
        let mut queue = queue();
        queue.push_event("e".into(), "1".into(), b"{\"a\":1}".to_vec(), at(0)).expect("taken");
        queue.set_retained(Class::State, "s".into(), b"old".to_vec()).expect("taken");
        queue.set_retained(Class::State, "s".into(), b"new".to_vec()).expect("taken");
        queue.set_retained(Class::Discovery, "d".into(), b"{}".to_vec()).expect("taken");
        queue.set_retained(Class::Availability, "z".into(), b"online".to_vec()).expect("taken");
        queue.connected(false);
        let expected =
            [pair("z", "online"), pair("d", "{}"), pair("s", "new"), pair("e", "{\"a\":1}")];
        assert_eq!(drain(&mut queue, 1), expected);
        assert_eq!(drain(&mut queue, 1), [], "nothing is sent twice");
        queue.lost(None);
        queue.connected(false);
        assert_eq!(drain(&mut queue, 1), expected, "a new connection hears all of it");
    }

    #[test]
    fn discovery_is_held_back_until_released() {
        let mut queue = queue();
        queue.set_retained(Class::Discovery, "d".into(), b"{}".to_vec()).expect("taken");
        queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
        queue.connected(true);
        assert_eq!(drain(&mut queue, 0), [pair("s", "1")]);
        queue.release_discovery();
        assert_eq!(drain(&mut queue, 0), [pair("d", "{}")]);
    }

    #[test]
    fn an_unchanged_state_is_not_sent_again() {
        let mut queue = queue();
        queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
        queue.connected(false);
        drain(&mut queue, 0);
        queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
        assert_eq!(queue.next(at(0)), None);
        queue.set_retained(Class::State, "s".into(), b"2".to_vec()).expect("taken");
        assert!(queue.next(at(0)).is_some());
    }

    #[test]
    fn an_oversized_message_is_refused_and_counted() {
        let mut queue = queue();
        let refused = queue.push_event("e".into(), "1".into(), vec![b'x'; 4096], at(0));
        assert!(matches!(refused, Err(Refused::Oversized { limit: 4096, .. })));
        let refused = queue.set_retained(Class::State, "s".into(), vec![b'x'; 4096]);
        assert!(refused.is_err());
        let stats = queue.stats();
        assert_eq!((stats.dropped.oversized, stats.states_refused, stats.waiting), (1, 1, 0));
    }

    #[test]
    fn a_wildcard_is_never_published_to() {
        for topic in ["", "a/+", "a/#", "a\0"] {
            let refused = queue().set_retained(Class::State, topic.into(), vec![]);
            assert_eq!(refused, Err(Refused::Topic(topic.into())));
        }
    }

    #[test]
    fn a_late_event_says_so() {
        let mut queue = queue();
        queue.push_event("e".into(), "1".into(), b"{\"a\":1}".to_vec(), at(0)).expect("taken");
        let (_, message) = queue.next(at(60)).expect("waiting");
        let value: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
        assert_eq!(value, serde_json::json!({"late": true, "a": 1}));
    }

    #[test]
    fn a_picture_is_sent_once_or_never() {
        let mut queue = queue();
        let topic = || "d/snapshot".to_owned();
        assert_eq!(queue.push_snapshot(topic(), vec![1]), Err(Refused::NotConnected));
        queue.connected(false);
        assert!(matches!(
            queue.push_snapshot(topic(), vec![0; 4096]),
            Err(Refused::Oversized { .. })
        ));
        queue.push_snapshot(topic(), vec![1]).expect("taken");
        let (ticket, message) = queue.next(at(0)).expect("the picture");
        assert_eq!((ticket, message.class.retained()), (Ticket::Snapshot, false));
        queue.push_snapshot(topic(), vec![2]).expect("taken");
        queue.lost(None);
        queue.connected(false);
        assert_eq!(queue.next(at(0)), None, "not kept for another connection");
    }

    #[test]
    fn a_removed_topic_is_forgotten_once_the_broker_knows() {
        let mut queue = queue();
        queue.set_retained(Class::Discovery, "d".into(), vec![]).expect("taken");
        let (ticket, _) = queue.next(at(0)).expect("the removal");
        assert_eq!(ticket, Ticket::Removed(Class::Discovery, "d".into()));
        queue.acknowledged(ticket);
        queue.lost(None);
        assert_eq!(queue.next(at(0)), None);
    }
}
