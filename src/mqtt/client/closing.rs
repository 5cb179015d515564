//! The end of a session that was told to stop: what is left to do, and until when.

use std::time::Duration;

use tokio::time::Instant;

/// How long [`crate::mqtt::handle::Handle::shutdown`] takes at most.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Of that, how long the outbox may still be emptied.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

pub(super) struct Closing {
    pub drain_until: Instant,
    pub limit: Instant,
    pub farewell_sent: bool,
}

impl Closing {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { drain_until: now + DRAIN_LIMIT, limit: now + CLOSE_LIMIT, farewell_sent: false }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        if self.farewell_sent { self.limit } else { self.drain_until }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.limit
    }
}
