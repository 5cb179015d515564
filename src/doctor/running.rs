//! Whether a daemon runs with these settings: as a service or started by hand.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

use super::installed::Unit;
use crate::outbox;
use crate::process::has_open;

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
    let device = format!("{:02x}:{:02x}", major(file.dev()), minor(file.dev()));
    let lock = lock.canonicalize().ok()?;
    holder_of(locks, &device, file.ino(), |id| has_open(&id.to_string(), &lock))
}

/// The process with a lock on the file of this number. The list has the device of the file
/// system; where each of its volumes has another one to stat(2), as on btrfs, `has_it` tells.
fn holder_of(locks: &str, device: &str, inode: u64, has_it: impl Fn(u32) -> bool) -> Option<u32> {
    // 1: FLOCK ADVISORY WRITE <pid> <major:minor:inode> 0 EOF
    let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let locking = fields.filter(|fields| fields.get(1) == Some(&"FLOCK"));
    let files = locking.filter_map(|fields| {
        let (device, number) = fields.get(5)?.rsplit_once(':')?;
        (number.parse() == Ok(inode)).then_some((fields.get(4)?.parse().ok()?, device.to_owned()))
    });
    let ours = |(id, of): &(u32, String)| of == device || has_it(*id);
    files.into_iter().find(ours).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::clock::at;
    use crate::outbox::Outbox;
    use crate::outbox::OutboxSettings;

    #[test]
    fn a_lock_is_known_by_its_file_where_the_device_is_another() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 00:1f:260 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 8 00:1f:261 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 11 00:1f:260 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 00:1f:260 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 10 00:20:260 0 EOF\n";
        let holder = |device, inode, has_it| holder_of(locks, device, inode, |id| id == has_it);
        assert_eq!(holder("00:20", 260, 0), Some(10));
        assert_eq!(holder("00:2a", 260, 9), Some(9));
        assert_eq!(holder("00:2a", 260, 10), Some(10));
        assert_eq!((holder("00:2a", 260, 0), holder("00:1f", 1, 7)), (None, None));
    }

    #[test]
    fn a_file_that_a_process_has_open_is_seen() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let path = file.path().canonicalize().expect("there");
        assert!(has_open("self", &path));
        drop(file);
        assert!(!has_open("self", &path));
    }

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
