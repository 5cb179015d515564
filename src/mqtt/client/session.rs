//! A connection that the broker has accepted, until it ends.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::closing::Closing;
use super::error::ConnectionError;
use super::in_flight::{InFlight, Sent, SentMessage};
use super::limit::{FORGET, Limit};
use super::options::LastWill;
use super::refusal::{Refusal, Why};
use super::subscribed::{Answer, Subscribed};
use super::told::Told;
use super::wire::{Connection, Event, NotSent, Token};
use crate::clock::Clock;
use crate::mqtt::message::{Message, Received, Subscriptions};
use crate::mqtt::queue::Ticket;
use crate::mqtt::received::{self, Full};
use crate::mqtt::shared::Shared;

/// How long the broker has to take a subscription to what it keeps of an earlier run, and from
/// then to tell that. Meanwhile discovery, and what is read by it, is held back: a broker may
/// answer a subscription after the publish that followed it, and what is swept would be
/// overwritten before it was read.
pub(crate) const SWEEP: Duration = Duration::from_secs(2);

/// After the broker refused an event, those of its topic wait this long before they are
/// offered again, and so does what a retained topic says: an owner mends an access list in
/// minutes, and a tight loop would only fill two logs. One time for all topics: it begins with
/// the first refusal.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// What every session of a client works with.
pub(in crate::mqtt) struct Context {
    pub shared: Arc<Shared>,
    pub received: received::Sender,
    pub stop: watch::Receiver<bool>,
    pub clock: Arc<dyn Clock>,
    /// From 0 to 1, by chance: what spreads a fleet.
    pub jitter: fn() -> f64,
    /// Of what goes wrong.
    pub told: Told,
    /// What an earlier run announced is replaced by ours: nothing is held back for it.
    pub announced: bool,
}

impl Context {
    async fn deliver(&self, received: Received) {
        // What has arrived at once is taken in without waiting for anything. Whoever looks at it
        // is on this thread, and gets on only while we wait; a pause may stand behind a burst.
        if self.received.is_full() {
            yield_now().await;
        }
        let Err(Full { topic, first }) = self.received.send(received) else { return };
        let reason =
            format!("more messages arrived at once than are looked at: one on {topic} was dropped");
        // Not for each of a flood; `mqtt.commands_dropped` has their number.
        if first {
            log::warn!("{reason}");
        }
        self.shared.queue().passed_over(reason);
    }

    /// Says it once, not for each message, nor on each of several connections: `fault` is what
    /// it has in common with what was told before.
    fn complain(&mut self, fault: String, reason: &str) {
        if self.told.is_new(fault) {
            log::warn!("{reason}");
        }
    }
}

/// Ends when we were told to stop, or nobody is left to tell us.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Never, without a deadline.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

pub(super) struct Session {
    connection: Connection,
    in_flight: InFlight,
    subscribed: Subscribed,
    closing: Option<Closing>,
    sweep_ends: Option<Instant>,
    /// When what was refused is offered again.
    offer_again: Option<Instant>,
    /// Bytes of the largest packet that the broker said it takes, and when that is tried again
    /// because less was learned.
    announced: usize,
    limit_ends: Option<Instant>,
    /// What is said before we leave.
    last_will: Option<LastWill>,
}

impl Session {
    /// Subscribes, tells the queue, and serves until the end. `limit` is what was learned of
    /// this broker. `Ok` means that we were told to stop.
    pub(super) async fn run(
        mut connection: Connection,
        context: &mut Context,
        subscriptions: &mut Subscriptions,
        limit: &mut Limit,
        last_will: Option<&LastWill>,
    ) -> Result<(), ConnectionError> {
        let announced = connection.largest;
        let (largest, limit_ends) = limit.largest(announced, Instant::now());
        connection.largest = largest;
        // What an earlier run left is heard where that is possible: it is not worth a connection.
        subscriptions.sweep.retain(|filter| connection.takes(filter));
        // Subscriptions do not outlive a clean session: every time, and first.
        let subscribed = Subscribed::new(subscriptions, |filter| connection.subscribe(filter));
        let sweep_ends = (!subscriptions.sweep.is_empty()).then(|| Instant::now() + SWEEP);
        {
            let mut queue = context.shared.queue();
            queue.limited(connection.largest);
            queue.connected(connection.protocol, sweep_ends.is_some() && !context.announced);
        }
        let mut session = Self {
            connection,
            in_flight: InFlight::default(),
            subscribed,
            closing: None,
            sweep_ends,
            offer_again: None,
            announced,
            limit_ends,
            last_will: last_will.cloned(),
        };
        let outcome = session.serve(context, subscriptions).await;
        if outcome.as_ref().is_err_and(ConnectionError::by_packet_size) {
            session.learn_limit(limit, context);
        }
        if session.in_flight.has_snapshot() {
            context.shared.queue().snapshot_lost();
        }
        outcome
    }

    async fn serve(
        &mut self,
        context: &mut Context,
        subscriptions: &mut Subscriptions,
    ) -> Result<(), ConnectionError> {
        let shared = Arc::clone(&context.shared);
        loop {
            self.fill(context);
            let deadline = self.next_deadline();
            tokio::select! {
                event = self.connection.poll() => match event? {
                    Event::Settled(token, outcome) => {
                        if self.settle(token, outcome, context).is_break() {
                            return Ok(());
                        }
                    }
                    Event::Received(received) => context.deliver(received).await,
                    Event::Oversized { topic, size } => {
                        let ours = subscriptions.sweep.contains(&topic);
                        self.passed_over(&topic, size, ours, context);
                    }
                    Event::Subscribed(id, outcome) => {
                        self.answered(id, outcome, context, subscriptions);
                    }
                    Event::Disconnected => return Ok(()),
                },
                () = shared.wake.notified() => {}
                () = stopped(&mut context.stop), if self.closing.is_none() => {
                    self.closing = Some(Closing::begin());
                    shared.queue().leave();
                }
                () = until(deadline) => {
                    if self.closing.as_ref().is_some_and(Closing::is_over) {
                        return Ok(());
                    }
                    if self.gives_up_at().is_some_and(|end| Instant::now() >= end) {
                        return Err(ConnectionError::Unacknowledged);
                    }
                    self.keep_deadlines(context, subscriptions);
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let closing = self.closing.as_ref().map(Closing::next_deadline);
        let subscribe_again = self.subscribed.again_at();
        let deadlines = [
            closing,
            self.sweep_ends,
            self.offer_again,
            self.limit_ends,
            subscribe_again,
            self.gives_up_at(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// When a broker that acknowledges nothing is left: later than one that is silent, since a
    /// cluster that elects a leader needs its time. It may answer probes all the while, and
    /// would keep us from a node that works.
    fn gives_up_at(&self) -> Option<Instant> {
        self.in_flight.unacknowledged_since().map(|since| since + 3 * self.connection.keep_alive)
    }

    fn keep_deadlines(&mut self, context: &mut Context, subscriptions: &mut Subscriptions) {
        let now = Instant::now();
        if self.offer_again.take_if(|end| now >= *end).is_some() {
            context.shared.queue().offer_again();
        }
        if self.limit_ends.take_if(|end| now >= *end).is_some() {
            self.connection.largest = self.announced;
            let mut queue = context.shared.queue();
            queue.limited(self.announced);
            // What was too large counts as said.
            queue.repeat_retained();
        }
        if self.sweep_ends.take_if(|end| now >= *end).is_some() {
            context.announced = true;
            context.shared.queue().release();
            // From now on we would only hear ourselves, on this connection and later. What the
            // broker has not let us hear stays to be heard.
            for filter in subscriptions.sweep.extract_if(.., |each| self.subscribed.is_taken(each))
            {
                self.connection.unsubscribe(&filter);
            }
        }
        self.subscribed.ask_again(now, |filter| self.connection.subscribe(filter));
    }

    /// Hands messages over as long as the window has room and the broker answers.
    fn fill(&mut self, context: &mut Context) {
        let drained = self.closing.as_ref().is_some_and(|c| Instant::now() >= c.drain_until);
        let stalled = self.in_flight.is_stalled(Instant::now());
        let hands_over = !stalled && !drained && !self.farewell_sent();
        while hands_over && self.in_flight.len() < self.connection.window {
            let now = context.clock.now_with_sleep();
            let Some((ticket, message)) = context.shared.queue().next(now) else { break };
            self.send(ticket, message, context);
        }
        let idle = drained || self.in_flight.is_empty();
        let full = self.in_flight.len() >= self.connection.window;
        if let Some(closing) = self.closing.as_mut().filter(|c| idle && !c.farewell_sent) {
            closing.farewell_sent = true;
            if full {
                // One more would be more than the broker takes (MQTT 5, 3.3.4). Without a
                // DISCONNECT it says our will, which is the same word.
                closing.limit = Instant::now();
                return;
            }
            let Some(will) = &self.last_will else { return self.connection.disconnect() };
            let message = Message::availability(&will.topic, &will.payload);
            match self.connection.publish(message) {
                Ok((token, _)) => self.in_flight.insert(token, Sent::Farewell, Instant::now()),
                // A broker that takes no packet of that size took no last will either.
                Err(NotSent { .. }) => self.connection.disconnect(),
            }
        }
    }

    fn send(&mut self, ticket: Ticket, message: Message, context: &mut Context) {
        let topic = message.topic.clone();
        match self.connection.publish(message) {
            Ok((token, size)) => {
                let sent = Sent::Message(SentMessage { ticket, topic, size });
                self.in_flight.insert(token, sent, Instant::now());
            }
            Err(NotSent { size, limit }) => {
                let reason = format!(
                    "a message of {size} bytes for {topic} is not sent, the broker takes \
                     {limit} at most: raise its limit or lower mqtt.max_packet_bytes"
                );
                context.complain(format!("too large for {topic}"), &reason);
                context.shared.queue().too_large(&ticket, reason);
            }
        }
    }

    fn farewell_sent(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.farewell_sent)
    }

    /// Whether the session goes on.
    fn settle(
        &mut self,
        token: Token,
        outcome: Result<(), Refusal>,
        context: &mut Context,
    ) -> ControlFlow<()> {
        match (self.in_flight.settle(token, Instant::now()), outcome) {
            (Some(Sent::Message(SentMessage { ticket, .. })), Ok(())) => {
                context.shared.queue().acknowledged(ticket);
            }
            (Some(Sent::Message(SentMessage { ticket, topic, .. })), Err(refusal)) => {
                let reason = format!("the broker refused a message for {topic}: {refusal}");
                context.complain(format!("{}, for {topic}", refusal.why), &reason);
                if refusal.why == Why::TooLarge {
                    // It would be refused at every try.
                    context.shared.queue().too_large(&ticket, reason);
                } else if context.shared.queue().refused(ticket, reason) {
                    self.offer_again.get_or_insert_with(|| Instant::now() + REFUSED_PAUSE);
                }
            }
            // A DISCONNECT makes the broker discard the will (MQTT 3.1.1, 3.14.4), so it
            // must have our own word before.
            (Some(Sent::Farewell), Ok(())) => self.connection.disconnect(),
            // Without it, the broker says the will (MQTT 5, 3.1.2.5): else `online` would stand.
            (Some(Sent::Farewell), Err(refusal)) => {
                log::warn!("the broker refused our last word: {refusal}");
                return ControlFlow::Break(());
            }
            (None, _) => {}
        }
        ControlFlow::Continue(())
    }

    /// The broker ended the connection over the size of a packet. It does not say which:
    /// of those that it may not have read, the largest exceeds its limit for certain.
    fn learn_limit(&mut self, limit: &mut Limit, context: &Context) {
        let Some(largest) = self.in_flight.take_largest() else { return };
        let SentMessage { ticket, topic, size } = largest;
        limit.learn(size, Instant::now() + FORGET);
        let reason = format!(
            "the broker ended the connection over a message of {size} bytes for {topic}, which \
             is not sent again: raise its limit or lower mqtt.max_packet_bytes"
        );
        log::warn!("{reason}");
        context.shared.queue().too_large(&ticket, reason);
    }

    /// Somebody sent us more than we read, or we did in an earlier run (`ours`). Nothing is
    /// lost but that.
    fn passed_over(&mut self, topic: &str, size: usize, ours: bool, context: &mut Context) {
        let remedy = if ours {
            // Ours takes its place, so that a later start with more room comes too late.
            "an earlier run of this device left it there; delete in Home Assistant by hand what is \
             gone since"
        } else {
            "find who writes there"
        };
        let reason = format!(
            "a message of {size} bytes arrived on {topic}, more than mqtt.max_packet_bytes, and \
             was passed over: {remedy}"
        );
        context.complain(format!("passed over on {topic}"), &reason);
        context.shared.queue().passed_over(reason);
    }

    fn answered(
        &mut self,
        id: u16,
        outcome: Result<(), Refusal>,
        context: &mut Context,
        subscriptions: &Subscriptions,
    ) {
        let (now, jitter) = (Instant::now(), (context.jitter)());
        let answer = self.subscribed.answered(id, outcome.is_ok(), now, jitter);
        let Some((filter, answer)) = answer else { return };
        if outcome.is_ok() && subscriptions.sweep.contains(&filter) {
            // What the broker keeps follows its answer (3.8.4).
            self.sweep_ends = Some(now + SWEEP);
        }
        if answer == Answer::TakenAfterAll && context.told.is_new(format!("taken: {filter}")) {
            log::info!("the broker takes the subscription to {filter} after all");
        }
        let Err(refusal) = outcome else { return };
        let reason = format!("the broker refused the subscription to {filter}: {refusal}");
        context.complain(format!("refused: {filter}"), &format!("{reason}; asking again"));
        context.shared.queue().note(reason);
    }
}

#[cfg(test)]
mod tests;
