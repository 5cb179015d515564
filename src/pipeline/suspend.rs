//! Noticing that the machine slept. The monotonic clock stands still meanwhile, so
//! nothing else tells a track that hours have passed.

use std::time::Duration;

/// A shorter difference is no suspension: the two clocks are read one after the other,
/// and the thread may be interrupted in between.
const LEAST: Duration = Duration::from_secs(1);

/// Remembers how long the machine had slept.
#[derive(Clone, Debug)]
pub(crate) struct SuspendMonitor {
    asleep: Duration,
}

impl SuspendMonitor {
    /// `asleep` is all the time since boot that the machine slept.
    pub(crate) fn new(asleep: Duration) -> Self {
        Self { asleep }
    }

    /// How long it slept since the last call, if it did.
    pub(crate) fn woke(&mut self, asleep: Duration) -> Option<Duration> {
        let slept = asleep.checked_sub(self.asleep).filter(|slept| *slept >= LEAST)?;
        self.asleep = asleep;
        Some(slept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sleep_is_noticed_once() {
        let seconds = Duration::from_secs_f32;
        let mut suspend = SuspendMonitor::new(seconds(100.0));
        assert_eq!(suspend.woke(seconds(100.2)), None);
        assert_eq!(suspend.woke(seconds(99.9)), None);
        assert_eq!(suspend.woke(seconds(7300.0)), Some(seconds(7200.0)));
        assert_eq!(suspend.woke(seconds(7300.0)), None);
    }
}
