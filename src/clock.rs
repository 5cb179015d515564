//! Time as an input: pure code takes a [`Moment`], only the edges ask a [`Clock`].

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// One instant, told by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time on `CLOCK_MONOTONIC` (the clock of V4L2 buffer timestamps): never
    /// steps, and is what every duration and deadline is computed from.
    pub monotonic: Duration,
    /// Wall-clock time: may step at any moment, only ever printed.
    pub wall: SystemTime,
}

/// 2024-01-01, before the first release: a clock that tells an earlier time was not set
/// since the board got its power.
const NEVER_SET: Duration = Duration::from_secs(1_704_067_200);

/// Whether `wall` was told by a clock that nobody had set: it lies before 2024.
pub fn never_set(wall: SystemTime) -> bool {
    wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() < NEVER_SET
}

/// RFC 3339 in UTC with milliseconds, as every payload writes time. A time before 1970, as one
/// is that was corrected after a clock was set back to its beginning, counts as 1970: humantime
/// panics at it.
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

/// Where [`Moment`]s come from: the machine, or a test that says what time it is.
pub trait Clock: Send + Sync {
    /// This instant.
    fn now(&self) -> Moment;

    /// How long the machine has slept since boot. `CLOCK_MONOTONIC` stands still while it
    /// sleeps and `CLOCK_BOOTTIME` does not (clock_gettime(2)): this is the difference.
    fn asleep(&self) -> Duration {
        Duration::ZERO
    }

    /// This instant on a clock that goes on while the machine sleeps: for what waits.
    fn now_with_sleep(&self) -> Moment {
        let now = self.now();
        Moment { monotonic: now.monotonic + self.asleep(), ..now }
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment { monotonic: read(ClockId::Monotonic), wall: SystemTime::now() }
    }

    fn asleep(&self) -> Duration {
        read(ClockId::Boottime).saturating_sub(read(ClockId::Monotonic))
    }
}

/// CPU time of all threads of this process.
pub fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Both clocks so many seconds after their beginning.
#[cfg(test)]
pub(crate) fn at(seconds: u64) -> Moment {
    let since = Duration::from_secs(seconds);
    Moment { monotonic: since, wall: SystemTime::UNIX_EPOCH + since }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_is_written_as_1970() {
        let epoch = SystemTime::UNIX_EPOCH;
        let second = Duration::from_secs(1);
        assert_eq!(rfc3339(epoch + second), "1970-01-01T00:00:01.000Z");
        assert_eq!(rfc3339(epoch - second), "1970-01-01T00:00:00.000Z");
    }
}
