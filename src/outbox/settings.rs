//! How much waits, and for how long.

use serde::{Deserialize, Serialize};

use crate::limits::{Mistake, within};

/// Section `[mqtt.outbox]`: how much waits for a broker that is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboxSettings {
    /// Events kept at most, 1 to 1 000 000. Default: 10000.
    pub max_events: usize,
    /// Bytes of events kept at most, 65536 to 1073741824. Default: 4194304 (4 MiB).
    pub max_bytes: usize,
    /// Seconds after which an undelivered event is worth nothing, at least 1.
    /// Default: 604800 (a week).
    pub max_age_s: u64,
    /// Seconds from acceptance to delivery after which an event is marked late; one
    /// that waited through a restart always is. Default: 10.
    pub late_after_s: u64,
    /// Seconds after which a waiting event is forced to the disk: what a power
    /// cut may cost. 0 to 3600. Default: 5.
    pub sync_after_s: u64,
}

impl Default for OutboxSettings {
    fn default() -> Self {
        Self {
            max_events: 10_000,
            max_bytes: 4 << 20,
            max_age_s: 7 * 86_400,
            late_after_s: 10,
            sync_after_s: 5,
        }
    }
}

impl OutboxSettings {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key in `[mqtt]` of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        within("outbox.max_events", self.max_events as u64, 1, 1_000_000)?;
        within("outbox.max_bytes", self.max_bytes as u64, 1 << 16, 1 << 30)?;
        within("outbox.max_age_s", self.max_age_s, 1, u64::MAX)?;
        within("outbox.sync_after_s", self.sync_after_s, 0, 3600)
    }
}
