//! The signals that the daemon obeys.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Kind, Result};

/// SIGTERM and SIGINT end the daemon, SIGHUP makes it read its settings again.
pub(super) struct Signals {
    pub stop: StopSignals,
    pub reload: Signal,
}

pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
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
