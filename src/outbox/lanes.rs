//! Which event goes next.
//!
//! Two lanes. *Live* holds what happened while connected; *backlog* what waited
//! for a connection. Live goes first, so that a light still follows a smile while
//! an hour of outage is being caught up; but an event whose track still has
//! something in the backlog queues behind it, so that the order within a track
//! never breaks.

use std::collections::{HashMap, HashSet, VecDeque};

use super::entry::{Entries, Sequence};

/// Numbers of entries in both lanes. Those of entries that are gone, or held, are passed
/// over when their turn comes: once, since they leave their lane by it.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    live: VecDeque<Sequence>,
    backlog: VecDeque<Sequence>,
    /// How many entries of a track wait in the backlog; absent means none.
    backlog_of: HashMap<String, usize>,
}

impl Lanes {
    /// Takes a new entry: into the live lane, if it may and its track lets it.
    pub(super) fn push(&mut self, sequence: Sequence, track: &str, live: bool) {
        if live && !self.backlog_of.contains_key(track) {
            self.live.push_back(sequence);
        } else {
            self.backlog.push_back(sequence);
            *self.backlog_of.entry(track.to_owned()).or_default() += 1;
        }
    }

    /// All entries but those in flight wait again, in their order.
    pub(super) fn rewind(&mut self, entries: &Entries, in_flight: &HashSet<Sequence>) {
        *self = Self::default();
        for (sequence, entry) in entries {
            if !in_flight.contains(sequence) {
                self.push(*sequence, &entry.track, false);
            }
        }
    }

    /// The next entry that is still there and whose topic is not held. What is held comes
    /// back with [`Self::rewind`]: however much of it waits, it is looked at once until then.
    pub(super) fn take(&mut self, entries: &Entries, held: &HashSet<String>) -> Option<Sequence> {
        while let Some(sequence) = self.live.pop_front() {
            if entries.get(&sequence).is_some_and(|entry| !held.contains(&entry.topic)) {
                return Some(sequence);
            }
        }
        while let Some(sequence) = self.backlog.pop_front() {
            let Some(entry) = entries.get(&sequence) else { continue };
            self.forget(&entry.track);
            if !held.contains(&entry.topic) {
                return Some(sequence);
            }
        }
        None
    }

    /// An entry of `track` is gone, perhaps before its turn.
    pub(super) fn gone(&mut self, sequence: Sequence, track: &str) {
        // The backlog is ordered.
        if self.backlog.binary_search(&sequence).is_ok() {
            self.forget(track);
        }
    }

    fn forget(&mut self, track: &str) {
        if let Some(count) = self.backlog_of.get_mut(track) {
            *count -= 1;
            if *count == 0 {
                self.backlog_of.remove(track);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_clear(&self) -> bool {
        self.live.is_empty() && self.backlog.is_empty() && self.backlog_of.is_empty()
    }
}
