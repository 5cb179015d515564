//! What the threads of the daemon tell each other, apart from frames.

use std::time::Duration;

use crate::attention::Conditions;
use crate::contract::in_force::InForce;
use crate::contract::tuning::Tuning;
use crate::source::Opened;
use crate::zones::{ZoneSet, Zones};

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
    /// Not to be had just now; why, and it is tried again.
    Failed(String),
    /// What is there is no camera; why, and it is tried again.
    NotACamera(String),
    /// Closed, because its owner said so.
    Paused,
    /// A list of pictures was played to its end.
    Ended,
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
}

/// What the threads are told to do, by whoever decides that: commands, groups, heat.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Orders {
    /// The numbers in force.
    pub tuning: Tuning,
    /// The zones that hold.
    pub zones: ZoneSet,
    /// The zones of which a command or a group says whether they hold.
    pub imposed: ZoneSet,
    /// While true the camera is closed.
    pub paused: bool,
    /// Whether the board is hot or throttled: it looks around half as often.
    pub strained: bool,
    /// When the picture was asked for that nobody has answered for yet, on the monotonic
    /// clock; none when none is owed, or when it may not leave any more.
    pub snapshot: Option<Duration>,
}

impl Orders {
    /// Takes over what is in force. A picture that is owed and may not leave any more is owed
    /// no longer; why, if one was.
    pub(super) fn take_over(&mut self, in_force: &InForce, zones: &Zones) -> Option<&'static str> {
        self.tuning = in_force.tuning();
        self.zones = zones.set_of(|zone| in_force.holds(zone));
        self.imposed = zones.set_of(|zone| in_force.imposes(zone));
        self.paused = in_force.paused.value;
        let why = in_force.no_snapshot()?;
        self.snapshot.take().map(|_| why)
    }

    /// Whether a picture is owed that the frame which was taken at `taken` answers for. One
    /// from before the request does not: a pause may lie between.
    pub(super) fn owes(&self, taken: Duration, now: Duration) -> bool {
        self.snapshot.is_some_and(|asked| asked <= taken && !is_late(asked, now))
    }

    /// Takes the request that this frame answers for, so that none is answered for twice.
    /// Whether there was one.
    pub(super) fn take_request(&mut self, taken: Duration, now: Duration) -> bool {
        let owed = self.owes(taken, now);
        self.snapshot.take_if(|_| owed).is_some()
    }

    /// Takes the request that no frame has answered for in time, for which there are words
    /// only. Whether there was one.
    pub(super) fn take_late_request(&mut self, now: Duration) -> bool {
        self.snapshot.take_if(|asked| is_late(*asked, now)).is_some()
    }
}

fn is_late(asked: Duration, now: Duration) -> bool {
    now.saturating_sub(asked) > SNAPSHOT_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::in_force::Settled;
    use crate::control::overrides::Overrides;

    #[test]
    fn a_request_for_a_picture_is_answered_for_once() {
        let at = Duration::from_secs;
        let asked = Orders { snapshot: Some(at(60)), ..Orders::default() };
        let by_frame = |orders: &mut Orders, now| orders.take_request(at(now), at(now));
        let in_words = |orders: &mut Orders, now| orders.take_late_request(at(now));
        for (now, late) in [(60, false), (70, false), (71, true), (1000, true)] {
            let mut orders = asked;
            assert_eq!(orders.owes(at(now), at(now)), !late, "{now}");
            assert_eq!(by_frame(&mut orders, now), !late, "{now}");
            assert_eq!(in_words(&mut orders, now), late, "{now}");
            assert!(!by_frame(&mut orders, now) && !in_words(&mut orders, now), "{now}");
        }
        let mut orders = asked;
        assert!(!orders.take_request(at(59), at(61)), "a frame from before");
        assert!(orders.take_request(at(61), at(61)));
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
            let asked = Some(Duration::from_secs(60));
            let mut orders = Orders { snapshot: asked, ..Orders::default() };
            let why = orders.take_over(&in_force, &Zones::default());
            assert_eq!(why.is_some(), expected.is_some(), "{runtime:?}");
            assert!(why.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{why:?}");
            assert_eq!(orders.snapshot, asked.filter(|_| expected.is_none()), "{runtime:?}");
            // And with words once only.
            assert_eq!(orders.take_over(&in_force, &Zones::default()), None);
        }
    }
}
