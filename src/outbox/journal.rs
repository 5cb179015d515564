//! The outbox on disk: what a kill or a power cut must not take away.
//!
//! One append-only file of [`record`](super::record)s, replayed at start, rewritten
//! when most of it is history and cut to nothing when nothing waits.
//!
//! **Few writes, and no waiting.** An event is written at once, which survives the end of
//! the process because the page cache does, but forced to the card only when it has
//! waited for `mqtt.outbox.sync_after_s`. That, and rewriting, wait for the disk, and are
//! for a thread of their own ([`store`](super::store)).
//! While the broker answers, the file is cut again before the kernel has written
//! anything (vm.dirty_expire_centisecs: 30 s), and the card sees next to nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::entry::{Entries, Entry, Sequence};
use super::record::{Replay, event_record, removed_record, scan};
use crate::storage::{self, PRIVATE, Replacement, if_there};

/// History that is not worth rewriting the file for.
const SLACK: u64 = 64 << 10;

/// Why the outbox cannot be kept on disk.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or a file in it cannot be written.
    #[error(
        "cannot keep the outbox in {}: {source}. Make the folder writable, \
         or set device.state_dir to one that is", path.display()
    )]
    Open {
        /// `device.state_dir`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system does not lock files.
    #[error(
        "cannot lock {}: {source}. Set device.state_dir to a folder of a file system that has \
         locks (flock(2))", path.display()
    )]
    Unlockable {
        /// The file by which the outbox would be locked.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "another expressiond uses {}: stop it, or set another device.state_dir", path.display()
    )]
    Locked {
        /// The file by which it is locked.
        path: PathBuf,
    },
}

/// The file, as it is written to: every method but [`Journal::open`] writes to the page
/// cache at most and leaves the waiting for the disk to somebody else.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
    /// How often the file was cut to nothing: whether a [`Rewrite`] is out of date.
    cuts: u64,
    /// Why the file was not written anew when it was opened.
    unclean: Option<io::Error>,
    /// Held for as long as we live; the kernel releases it with the process.
    _lock: File,
}

/// Whoever has the outbox in `folder` holds a lock on this file (flock(2)).
pub(crate) fn lock_file(folder: &Path) -> PathBuf {
    folder.join("outbox.lock")
}

/// Why there is no lock: only one error says that another process has it (flock(2)).
fn not_locked(path: PathBuf, error: Errno) -> JournalError {
    match error {
        Errno::WOULDBLOCK => JournalError::Locked { path },
        other => JournalError::Unlockable { path, source: other.into() },
    }
}

impl Journal {
    /// Opens the journal in `folder`, which is made if need be. It is written anew; where
    /// that fails, as on a full disk, the old file is gone on with ([`Self::take_unclean`]).
    pub(super) fn open(folder: &Path) -> Result<(Self, Replay), JournalError> {
        let failed = |source| JournalError::Open { path: folder.to_owned(), source };
        storage::make_folder(folder).map_err(failed)?;
        let lock_path = lock_file(folder);
        let mut options = File::options();
        let lock = options.create(true).append(true).mode(PRIVATE).open(&lock_path);
        let lock = lock.map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| not_locked(lock_path, error))?;
        let path = folder.join("outbox.journal");
        let file = if_there(File::open(&path)).map_err(failed)?;
        let replay = file.map_or_else(|| scan(io::empty()), scan).map_err(failed)?;
        // Start from a clean file: whatever was damaged would stay for ever otherwise.
        let (file, size, unclean) = match clean_file(&path, &replay.entries) {
            Ok((file, size)) => (file, size, None),
            Err(error) => {
                let (file, size) = old_file(&path).map_err(failed)?;
                (file, size, Some(error))
            }
        };
        let file = Arc::new(file);
        Ok((Self { path, file, size, cuts: 0, unclean, _lock: lock }, replay))
    }

    /// Why the file is still the one of the earlier run, if it is: damage and history are in
    /// it, and perhaps not all of it is on the disk.
    pub(super) fn take_unclean(&mut self) -> Option<io::Error> {
        self.unclean.take()
    }

    pub(super) fn append(&mut self, sequence: Sequence, entry: &Entry) -> io::Result<()> {
        self.write(&event_record(sequence, entry))
    }

    pub(super) fn remove(&mut self, sequence: Sequence) -> io::Result<()> {
        self.write(&removed_record(sequence))
    }

    /// One write per record. A full disk may tear it at the end: what stands of it is cut
    /// off, so that the size is still known. Should that fail, too, the next scan steps
    /// over it.
    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(record) {
            let _ = self.file.set_len(self.size);
            return Err(error);
        }
        self.size += record.len() as u64;
        Ok(())
    }

    /// Nothing waits any more: an empty file says so. It waits for the disk where that is just
    /// writing what is cut (ftruncate(2) waits for such pages).
    pub(super) fn cut(&mut self) -> io::Result<()> {
        if self.size > 0 {
            self.file.set_len(0)?;
            self.size = 0;
        }
        // Also of an empty file: a rewrite that is under way has in it what a full disk did not
        // take here.
        self.cuts += 1;
        Ok(())
    }

    /// Whether most of the file is history, `living` being the bytes that wait.
    pub(super) fn is_mostly_history(&self, living: usize) -> bool {
        self.size > SLACK + 2 * living as u64
    }

    /// What it takes to write the file anew, while this one is appended to.
    pub(super) fn begin_rewrite(&self, entries: &Entries) -> Rewrite {
        let (path, entries) = (self.path.clone(), entries.clone());
        Rewrite { path, entries, from: self.size, cuts: self.cuts }
    }

    /// Puts a new file in the place of this one, with what was appended here meanwhile.
    /// False when it is out of date. The name is on the disk after
    /// [`storage::sync_folder_of`] only.
    pub(super) fn install(&mut self, written: Written) -> io::Result<bool> {
        let Written { mut fresh, from, cuts } = written;
        if cuts != self.cuts {
            return Ok(false);
        }
        // Cannot exceed memory: what is appended in the time of one rewrite.
        let mut tail = vec![0; usize::try_from(self.size - from).unwrap_or(0)];
        self.file.read_exact_at(&mut tail, from)?;
        fresh.file().write_all(&tail)?;
        let size = fresh.file().metadata()?.len();
        // The open file goes along with its name, so there is no moment at which records
        // are appended to a file that has none.
        (self.file, self.size) = (Arc::new(fresh.install()?), size);
        // Another one that was begun before goes by the old file.
        self.cuts += 1;
        Ok(true)
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// From now on as on a full disk: full(4).
    #[cfg(test)]
    pub(super) fn fill_the_disk(&mut self) {
        let full = File::options().append(true).open("/dev/full");
        (self.file, self.size) = (Arc::new(full.expect("opens")), 0);
    }

    /// The file, to be forced to disk off the caller's thread. Shared and not opened once
    /// more: a process that has no descriptor left can still make events safe.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

/// A journal that is to be written anew.
#[derive(Debug)]
pub(crate) struct Rewrite {
    path: PathBuf,
    entries: Entries,
    /// What of the old file is in `entries`.
    from: u64,
    cuts: u64,
}

/// A journal that was written anew and stands beside the old one.
pub(crate) struct Written {
    fresh: Replacement,
    from: u64,
    cuts: u64,
}

impl Rewrite {
    /// Writes the entries into a file beside the old one. Waits for the disk.
    pub(crate) fn write(self) -> io::Result<Written> {
        let fresh = fresh_file(&self.path, &self.entries)?;
        Ok(Written { fresh, from: self.from, cuts: self.cuts })
    }
}

/// A file with these entries only, beside the one whose place it is to take. Waits for the disk.
fn fresh_file(path: &Path, entries: &Entries) -> io::Result<Replacement> {
    let mut fresh = Replacement::beside(path, PRIVATE)?;
    // One by one: all of them together would be in memory once more.
    for (sequence, entry) in entries {
        fresh.file().write_all(&event_record(*sequence, entry))?;
    }
    fresh.sync()?;
    Ok(fresh)
}

/// A file with these entries only, and its size. Waits for the disk.
fn clean_file(path: &Path, entries: &Entries) -> io::Result<(File, u64)> {
    let file = fresh_file(path, entries)?.install()?;
    storage::sync_folder_of(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// The file as it is, and its size. It may be missing, as before the first event.
fn old_file(path: &Path) -> io::Result<(File, u64)> {
    let mut options = File::options();
    let file = options.create(true).read(true).append(true).mode(PRIVATE).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::record::tests::{entry, living};
    use super::*;

    fn replayed(folder: &Path) -> Entries {
        Journal::open(folder).expect("opens").1.entries
    }

    #[test]
    fn survives_reopening_and_shrinks_when_empty() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut journal, replay) = Journal::open(folder.path()).expect("opens");
        assert_eq!(replay.next, 1);
        journal.append(1, &entry("one")).expect("written");
        journal.append(2, &entry("two")).expect("written");
        journal.remove(1).expect("written");
        drop(journal);
        let (mut journal, replay) = Journal::open(folder.path()).expect("opens again");
        assert_eq!(replay.entries, living(&[(2, "two")]));
        assert_eq!(replay.next, 3);
        journal.remove(2).expect("written");
        journal.cut().expect("cut");
        assert_eq!(fs::metadata(&journal.path).expect("there").len(), 0);
    }

    /// As at a stop while one is under way.
    #[test]
    fn of_two_that_were_begun_at_once_the_first_counts() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut journal, _) = Journal::open(folder.path()).expect("opens");
        for (sequence, text) in [(1, "one"), (2, "two"), (3, "three")] {
            journal.append(sequence, &entry(text)).expect("written");
        }
        let [first, second] = [(); 2].map(|()| journal.begin_rewrite(&living(&[(3, "three")])));
        assert!(journal.install(first.write().expect("written")).expect("installed"));
        assert!(!journal.install(second.write().expect("written")).expect("passed over"));
        drop(journal);
        assert_eq!(replayed(folder.path()), living(&[(3, "three")]));
    }

    #[test]
    fn what_is_appended_while_it_is_rewritten_is_in_the_new_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut journal, _) = Journal::open(folder.path()).expect("opens");
        for (sequence, text) in [(1, "one"), (2, "two")] {
            journal.append(sequence, &entry(text)).expect("written");
        }
        let rewrite = journal.begin_rewrite(&living(&[(2, "two")]));
        journal.append(3, &entry("three")).expect("written");
        let written = rewrite.write().expect("written");
        journal.remove(2).expect("written");
        assert!(journal.install(written).expect("installed"));
        journal.append(4, &entry("four")).expect("written");
        assert_eq!(journal.size, fs::metadata(&journal.path).expect("there").len());
        drop(journal);
        let expected = living(&[(3, "three"), (4, "four")]);
        assert_eq!(replayed(folder.path()), expected);
    }

    #[test]
    fn a_rewrite_that_is_out_of_date_brings_nothing_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut journal, _) = Journal::open(folder.path()).expect("opens");
        journal.append(1, &entry("one")).expect("written");
        let written = journal.begin_rewrite(&living(&[(1, "one")])).write().expect("written");
        journal.cut().expect("cut");
        // As long as before, with something else in it.
        journal.append(2, &entry("two")).expect("written");
        assert!(!journal.install(written).expect("looked at"));
        drop(journal);
        assert_eq!(replayed(folder.path()), living(&[(2, "two")]));
    }

    /// A full disk had not taken the event, and the broker has it before the new file is there.
    #[test]
    fn a_rewrite_brings_nothing_back_that_the_file_never_had() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut journal, _) = Journal::open(folder.path()).expect("opens");
        let written = journal.begin_rewrite(&living(&[(1, "one")])).write().expect("written");
        journal.cut().expect("cut");
        assert!(!journal.install(written).expect("looked at"));
        drop(journal);
        assert_eq!(replayed(folder.path()), Entries::new());
    }

    #[test]
    fn only_its_owner_reads_it_whatever_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("temporary folder");
        let state = folder.path().join("state");
        let (journal, _) = Journal::open(&state).expect("opens");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&journal.path)), (0o700, 0o600));
        assert_eq!(mode(&state.join("outbox.lock")), 0o600);
    }

    #[test]
    fn two_daemons_do_not_share_one_folder() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let first = Journal::open(folder.path()).expect("opens");
        let second = Journal::open(folder.path()).expect_err("locked");
        assert!(matches!(second, JournalError::Locked { .. }), "{second}");
        drop(first);
        Journal::open(folder.path()).expect("free again");
    }

    #[test]
    fn only_who_is_locked_out_looks_for_another_daemon() {
        let told = |error| not_locked("state/outbox.lock".into(), error).to_string();
        assert!(told(Errno::WOULDBLOCK).contains("another expressiond"));
        let unlockable = told(Errno::NOLCK);
        assert!(!unlockable.contains("another") && unlockable.contains("device.state_dir"));
    }
}
