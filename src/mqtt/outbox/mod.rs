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
mod store;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::entry::Entries;
pub use self::entry::{Accepted, Entry, Sequence};
use self::journal::Journal;
pub use self::journal::JournalError;
use self::lanes::Lanes;
use self::store::Store;
pub(super) use self::store::{Chore, Done};
use super::settings::OutboxSettings;
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

#[derive(Debug)]
pub struct Outbox {
    settings: OutboxSettings,
    entries: Entries,
    bytes: usize,
    next: Sequence,
    lanes: Lanes,
    connected: bool,
    /// The broker refuses events: none is handed out.
    held: bool,
    dropped: Dropped,
    store: Option<Store>,
}

impl Outbox {
    /// An outbox in memory only.
    pub fn new(settings: OutboxSettings) -> Self {
        Self {
            settings,
            entries: Entries::new(),
            bytes: 0,
            next: 1,
            lanes: Lanes::default(),
            connected: false,
            held: false,
            dropped: Dropped::default(),
            store: None,
        }
    }

    /// An outbox that goes on where the journal in `folder` ends.
    pub fn open(settings: OutboxSettings, folder: &Path) -> Result<Self, JournalError> {
        let (journal, replay) = Journal::open(folder)?;
        if !replay.entries.is_empty() || replay.damaged > 0 {
            log::info!(events = replay.entries.len(), damaged_bytes = replay.damaged;
                "events of an earlier run wait in the outbox");
        }
        let mut outbox = Self::new(settings);
        outbox.bytes = replay.entries.values().map(Entry::bytes).sum();
        let shared =
            replay.entries.into_iter().map(|(sequence, entry)| (sequence, Arc::new(entry)));
        outbox.entries = shared.collect();
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
        self.release();
    }

    /// The broker did not take an event. That is not delivery, and not the event's
    /// fault: it stays, and nothing is handed out until [`Self::release`], as in an
    /// outage.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Everything that waits is handed out (again), in its order.
    pub fn release(&mut self) {
        self.held = false;
        self.lanes.rewind(&self.entries);
    }

    /// The next event to send; it stays here until [`Self::acknowledged`].
    /// `late` tells that it waited for `late_after_s` or through a restart.
    pub fn take(&mut self, now: Moment) -> Option<Outgoing<'_>> {
        self.expire(now);
        if self.held {
            return None;
        }
        let sequence = self.lanes.take(&self.entries)?;
        let entry = &self.entries[&sequence];
        let seconds = Duration::from_secs;
        let late = entry.accepted.is_late(now, seconds(self.settings.late_after_s));
        let left = seconds(self.settings.max_age_s).saturating_sub(entry.accepted.age(now));
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
        self.lanes.gone(sequence, &entry.track);
        if let Some(store) = &mut self.store {
            store.remove(sequence, &self.entries);
        }
        true
    }

    /// When [`Self::chore`] will have something to do, on the monotonic clock; none while
    /// everything that waits is safe.
    pub(in crate::mqtt) fn chore_due(&self) -> Option<Duration> {
        let store = self.store.as_ref()?;
        if store.wants_rewrite(self.bytes) {
            return Some(Duration::ZERO);
        }
        let (_, entry) = self.entries.iter().find(|(sequence, _)| store.may_lose(**sequence))?;
        let after = Duration::from_secs(self.settings.sync_after_s);
        Some(match entry.accepted {
            Accepted::Now(moment) => moment.monotonic + after,
            Accepted::Before(_) => Duration::ZERO,
        })
    }

    /// What has to be done to the disk now, by a thread that may wait for it: an event has
    /// waited for `sync_after_s`, the file lacks something, or it is mostly history.
    pub(in crate::mqtt) fn chore(&mut self, now: Duration) -> Option<Chore> {
        if self.chore_due()? > now {
            return None;
        }
        let last = self.next - 1;
        let store = self.store.as_mut()?;
        if store.wants_rewrite(self.bytes) {
            Some(store.begin_rewrite(&self.entries, last))
        } else {
            store.begin_sync(last)
        }
    }

    /// Takes over what a [`Chore`] did. A file that was installed is given with its last
    /// entry: its folder must be forced to disk, and [`Self::settle`] told.
    pub(in crate::mqtt) fn finish(
        &mut self,
        outcome: io::Result<Done>,
    ) -> Option<(PathBuf, Sequence)> {
        let store = self.store.as_mut()?;
        let last = store.finish(outcome)?;
        Some((store.path().to_owned(), last))
    }

    /// The folder of an installed file was forced to disk, or could not be.
    pub(in crate::mqtt) fn settle(&mut self, outcome: io::Result<()>, last: Sequence) {
        if let Some(store) = &mut self.store {
            store.settle(outcome, last);
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

    fn expire(&mut self, now: Moment) {
        let most = Duration::from_secs(self.settings.max_age_s);
        while self.entries.first_key_value().is_some_and(|(_, e)| e.accepted.age(now) > most) {
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

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn dropped(&self) -> Dropped {
        self.dropped
    }
}

/// An event that is to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    pub sequence: Sequence,
    pub entry: &'a Entry,
    pub late: bool,
    /// What is left of `max_age_s`.
    pub left: Duration,
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock::at;
    use crate::mqtt::settings::OutboxSettings as Settings;

    pub fn entry(track: &str, text: &str) -> Entry {
        Entry {
            topic: "t".into(),
            track: track.into(),
            payload: text.into(),
            accepted: Accepted::Now(at(0)),
        }
    }

    pub fn take(outbox: &mut Outbox, now: u64) -> Option<(Sequence, String, bool)> {
        outbox.take(at(now)).map(|out| {
            (out.sequence, String::from_utf8_lossy(&out.entry.payload).into_owned(), out.late)
        })
    }

    #[test]
    fn live_passes_the_backlog_but_not_its_own_track() {
        let mut outbox = Outbox::new(Settings::default());
        outbox.push(entry("a", "a1"));
        outbox.push(entry("b", "b1"));
        outbox.push(entry("a", "a2"));
        outbox.connected();
        outbox.push(entry("c", "c1"));
        outbox.push(entry("a", "a3"));
        let order: Vec<_> =
            std::iter::from_fn(|| take(&mut outbox, 1)).map(|(_, text, _)| text).collect();
        assert_eq!(order, ["c1", "a1", "b1", "a2", "a3"]);
        outbox.push(entry("a", "a4"));
        outbox.push(entry("b", "b2"));
        assert_eq!(take(&mut outbox, 1).expect("live again").1, "a4");
    }

    #[test]
    fn unacknowledged_events_go_again_in_order() {
        let mut outbox = Outbox::new(Settings::default());
        outbox.connected();
        for text in ["1", "2", "3"] {
            outbox.push(entry("a", text));
        }
        let (first, ..) = take(&mut outbox, 1).expect("1");
        take(&mut outbox, 1).expect("2");
        outbox.acknowledged(first);
        outbox.lost();
        outbox.connected();
        let order: Vec<_> = std::iter::from_fn(|| take(&mut outbox, 1)).map(|o| o.1).collect();
        assert_eq!(order, ["2", "3"]);
    }

    #[test]
    fn old_events_are_marked_late_and_very_old_ones_expire() {
        let settings = Settings { max_age_s: 100, late_after_s: 10, ..Settings::default() };
        let mut outbox = Outbox::new(settings);
        outbox.push(entry("a", "1"));
        assert!(!take(&mut outbox, 9).expect("in time").2);
        outbox.lost();
        assert!(take(&mut outbox, 10).expect("late").2);
        outbox.lost();
        assert_eq!(take(&mut outbox, 101), None);
        assert_eq!(outbox.dropped().expired, 1);
    }

    #[test]
    fn a_wall_clock_that_jumps_expires_nothing_of_this_run() {
        let mut outbox = Outbox::new(Settings { max_age_s: 100, ..Settings::default() });
        outbox.push(entry("a", "1"));
        let now = Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 31), ..at(5) };
        assert!(outbox.take(now).is_some_and(|out| !out.late));
    }

    /// It used to be looked at every `sync_after_s`, so that an event that came right after
    /// such a look waited for twice as long.
    #[test]
    fn an_event_is_forced_to_the_card_when_its_own_time_has_come() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut outbox = Outbox::open(Settings::default(), folder.path()).expect("opens");
        outbox.push(entry("a", "1"));
        outbox.push(Entry { accepted: Accepted::Now(at(1)), ..entry("a", "2") });
        assert_eq!(outbox.chore_due(), Some(Duration::from_secs(5)));
        let (first, ..) = take(&mut outbox, 2).expect("waiting");
        outbox.acknowledged(first);
        assert_eq!(outbox.chore_due(), Some(Duration::from_secs(6)));
    }

    #[test]
    fn the_file_is_written_anew_when_most_of_it_is_history() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut outbox = Outbox::open(Settings::default(), folder.path()).expect("opens");
        let journal = folder.path().join("outbox.journal");
        let size = || std::fs::metadata(&journal).expect("there").len();
        outbox.push(entry("a", "stays"));
        let mut largest = 0;
        for _ in 0..2_000 {
            outbox.push(entry("b", "goes"));
            let last = outbox.next - 1;
            outbox.acknowledged(last);
            largest = largest.max(size());
            if let Some(chore) = outbox.chore(Duration::ZERO) {
                let (path, last) = outbox.finish(chore.run()).expect("installed");
                outbox.settle(crate::storage::sync_folder_of(&path), last);
                assert!(size() < 1_000, "what is left");
            }
        }
        assert!(largest < (64 << 10) + 1_000, "grew to {largest} bytes");
        assert_eq!(outbox.store_errors(), 0);
        drop(outbox);
        assert_eq!(Outbox::open(Settings::default(), folder.path()).expect("opens").len(), 1);
    }

    #[test]
    fn the_card_is_forced_only_for_what_really_waits() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut outbox = Outbox::open(Settings::default(), folder.path()).expect("opens");
        outbox.connected();
        outbox.push(entry("a", "1"));
        assert!(outbox.chore(at(4).monotonic).is_none(), "it may still be acknowledged");
        let chore = outbox.chore(at(5).monotonic);
        assert!(matches!(chore, Some(Chore::Sync(..))), "{chore:?}");
        // A failed one is due at once, a good one not again.
        assert!(outbox.chore(at(5).monotonic).is_some());
        assert_eq!(outbox.finish(chore.expect("just seen").run()), None);
        assert_eq!(outbox.chore_due(), None, "it is on the disk");
        let (sequence, ..) = take(&mut outbox, 5).expect("waiting");
        outbox.acknowledged(sequence);
        assert!(outbox.chore(at(9).monotonic).is_none());
        let journal = std::fs::metadata(folder.path().join("outbox.journal")).expect("there");
        assert_eq!(journal.len(), 0, "nothing is left to write");
    }
}
