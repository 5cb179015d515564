//! The one task that owns the connection.
//!
//! rumqttc keeps its own list of unacknowledged messages, loses it with a clean
//! session and repeats it out of turn with a persistent one. So every connection
//! gets a fresh event loop and a clean session, and what must be sent again is
//! decided by the [`Queue`](super::queue::Queue) alone: an entry leaves it when
//! its PUBACK has come.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::v4::{LastWill, SubscribeReasonCode};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS, TlsConfiguration, Transport,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::lost::Lost;
use super::message::{Message, Qos};
use super::payload::OFFLINE;
use super::publisher::Shared;
use super::queue::Ticket;
use super::reconnect::Reconnect;
use super::settings::Settings;
use super::topics::Topics;
use super::url::BrokerUrl;
use crate::clock::Clock;

/// Messages on the wire without an acknowledgement at most. Small enough that a
/// live event waits for little, large enough for a long round trip.
const WINDOW: usize = 32;

/// rumqttc's queue: the window, the subscriptions and the DISCONNECT fit.
const REQUESTS: usize = 2 * WINDOW;

/// How long [`super::Publisher::shutdown`] takes at most.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Of that, how long the outbox may still be emptied.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// A message that arrived on a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Kept by the broker from before: a state, not a command of this moment.
    pub retained: bool,
}

/// Topic filters to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    /// For as long as there is a connection.
    pub lasting: Vec<String>,
    /// For the first seconds of the first connection: what the broker keeps of an
    /// earlier run. Later we would only hear ourselves.
    pub sweep: Vec<String>,
}

/// How long the broker has to tell what it keeps. Until then discovery is held
/// back: a broker may answer a subscription after the publish that followed it,
/// and what is swept would be overwritten before it was read.
const SWEEP: Duration = Duration::from_secs(2);

/// How to reach the broker.
#[derive(Clone)]
pub(super) struct Connection {
    pub url: BrokerUrl,
    options: MqttOptions,
    will_topic: String,
    reconnect_max: Duration,
}

impl Connection {
    pub fn new(
        settings: &Settings,
        url: BrokerUrl,
        topics: &Topics,
        password: Option<String>,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Self {
        let client_id = if settings.client_id.is_empty() {
            format!("expressiond-{}", topics.device())
        } else {
            settings.client_id.clone()
        };
        let will_topic = topics.availability();
        let mut options = MqttOptions::new(client_id, url.host.clone(), url.port);
        options
            .set_keep_alive(Duration::from_secs(u64::from(settings.keep_alive_s)))
            .set_clean_session(true)
            .set_inflight(2 * WINDOW as u16)
            .set_max_packet_size(settings.max_packet_bytes, settings.max_packet_bytes)
            .set_last_will(LastWill::new(&will_topic, OFFLINE, QoS::AtLeastOnce, true));
        if !settings.username.is_empty() {
            options.set_credentials(&settings.username, password.unwrap_or_default());
        }
        if let Some(tls) = tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
        }
        let reconnect_max = Duration::from_secs(settings.reconnect_max_s);
        Self { url, options, will_topic, reconnect_max }
    }
}

pub(super) struct Client {
    pub shared: Arc<Shared>,
    pub connection: Connection,
    pub subscriptions: Subscriptions,
    pub received: mpsc::Sender<Received>,
    pub stop: watch::Receiver<bool>,
    pub clock: Arc<dyn Clock>,
    /// Connect without listening: the last connection broke over a message that
    /// was too large. If it is retained it waits for us, and without this nothing
    /// would ever be published again.
    pub deaf: bool,
}

impl Client {
    /// Connects, serves, and connects again, until told to stop.
    pub async fn run(mut self) {
        let mut reconnect = Reconnect::new(self.connection.reconnect_max);
        let mut last_reason = None;
        loop {
            let outcome = self.connect_once(&mut reconnect, &mut last_reason).await;
            let lost = outcome.err();
            self.deaf = lost.as_ref().is_some_and(Lost::by_oversized_message);
            let reason = lost.map(|lost| lost.to_string());
            self.shared.queue().lost(reason.clone());
            let Some(reason) = reason else { return };
            let wait = reconnect.lost(self.clock.now().monotonic, random());
            // One line per kind of trouble, not one per try: an outage may last weeks.
            let level = if last_reason.as_ref() == Some(&reason) {
                log::Level::Debug
            } else {
                log::Level::Warn
            };
            log::log!(level, broker:% = self.connection.url, retry_s = wait.as_secs_f32();
                "no connection to the broker: {reason}");
            last_reason = Some(reason);
            tokio::select! {
                () = sleep(wait) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    /// The life of one connection. `Ok` means that we were told to stop.
    async fn connect_once(
        &mut self,
        reconnect: &mut Reconnect,
        last_reason: &mut Option<String>,
    ) -> Result<(), Lost> {
        let (requests, mut eventloop) = AsyncClient::new(self.connection.options.clone(), REQUESTS);
        tokio::select! {
            // The first poll ends with the CONNACK or an error.
            accepted = eventloop.poll() => { accepted?; }
            () = stopped(&mut self.stop) => return Ok(()),
        }
        reconnect.connected(self.clock.now().monotonic);
        log::info!(broker:% = self.connection.url; "connected to the broker");
        *last_reason = None;
        // Subscriptions do not outlive a clean session: every time, and first.
        let sweep = std::mem::take(&mut self.subscriptions.sweep);
        let lasting: &[_] = if self.deaf { &[] } else { &self.subscriptions.lasting };
        for filter in lasting.iter().chain(&sweep) {
            requests.try_subscribe(filter, QoS::AtLeastOnce).map_err(|_| Lost::Queue)?;
        }
        let sweep_ends = (!sweep.is_empty()).then(|| Instant::now() + SWEEP);
        self.shared.queue().connected(sweep_ends.is_some());
        let mut serving =
            Serving { requests, flight: Flight::default(), closing: None, sweep, sweep_ends };
        serving.run(self, &mut eventloop).await
    }

    fn deliver(&self, received: Received) {
        if self.received.try_send(received).is_err() {
            self.shared.queue().count_dropped_command();
        }
    }
}

/// Shutting down: what is left to do and until when.
struct Closing {
    drain_until: Instant,
    limit: Instant,
    farewell_sent: bool,
}

/// A connection that the broker has accepted.
struct Serving {
    requests: AsyncClient,
    flight: Flight<Sent>,
    closing: Option<Closing>,
    sweep: Vec<String>,
    sweep_ends: Option<Instant>,
}

/// What an acknowledgement is for.
enum Sent {
    Ticket(Ticket),
    /// Our own `offline`.
    Farewell,
}

impl Serving {
    async fn run(&mut self, client: &mut Client, eventloop: &mut EventLoop) -> Result<(), Lost> {
        let shared = Arc::clone(&client.shared);
        loop {
            self.fill(client)?;
            // `poll` must not be dropped half way, or a packet may be lost while
            // rumqttc believes it sent: it stays pinned while the others wake us.
            let poll = eventloop.poll();
            tokio::pin!(poll);
            let event = loop {
                let deadline = self.next_deadline();
                tokio::select! {
                    event = &mut poll => break event?,
                    () = shared.wake.notified() => self.fill(client)?,
                    () = stopped(&mut client.stop), if self.closing.is_none() => {
                        self.closing = Some(Closing::begin());
                        self.fill(client)?;
                    }
                    () = sleep_until(deadline.unwrap_or_else(Instant::now)),
                        if deadline.is_some() =>
                    {
                        if self.closing.as_ref().is_some_and(Closing::is_over) {
                            return Ok(());
                        }
                        self.end_sweep(client)?;
                        self.fill(client)?;
                    }
                }
            };
            match event {
                Event::Outgoing(Outgoing::Publish(id)) => {
                    let sent = self.flight.left(id);
                    self.settle(sent, client)?;
                }
                Event::Incoming(Packet::PubAck(ack)) => {
                    let sent = self.flight.acknowledged(ack.pkid);
                    self.settle(sent, client)?;
                }
                Event::Incoming(Packet::Publish(publish)) => client.deliver(Received {
                    topic: publish.topic,
                    payload: publish.payload.to_vec(),
                    retained: publish.retain,
                }),
                Event::Incoming(Packet::SubAck(ack))
                    if ack.return_codes.contains(&SubscribeReasonCode::Failure) =>
                {
                    log::warn!("the broker refused a subscription: check its access list");
                }
                Event::Outgoing(Outgoing::Disconnect) => return Ok(()),
                _ => {}
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let closing = self.closing.as_ref().map(Closing::next_deadline);
        closing.into_iter().chain(self.sweep_ends).min()
    }

    fn end_sweep(&mut self, client: &Client) -> Result<(), Lost> {
        if self.sweep_ends.is_none_or(|end| Instant::now() < end) {
            return Ok(());
        }
        self.sweep_ends = None;
        client.shared.queue().release_discovery();
        for filter in self.sweep.drain(..) {
            self.requests.try_unsubscribe(filter).map_err(|_| Lost::Queue)?;
        }
        Ok(())
    }

    /// Hands messages to rumqttc as long as the window has room.
    fn fill(&mut self, client: &Client) -> Result<(), Lost> {
        let drained = self.closing.as_ref().is_some_and(|c| Instant::now() >= c.drain_until);
        while !drained && !self.farewell_sent() && self.flight.len() < WINDOW {
            let Some((ticket, message)) = client.shared.queue().next(client.clock.now()) else {
                break;
            };
            self.send(message, Sent::Ticket(ticket))?;
        }
        let idle = drained || self.flight.len() == 0;
        if let Some(closing) = self.closing.as_mut().filter(|c| idle && !c.farewell_sent) {
            closing.farewell_sent = true;
            let message = Message::availability(&client.connection.will_topic, OFFLINE);
            self.send(message, Sent::Farewell)?;
        }
        Ok(())
    }

    fn farewell_sent(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.farewell_sent)
    }

    fn send(&mut self, message: Message, sent: Sent) -> Result<(), Lost> {
        let qos = match message.qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
        };
        let retain = message.class.retained();
        self.requests
            .try_publish(message.topic, qos, retain, message.payload)
            .map_err(|_| Lost::Queue)?;
        self.flight.handed_over(sent);
        Ok(())
    }

    fn settle(&mut self, sent: Option<Sent>, client: &Client) -> Result<(), Lost> {
        match sent {
            Some(Sent::Ticket(ticket)) => client.shared.queue().acknowledged(ticket),
            // MQTT 3.1.1, 3.14.4: a DISCONNECT makes the broker discard the will,
            // so it must have our own word before.
            Some(Sent::Farewell) => self.requests.try_disconnect().map_err(|_| Lost::Queue)?,
            None => {}
        }
        Ok(())
    }
}

impl Closing {
    fn begin() -> Self {
        let now = Instant::now();
        Self { drain_until: now + DRAIN_LIMIT, limit: now + CLOSE_LIMIT, farewell_sent: false }
    }

    fn next_deadline(&self) -> Instant {
        if self.farewell_sent { self.limit } else { self.drain_until }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.limit
    }
}

/// Which message each acknowledgement is for. rumqttc chooses the packet id and
/// tells it when the packet leaves, in the order of the requests.
struct Flight<T> {
    handed_over: VecDeque<T>,
    unacknowledged: HashMap<u16, T>,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self { handed_over: VecDeque::new(), unacknowledged: HashMap::new() }
    }
}

impl<T> Flight<T> {
    fn handed_over(&mut self, item: T) {
        self.handed_over.push_back(item);
    }

    /// A packet left with this id. With QoS 0 (id 0) that is all there will be,
    /// so the item comes back.
    fn left(&mut self, id: u16) -> Option<T> {
        let item = self.handed_over.pop_front()?;
        if id == 0 {
            return Some(item);
        }
        self.unacknowledged.insert(id, item);
        None
    }

    fn acknowledged(&mut self, id: u16) -> Option<T> {
        self.unacknowledged.remove(&id)
    }

    fn len(&self) -> usize {
        self.handed_over.len() + self.unacknowledged.len()
    }
}

/// Ends when we were told to stop, or nobody is left to tell us.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// From 0 to 1, different in every process: the standard library seeds its
/// hashers from the system's randomness.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    bits as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_find_their_message() {
        let mut flight = Flight::default();
        for item in ["a", "b", "c"] {
            flight.handed_over(item);
        }
        assert_eq!(flight.left(1), None);
        assert_eq!(flight.left(0), Some("b"), "QoS 0 is done when it has left");
        assert_eq!(flight.left(2), None);
        assert_eq!(flight.acknowledged(2), Some("c"));
        assert_eq!(flight.acknowledged(2), None);
        assert_eq!(flight.acknowledged(1), Some("a"));
        assert_eq!(flight.len(), 0);
    }

    #[test]
    fn jitter_stays_in_its_range_and_varies() {
        let values: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(values.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
