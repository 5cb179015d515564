//! What the broker has said to our subscriptions, and when those that it refused are asked
//! for again.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Between refusals of a subscription: soon at first, because a cluster that elects a leader
/// refuses what it takes a moment later, with the only code that MQTT 3.1.1 has for it
/// (3.9.3); then once a minute, because an owner mends an access list in minutes.
const ASK_AGAIN: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));

/// The subscriptions of one connection.
pub(super) struct Subscribed {
    /// Filters whose answer is due, by the id of their SUBSCRIBE.
    unanswered: HashMap<u16, String>,
    /// Without them the device does not hear what it is told: they are asked for again.
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
    /// For the first time.
    Refused,
    /// Once more.
    StillRefused,
}

impl Subscribed {
    /// With the filters that were asked for, each by the id of its SUBSCRIBE.
    pub(super) fn new(asked: impl IntoIterator<Item = (u16, String)>) -> Self {
        let unanswered = asked.into_iter().collect();
        Self { unanswered, refused: BTreeSet::new(), again: None, backoff: ASK_AGAIN }
    }

    /// The broker has answered the SUBSCRIBE with this id: the filter, and what became of it.
    /// `jitter`, 0 to 1, spreads a fleet that was refused by one broker.
    pub(super) fn answered(
        &mut self,
        id: u16,
        taken: bool,
        now: Instant,
        jitter: f64,
    ) -> (String, Answer) {
        let filter = self.unanswered.remove(&id).unwrap_or_default();
        if taken {
            let before = self.refused.remove(&filter);
            if self.refused.is_empty() {
                self.again = None;
                self.backoff.reset();
            }
            return (filter, if before { Answer::TakenAfterAll } else { Answer::Taken });
        }
        let new = self.refused.insert(filter.clone());
        if self.again.is_none() {
            self.again = Some(now + self.backoff.next_delay(jitter));
        }
        (filter, if new { Answer::Refused } else { Answer::StillRefused })
    }

    /// When to ask again.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again
    }

    /// The filters to ask for now, each with the id that `subscribe` gives it; only those
    /// that are `wanted` still.
    pub(super) fn ask_again(
        &mut self,
        now: Instant,
        wanted: &[String],
        mut subscribe: impl FnMut(&str) -> u16,
    ) {
        if self.again.is_none_or(|at| now < at) {
            return;
        }
        self.again = None;
        self.refused.retain(|filter| wanted.contains(filter));
        let asked = self.refused.iter().map(|filter| (subscribe(filter), filter.clone()));
        self.unanswered.extend(asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_again(subscribed: &mut Subscribed, now: Instant, id: u16) -> Vec<String> {
        let (wanted, mut ids) = (["command".to_owned(), "groups".to_owned()], id..);
        let mut asked = Vec::new();
        subscribed.ask_again(now, &wanted, |filter| {
            asked.push(filter.to_owned());
            ids.next().expect("an id")
        });
        asked
    }

    #[test]
    fn what_was_refused_is_asked_for_again_until_it_is_taken() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let filters = ["command", "groups"].map(str::to_owned);
        let mut subscribed = Subscribed::new([1, 2].into_iter().zip(filters));
        assert_eq!(subscribed.answered(1, true, begun, 0.0), ("command".into(), Answer::Taken));
        assert_eq!(subscribed.again_at(), None);
        assert_eq!(subscribed.answered(2, false, begun, 0.0), ("groups".into(), Answer::Refused));
        assert_eq!(subscribed.again_at(), Some(after(5)));
        assert!(asked_again(&mut subscribed, after(4), 3).is_empty());
        assert_eq!(asked_again(&mut subscribed, after(5), 3), ["groups"]);
        assert_eq!(subscribed.again_at(), None, "its answer is due");
        let answer = subscribed.answered(3, false, after(5), 0.0);
        assert_eq!(answer, ("groups".into(), Answer::StillRefused));
        assert_eq!(subscribed.again_at(), Some(after(15)), "less and less often");
        assert_eq!(asked_again(&mut subscribed, after(15), 4), ["groups"]);
        let answer = subscribed.answered(4, true, after(15), 0.0);
        assert_eq!(answer, ("groups".into(), Answer::TakenAfterAll));
        assert_eq!(subscribed.again_at(), None);
    }

    #[test]
    fn what_is_wanted_no_more_is_not_asked_for() {
        let begun = Instant::now();
        let mut subscribed = Subscribed::new([(1, "earlier/run".to_owned())]);
        subscribed.answered(1, false, begun, 0.0);
        assert!(asked_again(&mut subscribed, begun + Duration::from_secs(5), 2).is_empty());
        assert_eq!(subscribed.again_at(), None);
    }
}
