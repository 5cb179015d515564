//! The outbox on disk: what a kill or a power cut must not take away.
//!
//! One append-only file of [`record`](super::record)s, replayed at start, rewritten
//! when most of it is history and cut to nothing when nothing waits.
//!
//! **Few writes.** An event is written at once, which survives the end of the
//! process because the page cache does, but forced to the card only when it has
//! waited for `mqtt.outbox.sync_after_s`.
//! While the broker answers, the file is cut again before the kernel has written
//! anything (vm.dirty_expire_centisecs: 30 s), and the card sees next to nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::entry::{Entry, Sequence};
use super::record::{Replay, event_record, removed_record, scan};

/// History that is not worth rewriting the file for.
const SLACK: u64 = 64 << 10;

/// Why the outbox cannot be kept on disk.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "cannot keep the outbox in {}: {source}. Make the folder writable, \
         or set device.state_dir to one that is", path.display()
    )]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "another expressiond uses {}: stop it, or set another device.state_dir", path.display()
    )]
    Locked { path: PathBuf },
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    /// Held for as long as we live; the kernel releases it with the process.
    _lock: File,
}

impl Journal {
    /// Opens the journal in `folder`, which is made if need be.
    pub fn open(folder: &Path) -> Result<(Self, Replay), JournalError> {
        let failed = |source| JournalError::Open { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock_path = folder.join("outbox.lock");
        let lock = File::options().create(true).append(true).open(&lock_path).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| JournalError::Locked { path: lock_path })?;
        let path = folder.join("outbox.journal");
        let replay = match fs::read(&path) {
            Ok(bytes) => scan(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => scan(&[]),
            Err(error) => return Err(failed(error)),
        };
        let (file, size) = open_for_append(&path).map_err(failed)?;
        let mut journal = Self { path, file, size, _lock: lock };
        // Start from a clean file: whatever was damaged would stay for ever otherwise.
        journal.rewrite(&replay.entries).map_err(failed)?;
        Ok((journal, replay))
    }

    pub fn append(&mut self, sequence: Sequence, entry: &Entry) -> io::Result<()> {
        self.write(&event_record(sequence, entry))
    }

    pub fn remove(&mut self, sequence: Sequence) -> io::Result<()> {
        self.write(&removed_record(sequence))
    }

    /// One write per record: with O_APPEND it is whole or, on a full disk, torn
    /// at the end, which the next scan steps over.
    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.file.write_all(record)?;
        self.size += record.len() as u64;
        Ok(())
    }

    /// Keeps the file in proportion to what waits. `living` is its size in bytes.
    pub fn tidy(&mut self, entries: &BTreeMap<Sequence, Entry>, living: usize) -> io::Result<()> {
        if entries.is_empty() && self.size > 0 {
            self.file.set_len(0)?;
            self.size = 0;
        } else if self.size > SLACK + 2 * living as u64 {
            self.rewrite(entries)?;
        }
        Ok(())
    }

    /// Replaces the file by one with these entries only: written beside it, forced
    /// to disk, renamed over it (rename(2) is atomic), and the folder forced.
    fn rewrite(&mut self, entries: &BTreeMap<Sequence, Entry>) -> io::Result<()> {
        if entries.is_empty() {
            self.file.set_len(0)?;
            self.size = 0;
            return Ok(());
        }
        let fresh = self.path.with_extension("new");
        let bytes: Vec<u8> = entries.iter().flat_map(|(s, e)| event_record(*s, e)).collect();
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        (self.file, self.size) = open_for_append(&self.path)?;
        Ok(())
    }

    /// A second handle to force the file to disk with, off the caller's thread.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

fn open_for_append(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::entry;
    use super::*;

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
        assert_eq!(replay.entries, BTreeMap::from([(2, entry("two"))]));
        assert_eq!(replay.next, 3);
        journal.remove(2).expect("written");
        journal.tidy(&BTreeMap::new(), 0).expect("cut");
        assert_eq!(fs::metadata(&journal.path).expect("there").len(), 0);
    }

    #[test]
    fn history_is_rewritten_before_it_outgrows_what_waits() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut journal, _) = Journal::open(folder.path()).expect("opens");
        let living = BTreeMap::from([(1, entry("one"))]);
        journal.append(1, &living[&1]).expect("written");
        let mut largest = 0;
        for sequence in 2..5_000 {
            journal.append(sequence, &entry("gone")).expect("written");
            journal.remove(sequence).expect("written");
            journal.tidy(&living, 100).expect("tidied");
            largest = largest.max(fs::metadata(&journal.path).expect("there").len());
        }
        assert!(largest < SLACK + 1_000, "grew to {largest} bytes");
        drop(journal);
        assert_eq!(Journal::open(folder.path()).expect("opens").1.entries, living);
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
}
