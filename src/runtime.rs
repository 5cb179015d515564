//! The runtime that a command waits in. One thread carries all tasks of it: they wait for
//! sockets, signals and clocks, and whatever computes or blocks has a thread of its own.

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Kind, Result};

/// # Errors
///
/// The system has no file descriptors left.
pub fn current_thread() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused(Kind::Internal, "cannot start the runtime", error))
}
