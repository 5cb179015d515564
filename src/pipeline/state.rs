//! What the threads of the daemon tell each other, apart from frames.

use std::time::Duration;

use crate::attention::Conditions;
use crate::contract::tuning::Tuning;
use crate::zones::ZoneSet;

/// A picture that was asked for and did not come within this time is not sent any
/// more: whoever asked has forgotten it.
pub(super) const SNAPSHOT_LIMIT: Duration = Duration::from_secs(10);

/// What the camera is doing, told by the capture thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CaptureState {
    /// It is opened; since when, on the monotonic clock.
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
    /// While true the camera is closed.
    pub paused: bool,
    /// Whether the board is hot or throttled: it looks around half as often.
    pub strained: bool,
    /// When the picture was asked for that nobody has answered for yet, on the monotonic
    /// clock; none when none is owed, or when it may not leave any more.
    pub snapshot: Option<Duration>,
}

impl Orders {
    /// Takes the request for a picture, so that it is answered for once: with the next frame
    /// while it is in time, and with words (`late`) when [`SNAPSHOT_LIMIT`] is over. Whether
    /// there was one.
    pub(super) fn take_request(&mut self, now: Duration, late: bool) -> bool {
        let fits = |asked| (now.saturating_sub(asked) > SNAPSHOT_LIMIT) == late;
        self.snapshot.take_if(|asked| fits(*asked)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_a_picture_is_answered_for_once() {
        let at = Duration::from_secs;
        let asked = Orders { snapshot: Some(at(60)), ..Orders::default() };
        for (now, late) in [(60, false), (70, false), (71, true), (1000, true)] {
            let mut orders = asked;
            assert!(!orders.take_request(at(now), !late), "{now}");
            assert!(orders.take_request(at(now), late), "{now}");
            assert!(!orders.take_request(at(now), late), "{now}");
        }
    }
}
