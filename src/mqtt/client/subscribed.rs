//! What the broker has said to our subscriptions, and when those that it refused are asked
//! for again.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::mqtt::message::Subscriptions;

/// Between refusals of a subscription: soon at first, because a cluster that elects a leader
/// refuses what it takes a moment later, with the only code that MQTT 3.1.1 has for it
/// (3.9.3), and what an earlier run announced must be read before it is replaced; then once a
/// minute, because an owner mends an access list in minutes.
const ASK_AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));

/// The subscriptions of one connection.
pub(super) struct Subscribed {
    /// Filters whose answer is due, by the id of their SUBSCRIBE.
    unanswered: HashMap<u16, String>,
    /// To ask for again.
    refused: BTreeSet<String>,
    again: Option<Instant>,
    backoff: Backoff,
}

/// What became of a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// As it should be.
    Taken,
    /// At last, after it was refused.
    TakenAfterAll,
    /// It is asked for again.
    Refused,
}

impl Subscribed {
    /// Asks for all; `subscribe` gives the id of its SUBSCRIBE.
    pub(super) fn new(wanted: &Subscriptions, mut subscribe: impl FnMut(&str) -> u16) -> Self {
        let filters = wanted.lasting.iter().chain(&wanted.sweep);
        Self {
            unanswered: filters.map(|filter| (subscribe(filter), filter.clone())).collect(),
            refused: BTreeSet::new(),
            again: None,
            backoff: ASK_AGAIN,
        }
    }

    /// The broker has answered the SUBSCRIBE with this id: the filter, and what became of it;
    /// none where there was no such SUBSCRIBE. `jitter`, 0 to 1, spreads a fleet that was refused
    /// by one broker.
    pub(super) fn answered(
        &mut self,
        id: u16,
        taken: bool,
        now: Instant,
        jitter: f64,
    ) -> Option<(String, Answer)> {
        let filter = self.unanswered.remove(&id)?;
        if taken {
            let before = self.refused.remove(&filter);
            if self.refused.is_empty() {
                self.again = None;
                self.backoff.reset();
            }
            return Some((filter, if before { Answer::TakenAfterAll } else { Answer::Taken }));
        }
        self.refused.insert(filter.clone());
        if self.again.is_none() {
            self.again = Some(now + self.backoff.next_delay(jitter));
        }
        Some((filter, Answer::Refused))
    }

    /// Whether the broker has taken this one, of those that were asked for.
    pub(super) fn is_taken(&self, filter: &String) -> bool {
        !self.refused.contains(filter) && self.unanswered.values().all(|due| due != filter)
    }

    /// When to ask again.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again
    }

    /// Asks for what was refused, when it is time.
    pub(super) fn ask_again(&mut self, now: Instant, mut subscribe: impl FnMut(&str) -> u16) {
        if self.again.is_none_or(|at| now < at) {
            return;
        }
        self.again = None;
        let asked = self.refused.iter().map(|filter| (subscribe(filter), filter.clone()));
        self.unanswered.extend(asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked for with the ids from 1 on.
    fn subscribed(lasting: &[&str], sweep: &[&str]) -> Subscribed {
        let [lasting, sweep] =
            [lasting, sweep].map(|filters| filters.iter().map(ToString::to_string).collect());
        let mut ids = 1..;
        Subscribed::new(&Subscriptions { lasting, sweep, states: Vec::new() }, |_| {
            ids.next().expect("an id")
        })
    }

    fn asked_again(subscribed: &mut Subscribed, now: Instant, id: u16) -> Vec<String> {
        let (mut ids, mut asked) = (id.., Vec::new());
        subscribed.ask_again(now, |filter| {
            asked.push(filter.to_owned());
            ids.next().expect("an id")
        });
        asked
    }

    #[test]
    fn what_was_refused_is_asked_for_again_until_it_is_taken() {
        let begun = Instant::now();
        let after = |milliseconds| begun + Duration::from_millis(milliseconds);
        let told = |answer| Some(("earlier/run".to_owned(), answer));
        let mut subscribed = subscribed(&["command"], &["earlier/run"]);
        let taken = subscribed.answered(1, true, begun, 0.0);
        assert_eq!(taken, Some(("command".into(), Answer::Taken)));
        assert_eq!(subscribed.again_at(), None);
        assert_eq!(subscribed.answered(2, false, begun, 0.0), told(Answer::Refused));
        assert_eq!(subscribed.again_at(), Some(after(500)));
        assert!(asked_again(&mut subscribed, after(400), 3).is_empty());
        assert_eq!(asked_again(&mut subscribed, after(500), 3), ["earlier/run"]);
        assert_eq!(subscribed.again_at(), None, "its answer is due");
        assert_eq!(subscribed.answered(3, false, after(500), 0.0), told(Answer::Refused));
        assert_eq!(subscribed.again_at(), Some(after(1500)), "less and less often");
        assert_eq!(asked_again(&mut subscribed, after(1500), 4), ["earlier/run"]);
        assert_eq!(subscribed.answered(4, true, after(1500), 0.0), told(Answer::TakenAfterAll));
        assert_eq!(subscribed.again_at(), None);
        assert!(asked_again(&mut subscribed, after(3_600_000), 5).is_empty(), "what is taken");
    }

    #[test]
    fn only_what_was_answered_so_is_taken() {
        let begun = Instant::now();
        let mut subscribed = subscribed(&[], &["config", "state"]);
        let taken = |subscribed: &Subscribed| {
            ["config", "state"].map(|filter| subscribed.is_taken(&filter.to_owned()))
        };
        assert_eq!(taken(&subscribed), [false, false], "nothing is answered");
        subscribed.answered(1, true, begun, 0.0);
        subscribed.answered(2, false, begun, 0.0);
        assert_eq!(taken(&subscribed), [true, false]);
        // Nobody asked for it.
        assert_eq!(subscribed.answered(7, false, begun, 0.0), None);
        asked_again(&mut subscribed, begun + Duration::from_secs(1), 3);
        subscribed.answered(3, true, begun, 0.0);
        assert_eq!(taken(&subscribed), [true, true]);
    }
}
