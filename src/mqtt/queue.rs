//! What goes to the broker next: pure state, shared by callers and the client.
//!
//! [`Retained`] messages first, only then events from the [`Outbox`].

use std::net::SocketAddr;
use std::time::Duration;

use super::admission;
use super::message::{Class, Message, MessageError};
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
    Retained(Class, String),
    /// The removal of a retained message.
    Removed(Class, String),
    /// A picture.
    Snapshot,
}

/// A picture that waits to be sent once.
#[derive(Debug)]
struct Snapshot {
    topic: String,
    jpeg: Vec<u8>,
    /// When it was given, on the clock of [`Moment`].
    since: Duration,
}

/// Everything that waits for the broker, in the order in which it goes.
#[derive(Debug)]
pub struct Queue {
    outbox: Outbox,
    retained: Retained,
    /// For this connection only.
    snapshot: Option<Snapshot>,
    settings: Settings,
    /// Bytes of the largest packet that the broker takes, as far as this connection knows.
    broker_takes: usize,
    stats: Stats,
}

impl Queue {
    /// With nothing but what `outbox` holds.
    pub fn new(settings: &Settings, outbox: Outbox) -> Self {
        Self {
            outbox,
            retained: Retained::default(),
            snapshot: None,
            settings: settings.clone(),
            broker_takes: usize::MAX,
            stats: Stats::default(),
        }
    }

    /// Takes an event; it stays until acknowledged, dropped (and counted) or too old.
    ///
    /// # Errors
    ///
    /// It can never be sent: longer than a packet may be, or on an impossible topic.
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
    ///
    /// # Errors
    ///
    /// It can never be sent, as with [`push_event`](Self::push_event); what was said before stays.
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
    ///
    /// # Errors
    ///
    /// It can never be sent, as with [`push_event`](Self::push_event).
    pub fn push_snapshot(
        &mut self,
        topic: String,
        jpeg: Vec<u8>,
        now: Moment,
    ) -> Result<(), MessageError> {
        self.admit(&topic, jpeg.len())?;
        if !self.stats.connected {
            return Err(MessageError::NotConnected);
        }
        self.snapshot = Some(Snapshot { topic, jpeg, since: now.monotonic });
        Ok(())
    }

    /// Takes a picture back that has not left yet. Whether there was one.
    pub fn withdraw_snapshot(&mut self) -> bool {
        self.snapshot.take().is_some()
    }

    /// Bytes of the largest packet that may go to the broker now.
    pub fn largest_packet(&self) -> usize {
        self.settings.max_packet_bytes.min(self.broker_takes)
    }

    fn admit(&self, topic: &str, payload_size: usize) -> Result<(), MessageError> {
        admission::admit(topic, payload_size, self.settings.max_packet_bytes)
    }

    /// A new connection: it has been told nothing yet. With `hold` it is told only what
    /// goes away before [`Self::release`].
    pub fn connected(&mut self, protocol: Protocol, hold: bool) {
        self.retained.hold(hold);
        self.stats.connected = true;
        self.stats.protocol = Some(protocol);
        self.stats.connections += 1;
        self.outbox.connected();
    }

    /// The broker of this connection takes packets of so many bytes at most.
    pub fn limited(&mut self, largest: usize) {
        self.broker_takes = largest;
    }

    /// The next connection is with this address of `mqtt.url`, and with this host there.
    pub fn reached(&mut self, broker: String, address: SocketAddr) {
        (self.stats.broker, self.stats.address) = (Some(broker), Some(address));
    }

    /// The connection is told everything from now on.
    pub fn release(&mut self) {
        self.retained.hold(false);
    }

    /// We leave: what still waits for [`Self::release`] is told now. But discovery is not, which
    /// would replace what an earlier run announced before that was read.
    pub fn leave(&mut self) {
        if self.retained.is_held() {
            self.retained.skip_discovery();
            self.release();
        }
    }

    /// Says every retained message again: somebody who forgot them has come back.
    pub fn repeat_retained(&mut self) {
        self.retained.repeat();
    }

    /// Says this retained message again: what the broker keeps may be another's word by now.
    pub fn say_again(&mut self, class: Class, topic: String) {
        self.retained.say_again(class, topic);
    }

    /// The connection broke or a try failed, for this reason unless we ended it.
    pub fn lost(&mut self, reason: Option<String>) {
        (self.stats.connected, self.broker_takes) = (false, usize::MAX);
        self.stats.protocol = None;
        (self.stats.broker, self.stats.address) = (None, None);
        self.stats.last_error = reason.or(self.stats.last_error.take());
        self.repeat_retained();
        if self.withdraw_snapshot() {
            self.snapshot_lost();
        }
        self.outbox.lost();
    }

    /// The connection took a picture with it that had not left yet.
    pub fn snapshot_lost(&mut self) {
        log::warn!("no snapshot: the connection was lost before it left");
        self.count_refused_command();
    }

    /// The next message for this connection, or none until something changes.
    pub fn next(&mut self, now: Moment) -> Option<(Ticket, Message)> {
        let retained = self.next_retained();
        // An event that comes before `online` is none to whoever waits for that.
        if retained.is_some() || self.retained.is_held() {
            return retained;
        }
        self.next_snapshot(now).or_else(|| self.next_event(now))
    }

    fn next_snapshot(&mut self, now: Moment) -> Option<(Ticket, Message)> {
        let Snapshot { topic, jpeg: payload, since } = self.snapshot.take()?;
        if now.monotonic.saturating_sub(since) > SNAPSHOT_WAITS {
            log::warn!("no snapshot: the broker answered too late");
            self.count_refused_command();
            return None;
        }
        let message = self.message(Class::Snapshot, topic, payload, Some(SNAPSHOT_EXPIRY));
        Some((Ticket::Snapshot, message))
    }

    fn next_retained(&mut self) -> Option<(Ticket, Message)> {
        let (class, topic, payload) = self.retained.next()?;
        let ticket = if payload.is_empty() { Ticket::Removed } else { Ticket::Retained };
        let ticket = ticket(class, topic.clone());
        Some((ticket, self.message(class, topic, payload, None)))
    }

    fn next_event(&mut self, now: Moment) -> Option<(Ticket, Message)> {
        let outgoing = self.outbox.take(now)?;
        let entry = outgoing.entry;
        let payload = if outgoing.late { mark_late(&entry.payload) } else { entry.payload.clone() };
        let (ticket, topic) = (Ticket::Event(outgoing.sequence), entry.topic.clone());
        let expiry = Some(outgoing.left);
        Some((ticket, self.message(Class::Event, topic, payload, expiry)))
    }

    fn message(
        &self,
        class: Class,
        topic: String,
        payload: Vec<u8>,
        expiry: Option<Duration>,
    ) -> Message {
        Message { topic, payload, class, qos: self.settings.qos(class), expiry }
    }

    /// The broker has the message (or it left at QoS 0).
    pub fn acknowledged(&mut self, ticket: Ticket) {
        self.stats.delivered += 1;
        match ticket {
            Ticket::Event(sequence) => self.outbox.acknowledged(sequence),
            Ticket::Retained(..) | Ticket::Snapshot => {}
            Ticket::Removed(class, topic) => self.retained.removed(class, topic),
        }
    }

    /// The broker does not want the message, and says so for this reason. An event stays
    /// where it is, and with it those of its topic: see [`Outbox::hold`]. Whether it waits for
    /// [`Self::offer_again`]: a picture does not.
    pub fn refused(&mut self, ticket: Ticket, reason: String) -> bool {
        self.stats.refused_by_broker += 1;
        self.note(reason);
        match ticket {
            Ticket::Event(sequence) => self.outbox.hold(sequence),
            Ticket::Retained(class, topic) | Ticket::Removed(class, topic) => {
                self.retained.refused(class, topic);
            }
            Ticket::Snapshot => return false,
        }
        true
    }

    /// Offers again what the broker has refused, and the events that wait because of it.
    pub fn offer_again(&mut self) {
        self.outbox.release();
        self.retained.offer_again();
    }

    /// The broker takes no packet of that size, for this reason: the message is dropped.
    pub fn too_large(&mut self, ticket: &Ticket, reason: String) {
        self.note(reason);
        match ticket {
            Ticket::Event(sequence) => self.outbox.drop_oversized(*sequence),
            Ticket::Retained(..) | Ticket::Removed(..) => self.stats.states_refused += 1,
            Ticket::Snapshot => self.count_refused_command(),
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
/// Nor does one leave the device that had to wait for longer than this.
const SNAPSHOT_WAITS: Duration = Duration::from_secs(10);

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
mod tests;
