//! What the status tells about the connection.

use std::net::SocketAddr;

use serde::Serialize;

use super::protocol::Protocol;
use crate::outbox::Dropped;

/// Numbers for the status topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Whether the broker has accepted us now.
    pub connected: bool,
    /// What the connection speaks; none without one.
    pub protocol: Option<Protocol>,
    /// Which address of `mqtt.url` is connected; none without a connection.
    pub broker: Option<String>,
    /// Address and port of the host that answered there; none without a connection.
    pub address: Option<SocketAddr>,
    /// Connections since the start.
    pub connections: u64,
    /// Why the last connection broke or failed, or why the last message or subscription
    /// was refused or passed over; none if none was.
    pub last_error: Option<String>,
    /// Messages that the broker has (acknowledged, or sent at QoS 0).
    pub delivered: u64,
    /// Events that wait for an acknowledgement.
    pub waiting: usize,
    /// Events lost, by cause.
    pub dropped: Dropped,
    /// Writes to the disk that failed: of the outbox, and in a status of what was changed, too.
    pub store_errors: u64,
    /// Retained messages refused, here or by the broker, because of their size.
    pub states_refused: u64,
    /// Acknowledgements in which the broker did not take the message (MQTT 5).
    pub refused_by_broker: u64,
    /// Messages that arrived and were too large or too many to be taken in.
    pub commands_dropped: u64,
    /// Commands that were refused: not understood, too large, too many.
    pub commands_refused: u64,
}
