//! An event as it waits in the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock::{Moment, never_set};

/// Number of an entry, rising; also its place in the order.
pub type Sequence = u64;

/// What waits, in its order. Shared with the thread that writes it to the disk.
pub(super) type Entries = BTreeMap<Sequence, Arc<Entry>>;

/// One event as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes.
    pub topic: String,
    /// Events of one track stay in order; tracks pass each other.
    pub track: String,
    /// What it says.
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
    /// Whether it waited for `limit` or through a restart. The clock that could tell
    /// how long that took may be wrong: boards without one of their own wake up in the
    /// past, and an old smile must not switch a lamp on.
    pub(super) fn is_late(self, now: Moment, limit: Duration) -> bool {
        match self {
            Accepted::Now(_) => self.age(now) >= limit,
            Accepted::Before(_) => true,
        }
    }

    /// With the wall time that this age has now that the clock was set; none where the
    /// monotonic clock does not know it.
    pub(super) fn corrected(self, now: Moment) -> Option<Self> {
        let Accepted::Now(moment) = self else { return None };
        let wall = now.wall.checked_sub(self.age(now))?;
        (wall != moment.wall).then_some(Accepted::Now(Moment { wall, ..moment }))
    }

    /// Age at `now`; zero when the wall clock went backwards meanwhile, or was not set
    /// yet when the entry was accepted.
    pub(super) fn age(self, now: Moment) -> Duration {
        match self {
            Accepted::Now(moment) => now.monotonic.saturating_sub(moment.monotonic),
            Accepted::Before(wall) if never_set(wall) => Duration::ZERO,
            Accepted::Before(wall) => now.wall.duration_since(wall).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: u64 = 1_800_000_000;

    fn wall(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_entry_of_an_earlier_run_tells_its_age_by_the_wall_clock() {
        let age = |accepted, now| {
            let now = Moment { monotonic: Duration::ZERO, wall: wall(now) };
            Accepted::Before(wall(accepted)).age(now)
        };
        assert_eq!(age(SET, SET + 30), Duration::from_secs(30));
        assert_eq!(age(SET, SET - 30), Duration::ZERO, "the clock went back");
        assert_eq!(age(50, SET), Duration::ZERO, "then, the clock was not set");
    }

    #[test]
    fn what_waited_through_a_restart_is_late_whatever_the_clock_says() {
        let now = Moment { monotonic: Duration::from_secs(5), wall: wall(SET) };
        let limit = Duration::from_secs(10);
        assert!(!Accepted::Now(Moment { monotonic: Duration::ZERO, ..now }).is_late(now, limit));
        assert!(Accepted::Before(wall(SET + 60)).is_late(now, limit));
    }
}
