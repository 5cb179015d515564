//! What the threads of the daemon tell each other, apart from frames.

use std::time::Duration;

use crate::attention::Conditions;
use crate::contract::in_force::{Author, InForce};
use crate::contract::payload::ReasonCode;
use crate::contract::tuning::Tuning;
use crate::geometry::Size;
use crate::source::Opened;
use crate::zones::{Imposed, ZoneSet, Zones};

/// A picture that was asked for and did not come within this time is not sent any
/// more: whoever asked has forgotten it.
pub(super) const SNAPSHOT_LIMIT: Duration = Duration::from_secs(10);

/// What the camera is doing, told by the capture thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CaptureState {
    /// It is opened; since when, on the monotonic clock, or when it last said that it goes on.
    Opening { since: Duration },
    /// It delivers frames.
    Running(Open),
    /// Not to be had just now, or what is there is no camera; which and why, and it is tried again.
    Failed(ReasonCode, String),
    /// Closed, because its owner said so.
    Paused,
    /// A list of pictures was played to its end.
    Ended,
}

impl CaptureState {
    /// Whether it is a recording that is read.
    pub(super) fn plays(&self) -> bool {
        matches!(self, Self::Running(open) if open.recorded)
    }
}

/// What is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// Device, format, size, rate.
    pub words: String,
    /// Whether longer exposures are asked for because it is dark.
    pub low_light: bool,
    /// Whether it is a recording, of which each picture is looked at.
    pub recorded: bool,
    /// Which camera it is.
    pub source: Opened,
}

/// What the picture is like, told by the inference thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct View {
    /// How many faces are followed.
    pub faces: usize,
    pub conditions: Conditions,
    /// The size of a camera's upright picture; none before the first.
    pub picture: Option<Size>,
}

/// A picture that was asked for and that nobody has answered for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// When it was asked for first, on the monotonic clock: it is due from then on.
    first: Duration,
    /// How many commands ask for it.
    commands: u64,
}

/// What the threads are told to do, by whoever decides that: commands, groups, heat.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Orders {
    /// The numbers in force.
    pub tuning: Tuning,
    /// The zones that hold.
    pub zones: ZoneSet,
    /// Those of which somebody else than the settings says so.
    pub imposed: Imposed,
    /// While true the camera is closed.
    pub paused: bool,
    /// Whether the board is hot or throttled: it looks around half as often.
    pub strained: bool,
    /// None when none is owed, or when it may not leave any more.
    pub snapshot: Option<Request>,
}

impl Orders {
    /// Takes over what is in force. A picture that is owed and may not leave any more is owed
    /// no longer; how many commands asked for it.
    pub(super) fn take_over(&mut self, in_force: &InForce, zones: &Zones) -> u64 {
        self.tuning = in_force.tuning();
        self.zones = zones.set_of(|zone| in_force.holds(zone));
        let said = |by: fn(&Author) -> bool| zones.set_of(|zone| in_force.says(zone, by));
        self.imposed = Imposed {
            by_command: said(|by| *by == Author::Command),
            by_group: said(|by| matches!(by, Author::Group(_))),
        };
        self.paused = in_force.paused.value;
        if in_force.no_snapshot().is_some() { self.withdraw() } else { 0 }
    }

    /// A command asks for a picture. With one that is owed already it is answered together.
    pub(super) fn ask(&mut self, now: Duration) {
        self.snapshot.get_or_insert(Request { first: now, commands: 0 }).commands += 1;
    }

    /// No picture is owed any more; how many commands asked for it.
    pub(super) fn withdraw(&mut self) -> u64 {
        self.snapshot.take().map_or(0, |request| request.commands)
    }

    /// Whether a picture is owed that the frame which was taken at `taken` answers for. One
    /// from before the request does not: a pause may lie between. One from before another
    /// command for it does: a pause would have withdrawn it.
    pub(super) fn owes(&self, taken: Duration, now: Duration) -> bool {
        self.snapshot.is_some_and(|request| request.first <= taken && !request.is_late(now))
    }

    /// Takes the request that this frame answers for, so that none is answered for twice.
    /// How many commands there were.
    pub(super) fn take_request(&mut self, taken: Duration, now: Duration) -> u64 {
        if self.owes(taken, now) { self.withdraw() } else { 0 }
    }

    /// Takes the request that no frame has answered for in time, for which there are words
    /// only. How many commands there were.
    pub(super) fn take_late_request(&mut self, now: Duration) -> u64 {
        if self.snapshot.is_some_and(|request| request.is_late(now)) { self.withdraw() } else { 0 }
    }
}

impl Request {
    fn is_late(self, now: Duration) -> bool {
        now.saturating_sub(self.first) > SNAPSHOT_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::in_force::Settled;
    use crate::control::overrides::Overrides;

    #[test]
    fn a_request_for_a_picture_is_answered_for_once() {
        let at = Duration::from_secs;
        let mut asked = Orders::default();
        asked.ask(at(60));
        let by_frame = |orders: &mut Orders, now| orders.take_request(at(now), at(now)) == 1;
        let in_words = |orders: &mut Orders, now| orders.take_late_request(at(now)) == 1;
        for (now, late) in [(60, false), (70, false), (71, true), (1000, true)] {
            let mut orders = asked;
            assert_eq!(orders.owes(at(now), at(now)), !late, "{now}");
            assert_eq!(by_frame(&mut orders, now), !late, "{now}");
            assert_eq!(in_words(&mut orders, now), late, "{now}");
            assert!(!by_frame(&mut orders, now) && !in_words(&mut orders, now), "{now}");
        }
        let mut orders = asked;
        assert_eq!(orders.take_request(at(59), at(61)), 0, "a frame from before");
        assert_eq!(orders.take_request(at(61), at(61)), 1);
    }

    #[test]
    fn who_asks_again_puts_nothing_off_and_each_is_answered_for() {
        let at = Duration::from_secs;
        let mut asked = Orders::default();
        for second in [60, 65, 70] {
            asked.ask(at(second));
        }
        let mut orders = asked;
        assert_eq!(orders.take_request(at(59), at(70)), 0, "from before the first one");
        assert_eq!(orders.take_request(at(61), at(70)), 3, "looks may take longer than askers");
        let mut orders = asked;
        assert_eq!(orders.take_late_request(at(70)), 0);
        assert_eq!(orders.take_late_request(at(71)), 3);
        assert_eq!(orders.take_late_request(at(100)), 0, "once");
        assert_eq!(asked.withdraw(), 3);
    }

    #[test]
    fn a_picture_that_is_owed_is_withdrawn_with_the_reason_by_a_pause_or_when_held_back() {
        let settled = Settled { snapshots: true, ..Settled::default() };
        let open = Overrides::default();
        let paused = Overrides { paused: true, ..open.clone() };
        let withheld = Overrides { snapshots_withheld: true, ..open.clone() };
        let cases = [(open, None), (paused, Some("paused")), (withheld, Some("a command holds"))];
        for (runtime, expected) in cases {
            let in_force = InForce::of(&settled, &[], &runtime);
            let mut orders = Orders::default();
            orders.ask(Duration::from_secs(60));
            let withdrawn = orders.take_over(&in_force, &Zones::default());
            assert_eq!(withdrawn, u64::from(expected.is_some()), "{runtime:?}");
            let why = in_force.no_snapshot().unwrap_or_default();
            assert!(why.starts_with(expected.unwrap_or_default()), "{why:?}");
            assert_eq!(orders.snapshot.is_some(), expected.is_none(), "{runtime:?}");
            // And with words once only.
            assert_eq!(orders.take_over(&in_force, &Zones::default()), 0);
        }
    }
}
