//! What to simulate, and within which bounds.

use std::path::PathBuf;
use std::time::Duration;

/// First level of all topics: nobody must take the simulated devices for real ones.
pub const BASE: &str = "simulation";

/// How long anything may take before the simulation gives up.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many devices, each with a connection of its own.
    pub devices: usize,
    /// How long the connected fleet is measured; after a restart, once more.
    pub steady: Duration,
    /// How long the broker is away; none: it stays.
    pub outage: Option<Duration>,
    /// Whether devices that lost the broker come back spread by chance, as real ones do.
    pub jitter: bool,
    /// A face visits each device this often, on average.
    pub every: Duration,
    /// Where outboxes are kept; in memory when none.
    pub state_dir: Option<PathBuf>,
}
