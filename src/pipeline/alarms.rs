//! When what the watcher sees is worth an alarm, and that each is raised once.

use std::time::Duration;

use crate::alarm::Alarm;
use crate::clock::Moment;
use crate::contract::payload::ReasonCode;
use crate::mqtt::stats::Stats;

/// A broker that restarts or a router that reboots is back by then.
const LONG: Duration = Duration::from_secs(300);

/// Without a loss for so long what loses events has passed: the next one is news.
const QUIET: Duration = Duration::from_secs(3600);

/// What was raised already.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    offline_since: Option<Duration>,
    told_offline: bool,
    /// Events lost by the last look.
    lost: u64,
    lost_at: Duration,
    told_lost: bool,
    strained: bool,
    /// What is wrong with the picture, told last.
    tampered: Option<ReasonCode>,
}

impl Alarms {
    /// What has to be raised now, with its words.
    pub(super) fn look(
        &mut self,
        at: Moment,
        mqtt: &Stats,
        strain: Option<&str>,
        tampered: Option<(ReasonCode, &str)>,
    ) -> Vec<(Alarm, String)> {
        let mut raised = Vec::new();
        raised.extend(self.broker(at.monotonic, mqtt).map(|words| (Alarm::BrokerLost, words)));
        raised.extend(self.events(at.monotonic, mqtt).map(|words| (Alarm::EventsLost, words)));
        let strained = std::mem::replace(&mut self.strained, strain.is_some());
        if let Some(why) = strain.filter(|_| !strained) {
            raised.push((Alarm::Strained, why.to_owned()));
        }
        let before = std::mem::replace(&mut self.tampered, tampered.map(|(code, _)| code));
        if let Some((code, why)) = tampered.filter(|(code, _)| before != Some(*code)) {
            raised.push((Alarm::CameraTampered, format!("{}: {why}", code.name())));
        }
        raised
    }

    fn broker(&mut self, now: Duration, mqtt: &Stats) -> Option<String> {
        if mqtt.connected {
            (self.offline_since, self.told_offline) = (None, false);
            return None;
        }
        let away = now.saturating_sub(*self.offline_since.get_or_insert(now));
        if away < LONG || std::mem::replace(&mut self.told_offline, true) {
            return None;
        }
        let why = mqtt.last_error.as_deref().unwrap_or("no connection yet");
        Some(format!(
            "no broker for {} minutes: {why}; {} events wait",
            away.as_secs() / 60,
            mqtt.waiting
        ))
    }

    /// Once until it has passed: a full outbox loses one with every new event. A connection ends
    /// nothing: where it comes and goes, or the broker takes events slowly, the outbox stays full.
    fn events(&mut self, now: Duration, mqtt: &Stats) -> Option<String> {
        let dropped = mqtt.dropped;
        let lost = dropped.full + dropped.expired + dropped.oversized;
        let more = lost > std::mem::replace(&mut self.lost, lost);
        if more {
            self.lost_at = now;
        }
        let is_over = now.saturating_sub(self.lost_at) >= QUIET;
        let told = self.told_lost;
        self.told_lost = (told || more) && !is_over;
        if told || !more {
            return None;
        }
        Some(format!(
            "events are lost: {} since the start ({} outbox full, {} too old, {} too large)",
            lost, dropped.full, dropped.expired, dropped.oversized
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::outbox::Dropped;

    fn at(seconds: u64) -> Moment {
        Moment { monotonic: Duration::from_secs(seconds), wall: SystemTime::UNIX_EPOCH }
    }

    fn raised(alarms: &mut Alarms, seconds: u64, mqtt: &Stats, strain: Option<&str>) -> Vec<Alarm> {
        alarms.look(at(seconds), mqtt, strain, None).into_iter().map(|(alarm, _)| alarm).collect()
    }

    #[test]
    fn a_broker_that_stays_away_is_told_once_per_outage() {
        let (away, there) = (Stats::default(), Stats { connected: true, ..Stats::default() });
        let mut alarms = Alarms::default();
        assert_eq!(raised(&mut alarms, 0, &away, None), []);
        assert_eq!(raised(&mut alarms, 299, &away, None), []);
        assert_eq!(raised(&mut alarms, 300, &away, None), [Alarm::BrokerLost]);
        assert_eq!(raised(&mut alarms, 900, &away, None), []);
        assert_eq!(raised(&mut alarms, 901, &there, None), []);
        assert_eq!(raised(&mut alarms, 902, &away, None), []);
        assert_eq!(raised(&mut alarms, 1202, &away, None), [Alarm::BrokerLost]);
    }

    fn losing(full: u64, connected: bool) -> Stats {
        let dropped = Dropped { full, ..Dropped::default() };
        Stats { connected, dropped, ..Stats::default() }
    }

    #[test]
    fn lost_events_are_told_once_however_often_the_broker_comes_back() {
        let mut alarms = Alarms::default();
        assert_eq!(raised(&mut alarms, 1, &losing(0, false), None), []);
        assert_eq!(raised(&mut alarms, 2, &losing(1, false), None), [Alarm::EventsLost]);
        assert_eq!(raised(&mut alarms, 3, &losing(2, false), None), []);
        assert_eq!(raised(&mut alarms, 4, &losing(2, false), None), []);
        assert_eq!(raised(&mut alarms, 5, &losing(3, false), None), []);
        assert_eq!(raised(&mut alarms, 6, &losing(3, true), None), []);
        assert_eq!(raised(&mut alarms, 7, &losing(4, true), None), [], "it is still full");
        assert_eq!(raised(&mut alarms, 3607, &losing(4, true), None), []);
        assert_eq!(raised(&mut alarms, 3608, &losing(5, true), None), [Alarm::EventsLost]);
    }

    /// A broker that takes events more slowly than they come.
    #[test]
    fn events_that_are_lost_with_a_connection_are_told_once_while_that_goes_on() {
        let mut alarms = Alarms::default();
        let look = |alarms: &mut Alarms, second: u64| {
            raised(alarms, second, &losing(second.min(1000) / 10, true), None)
        };
        let told: Vec<Alarm> = (1..=1000).flat_map(|at| look(&mut alarms, at)).collect();
        assert_eq!(told, [Alarm::EventsLost]);
        for (second, full, told) in [
            (4599, 100, vec![]),
            (4600, 100, vec![]),
            (4601, 101, vec![Alarm::EventsLost]),
            (4602, 102, vec![]),
        ] {
            assert_eq!(raised(&mut alarms, second, &losing(full, true), None), told, "{second}");
        }
    }

    #[test]
    fn a_covered_lens_is_told_when_it_begins() {
        let there = Stats { connected: true, ..Stats::default() };
        let mut alarms = Alarms::default();
        let mut raised = |tampered: Option<ReasonCode>| {
            let tampered = tampered.map(|code| (code, "why"));
            alarms.look(at(1), &there, None, tampered)
        };
        let covered = (Alarm::CameraTampered, "covered: why".to_owned());
        assert_eq!(raised(Some(ReasonCode::Covered)), std::slice::from_ref(&covered));
        assert_eq!(raised(Some(ReasonCode::Covered)), []);
        assert_eq!(raised(Some(ReasonCode::Turned)).len(), 1);
        assert_eq!(raised(None), []);
        assert_eq!(raised(Some(ReasonCode::Covered)), [covered]);
    }

    #[test]
    fn heat_is_told_when_it_begins() {
        let there = Stats { connected: true, ..Stats::default() };
        let mut alarms = Alarms::default();
        assert_eq!(raised(&mut alarms, 1, &there, Some("hot")), [Alarm::Strained]);
        assert_eq!(raised(&mut alarms, 2, &there, Some("hot")), []);
        assert_eq!(raised(&mut alarms, 3, &there, None), []);
        assert_eq!(raised(&mut alarms, 4, &there, Some("hot")), [Alarm::Strained]);
    }
}
