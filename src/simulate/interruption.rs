//! When devices were away while their broker was expected to stay, and when all were back.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::clock::rfc3339;

/// From the first device that lost its connection until every device has one again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interruption {
    /// When it began, RFC 3339 in UTC.
    pub from: String,
    /// Seconds until every device was connected.
    pub away_s: f64,
    /// Devices without a connection at most.
    pub most_away: usize,
    /// Seconds from its beginning until the listener had every event made by its end; none
    /// where it had not when the measurement ended.
    pub caught_up_s: Option<f64>,
}

/// Looks at the fleet from time to time and notes interruptions.
#[derive(Default)]
pub(super) struct Watch {
    noted: Vec<Interruption>,
    phase: Phase,
}

#[derive(Default)]
enum Phase {
    #[default]
    Well,
    Away {
        since: Duration,
    },
    /// All are back; what they made by `until` is still owed.
    CatchingUp {
        since: Duration,
        until: Duration,
    },
}

impl Watch {
    /// At `now`, so many devices are `away`. `owed` says how many events made by a time have
    /// not arrived.
    pub(super) fn see(
        &mut self,
        (now, wall): (Duration, SystemTime),
        away: usize,
        owed: impl Fn(Duration) -> usize,
    ) {
        if let Phase::CatchingUp { since, until } = self.phase
            && owed(until) == 0
        {
            self.last().caught_up_s = Some((now - since).as_secs_f64());
            self.phase = Phase::Well;
        }
        match self.phase {
            Phase::Well | Phase::CatchingUp { .. } if away > 0 => {
                let from = rfc3339(wall);
                let noted = Interruption { from, away_s: 0.0, most_away: away, caught_up_s: None };
                self.noted.push(noted);
                self.phase = Phase::Away { since: now };
            }
            Phase::Away { since } => {
                let last = self.last();
                last.most_away = last.most_away.max(away);
                last.away_s = (now - since).as_secs_f64();
                if away == 0 {
                    self.phase = Phase::CatchingUp { since, until: now };
                }
            }
            Phase::Well | Phase::CatchingUp { .. } => {}
        }
    }

    /// Whether somebody is away, or something owed.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Well)
    }

    pub(super) fn interruptions(self) -> Vec<Interruption> {
        self.noted
    }

    fn last(&mut self) -> &mut Interruption {
        self.noted.last_mut().expect("only a phase that begins with one asks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_lasts_until_all_are_back_and_nothing_is_owed() {
        let mut watch = Watch::default();
        let s = Duration::from_secs;
        for (now, away, owed) in [(0, 0, 5), (1, 3, 0), (2, 7, 0), (3, 1, 0), (5, 0, 9), (6, 0, 9)]
        {
            watch.see((s(now), SystemTime::UNIX_EPOCH + s(now)), away, |_| owed);
            assert_eq!(watch.is_open(), now > 0);
        }
        watch.see((s(8), SystemTime::UNIX_EPOCH), 0, |until| usize::from(until != s(5)));
        assert!(!watch.is_open());
        // The second is not over when the measurement ends.
        watch.see((s(9), SystemTime::UNIX_EPOCH), 1, |_| 0);
        let [first, second] = &watch.interruptions()[..] else { panic!("two") };
        assert_eq!(first.from, "1970-01-01T00:00:01.000Z");
        assert_eq!((first.away_s, first.most_away, first.caught_up_s), (4.0, 7, Some(7.0)));
        assert_eq!((second.most_away, second.caught_up_s), (1, None));
    }
}
