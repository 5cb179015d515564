//! A connection that the broker has accepted, until it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::error::ConnectionError;
use super::in_flight::InFlight;
use super::options::LastWill;
use super::refusal::Refusal;
use super::wire::{Connection, Event, Events, NotSent, Requests};
use crate::clock::Clock;
use crate::mqtt::message::{Message, Received};
use crate::mqtt::queue::Ticket;
use crate::mqtt::shared::Shared;

/// How long [`crate::mqtt::handle::Handle::shutdown`] takes at most.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Of that, how long the outbox may still be emptied.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// How long the broker has to tell what it keeps. Until then discovery is held
/// back: a broker may answer a subscription after the publish that followed it,
/// and what is swept would be overwritten before it was read.
const SWEEP: Duration = Duration::from_secs(2);

/// After the broker refused an event, all events wait this long before they are
/// offered again: an owner mends an access list in minutes, and a tight loop would
/// only fill two logs.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// What every session of a client works with.
pub(in crate::mqtt) struct Context {
    pub shared: Arc<Shared>,
    pub received: mpsc::Sender<Received>,
    pub stop: watch::Receiver<bool>,
    pub clock: Arc<dyn Clock>,
}

impl Context {
    fn deliver(&self, received: Received) {
        if self.received.try_send(received).is_err() {
            self.shared.queue().count_dropped_command();
        }
    }
}

/// Ends when we were told to stop, or nobody is left to tell us.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

pub(super) struct Session {
    requests: Requests,
    window: usize,
    keep_alive: Duration,
    in_flight: InFlight<Sent>,
    /// Filters whose answer is due.
    asked: InFlight<String>,
    closing: Option<Closing>,
    sweep: Vec<String>,
    sweep_ends: Option<Instant>,
    /// When refused events are offered again.
    offer_again: Option<Instant>,
    /// When silence means that the connection is dead.
    silent_at: Instant,
    last_complaint: Option<String>,
    /// What is said before we leave.
    farewell: Option<LastWill>,
}

/// What an acknowledgement is for.
enum Sent {
    /// A message and its topic.
    Message(Ticket, String),
    /// Our own `offline`.
    Farewell,
}

/// Shutting down: what is left to do and until when.
struct Closing {
    drain_until: Instant,
    limit: Instant,
    farewell_sent: bool,
}

impl Session {
    /// Subscribes, tells the queue, and serves until the end. `Ok` means that we were
    /// told to stop.
    pub async fn run(
        link: Connection,
        context: &mut Context,
        lasting: &[String],
        sweep: Vec<String>,
        farewell: Option<&LastWill>,
    ) -> Result<(), ConnectionError> {
        // Subscriptions do not outlive a clean session: every time, and first.
        let mut asked = InFlight::default();
        for filter in lasting.iter().chain(&sweep) {
            link.requests.subscribe(filter)?;
            asked.handed_over(filter.clone());
        }
        let now = Instant::now();
        let sweep_ends = (!sweep.is_empty()).then(|| now + SWEEP);
        context.shared.queue().connected(link.protocol, sweep_ends.is_some());
        let mut session = Self {
            requests: link.requests,
            window: link.window,
            keep_alive: link.keep_alive,
            in_flight: InFlight::default(),
            asked,
            closing: None,
            sweep,
            sweep_ends,
            offer_again: None,
            silent_at: now + 2 * link.keep_alive,
            last_complaint: None,
            farewell: farewell.cloned(),
        };
        session.serve(link.events, context).await
    }

    async fn serve(
        &mut self,
        mut events: Events,
        context: &mut Context,
    ) -> Result<(), ConnectionError> {
        let shared = Arc::clone(&context.shared);
        loop {
            self.fill(context)?;
            // `poll` must not be dropped half options: it stays pinned while the others
            // wake us.
            let poll = events.poll();
            tokio::pin!(poll);
            let event = loop {
                tokio::select! {
                    event = &mut poll => break event?,
                    () = shared.wake.notified() => self.fill(context)?,
                    () = stopped(&mut context.stop), if self.closing.is_none() => {
                        self.closing = Some(Closing::begin());
                        self.fill(context)?;
                    }
                    () = sleep_until(self.next_deadline()) => {
                        if self.closing.as_ref().is_some_and(Closing::is_over) {
                            return Ok(());
                        }
                        self.keep_deadlines(context)?;
                        self.fill(context)?;
                    }
                }
            };
            self.silent_at = Instant::now() + 2 * self.keep_alive;
            match event {
                Event::Left(id) => {
                    let sent = self.in_flight.left(id);
                    self.settle(sent, Ok(()), context)?;
                }
                Event::Acknowledged(id, outcome) => {
                    let sent = self.in_flight.acknowledged(id);
                    self.settle(sent, outcome, context)?;
                }
                Event::Received(received) => context.deliver(received),
                Event::Asked(id) => drop(self.asked.left(id)),
                Event::Subscribed(id, outcome) => self.heard(id, outcome),
                Event::Disconnected => return Ok(()),
                Event::Other => {}
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let closing = self.closing.as_ref().map(Closing::next_deadline);
        let others = [closing, self.sweep_ends, self.offer_again];
        others.into_iter().flatten().fold(self.silent_at, Instant::min)
    }

    fn keep_deadlines(&mut self, context: &Context) -> Result<(), ConnectionError> {
        let now = Instant::now();
        // Probes leave at every keep-alive, so a healthy connection is never silent
        // for long. rumqttc notices a probe without an answer; it does not notice
        // that it cannot even write.
        if now >= self.silent_at {
            return Err(ConnectionError::Silent);
        }
        if self.offer_again.is_some_and(|end| now >= end) {
            self.offer_again = None;
            context.shared.queue().offer_again();
        }
        if self.sweep_ends.is_some_and(|end| now >= end) {
            self.sweep_ends = None;
            context.shared.queue().release_discovery();
            for filter in self.sweep.drain(..) {
                self.requests.unsubscribe(filter)?;
            }
        }
        Ok(())
    }

    /// Hands messages over as long as the window has room.
    fn fill(&mut self, context: &Context) -> Result<(), ConnectionError> {
        let drained = self.closing.as_ref().is_some_and(|c| Instant::now() >= c.drain_until);
        while !drained && !self.farewell_sent() && self.in_flight.len() < self.window {
            let Some((ticket, message)) = context.shared.queue().next(context.clock.now()) else {
                break;
            };
            let topic = message.topic.clone();
            match self.requests.publish(message) {
                Ok(()) => self.in_flight.handed_over(Sent::Message(ticket, topic)),
                Err(NotSent::Full) => return Err(ConnectionError::Queue),
                Err(NotSent::TooLarge { size, limit }) => {
                    context.shared.queue().too_large(&ticket);
                    self.complain(format!(
                        "a message of {size} bytes for {topic} is not sent, the broker takes \
                         {limit} at most: raise its limit or lower mqtt.max_packet_bytes"
                    ));
                }
            }
        }
        let idle = drained || self.in_flight.len() == 0;
        if let Some(closing) = self.closing.as_mut().filter(|c| idle && !c.farewell_sent) {
            closing.farewell_sent = true;
            let Some(will) = &self.farewell else { return self.requests.disconnect() };
            let message = Message::availability(&will.topic, &will.payload);
            self.requests.publish(message).map_err(|_| ConnectionError::Queue)?;
            self.in_flight.handed_over(Sent::Farewell);
        }
        Ok(())
    }

    fn farewell_sent(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.farewell_sent)
    }

    fn settle(
        &mut self,
        sent: Option<Sent>,
        outcome: Result<(), Refusal>,
        context: &Context,
    ) -> Result<(), ConnectionError> {
        match (sent, outcome) {
            (Some(Sent::Message(ticket, _)), Ok(())) => {
                context.shared.queue().acknowledged(ticket);
            }
            (Some(Sent::Message(ticket, topic)), Err(refusal)) => {
                if matches!(ticket, Ticket::Event(_)) {
                    self.offer_again.get_or_insert_with(|| Instant::now() + REFUSED_PAUSE);
                }
                let reason = format!("the broker refused a message for {topic}: {refusal}");
                context.shared.queue().refused(&ticket, reason.clone());
                self.complain(reason);
            }
            // MQTT 3.1.1, 3.14.4: a DISCONNECT makes the broker discard the will,
            // so it must have our own word before.
            (Some(Sent::Farewell), _) => self.requests.disconnect()?,
            (None, _) => {}
        }
        Ok(())
    }

    fn heard(&mut self, id: u16, outcome: Result<(), Refusal>) {
        let filter = self.asked.acknowledged(id).unwrap_or_default();
        if let Err(refusal) = outcome {
            log::warn!("the broker refused the subscription to {filter}: {refusal}");
        }
    }

    /// Says it once, not for each message of a window.
    fn complain(&mut self, reason: String) {
        if self.last_complaint.as_ref() != Some(&reason) {
            log::warn!("{reason}");
            self.last_complaint = Some(reason);
        }
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
