//! Messages that arrived and wait to be looked at.
//!
//! Whoever looks at them is behind for moments only, but the broker, or somebody who writes
//! to it, does not wait. So what waits is bounded. Of a state only the latest message counts
//! (`docs/ref/mqtt.md`), and it has a place of its own: no burst of anything else takes it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::message::Received;

/// Messages that are no states. On a new connection they arrive at once: a retained command
/// and two topics for each camera of an earlier run.
const MOST: usize = 32;

/// Between whoever hears the broker and whoever looks at what it says. `states` are the
/// topics of which only the latest message counts.
pub(super) fn channel(states: Vec<String>) -> (Sender, Receiver) {
    let states = states.into_iter().map(|topic| (topic, None)).collect();
    let waiting = Waiting { states, ..Waiting::default() };
    let shared = Arc::new(Shared { waiting: Mutex::new(waiting), arrived: Notify::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// Takes what arrives; never waits.
pub(in crate::mqtt) struct Sender(Arc<Shared>);

/// Gives what arrived.
pub struct Receiver(Arc<Shared>);

/// There was no room for a message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Full {
    /// Where it came.
    pub topic: String,
    /// There was room for the one before.
    pub first: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    /// A place for each state.
    states: BTreeMap<String, Option<Received>>,
    others: VecDeque<Received>,
    /// The last message that is no state found no room.
    full: bool,
    /// Nothing arrives any more.
    ended: bool,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics under this lock")
    }
}

impl Sender {
    /// Whether as many wait as may.
    pub(in crate::mqtt) fn is_full(&self) -> bool {
        self.0.waiting().is_full()
    }

    /// # Errors
    ///
    /// It is no state, and as many wait as may.
    pub(in crate::mqtt) fn send(&self, received: Received) -> Result<(), Full> {
        self.0.waiting().put(received)?;
        self.0.arrived.notify_one();
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.waiting().ended = true;
        self.0.arrived.notify_one();
    }
}

impl Receiver {
    /// The next message, states first; none once nothing arrives any more.
    pub async fn recv(&mut self) -> Option<Received> {
        loop {
            {
                let mut waiting = self.0.waiting();
                let next = waiting.take();
                if next.is_some() || waiting.ended {
                    return next;
                }
            }
            self.0.arrived.notified().await;
        }
    }
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.others.len() >= MOST
    }

    fn put(&mut self, received: Received) -> Result<(), Full> {
        if let Some(place) = self.states.get_mut(&received.topic) {
            *place = Some(received);
            return Ok(());
        }
        let is_full = self.is_full();
        let was_full = std::mem::replace(&mut self.full, is_full);
        if self.full {
            return Err(Full { topic: received.topic, first: !was_full });
        }
        self.others.push_back(received);
        Ok(())
    }

    fn take(&mut self) -> Option<Received> {
        let state = self.states.values_mut().find_map(Option::take);
        state.or_else(|| self.others.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(topic: &str, payload: &str) -> Received {
        Received { topic: topic.into(), payload: payload.into(), retained: false }
    }

    #[tokio::test]
    async fn the_latest_word_of_a_state_has_room_whatever_else_arrives() {
        let (sender, mut receiver) = channel(vec!["state".into()]);
        for number in 0..100 {
            assert_eq!(sender.is_full(), number >= MOST, "{number}");
            let outcome = sender.send(received("order", &number.to_string()));
            let full = Full { topic: "order".into(), first: number == MOST };
            let expected = if number < MOST { Ok(()) } else { Err(full) };
            assert_eq!(outcome, expected, "{number}");
            sender.send(received("state", &number.to_string())).expect("it has room");
        }
        assert_eq!(receiver.recv().await, Some(received("state", "99")));
        for number in 0..MOST {
            assert_eq!(receiver.recv().await, Some(received("order", &number.to_string())));
        }
        sender.send(received("order", "again")).expect("there is room again");
        drop(sender);
        assert_eq!(receiver.recv().await, Some(received("order", "again")));
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_a_message_and_by_the_end() {
        let (sender, mut receiver) = channel(Vec::new());
        let heard = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
        tokio::task::yield_now().await;
        sender.send(received("order", "1")).expect("there is room");
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(heard.await.expect("no panic"), (Some(received("order", "1")), None));
    }
}
