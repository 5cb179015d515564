//! What happened to frames, counted from every thread and read by the status.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counts since the start. Relaxed ordering: each is a number of its own.
#[derive(Debug, Default)]
pub struct Counters {
    captured: AtomicU64,
    bad: AtomicU64,
    detected: AtomicU64,
    reopened: AtomicU64,
}

/// One reading of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames that the source delivered.
    pub captured: u64,
    /// Frames that were truncated, corrupt or flagged by the driver.
    pub bad: u64,
    /// Frames that the detector looked at.
    pub detected: u64,
    /// How often the source had to be opened again.
    pub reopened: u64,
}

impl Counters {
    pub fn count_captured(&self) {
        self.captured.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_bad(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_detected(&self) {
        self.detected.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_reopened(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> Counts {
        Counts {
            captured: self.captured.load(Ordering::Relaxed),
            bad: self.bad.load(Ordering::Relaxed),
            detected: self.detected.load(Ordering::Relaxed),
            reopened: self.reopened.load(Ordering::Relaxed),
        }
    }
}
