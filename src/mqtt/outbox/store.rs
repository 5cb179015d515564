//! The journal behind the outbox, when there is one that works.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use super::entry::{Entry, Sequence};
use super::journal::Journal;
use crate::alarm::Alarm;

/// Keeps entries beyond this process. A full or broken disk must not stop
/// delivery: it is counted, said once, and tried again with the next event.
#[derive(Debug)]
pub(super) struct Store {
    journal: Journal,
    errors: u64,
    failing: bool,
}

impl Store {
    pub fn new(journal: Journal) -> Self {
        Self { journal, errors: 0, failing: false }
    }

    pub fn append(&mut self, sequence: Sequence, entry: &Entry) {
        self.attempt(|journal| journal.append(sequence, entry));
    }

    /// Notes that an entry is gone; `left` are those that are not, of `bytes` in all.
    pub fn remove(&mut self, sequence: Sequence, left: &BTreeMap<Sequence, Entry>, bytes: usize) {
        self.attempt(|journal| {
            // An empty file says the same as one more record, and costs no write.
            if !left.is_empty() {
                journal.remove(sequence)?;
            }
            journal.tidy(left, bytes)
        });
    }

    /// The file, to be forced to disk.
    pub fn handle(&self) -> Option<File> {
        self.journal.handle().ok()
    }

    /// Writes that failed.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    fn attempt(&mut self, write: impl FnOnce(&mut Journal) -> io::Result<()>) {
        match write(&mut self.journal) {
            Ok(()) => self.failing = false,
            Err(error) => {
                self.errors += 1;
                if !self.failing {
                    log::error!(message_id = Alarm::StoreFailed.id();
                        "events are kept in memory only, the outbox cannot write: {error}");
                }
                self.failing = true;
            }
        }
    }
}
