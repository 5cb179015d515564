//! What happened to frames, counted from every thread and read by the status.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::contract::payload::Counts;

/// Counts since the start. Relaxed ordering: each is a number of its own.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    captured: AtomicU64,
    bad: AtomicU64,
    detected: AtomicU64,
    rested: AtomicU64,
    reopened: AtomicU64,
    age_us: AtomicU64,
    inference_us: AtomicU64,
    capture_beats: AtomicU64,
    inference_beats: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// The source delivered a frame.
    pub(crate) fn count_captured(&self) {
        count(&self.captured);
    }

    /// A frame was broken.
    pub(crate) fn count_bad(&self) {
        count(&self.bad);
    }

    /// A frame was looked at; `inference` is the network's own time, `age` the time
    /// from the driver's stamp until the faces were known.
    pub(crate) fn count_detected(&self, inference: Duration, age: Duration) {
        count(&self.detected);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.inference_us.store(micros(inference), Ordering::Relaxed);
        self.age_us.store(micros(age), Ordering::Relaxed);
    }

    /// A frame was passed over.
    pub(crate) fn count_rested(&self) {
        count(&self.rested);
    }

    /// The source was opened again.
    pub(crate) fn count_reopened(&self) {
        count(&self.reopened);
    }

    /// The capture thread came round once more.
    pub(crate) fn beat_capture(&self) {
        count(&self.capture_beats);
    }

    /// The inference thread came round once more.
    pub(crate) fn beat_inference(&self) {
        count(&self.inference_beats);
    }

    /// How often the capture and the inference thread came round: what the watchdog
    /// is fed by.
    pub(crate) fn beats(&self) -> (u64, u64) {
        let read = |beats: &AtomicU64| beats.load(Ordering::Relaxed);
        (read(&self.capture_beats), read(&self.inference_beats))
    }

    /// The network's time for the last frame; none before the first.
    pub(crate) fn last_inference(&self) -> Option<Duration> {
        self.last(&self.inference_us)
    }

    /// How old the last frame was when its faces were known; none before the first.
    pub(crate) fn last_age(&self) -> Option<Duration> {
        self.last(&self.age_us)
    }

    fn last(&self, micros: &AtomicU64) -> Option<Duration> {
        let seen = self.detected.load(Ordering::Relaxed) > 0;
        seen.then(|| Duration::from_micros(micros.load(Ordering::Relaxed)))
    }

    /// All of them, since the start.
    pub(crate) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            captured: read(&self.captured),
            bad: read(&self.bad),
            detected: read(&self.detected),
            rested: read(&self.rested),
            reopened: read(&self.reopened),
        }
    }
}
