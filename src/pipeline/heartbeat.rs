//! How often the threads come round, so that systemd's watchdog is fed in time.

use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::service::{Service, watchdog_interval};

/// How long one read of a camera may take before it counts as lost: twice the slowest rate
/// that can be set, one frame a second.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(2);
/// The same until its first picture: some start their sensor only when it is wanted, and take
/// three seconds. A stop waits for longer than this.
pub(super) const START_LIMIT: Duration = Duration::from_secs(4);
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

/// What to say of a watchdog that may lose its patience with a driver that is only slow:
/// half its time is kept free, as for a machine that is busy.
pub(crate) fn impatience(watchdog: Duration) -> Option<String> {
    let longest_gap = START_LIMIT + 2 * period(Some(watchdog));
    (longest_gap >= watchdog / 2).then(|| {
        format!(
            "WatchdogSec={} is short: a camera may take {} s for a frame, and systemd might end \
             the daemon meanwhile; 13 s are enough",
            watchdog.as_secs_f64(),
            START_LIMIT.as_secs()
        )
    })
}

/// How long a start may take: `TimeoutStartSec=` of the units.
const STARTING: Duration = Duration::from_secs(90);

/// Feeds the watchdog while the model is loaded and tested, for as long as a start may take.
///
/// After a reload the process is another program's, and the watchdog that of before: systemd does
/// not wait for `READY=1` with it. On a slow board a model takes longer than that, and neither
/// TensorFlow Lite nor the self-test tells in between how far it is. This proves only that a timer
/// runs; so it ends, and one that hangs is ended a watchdog's time later.
pub async fn feed_while_starting() -> ! {
    if let Some(watchdog) = watchdog_interval() {
        let (service, end) = (Service::default(), Instant::now() + STARTING);
        let mut feeding = interval(period(Some(watchdog)).max(Duration::from_millis(1)));
        while feeding.tick().await < end {
            service.alive();
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_wait_for_a_slow_driver_and_a_slow_start() {
        for unit in [
            include_str!("../../deploy/systemd/expressiond.service"),
            include_str!("../../deploy/systemd/expressiond@.service"),
        ] {
            let seconds = |key: &str| {
                let line = unit.lines().find_map(|line| line.strip_prefix(key));
                Duration::from_secs(line.expect("set").parse().expect("seconds"))
            };
            assert_eq!(impatience(seconds("WatchdogSec=")), None);
            assert_eq!(seconds("TimeoutStartSec="), STARTING);
        }
    }

    #[test]
    fn a_watchdog_that_a_slow_driver_outlasts_is_told_of() {
        let words = impatience(Duration::from_secs(8)).expect("too short");
        assert!(words.contains("WatchdogSec=8 ") && words.contains("13 s"), "{words}");
        assert_eq!(impatience(Duration::from_secs(13)), None);
    }

    #[test]
    fn an_impatient_watchdog_is_fed_four_times_and_a_patient_one_each_second() {
        assert_eq!(period(Some(Duration::from_secs(2))), Duration::from_millis(250));
        assert_eq!(period(Some(Duration::from_secs(3600))), LONGEST);
        assert_eq!(period(None), LONGEST);
    }
}
