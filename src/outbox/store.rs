//! The journal behind the outbox, and what has to be done to it on a thread that may wait
//! for the disk.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::entry::{Entries, Entry, Sequence};
use super::journal::{Journal, Rewrite, Written};
use crate::storage::WriteErrors;

/// Keeps entries beyond this process. A full or broken disk must not stop
/// delivery: it is counted, said once, and what the file lacks is written again.
#[derive(Debug)]
pub(super) struct Store {
    journal: Journal,
    /// Entries up to this one are on the disk, whatever happens to the machine.
    synced: Sequence,
    /// A write failed or the clock was set: the file does not say what waits, says more than
    /// that, or says a wrong time.
    incomplete: bool,
    /// The folder could not be forced to disk: a power cut may bring back the file before this
    /// one, whatever is forced to this one.
    unnamed: bool,
    /// A chore was handed out and is not at its end: the disk may be writing the file.
    under_way: bool,
    errors: WriteErrors,
}

/// What is to be done now, where waiting is allowed.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Force the file to disk; entries up to this one are in it.
    Sync(Arc<File>, Sequence),
    /// Write the file anew.
    Rewrite(Rewrite, Sequence),
}

/// A chore that is done, as far as it goes without the store.
pub(crate) enum Done {
    Synced(Sequence),
    Rewritten(Written, Sequence),
}

impl Chore {
    /// Waits for the disk.
    pub(crate) fn run(self) -> io::Result<Done> {
        match self {
            Self::Sync(file, last) => file.sync_data().map(|()| Done::Synced(last)),
            Self::Rewrite(rewrite, last) => Ok(Done::Rewritten(rewrite.write()?, last)),
        }
    }
}

impl Store {
    /// Over a journal that was just opened and holds entries up to `last`: all of them are on
    /// the disk, unless it could not be written anew.
    pub(super) fn new(mut journal: Journal, last: Sequence) -> Self {
        let unclean = journal.take_unclean();
        let (synced, incomplete) = if unclean.is_some() { (0, true) } else { (last, false) };
        let errors = WriteErrors::default();
        let mut store =
            Self { journal, synced, incomplete, unnamed: false, under_way: false, errors };
        store.note(&unclean.map_or(Ok(()), Err));
        store
    }

    pub(super) fn append(&mut self, sequence: Sequence, entry: &Entry) {
        let outcome = self.journal.append(sequence, entry);
        self.incomplete |= outcome.is_err();
        self.note(&outcome);
    }

    /// Notes that an entry is gone; `left` are those that are not.
    pub(super) fn remove(&mut self, sequence: Sequence, left: &Entries) {
        let outcome = if left.is_empty() && !self.under_way {
            // An empty file says the same as one more record, and costs no write.
            self.cut()
        } else {
            // To cut would wait for the chore; that is done at its end. Without this record the
            // event goes out twice after a restart, which its readers know by its id: no reason
            // to write everything again.
            self.journal.remove(sequence)
        };
        // That it went well says nothing: an empty file was not written to, and a disk that has
        // no room for an event may have some for this record. Events that fail would be told of
        // one by one.
        if outcome.is_err() {
            self.note(&outcome);
        }
    }

    /// The chore that was handed out is at its end, and `left` is what waits: if nothing does, the
    /// file is cut now.
    pub(super) fn rest(&mut self, left: &Entries) {
        self.under_way = false;
        if left.is_empty()
            && let Err(error) = self.cut()
        {
            self.note(&Err(error));
        }
    }

    /// An empty file lacks nothing.
    fn cut(&mut self) -> io::Result<()> {
        self.journal.cut().inspect(|()| self.incomplete = false)
    }

    /// What the file says is not what it should: it is to be written anew.
    pub(super) fn ask_for_rewrite(&mut self) {
        self.incomplete = true;
    }

    /// Whether the file should be written anew, `living` being the bytes that wait.
    pub(super) fn wants_rewrite(&self, living: usize) -> bool {
        self.incomplete || self.unnamed || self.journal.is_mostly_history(living)
    }

    /// A power cut could take away entries from this one on.
    pub(super) fn may_lose_from(&self) -> Sequence {
        self.synced.saturating_add(1)
    }

    pub(super) fn begin_rewrite(&mut self, entries: &Entries, last: Sequence) -> Chore {
        // What fails from now on is missing in the new file, too.
        (self.incomplete, self.under_way) = (false, true);
        Chore::Rewrite(self.journal.begin_rewrite(entries), last)
    }

    pub(super) fn begin_sync(&mut self, last: Sequence) -> Chore {
        self.under_way = true;
        Chore::Sync(self.journal.file(), last)
    }

    /// Takes over what a chore did. Gives the last entry of a file that was installed: its
    /// name must be forced to disk before entries count as safe ([`Self::settle`]).
    pub(super) fn finish(&mut self, outcome: io::Result<Done>) -> Option<Sequence> {
        match outcome.and_then(|done| self.take_over(done)) {
            Ok(installed) => {
                self.note(&Ok(()));
                installed
            }
            Err(error) => {
                // The kernel forgets what it could not write (fsync(2)): only a new file
                // can be trusted to have it.
                self.incomplete = true;
                self.note(&Err(error));
                None
            }
        }
    }

    fn take_over(&mut self, done: Done) -> io::Result<Option<Sequence>> {
        match done {
            Done::Synced(last) => {
                self.synced = self.synced.max(last);
                Ok(None)
            }
            Done::Rewritten(written, last) => Ok(self.journal.install(written)?.then_some(last)),
        }
    }

    /// The folder was forced to disk, so the new file is found there. Where that failed, the kernel
    /// forgets what it could not write (fsync(2)): another file is needed.
    pub(super) fn settle(&mut self, outcome: io::Result<()>, last: Sequence) {
        self.unnamed = outcome.is_err();
        if outcome.is_ok() {
            self.synced = self.synced.max(last);
        }
        self.note(&outcome);
    }

    /// Where the journal is.
    pub(super) fn path(&self) -> &Path {
        self.journal.path()
    }

    /// Writes that failed.
    pub(super) fn errors(&self) -> u64 {
        self.errors.count()
    }

    fn note(&mut self, outcome: &io::Result<()>) {
        self.errors.note(outcome, "events are kept in memory only, the outbox cannot write");
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{entry, living};
    use super::*;

    /// A broker that is there acknowledges each before the next one comes.
    #[test]
    fn a_full_disk_is_told_once_whatever_comes_and_goes() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut journal, _) = Journal::open(folder.path()).expect("opens");
        journal.fill_the_disk();
        let mut store = Store::new(journal, 0);
        for sequence in 1..=3 {
            store.append(sequence, &entry("one"));
            store.remove(sequence, &Entries::new());
            assert!(store.errors.are_going_on(), "{sequence}");
        }
        assert_eq!(store.errors(), 3);
    }

    /// A disk that fails is stood for by the error that it gives.
    #[test]
    fn what_a_failed_write_left_out_is_written_again() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut store = with_one(folder.path());
        let chore = store.begin_sync(1);
        drop(chore);
        assert!(!store.wants_rewrite(1 << 20));
        store.finish(Err(io::Error::from_raw_os_error(5)));
        assert!(store.may_lose_from() == 1 && store.wants_rewrite(1 << 20));
        assert_eq!(store.errors(), 1);
        let chore = store_chore(&mut store, &[(1, "one")]);
        let last = store.finish(chore.run());
        assert_eq!(last, Some(1));
        assert_eq!(store.may_lose_from(), 1, "the folder is not on the disk yet");
        store.settle(Ok(()), 1);
        assert!(store.may_lose_from() == 2 && !store.wants_rewrite(1 << 20));
    }

    /// It counted as safe with the next event that was forced to the file.
    #[test]
    fn a_folder_that_could_not_be_forced_to_disk_makes_nothing_safe() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut store = with_one(folder.path());
        for failed in [true, false] {
            let chore = store_chore(&mut store, &[(1, "one")]);
            assert_eq!(store.finish(chore.run()), Some(1));
            let outcome = if failed { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) };
            store.settle(outcome, 1);
            assert_eq!(store.wants_rewrite(1 << 20), failed);
            // Also when nothing waits: what comes next would be in that file.
            store.rest(&Entries::new());
            assert_eq!(store.wants_rewrite(1 << 20), failed);
        }
        assert_eq!(store.may_lose_from(), 2);
    }

    /// With a first entry that was not forced to the disk yet.
    fn with_one(folder: &Path) -> Store {
        let (journal, _) = Journal::open(folder).expect("opens");
        let mut store = Store::new(journal, 0);
        store.append(1, &entry("one"));
        store
    }

    fn store_chore(store: &mut Store, pairs: &[(Sequence, &str)]) -> Chore {
        store.begin_rewrite(&living(pairs), 1)
    }

    #[test]
    fn a_write_that_fails_during_a_rewrite_asks_for_another() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut store = with_one(folder.path());
        let chore = store_chore(&mut store, &[(1, "one")]);
        store.incomplete = true;
        store.finish(chore.run());
        assert!(store.wants_rewrite(1 << 20));
    }
}
