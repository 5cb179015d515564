//! What was sent and is not settled yet, and what it tells of the broker: since when it answers
//! nothing, and which message may have been too large for it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::wire::{Token, is_acknowledged};
use crate::mqtt::queue::Ticket;

/// A broker that acknowledges nothing for so long is given nothing more until it does: what lies
/// in a connection that stands still comes when it likes, and would not be marked as late.
const STALLED: Duration = Duration::from_secs(2);

/// What an acknowledgement is for.
#[derive(Debug, PartialEq)]
pub(super) enum Sent {
    Message(SentMessage),
    /// Our own `offline`.
    Farewell,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct SentMessage {
    pub ticket: Ticket,
    pub topic: String,
    /// Bytes of its packet.
    pub size: usize,
}

/// A message, and in the order of sending its number.
struct Numbered {
    sent: Sent,
    number: u64,
}

/// A message at QoS 0, which nobody acknowledges. But what was sent after it and is acknowledged
/// tells that the broker took it.
struct Unheard {
    message: SentMessage,
    number: u64,
}

/// What is under way on one connection.
#[derive(Default)]
pub(super) struct InFlight {
    by_token: HashMap<Token, Numbered>,
    count: u64,
    /// Since when nothing was acknowledged although something is due.
    unacknowledged: Option<Instant>,
    /// The largest of them.
    unheard: Option<Unheard>,
}

impl InFlight {
    pub(super) fn insert(&mut self, token: Token, sent: Sent, now: Instant) {
        self.count += 1;
        self.by_token.insert(token, Numbered { sent, number: self.count });
        self.unacknowledged.get_or_insert(now);
    }

    /// Takes in that it was acknowledged or, at QoS 0, given to the kernel; what it was.
    pub(super) fn settle(&mut self, token: Token, now: Instant) -> Option<Sent> {
        let Numbered { sent, number } = self.by_token.remove(&token)?;
        if self.by_token.is_empty() {
            self.unacknowledged = None;
        } else if is_acknowledged(token) {
            self.unacknowledged = Some(now);
        }
        if is_acknowledged(token) {
            // It reads in order (4.6).
            self.unheard.take_if(|unheard| unheard.number < number);
        } else if let Sent::Message(message) = &sent
            && self.unheard.as_ref().is_none_or(|unheard| unheard.message.size < message.size)
        {
            self.unheard = Some(Unheard { message: message.clone(), number });
        }
        Some(sent)
    }

    pub(super) fn len(&self) -> usize {
        self.by_token.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_token.is_empty()
    }

    /// Since when nothing was acknowledged although something is due.
    pub(super) fn unacknowledged_since(&self) -> Option<Instant> {
        self.unacknowledged
    }

    /// Whether the connection stands still.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.unacknowledged.is_some_and(|since| now >= since + STALLED)
    }

    /// Whether a picture among them has not left yet.
    pub(super) fn has_snapshot(&self) -> bool {
        self.by_token.values().any(|numbered| {
            matches!(&numbered.sent, Sent::Message(message) if message.ticket == Ticket::Snapshot)
        })
    }

    /// Takes out the largest message that the broker may not have read. It may be settled, if it
    /// went at QoS 0.
    pub(super) fn take_largest(&mut self) -> Option<SentMessage> {
        let sizes = self.by_token.iter().filter_map(|(token, numbered)| match &numbered.sent {
            Sent::Message(message) => Some((message.size, *token)),
            Sent::Farewell => None,
        });
        let largest = sizes.max();
        let is_larger =
            |unheard: &mut Unheard| largest.is_none_or(|(size, _)| size <= unheard.message.size);
        if let Some(unheard) = self.unheard.take_if(is_larger) {
            return Some(unheard.message);
        }
        match self.by_token.remove(&largest?.1)?.sent {
            Sent::Message(message) => Some(message),
            Sent::Farewell => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At QoS 0: tokens above all packet ids.
    const UNNUMBERED: Token = 1 << 16;

    fn message(sequence: u64, size: usize) -> Sent {
        let topic = format!("t{sequence}");
        Sent::Message(SentMessage { ticket: Ticket::Event(sequence), topic, size })
    }

    #[test]
    fn only_what_the_broker_says_ends_a_stall() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut flight = InFlight::default();
        flight.insert(1, message(1, 10), begin);
        flight.insert(2, message(2, 10), after(1));
        flight.insert(UNNUMBERED, message(3, 10), after(1));
        assert!(flight.settle(UNNUMBERED, after(1)).is_some());
        assert!(!flight.is_stalled(after(1)) && flight.is_stalled(after(2)));
        assert_eq!(flight.settle(1, after(3)), Some(message(1, 10)));
        assert!(!flight.is_stalled(after(4)) && flight.is_stalled(after(5)));
        flight.settle(2, after(6));
        assert!(flight.is_empty() && !flight.is_stalled(after(60)));
    }

    #[test]
    fn the_largest_that_may_not_have_been_read_is_to_blame() {
        let now = Instant::now();
        let flight = |more: fn(&mut InFlight, Instant)| {
            let mut flight = InFlight::default();
            flight.insert(1, message(1, 600), now);
            flight.insert(UNNUMBERED, message(2, 100_000), now);
            flight.settle(UNNUMBERED, now);
            more(&mut flight, now);
            (flight.take_largest(), flight.len())
        };
        let taken = |sequence, size, left| match message(sequence, size) {
            Sent::Message(message) => (Some(message), left),
            Sent::Farewell => (None, left),
        };
        let picture = taken(2, 100_000, 1);
        assert_eq!(flight(|_, _| {}), picture, "nothing that waits for an answer is to blame");
        // An answer to what was sent before it says nothing of it.
        assert_eq!(flight(|flight, now| drop(flight.settle(1, now))), taken(2, 100_000, 0));
        let later = |flight: &mut InFlight, now| {
            flight.insert(2, message(3, 50), now);
            flight.settle(2, now);
        };
        assert_eq!(flight(later), taken(1, 600, 0));
    }
}
