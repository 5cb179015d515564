//! Noticing that the wall clock was set. A board without a clock of its own starts in the past,
//! and what it has told until the network says the time would stay wrong for as long as it holds.

use std::time::{Duration, SystemTime};

use crate::clock::Moment;

/// A smaller difference is the two clocks being read one after the other. A clock that is only
/// made to run faster or slower is no step: the monotonic one is, too (adjtimex(2)).
const LEAST: Duration = Duration::from_secs(1);

/// By how much, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockStep {
    Forward(Duration),
    Back(Duration),
}

impl ClockStep {
    /// What the clock would have said then, had it been right: before 1970, too, so that the
    /// next step finds what it started from.
    pub(crate) fn corrected(self, wall: SystemTime) -> SystemTime {
        let corrected = match self {
            Self::Forward(by) => wall.checked_add(by),
            Self::Back(by) => wall.checked_sub(by),
        };
        corrected.unwrap_or(wall)
    }
}

/// Remembers what the clocks said last.
#[derive(Clone, Debug)]
pub(crate) struct ClockMonitor {
    last: Moment,
}

impl ClockMonitor {
    /// Times count the machine's sleep (`Clock::now_with_sleep`).
    pub(crate) fn new(now: Moment) -> Self {
        Self { last: now }
    }

    /// Whether the wall clock was set since the last call.
    pub(crate) fn stepped(&mut self, now: Moment) -> Option<ClockStep> {
        let last = std::mem::replace(&mut self.last, now);
        let expected = last.wall.checked_add(now.monotonic.saturating_sub(last.monotonic))?;
        let step = match now.wall.duration_since(expected) {
            Ok(by) => ClockStep::Forward(by),
            Err(back) => ClockStep::Back(back.duration()),
        };
        let (ClockStep::Forward(by) | ClockStep::Back(by)) = step;
        (by >= LEAST).then_some(step)
    }
}

/// When something became so, by a wall clock that may be set later.
#[derive(Clone, Debug)]
pub(crate) struct Since {
    /// As far as is known by now.
    pub(crate) wall: SystemTime,
    clock: ClockMonitor,
}

impl Since {
    /// It became so at `now`; times count the machine's sleep.
    pub(crate) fn new(now: Moment) -> Self {
        Self { wall: now.wall, clock: ClockMonitor::new(now) }
    }

    /// Whether the wall clock was set since the last call, which makes another time of it.
    pub(crate) fn corrected(&mut self, now: Moment) -> bool {
        let step = self.clock.stepped(now);
        self.wall = step.map_or(self.wall, |step| step.corrected(self.wall));
        step.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::at;

    #[test]
    fn each_step_is_noticed_once_and_can_be_undone() {
        let seconds = Duration::from_secs;
        let moment = |monotonic, wall| Moment { wall: at(wall).wall, ..at(monotonic) };
        let mut clock = ClockMonitor::new(moment(10, 1_000));
        assert_eq!(clock.stepped(moment(70, 1_060)), None);
        let set = clock.stepped(moment(71, 90_000)).expect("set");
        assert_eq!(set, ClockStep::Forward(seconds(90_000 - 1_061)));
        assert_eq!(set.corrected(at(1_060).wall), at(90_000 - 1).wall);
        assert_eq!(clock.stepped(moment(72, 90_001)), None);
        let back = clock.stepped(moment(73, 60_002)).expect("set back");
        assert_eq!(back, ClockStep::Back(seconds(30_000)));
        assert_eq!(back.corrected(at(90_001).wall), at(60_001).wall);
    }

    #[test]
    fn what_became_so_before_the_clock_was_set_did_so_then() {
        let moment = |monotonic, wall| Moment { wall: at(wall).wall, ..at(monotonic) };
        let mut since = Since::new(moment(10, 1_000));
        assert!(!since.corrected(moment(70, 1_060)));
        assert!(since.corrected(moment(71, 90_000)), "another time is to be told");
        assert_eq!(since.wall, at(90_000 - 61).wall);
        assert!(!since.corrected(moment(72, 90_001)));
    }
}
