//! An event as it waits in the outbox.

use std::time::{Duration, SystemTime};

use crate::clock::Moment;

/// Number of an entry, rising; also its place in the order.
pub type Sequence = u64;

/// One event as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub topic: String,
    /// Events of one track stay in order; tracks pass each other.
    pub track: String,
    pub payload: Vec<u8>,
    /// When it was accepted.
    pub accepted: Accepted,
}

impl Entry {
    /// What it counts for against `max_bytes`.
    pub(super) fn bytes(&self) -> usize {
        self.topic.len() + self.track.len() + self.payload.len()
    }
}

/// When an entry was accepted, on the clock that can still tell its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// In this run: the monotonic clock knows, whatever the wall clock does.
    Now(Moment),
    /// In an earlier run: only the wall clock is left.
    Before(SystemTime),
}

impl Accepted {
    /// Age at `now`; zero when the wall clock went backwards meanwhile.
    pub(super) fn age(self, now: Moment) -> Duration {
        match self {
            Accepted::Now(moment) => now.monotonic.saturating_sub(moment.monotonic),
            Accepted::Before(wall) => now.wall.duration_since(wall).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_an_earlier_run_tells_its_age_by_the_wall_clock() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let now = |seconds| Moment { monotonic: Duration::ZERO, wall: at(seconds) };
        let accepted = Accepted::Before(at(50));
        assert_eq!(accepted.age(now(80)), Duration::from_secs(30));
        assert_eq!(accepted.age(now(20)), Duration::ZERO, "the clock went back");
    }
}
