//! A connection in either protocol: where requests go in, and where events come out.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep_until, timeout};

use super::codec::{self, Packet};
use super::decode::{Incoming, decode};
use super::frame::Frames;
use super::reason::Properties;
use super::socket::{STEP_LIMIT, Stream};
use crate::mqtt::client::error::ConnectionError;
use crate::mqtt::client::options::ConnectOptions;
use crate::mqtt::client::refusal::{Refusal, Why};
use crate::mqtt::message::{Labels, Message, Qos, Received};
use crate::mqtt::protocol::Protocol;

/// Messages on the wire without an acknowledgement at most. Small enough that a
/// live event waits for little, large enough for a long round trip.
const WINDOW: u16 = 32;

/// Room that is made for what arrives.
const READ: usize = 8 << 10;

/// Names a message until it is settled: its packet id, or at QoS 0, where MQTT gives
/// none, a number above all of those.
pub(in crate::mqtt::client) type Token = u32;

/// Whether the broker settles it, and not only the kernel that takes the bytes.
pub(in crate::mqtt::client) fn is_acknowledged(token: Token) -> bool {
    token <= Token::from(u16::MAX)
}

/// What happened on a connection.
#[derive(Debug)]
pub(in crate::mqtt::client) enum Event {
    /// The broker has that message or does not want it; at QoS 0, it has left.
    Settled(Token, Result<(), Refusal>),
    Received(Received),
    /// A message of so many bytes to this topic was passed over.
    Oversized {
        topic: String,
        size: usize,
    },
    /// The broker's answer to the subscription with this id.
    Subscribed(u16, Result<(), Refusal>),
    /// Our DISCONNECT has left.
    Disconnected,
}

/// A message was not sent: the broker would end the connection over it (MQTT 5,
/// 3.2.2.3.6). Both are bytes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mqtt::client) struct NotSent {
    pub size: usize,
    pub limit: usize,
}

pub(in crate::mqtt::client) struct Connection {
    pub protocol: Protocol,
    /// Messages without an acknowledgement at most: our bound or the broker's.
    pub window: usize,
    /// Bytes of the largest packet that the broker takes.
    pub largest: usize,
    /// Whether the broker takes filters with wildcards.
    wildcards: bool,
    /// Silence after which the connection is probed, ours or the broker's wish.
    pub keep_alive: Duration,
    labels: Labels,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    frames: Frames,
    /// Bytes to be written, and whether what was written still has to be flushed.
    outgoing: BytesMut,
    unflushed: bool,
    /// Why nothing can be written any more; then it is only read to the end.
    unwritable: Option<ConnectionError>,
    /// Messages at QoS 0 among them.
    unsent: Vec<Token>,
    leaving: bool,
    ids: PacketIds,
    /// What happened and was not asked for yet.
    happened: VecDeque<Event>,
    /// When the connection is probed next, and when something arrived last.
    probe_at: Instant,
    arrived_at: Instant,
}

impl Connection {
    /// Logs in over `stream`.
    ///
    /// # Errors
    ///
    /// The broker does not answer in time, refuses, or lacks what we need.
    pub(super) async fn open(
        stream: Box<dyn Stream>,
        options: &ConnectOptions,
        protocol: Protocol,
    ) -> Result<Self, ConnectionError> {
        let (reader, writer) = split(stream);
        let now = Instant::now();
        let mut connection = Self {
            protocol,
            window: usize::from(WINDOW),
            largest: usize::MAX,
            wildcards: true,
            labels: options.labels.clone(),
            keep_alive: options.keep_alive,
            reader,
            writer,
            frames: Frames::new(options.max_packet),
            outgoing: BytesMut::new(),
            unflushed: false,
            unwritable: None,
            unsent: Vec::new(),
            leaving: false,
            ids: PacketIds::default(),
            happened: VecDeque::new(),
            probe_at: now + options.keep_alive,
            arrived_at: now,
        };
        connection.write(&codec::connect(protocol, options));
        let limits = timeout(STEP_LIMIT, connection.accepted())
            .await
            .map_err(|_| ConnectionError::NoAnswer)??;
        connection.keep(limits)?;
        Ok(connection)
    }

    /// The broker's word.
    async fn accepted(&mut self) -> Result<Properties, ConnectionError> {
        loop {
            match self.next_packet()? {
                Some(Incoming::Accepted(outcome)) => {
                    return outcome.map_err(ConnectionError::Refused);
                }
                Some(Incoming::Ended(refusal)) => return Err(ConnectionError::Refused(refusal)),
                Some(_) => return Err(ConnectionError::NotABroker),
                None => self.exchange().await?,
            }
        }
    }

    /// Takes over the broker's limits (MQTT 5, 3.2.2.3).
    fn keep(&mut self, limits: Properties) -> Result<(), ConnectionError> {
        let refused = |why| Err(ConnectionError::Refused(Refusal::new(why, None)));
        // Said before anything is sent: the broker would answer by ending the
        // connection, and whoever only looks, as `doctor` does, would see none of it.
        if limits.retain_available == Some(false) {
            return refused(Why::NoRetained);
        }
        if limits.maximum_qos == Some(0) {
            return refused(Why::NoQos);
        }
        self.window = usize::from(limits.receive_maximum.unwrap_or(WINDOW).clamp(1, WINDOW));
        self.largest = limits.maximum_packet.map_or(usize::MAX, |largest| largest as usize);
        // Absent, it is allowed (3.2.2.3.11).
        self.wildcards = limits.wildcards.unwrap_or(true);
        // A broker that wants no probes (Server Keep Alive 0), or seldom ones, gets ours as often
        // all the same, which it must allow (3.1.2.10): without them a dead link goes unnoticed.
        if let Some(wanted) = limits.keep_alive.filter(|wanted| !wanted.is_zero()) {
            self.keep_alive = wanted.min(self.keep_alive);
        }
        self.probe_at = Instant::now() + self.keep_alive;
        Ok(())
    }

    /// Sends a message. Says by which token it will be settled, and the bytes of its packet.
    pub(crate) fn publish(&mut self, message: Message) -> Result<(Token, usize), NotSent> {
        let id = (message.qos == Qos::AtLeastOnce).then(|| self.ids.take());
        let packet = codec::publish(self.protocol, &self.labels, id, message);
        let size = packet.size();
        if size > self.largest {
            if let Some(id) = id {
                self.ids.free(id);
            }
            return Err(NotSent { size, limit: self.largest });
        }
        self.write(&packet);
        let token = match id {
            Some(id) => id.into(),
            None => {
                let token = self.ids.unnumbered();
                self.unsent.push(token);
                token
            }
        };
        Ok((token, size))
    }

    /// Whether `filter` may be asked for: over one with a wildcard, a broker that takes none
    /// ends the connection (MQTT 5, 3.2.2.3.11).
    pub(crate) fn takes(&self, filter: &str) -> bool {
        self.wildcards || !filter.contains(['+', '#'])
    }

    /// Asks to hear `filter` and says by which id it will be answered.
    pub(crate) fn subscribe(&mut self, filter: &str) -> u16 {
        let id = self.ids.take();
        self.write(&codec::subscribe(self.protocol, id, filter));
        id
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        let id = self.ids.take();
        self.write(&codec::unsubscribe(self.protocol, id, filter));
    }

    /// Says goodbye: the broker discards the last will (3.14.4).
    pub(crate) fn disconnect(&mut self) {
        self.write(&codec::disconnect(self.protocol));
        self.leaving = true;
    }

    fn write(&mut self, packet: &Packet) {
        packet.write(&mut self.outgoing);
        self.unflushed = true;
    }

    /// What happens next. May be dropped half way: nothing is lost by it.
    ///
    /// # Errors
    ///
    /// The end of the connection.
    pub(crate) async fn poll(&mut self) -> Result<Event, ConnectionError> {
        loop {
            if let Some(event) = self.happened.pop_front() {
                return Ok(event);
            }
            match self.next_packet()? {
                Some(packet) => self.take_in(packet)?,
                None => self.exchange().await?,
            }
        }
    }

    fn next_packet(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        let frame = self.frames.next().map_err(|_| ConnectionError::NotABroker)?;
        let incoming = frame.map(|frame| decode(self.protocol, frame)).transpose();
        incoming.map_err(|malformed| ConnectionError::Malformed(malformed.0))
    }

    /// Writes, reads or waits, whichever is possible first.
    async fn exchange(&mut self) -> Result<(), ConnectionError> {
        let silent_at = self.arrived_at + 2 * self.keep_alive;
        // Cancel safe: both only ever move bytes that they account for. In this order,
        // so that what has arrived counts before the silence that it ends.
        tokio::select! {
            biased;
            outcome = send(&mut self.writer, &mut self.outgoing), if self.writes() => {
                if let Err(error) = outcome {
                    // A broker that ends the connection says why, and does not read on: its
                    // reason may have arrived and wait to be read.
                    self.unwritable = Some(error);
                    return Ok(());
                }
                self.unflushed = false;
                let sent = self.unsent.drain(..).map(|token| Event::Settled(token, Ok(())));
                self.happened.extend(sent);
                if self.leaving {
                    self.happened.push_back(Event::Disconnected);
                }
            }
            outcome = receive(&mut self.reader, self.frames.buffer()) => {
                match self.unwritable.take() {
                    Some(error) if outcome.is_err() => return Err(error),
                    unwritable => self.unwritable = unwritable,
                }
                outcome?;
                self.arrived_at = Instant::now();
            }
            // Probes leave at every keep-alive, so a healthy connection is never silent
            // for twice as long. This also notices that nothing can be written.
            () = sleep_until(silent_at) => return Err(ConnectionError::Silent),
            () = sleep_until(self.probe_at) => {
                self.probe_at = Instant::now() + self.keep_alive;
                self.write(&codec::ping(self.protocol));
            }
        }
        Ok(())
    }

    fn writes(&self) -> bool {
        self.unflushed && self.unwritable.is_none()
    }

    fn take_in(&mut self, packet: Incoming) -> Result<(), ConnectionError> {
        let (event, acknowledge) = match packet {
            Incoming::Publish { id, received } => (Some(Event::Received(received)), id),
            Incoming::Oversized { id, topic, size } => (Some(Event::Oversized { topic, size }), id),
            Incoming::Acknowledged(id, outcome) => {
                (self.ids.free(id).then(|| Event::Settled(id.into(), outcome)), None)
            }
            Incoming::Subscribed(id, outcome) => {
                (self.ids.free(id).then_some(Event::Subscribed(id, outcome)), None)
            }
            Incoming::Unsubscribed(id) => {
                self.ids.free(id);
                (None, None)
            }
            Incoming::Ended(refusal) => return Err(ConnectionError::Ended(refusal)),
            Incoming::Pong => (None, None),
            Incoming::Accepted(_) => return Err(ConnectionError::NotABroker),
        };
        if let Some(id) = acknowledge {
            self.write(&codec::acknowledge(self.protocol, id));
        }
        self.happened.extend(event);
        Ok(())
    }
}

async fn send(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    bytes: &mut BytesMut,
) -> Result<(), ConnectionError> {
    writer.write_all_buf(bytes).await?;
    Ok(writer.flush().await?)
}

async fn receive(
    reader: &mut ReadHalf<Box<dyn Stream>>,
    buffer: &mut BytesMut,
) -> Result<(), ConnectionError> {
    buffer.reserve(READ);
    if reader.read_buf(buffer).await? == 0 { Err(ConnectionError::Cut) } else { Ok(()) }
}

/// Numbers for packets, none of them in use twice (2.2.1).
#[derive(Default)]
struct PacketIds {
    last: u16,
    used: HashSet<u16>,
    unnumbered: u16,
}

impl PacketIds {
    /// There is always a free one: the window and the subscriptions are few.
    fn take(&mut self) -> u16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if self.used.insert(self.last) {
                return self.last;
            }
        }
    }

    /// A token that is no packet id.
    fn unnumbered(&mut self) -> Token {
        self.unnumbered = self.unnumbered.wrapping_add(1);
        (1 << 16) | Token::from(self.unnumbered)
    }

    /// Whether it was in use.
    fn free(&mut self, id: u16) -> bool {
        self.used.remove(&id)
    }
}
