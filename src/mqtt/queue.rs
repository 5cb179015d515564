//! What goes to the broker next: pure state, shared by callers and the client.
//!
//! [`Retained`] messages first, only then events from the [`Outbox`].

use std::net::SocketAddr;
use std::time::Duration;

use super::admission;
use super::message::{Class, Message, MessageError, Qos};
use super::protocol::Protocol;
use super::retained::Retained;
use super::settings::Settings;
use super::stats::Stats;
use crate::clock::Moment;
use crate::outbox::{Accepted, Entry, Outbox, Sequence};

/// Says which message an acknowledgement is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// An event.
    Event(Sequence),
    /// What a retained topic says.
    Retained,
    /// The removal of a retained message.
    Removed(Class, String),
    /// A picture.
    Snapshot,
}

/// Everything that waits for the broker, in the order in which it goes.
#[derive(Debug)]
pub struct Queue {
    outbox: Outbox,
    retained: Retained,
    /// Topic and picture, for this connection only.
    snapshot: Option<(String, Vec<u8>)>,
    max_packet: usize,
    event_qos: Qos,
    state_qos: Qos,
    stats: Stats,
}

impl Queue {
    /// With nothing but what `outbox` holds.
    pub fn new(settings: &Settings, outbox: Outbox) -> Self {
        Self {
            outbox,
            retained: Retained::default(),
            snapshot: None,
            max_packet: settings.max_packet_bytes,
            event_qos: settings.event_qos,
            state_qos: settings.state_qos,
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
    ) -> Result<(), MessageError> {
        // Room for the mark that a late event gets.
        if let Err(refused) = self.admit(&topic, payload.len() + LATE.len()) {
            if matches!(refused, MessageError::Oversized { .. }) {
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
    ) -> Result<(), MessageError> {
        debug_assert!(class.retained(), "events are not retained");
        if let Err(refused) = self.admit(&topic, payload.len()) {
            self.stats.states_refused += 1;
            return Err(refused);
        }
        self.retained.set(class, topic, payload);
        Ok(())
    }

    /// Takes a picture to send once: not retained, not kept for another connection.
    pub fn push_snapshot(&mut self, topic: String, jpeg: Vec<u8>) -> Result<(), MessageError> {
        self.admit(&topic, jpeg.len())?;
        if !self.stats.connected {
            return Err(MessageError::NotConnected);
        }
        self.snapshot = Some((topic, jpeg));
        Ok(())
    }

    fn admit(&self, topic: &str, payload_size: usize) -> Result<(), MessageError> {
        admission::admit(topic, payload_size, self.max_packet)
    }

    /// A new connection: it has been told nothing yet. With `hold_discovery` it
    /// is not told of discovery before [`Self::release_discovery`].
    pub fn connected(&mut self, protocol: Protocol, hold_discovery: bool) {
        self.retained.hold_discovery(hold_discovery);
        self.stats.connected = true;
        self.stats.protocol = Some(protocol);
        self.stats.connections += 1;
        self.outbox.connected();
    }

    /// The next connection is with this address of `mqtt.url`, and with this host there.
    pub fn reached(&mut self, broker: String, address: SocketAddr) {
        (self.stats.broker, self.stats.address) = (Some(broker), Some(address));
    }

    /// The connection is told of discovery from now on.
    pub fn release_discovery(&mut self) {
        self.retained.hold_discovery(false);
    }

    /// Says every retained message again: somebody who forgot them has come back.
    pub fn repeat_retained(&mut self) {
        self.retained.repeat();
    }

    /// The connection broke or a try failed, for this reason unless we ended it.
    pub fn lost(&mut self, reason: Option<String>) {
        self.stats.connected = false;
        self.stats.protocol = None;
        (self.stats.broker, self.stats.address) = (None, None);
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
        let (class, qos, expiry) = (Class::Snapshot, Qos::AtMostOnce, Some(SNAPSHOT_EXPIRY));
        Some((Ticket::Snapshot, Message { topic, payload, class, qos, expiry }))
    }

    fn next_retained(&mut self) -> Option<(Ticket, Message)> {
        let (class, topic, payload) = self.retained.next()?;
        let ticket = if payload.is_empty() {
            Ticket::Removed(class, topic.clone())
        } else {
            Ticket::Retained
        };
        // A device that is silently not there is worse than one more round trip.
        let qos = if class == Class::State { self.state_qos } else { Qos::AtLeastOnce };
        Some((ticket, Message { topic, payload, class, qos, expiry: None }))
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
            expiry: Some(outgoing.left),
        };
        Some((Ticket::Event(outgoing.sequence), message))
    }

    /// The broker has the message (or it left at QoS 0).
    pub fn acknowledged(&mut self, ticket: Ticket) {
        self.stats.delivered += 1;
        match ticket {
            Ticket::Event(sequence) => self.outbox.acknowledged(sequence),
            Ticket::Retained | Ticket::Snapshot => {}
            Ticket::Removed(class, topic) => self.retained.removed(class, topic),
        }
    }

    /// The broker does not want the message, and says so for this reason. An event stays
    /// where it is, and with it those of its topic: see [`Outbox::hold`].
    pub fn refused(&mut self, ticket: &Ticket, reason: String) {
        self.stats.refused_by_broker += 1;
        self.note(reason);
        if let Ticket::Event(sequence) = ticket {
            self.outbox.hold(*sequence);
        }
    }

    /// Offers those events again that wait because the broker has refused some.
    pub fn offer_again(&mut self) {
        self.outbox.release();
    }

    /// The broker takes no packet of that size, for this reason: the message is dropped.
    pub fn too_large(&mut self, ticket: &Ticket, reason: String) {
        self.note(reason);
        match ticket {
            Ticket::Event(sequence) => self.outbox.drop_oversized(*sequence),
            Ticket::Retained | Ticket::Removed(..) => self.stats.states_refused += 1,
            Ticket::Snapshot => {}
        }
    }

    /// The outbox, for what has to be done to its file.
    pub(super) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// A message to us was too large to be read, or found no room where messages wait to be
    /// looked at.
    pub fn passed_over(&mut self, reason: String) {
        self.stats.commands_dropped += 1;
        self.note(reason);
    }

    /// Tells in the status what went wrong last.
    pub fn note(&mut self, reason: String) {
        self.stats.last_error = Some(reason);
    }

    /// Counts a command that was not carried out.
    pub fn count_refused_command(&mut self) {
        self.stats.commands_refused += 1;
    }

    /// The numbers for the status.
    pub fn stats(&self) -> Stats {
        Stats {
            waiting: self.outbox.len(),
            dropped: self.outbox.dropped(),
            store_errors: self.outbox.store_errors(),
            ..self.stats.clone()
        }
    }
}

/// A picture shows a moment; a broker that keeps messages for absent clients may
/// drop it after this (MQTT 5).
const SNAPSHOT_EXPIRY: Duration = Duration::from_secs(60);

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
    use super::*;
    use crate::clock::at;

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
    fn a_connection_hears_discovery_then_states_then_online_then_events() {
        let mut queue = queue();
        queue.push_event("e".into(), "1".into(), b"{\"a\":1}".to_vec(), at(0)).expect("taken");
        queue.set_retained(Class::State, "s".into(), b"old".to_vec()).expect("taken");
        queue.set_retained(Class::State, "s".into(), b"new".to_vec()).expect("taken");
        queue.set_retained(Class::Discovery, "d".into(), b"{}".to_vec()).expect("taken");
        queue.set_retained(Class::Availability, "z".into(), b"online".to_vec()).expect("taken");
        queue.connected(Protocol::V5, false);
        let expected =
            [pair("d", "{}"), pair("s", "new"), pair("z", "online"), pair("e", "{\"a\":1}")];
        assert_eq!(drain(&mut queue, 1), expected);
        assert_eq!(drain(&mut queue, 1), [], "nothing is sent twice");
        queue.lost(None);
        queue.connected(Protocol::V5, false);
        assert_eq!(drain(&mut queue, 1), expected, "a new connection hears all of it");
    }

    #[test]
    fn discovery_is_held_back_until_released() {
        let mut queue = queue();
        queue.set_retained(Class::Discovery, "d".into(), b"{}".to_vec()).expect("taken");
        queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
        queue.connected(Protocol::V5, true);
        assert_eq!(drain(&mut queue, 0), [pair("s", "1")]);
        queue.release_discovery();
        assert_eq!(drain(&mut queue, 0), [pair("d", "{}")]);
    }

    #[test]
    fn an_unchanged_state_is_not_sent_again() {
        let mut queue = queue();
        queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
        queue.connected(Protocol::V5, false);
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
        assert!(matches!(refused, Err(MessageError::Oversized { limit: 4096, .. })));
        let refused = queue.set_retained(Class::State, "s".into(), vec![b'x'; 4096]);
        assert!(refused.is_err());
        let stats = queue.stats();
        assert_eq!((stats.dropped.oversized, stats.states_refused, stats.waiting), (1, 1, 0));
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
    fn what_the_broker_refuses_is_not_delivered() {
        let mut queue = queue();
        queue.connected(Protocol::V5, false);
        for number in 1..=2 {
            let payload = format!("{{\"n\":{number}}}").into_bytes();
            queue.push_event("e".into(), "1".into(), payload, at(0)).expect("taken");
        }
        let (ticket, message) = queue.next(at(1)).expect("an event");
        assert_eq!(message.expiry, Some(Duration::from_secs(7 * 86_400 - 1)));
        queue.refused(&ticket, "not authorized".into());
        queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
        queue.push_event("other".into(), "2".into(), b"{}".to_vec(), at(0)).expect("taken");
        let others = [pair("s", "1"), pair("other", "{}")];
        assert_eq!(drain(&mut queue, 1), others, "what goes there waits, all else does not");
        let stats = queue.stats();
        assert_eq!((stats.waiting, stats.delivered, stats.refused_by_broker), (3, 0, 1));
        assert_eq!(stats.last_error.as_deref(), Some("not authorized"));
        queue.offer_again();
        assert_eq!(drain(&mut queue, 1), [pair("e", "{\"n\":1}"), pair("e", "{\"n\":2}")]);
    }

    #[test]
    fn what_the_broker_is_too_small_for_is_dropped_and_counted() {
        let mut queue = queue();
        queue.connected(Protocol::V5, false);
        queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
        queue.push_event("e".into(), "1".into(), b"{}".to_vec(), at(0)).expect("taken");
        while let Some((ticket, _)) = queue.next(at(0)) {
            queue.too_large(&ticket, "the packet is too large".into());
        }
        let stats = queue.stats();
        assert_eq!((stats.dropped.oversized, stats.states_refused, stats.waiting), (1, 1, 0));
    }

    #[test]
    fn a_picture_is_sent_once_or_never() {
        let mut queue = queue();
        let topic = || "d/snapshot".to_owned();
        assert_eq!(queue.push_snapshot(topic(), vec![1]), Err(MessageError::NotConnected));
        queue.connected(Protocol::V5, false);
        assert!(matches!(
            queue.push_snapshot(topic(), vec![0; 4096]),
            Err(MessageError::Oversized { .. })
        ));
        queue.push_snapshot(topic(), vec![1]).expect("taken");
        let (ticket, message) = queue.next(at(0)).expect("the picture");
        assert_eq!((ticket, message.class.retained()), (Ticket::Snapshot, false));
        queue.push_snapshot(topic(), vec![2]).expect("taken");
        queue.lost(None);
        queue.connected(Protocol::V5, false);
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
