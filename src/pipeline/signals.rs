//! The signals that the daemon obeys. One that comes while nobody reads them is not lost,
//! and does not end the process (signal(7) has SIGHUP do that), from the moment that
//! [`Signals::new`] returns.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::error::{Error, Kind, Result};

/// The handler writes into a pipe, from which the runtime reads when it waits the next time.
const HEARD_WITHIN: Duration = Duration::from_millis(1);

/// SIGTERM and SIGINT end the daemon, SIGHUP makes it read its settings again.
pub struct Signals {
    /// Those that end it.
    pub stop: StopSignals,
    pub(super) reload: Signal,
}

/// SIGTERM and SIGINT.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on. To be called on a runtime, before anything that takes long.
    ///
    /// # Errors
    ///
    /// The system gives no handler or no descriptor for one.
    pub fn new() -> Result<Self> {
        Ok(Self { stop: StopSignals::new()?, reload: listen(SignalKind::hangup())? })
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| Error::caused(Kind::Internal, "cannot listen for signals", error))
}

impl StopSignals {
    /// Listens from now on, as [`Signals::new`].
    ///
    /// # Errors
    ///
    /// As for it.
    pub fn new() -> Result<Self> {
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The name of one that has come, if one has: what the runtime has not been told of yet is
    /// heard, too.
    pub(super) async fn came(&mut self) -> Option<&'static str> {
        timeout(HEARD_WITHIN, self.next()).await.ok()
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn a_signal_that_nobody_has_read_is_heard_at_the_end() {
        let mut stop = Signals::new().expect("handlers").stop;
        assert_eq!(stop.came().await, None);
        kill_process(getpid(), Signal::TERM).expect("sent to ourselves");
        // Another thread may take it, a moment later.
        let limit = Instant::now() + Duration::from_secs(60);
        let heard = loop {
            match stop.came().await {
                None => assert!(Instant::now() < limit, "never heard"),
                heard => break heard,
            }
        };
        assert_eq!(heard, Some("SIGTERM"));
        assert_eq!(stop.came().await, None);
    }
}
