//! How often the threads come round, so that systemd's watchdog is fed in time.

use std::time::Duration;

/// Without a watchdog, or with a patient one: how often the daemon looks at itself.
const LONGEST: Duration = Duration::from_secs(1);
/// How many times a thread comes round while the watchdog waits. It is fed by a look at
/// the threads, each of which came round since the last look: two periods at most, a
/// quarter of its time. sd_watchdog_enabled(3) recommends half of it.
const ROUNDS: u32 = 8;

/// How long a thread or the daemon's look may take from round to round, given what the
/// watchdog waits for (`WATCHDOG_USEC`), if there is one. Every wait of a thread is as
/// short as this or is cut into such pieces; only a driver may take longer.
pub(crate) fn period(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(LONGEST, |watchdog| (watchdog / ROUNDS).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::capture::READ_LIMIT;

    #[test]
    fn the_units_watchdog_waits_for_a_slow_driver() {
        for unit in [
            include_str!("../../deploy/systemd/expressiond.service"),
            include_str!("../../deploy/systemd/expressiond@.service"),
        ] {
            let line = unit.lines().find_map(|line| line.strip_prefix("WatchdogSec="));
            let watchdog = Duration::from_secs(line.expect("set").parse().expect("seconds"));
            let longest_gap = READ_LIMIT + 2 * period(Some(watchdog));
            assert!(longest_gap < watchdog / 2, "{longest_gap:?} of {watchdog:?}");
        }
    }

    #[test]
    fn an_impatient_watchdog_is_fed_four_times_and_a_patient_one_each_second() {
        assert_eq!(period(Some(Duration::from_secs(2))), Duration::from_millis(250));
        assert_eq!(period(Some(Duration::from_secs(3600))), LONGEST);
        assert_eq!(period(None), LONGEST);
    }
}
