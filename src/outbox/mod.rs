//! Events on their way: kept until the broker has acknowledged them.
//!
//! The [`lanes`] say which goes next. After a lost connection all unacknowledged
//! events wait again, in their old order. The [`journal`] keeps them beyond this
//! process.
//!
//! The outbox is bounded in number, bytes and age. What has to go is always the
//! oldest, and every loss is counted by its cause.

mod entry;
mod journal;
mod lanes;
mod record;
pub(crate) mod settings;
mod store;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use self::entry::Entries;
pub use self::entry::{Accepted, Entry, Sequence};
use self::journal::Journal;
pub use self::journal::JournalError;
pub(crate) use self::journal::lock_file;
use self::lanes::Lanes;
pub use self::settings::OutboxSettings;
use self::store::Store;
pub(crate) use self::store::{Chore, Done};
use crate::clock::Moment;

/// Losses since the start, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// There was no room: the oldest event went.
    pub full: u64,
    /// Older than `max_age_s`.
    pub expired: u64,
    /// Larger than `mqtt.max_packet_bytes`: refused at the door.
    pub oversized: u64,
}

/// Events until the broker has acknowledged them, in their order, within bounds.
#[derive(Debug)]
pub struct Outbox {
    settings: OutboxSettings,
    entries: Entries,
    /// When those of an earlier run were read, or their times were put right last.
    read: Moment,
    bytes: usize,
    next: Sequence,
    lanes: Lanes,
    connected: bool,
    /// Topics that the broker refuses: nothing for them is handed out.
    held: HashSet<String>,
    /// Handed out, and neither acknowledged nor refused yet.
    in_flight: HashSet<Sequence>,
    dropped: Dropped,
    store: Option<Store>,
}

impl Outbox {
    /// An outbox in memory only.
    pub fn new(settings: OutboxSettings) -> Self {
        Self {
            settings,
            entries: Entries::new(),
            // There are none.
            read: Moment { monotonic: Duration::ZERO, wall: SystemTime::UNIX_EPOCH },
            bytes: 0,
            next: 1,
            lanes: Lanes::default(),
            connected: false,
            held: HashSet::new(),
            in_flight: HashSet::new(),
            dropped: Dropped::default(),
            store: None,
        }
    }

    /// An outbox that goes on where the journal in `folder` ends; times count the machine's
    /// sleep.
    ///
    /// # Errors
    ///
    /// The folder cannot be written, or another process has it.
    pub fn open(
        settings: OutboxSettings,
        folder: &Path,
        now: Moment,
    ) -> Result<Self, JournalError> {
        let (journal, replay) = Journal::open(folder)?;
        if !replay.entries.is_empty() || replay.damaged > 0 {
            log::info!(events = replay.entries.len(), damaged_bytes = replay.damaged;
                "events of an earlier run wait in the outbox");
        }
        let mut outbox = Self::new(settings);
        outbox.bytes = replay.entries.values().map(|entry| entry.bytes()).sum();
        (outbox.entries, outbox.read) = (replay.entries, now);
        outbox.next = replay.next;
        outbox.store = Some(Store::new(journal, replay.next - 1));
        outbox.make_room(0);
        outbox.lost();
        Ok(outbox)
    }

    /// Takes an event in; makes room by dropping the oldest.
    pub fn push(&mut self, entry: Entry) {
        self.make_room(entry.bytes());
        let sequence = self.next;
        self.next += 1;
        self.bytes += entry.bytes();
        if let Some(store) = &mut self.store {
            store.append(sequence, &entry);
        }
        self.lanes.push(sequence, &entry.track, self.connected);
        self.entries.insert(sequence, Arc::new(entry));
    }

    /// Drops the oldest until another of `bytes` fits.
    fn make_room(&mut self, bytes: usize) {
        let adding = usize::from(bytes > 0);
        while self.entries.len() + adding > self.settings.max_events
            || (self.bytes + bytes > self.settings.max_bytes && !self.entries.is_empty())
        {
            self.drop_oldest();
            self.dropped.full += 1;
        }
    }

    /// A connection stands: what comes now is live.
    pub fn connected(&mut self) {
        self.connected = true;
    }

    /// The connection is gone: everything unacknowledged must go again.
    pub fn lost(&mut self) {
        self.connected = false;
        self.in_flight.clear();
        self.release();
    }

    /// The broker did not take this event. That is not delivery, and not the event's
    /// fault: it stays, and nothing for its topic is handed out until [`Self::release`], as
    /// in an outage. Brokers allow by topic, so others go on: after a change of a name, what
    /// waits for the old one must not keep the new one silent. All events of a track have one
    /// topic, so that its order stays.
    pub fn hold(&mut self, sequence: Sequence) {
        self.in_flight.remove(&sequence);
        if let Some(entry) = self.entries.get(&sequence) {
            self.held.insert(entry.topic.clone());
        }
    }

    /// Everything that waits is handed out (again), in its order; what is in flight is not
    /// doubled.
    pub fn release(&mut self) {
        self.held.clear();
        self.lanes.rewind(&self.entries, &self.in_flight);
    }

    /// The next event to send; it stays here until [`Self::acknowledged`].
    /// `late` tells that it waited for `late_after_s` or through a restart.
    pub fn take(&mut self, now: Moment) -> Option<Outgoing<'_>> {
        self.expire(now);
        let mut sequence = self.lanes.take(&self.entries, &self.held)?;
        // Not all that is too old stands in front: an entry whose age nobody knows hides it.
        while self.is_expired(&self.entries[&sequence], now) {
            self.remove(sequence);
            self.dropped.expired += 1;
            sequence = self.lanes.take(&self.entries, &self.held)?;
        }
        self.in_flight.insert(sequence);
        let entry = &self.entries[&sequence];
        let seconds = Duration::from_secs;
        let age = entry.accepted.age(now, self.read);
        let late = entry.accepted.is_late(age, seconds(self.settings.late_after_s));
        let left = seconds(self.settings.max_age_s).saturating_sub(age);
        Some(Outgoing { sequence, entry, late, left })
    }

    /// The broker has it.
    pub fn acknowledged(&mut self, sequence: Sequence) {
        self.remove(sequence);
    }

    /// Drops an event that is too large for this broker, and counts it.
    pub fn drop_oversized(&mut self, sequence: Sequence) {
        if self.remove(sequence) {
            self.count_oversized();
        }
    }

    /// Whether it was there: what is in flight may have been dropped meanwhile.
    fn remove(&mut self, sequence: Sequence) -> bool {
        let Some(entry) = self.entries.remove(&sequence) else { return false };
        self.bytes -= entry.bytes();
        self.in_flight.remove(&sequence);
        self.lanes.gone(sequence, &entry.track);
        if let Some(store) = &mut self.store {
            store.remove(sequence, &self.entries);
        }
        true
    }

    /// The wall clock was set, and says `now`: what waits keeps its age, and the wall time that
    /// goes with it is put right. The next run has nothing else to go by, and a step of days
    /// would make young events old ones: the journal is written anew.
    pub fn clock_was_set(&mut self, now: Moment) {
        let mut corrected = false;
        for entry in self.entries.values_mut() {
            let age = entry.accepted.age(now, self.read);
            if let Some(accepted) = entry.accepted.corrected(age, now.wall) {
                Arc::make_mut(entry).accepted = accepted;
                corrected = true;
            }
        }
        self.read = now;
        if let Some(store) = self.store.as_mut().filter(|_| corrected) {
            store.ask_for_rewrite();
        }
    }

    /// When [`Self::chore`] will have something to do, on the monotonic clock; none while
    /// everything that waits is safe.
    pub(crate) fn chore_due(&self) -> Option<Duration> {
        let store = self.store.as_ref()?;
        if store.wants_rewrite(self.bytes) {
            return Some(Duration::ZERO);
        }
        let (_, entry) = self.entries.range(store.may_lose_from()..).next()?;
        let after = Duration::from_secs(self.settings.sync_after_s);
        Some(match entry.accepted {
            Accepted::Now(moment) => moment.monotonic + after,
            Accepted::Before(_) => Duration::ZERO,
        })
    }

    /// What has to be done to the disk now, by a thread that may wait for it: an event has
    /// waited for `sync_after_s`, the file lacks something, or it is mostly history.
    pub(crate) fn chore(&mut self, now: Duration) -> Option<Chore> {
        if self.chore_due()? > now {
            return None;
        }
        let last = self.next - 1;
        let store = self.store.as_mut()?;
        Some(if store.wants_rewrite(self.bytes) {
            store.begin_rewrite(&self.entries, last)
        } else {
            store.begin_sync(last)
        })
    }

    /// Takes over what a [`Chore`] did. A file that was installed is given with its last
    /// entry: its folder must be forced to disk, and [`Self::settle`] told.
    pub(crate) fn finish(&mut self, outcome: io::Result<Done>) -> Option<(PathBuf, Sequence)> {
        let store = self.store.as_mut()?;
        let Some(last) = store.finish(outcome) else {
            store.rest(&self.entries);
            return None;
        };
        Some((store.path().to_owned(), last))
    }

    /// The folder of an installed file was forced to disk, or could not be.
    pub(crate) fn settle(&mut self, outcome: io::Result<()>, last: Sequence) {
        if let Some(store) = &mut self.store {
            store.settle(outcome, last);
            store.rest(&self.entries);
        }
    }

    /// Writes to the disk that failed.
    pub fn store_errors(&self) -> u64 {
        self.store.as_ref().map_or(0, Store::errors)
    }

    /// Counts an event that was refused because of its size.
    pub fn count_oversized(&mut self) {
        self.dropped.oversized += 1;
    }

    fn is_expired(&self, entry: &Entry, now: Moment) -> bool {
        entry.accepted.age(now, self.read) > Duration::from_secs(self.settings.max_age_s)
    }

    /// Drops what is too old at the front, also what is not handed out now.
    fn expire(&mut self, now: Moment) {
        while self.entries.first_key_value().is_some_and(|(_, entry)| self.is_expired(entry, now)) {
            self.drop_oldest();
            self.dropped.expired += 1;
        }
    }

    /// Drops the oldest entry, also one in flight: its acknowledgement will find
    /// nothing.
    fn drop_oldest(&mut self) {
        if let Some(sequence) = self.entries.first_key_value().map(|(sequence, _)| *sequence) {
            self.remove(sequence);
        }
    }

    /// Events that are not acknowledged yet.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Losses since the start.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }
}

/// An event that is to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// By which it is acknowledged.
    pub sequence: Sequence,
    /// The event itself.
    pub entry: &'a Entry,
    /// Whether it waited for `late_after_s` or through a restart.
    pub late: bool,
    /// What is left of `max_age_s`.
    pub left: Duration,
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests;
