//! Whether a daemon runs with these settings: as a service or started by hand.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

use super::installed::Unit;
use crate::outbox;

/// A daemon that runs, seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Running {
    /// The unit's name, or words with the process id.
    pub who: String,
    /// What it told systemd last; none when it was started by hand.
    pub status: Option<String>,
}

impl Running {
    /// The unit's process, or whoever locks the outbox in `state_dir`.
    pub(crate) fn find(unit: Option<&Unit>, state_dir: Option<&Path>) -> Option<Self> {
        if let Some(unit) = unit.filter(|unit| unit.main_pid.is_some()) {
            let status = Some(unit.status.clone()).filter(|status| !status.is_empty());
            return Some(Self { who: unit.name.clone(), status });
        }
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let pid = holder(&locks, &outbox::lock_file(state_dir?))?;
        Some(Self { who: format!("a daemon started by hand (process {pid})"), status: None })
    }
}

/// The process that holds the lock on the outbox, from the kernel's list (proc_locks(5)).
/// Trying to take the lock instead could keep a daemon from starting at that moment.
fn holder(locks: &str, lock: &Path) -> Option<u32> {
    let file = fs::metadata(lock).ok()?;
    let device = file.dev();
    let wanted = format!("{:02x}:{:02x}:{}", major(device), minor(device), file.ino());
    // 1: FLOCK ADVISORY WRITE <pid> <major:minor:inode> 0 EOF
    let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.into_iter().find_map(|fields| {
        let ours = fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&wanted.as_str());
        ours.then(|| fields.get(4)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::clock::at;
    use crate::outbox::Outbox;
    use crate::outbox::OutboxSettings;

    #[test]
    fn a_daemon_started_by_hand_is_found_by_its_lock() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert_eq!(Running::find(None, Some(folder.path())), None);
        let outbox = Outbox::open(OutboxSettings::default(), folder.path(), at(0)).expect("opens");
        let found = Running::find(None, Some(folder.path())).expect("found");
        assert!(found.who.contains(&std::process::id().to_string()), "{found:?}");
        drop(outbox);
        // A child that another test starts just now holds the lock until its exec(2).
        let limit = Instant::now() + Duration::from_secs(60);
        while Running::find(None, Some(folder.path())).is_some() {
            assert!(Instant::now() < limit, "still found");
            std::thread::yield_now();
        }
    }
}
