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
    /// In an earlier run, at this wall time: how old it was when this run read it, only the wall
    /// clock knows.
    Before(SystemTime),
}

impl Accepted {
    /// Whether it waited for `limit` or through a restart. The clock that could tell
    /// how long that took may be wrong: boards without one of their own wake up in the
    /// past, and an old smile must not switch a lamp on.
    pub(super) fn is_late(self, age: Duration, limit: Duration) -> bool {
        match self {
            Accepted::Now(_) => age >= limit,
            Accepted::Before(_) => true,
        }
    }

    /// With the wall time that this age has now that the clock was set; none where it has it
    /// already.
    pub(super) fn corrected(self, age: Duration, now: SystemTime) -> Option<Self> {
        let then = now.checked_sub(age)?;
        match self {
            Accepted::Now(moment) => {
                (then != moment.wall).then_some(Accepted::Now(Moment { wall: then, ..moment }))
            }
            Accepted::Before(wall) => (then != wall).then_some(Accepted::Before(then)),
        }
    }

    /// Age at `now`. What is of an earlier run was read at `read`: since then the monotonic clock
    /// knows, and setting the wall clock makes nothing older. Before, it does not count when the
    /// wall clock went backwards meanwhile, or was not set yet when the entry was accepted.
    pub(super) fn age(self, now: Moment, read: Moment) -> Duration {
        let since = |then: Duration| now.monotonic.saturating_sub(then);
        match self {
            Accepted::Now(moment) => since(moment.monotonic),
            Accepted::Before(wall) if never_set(wall) => since(read.monotonic),
            Accepted::Before(wall) => {
                since(read.monotonic) + read.wall.duration_since(wall).unwrap_or_default()
            }
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
        let age = |accepted, read| {
            let read = Moment { monotonic: Duration::ZERO, wall: wall(read) };
            Accepted::Before(wall(accepted)).age(read, read)
        };
        assert_eq!(age(SET, SET + 30), Duration::from_secs(30));
        assert_eq!(age(SET, SET - 30), Duration::ZERO, "the clock went back");
        assert_eq!(age(50, SET), Duration::ZERO, "then, the clock was not set");
    }

    #[test]
    fn from_where_it_was_read_the_clock_may_be_set_as_one_likes() {
        let read = Moment { monotonic: Duration::from_secs(5), wall: wall(SET) };
        for now in [wall(SET + 7), wall(SET + 900_000), wall(50)] {
            let now = Moment { monotonic: Duration::from_secs(12), wall: now };
            let age = |accepted| Accepted::Before(wall(accepted)).age(now, read).as_secs();
            assert_eq!([age(SET - 30), age(SET + 30), age(50)], [37, 7, 7], "{now:?}");
        }
    }

    #[test]
    fn what_waited_through_a_restart_is_late_whatever_the_clock_says() {
        let now = Moment { monotonic: Duration::from_secs(5), wall: wall(SET) };
        let limit = Duration::from_secs(10);
        assert!(!Accepted::Now(now).is_late(Duration::from_secs(5), limit));
        assert!(Accepted::Before(wall(SET + 60)).is_late(Duration::ZERO, limit));
    }
}
