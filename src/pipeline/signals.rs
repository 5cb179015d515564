//! The signals that the daemon obeys. One that comes while nobody reads them is not lost,
//! and does not end the process (signal(7) has SIGHUP do that), from the moment that
//! [`Signals::new`] returns.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Kind, Result};

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
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Error::caused(Kind::Internal, "cannot listen for signals", error))
        };
        let stop = StopSignals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        };
        Ok(Self { stop, reload: listen(SignalKind::hangup())? })
    }
}

impl StopSignals {
    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
