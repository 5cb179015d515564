//! What both protocols have in common: the limits, a connection, and what happens on it.

use std::time::Duration;

use crate::mqtt::client::refusal::Refusal;
use crate::mqtt::message::Received;
use crate::mqtt::protocol::Protocol;

/// Messages on the wire without an acknowledgement at most. Small enough that a
/// live event waits for little, large enough for a long round trip.
pub(super) const WINDOW: u16 = 32;

/// rumqttc numbers packets up to this and reuses a number once it is acknowledged.
/// Twice the window, so that one late acknowledgement does not stop the others.
pub(super) const NUMBERS: u16 = 2 * WINDOW;

/// rumqttc's queue: the window, the subscriptions and the DISCONNECT fit.
pub(super) const REQUESTS: usize = 2 * WINDOW as usize;

/// A connection that the broker has accepted: where requests go in, and where events
/// come out.
pub(in crate::mqtt::client) struct Link<R, E> {
    pub protocol: Protocol,
    pub requests: R,
    pub events: E,
    /// Messages without an acknowledgement at most: our bound or the broker's.
    pub window: usize,
    /// Silence after which the connection is probed: ours, or as the broker wants it.
    pub keep_alive: Duration,
}

impl<R, E> Link<R, E> {
    /// The same connection behind other types.
    pub(super) fn map<S, F>(
        self,
        requests: impl FnOnce(R) -> S,
        events: impl FnOnce(E) -> F,
    ) -> Link<S, F> {
        let Self { protocol, window, keep_alive, .. } = self;
        let (requests, events) = (requests(self.requests), events(self.events));
        Link { protocol, requests, events, window, keep_alive }
    }
}

/// What happened on a connection.
#[derive(Debug)]
pub(in crate::mqtt::client) enum Event {
    /// A PUBLISH of ours left with this packet id, which is 0 at QoS 0.
    Left(u16),
    /// The broker has that packet, or does not want it.
    Acknowledged(u16, Result<(), Refusal>),
    Received(Received),
    /// A SUBSCRIBE of ours left with this packet id.
    Asked(u16),
    /// The broker's answer to that packet.
    Subscribed(u16, Result<(), Refusal>),
    /// Our DISCONNECT has left.
    Disconnected,
    /// A sign of life.
    Other,
}

/// Why a message was not handed over.
pub(in crate::mqtt::client) enum NotSent {
    Full,
    /// The broker would end the connection over it (MQTT 5, 3.2.2.3.6).
    TooLarge {
        size: usize,
        limit: usize,
    },
}
