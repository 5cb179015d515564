//! What to simulate, and within which bounds.

use std::path::PathBuf;
use std::time::Duration;

/// First level of all topics: the simulated devices must not be taken for real ones.
pub const BASE: &str = "simulation";

/// How long anything may take before the simulation gives up.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    pub devices: usize,
    /// How long the connected fleet is measured; after a restart, once more.
    pub steady: Duration,
    /// How long the broker is away; nothing restarts it when none.
    pub outage: Option<Duration>,
    /// A face visits each device this often, on average.
    pub every: Duration,
    /// Where outboxes are kept; in memory when none.
    pub state_dir: Option<PathBuf>,
}
