//! Events on their way: kept until the broker has acknowledged them.
//!
//! Two lanes. *Live* holds what happened while connected; *backlog* what waited
//! for a connection. Live goes first, so that a light still follows a smile while
//! an hour of outage is being caught up; but an event whose track still has
//! something in the backlog queues behind it, so that the order within a track
//! never breaks. After a lost connection all unacknowledged events are backlog
//! again, in their old order.
//!
//! The outbox is bounded in number, bytes and age. What has to go is always the
//! oldest, and every loss is counted by its cause.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::journal::{Journal, JournalError};
use super::settings::OutboxSettings;
use super::store::Store;
use crate::clock::Moment;

/// One event as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub topic: String,
    /// Events of one track stay in order; tracks pass each other.
    pub track: String,
    pub payload: Vec<u8>,
    /// When it was accepted.
    pub accepted: Accepted,
}

/// When an entry was accepted, on the clock that can still tell its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// In this run: the monotonic clock knows, whatever the wall clock does.
    Now(Moment),
    /// In an earlier run: only the wall clock is left.
    Before(std::time::SystemTime),
}

impl Accepted {
    /// Age at `now`; zero when the wall clock went backwards meanwhile.
    fn age(self, now: Moment) -> Duration {
        match self {
            Accepted::Now(moment) => now.monotonic.saturating_sub(moment.monotonic),
            Accepted::Before(wall) => now.wall.duration_since(wall).unwrap_or_default(),
        }
    }
}

impl Entry {
    /// What it counts for against `max_bytes`.
    fn bytes(&self) -> usize {
        self.topic.len() + self.track.len() + self.payload.len()
    }
}

/// Number of an entry, rising; also its place in the order.
pub type Sequence = u64;

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
    entries: BTreeMap<Sequence, Entry>,
    bytes: usize,
    next: Sequence,
    live: VecDeque<Sequence>,
    backlog: VecDeque<Sequence>,
    /// How many entries of a track wait in the backlog; absent means none.
    backlog_of: HashMap<String, usize>,
    connected: bool,
    dropped: Dropped,
    store: Option<Store>,
}

impl Outbox {
    /// An outbox in memory only.
    pub fn new(settings: OutboxSettings) -> Self {
        Self {
            settings,
            entries: BTreeMap::new(),
            bytes: 0,
            next: 1,
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            backlog_of: HashMap::new(),
            connected: false,
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
        outbox.entries = replay.entries;
        outbox.next = replay.next;
        outbox.store = Some(Store::new(journal));
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
        if self.connected && !self.backlog_of.contains_key(&entry.track) {
            self.live.push_back(sequence);
        } else {
            self.enqueue_backlog(sequence, &entry.track);
        }
        self.entries.insert(sequence, entry);
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

    fn enqueue_backlog(&mut self, sequence: Sequence, track: &str) {
        self.backlog.push_back(sequence);
        *self.backlog_of.entry(track.to_owned()).or_default() += 1;
    }

    /// A connection stands: what comes now is live.
    pub fn connected(&mut self) {
        self.connected = true;
    }

    /// The connection is gone: everything unacknowledged must go again.
    pub fn lost(&mut self) {
        self.connected = false;
        self.live.clear();
        self.backlog = self.entries.keys().copied().collect();
        self.backlog_of.clear();
        for entry in self.entries.values() {
            *self.backlog_of.entry(entry.track.clone()).or_default() += 1;
        }
    }

    /// The next event to send; it stays here until [`Self::acknowledged`].
    /// `late` tells that it waited longer than `late_after_s`.
    pub fn take(&mut self, now: Moment) -> Option<Outgoing<'_>> {
        self.expire(now);
        let sequence = loop {
            // Entries that were dropped meanwhile are still named in their lane.
            if let Some(sequence) = self.live.pop_front() {
                if self.entries.contains_key(&sequence) {
                    break sequence;
                }
                continue;
            }
            let sequence = self.backlog.pop_front()?;
            if let Some(entry) = self.entries.get(&sequence) {
                forget_waiting(&mut self.backlog_of, &entry.track);
                break sequence;
            }
        };
        let entry = &self.entries[&sequence];
        let late = entry.accepted.age(now) >= Duration::from_secs(self.settings.late_after_s);
        Some(Outgoing { sequence, entry, late })
    }

    /// The broker has it.
    pub fn acknowledged(&mut self, sequence: Sequence) {
        if let Some(entry) = self.entries.remove(&sequence) {
            self.bytes -= entry.bytes();
            self.unstore(sequence);
        }
    }

    /// Notes in the journal that an entry is gone.
    fn unstore(&mut self, sequence: Sequence) {
        if let Some(store) = &mut self.store {
            store.remove(sequence, &self.entries, self.bytes);
        }
    }

    /// The file to force to disk, when an event has waited for longer than
    /// `sync_after_s`.
    pub fn to_sync(&self, now: Moment) -> Option<File> {
        let (_, oldest) = self.entries.first_key_value()?;
        let due = oldest.accepted.age(now) >= Duration::from_secs(self.settings.sync_after_s);
        self.store.as_ref().filter(|_| due)?.handle()
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
    /// nothing. Its number stays in its lane and is passed over there.
    fn drop_oldest(&mut self) {
        let Some((sequence, entry)) = self.entries.pop_first() else { return };
        self.bytes -= entry.bytes();
        self.unstore(sequence);
        // Lanes are ordered: what the backlog names at or after this number waits there.
        if self.backlog.binary_search(&sequence).is_ok() {
            forget_waiting(&mut self.backlog_of, &entry.track);
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

fn forget_waiting(backlog_of: &mut HashMap<String, usize>, track: &str) {
    if let Some(count) = backlog_of.get_mut(track) {
        *count -= 1;
        if *count == 0 {
            backlog_of.remove(track);
        }
    }
}

/// An event that is to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    pub sequence: Sequence,
    pub entry: &'a Entry,
    pub late: bool,
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::publish::settings::OutboxSettings as Settings;

    fn at(seconds: u64) -> Moment {
        Moment {
            monotonic: Duration::from_secs(seconds),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    fn entry(track: &str, text: &str) -> Entry {
        Entry {
            topic: "t".into(),
            track: track.into(),
            payload: text.into(),
            accepted: Accepted::Now(at(0)),
        }
    }

    fn outbox(settings: OutboxSettings) -> Outbox {
        Outbox::new(settings)
    }

    fn take(outbox: &mut Outbox, now: u64) -> Option<(Sequence, String, bool)> {
        outbox.take(at(now)).map(|out| {
            (out.sequence, String::from_utf8_lossy(&out.entry.payload).into_owned(), out.late)
        })
    }

    #[test]
    fn live_passes_the_backlog_but_not_its_own_track() {
        let mut outbox = outbox(Settings::default());
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
        let mut outbox = outbox(Settings::default());
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
        let mut outbox = outbox(settings);
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
        let mut outbox = outbox(Settings { max_age_s: 100, ..Settings::default() });
        outbox.push(entry("a", "1"));
        let now = Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 31), ..at(5) };
        assert!(outbox.take(now).is_some_and(|out| !out.late));
    }

    #[test]
    fn an_entry_of_an_earlier_run_tells_its_age_by_the_wall_clock() {
        let accepted = Accepted::Before(at(50).wall);
        assert_eq!(accepted.age(at(80)), Duration::from_secs(30));
        assert_eq!(accepted.age(at(20)), Duration::ZERO, "the clock went back");
    }

    fn sequences(outbox: &Outbox) -> Vec<Sequence> {
        outbox.entries.keys().copied().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Another process finds what this one had not delivered, as backlog.
        #[test]
        fn a_restart_forgets_nothing(steps in prop::collection::vec(0u8..8, 0..100)) {
            let folder = tempfile::tempdir().expect("temporary folder");
            let open = || {
                let settings = Settings { max_events: 8, ..Settings::default() };
                Outbox::open(settings, folder.path()).expect("opens")
            };
            let mut outbox = open();
            for step in steps {
                match step {
                    0..=3 => outbox.push(entry("a", "text")),
                    4 | 5 => if let Some((sequence, ..)) = take(&mut outbox, 1) {
                        outbox.acknowledged(sequence);
                    },
                    6 => outbox.connected(),
                    _ => {
                        let before = (sequences(&outbox), outbox.bytes);
                        drop(outbox);
                        outbox = open();
                        prop_assert_eq!((sequences(&outbox), outbox.bytes), before);
                    }
                }
                prop_assert_eq!(outbox.store_errors(), 0);
            }
        }
    }

    proptest! {
        /// Whatever happens, first sightings within a track are in order, nothing
        /// is lost that was not counted, and the bounds hold.
        #[test]
        fn order_bounds_and_account(
            steps in prop::collection::vec((0u8..6, 0u8..3), 0..200),
            max_events in 1usize..20,
        ) {
            let mut outbox = outbox(Settings { max_events, ..Settings::default() });
            let (mut pushed, mut acknowledged) = (0u64, 0u64);
            let mut in_flight: VecDeque<(Sequence, u8)> = VecDeque::new();
            for (step, track) in steps {
                match step {
                    0 | 1 => {
                        outbox.push(entry(&track.to_string(), &track.to_string()));
                        pushed += 1;
                    }
                    2 | 3 => if let Some((sequence, text, _)) = take(&mut outbox, 1) {
                        let track: u8 = text.parse().expect("its track");
                        // Once seen, an event may only be repeated after a loss.
                        prop_assert!(in_flight.iter().all(|(s, t)| *t != track || *s < sequence));
                        in_flight.push_back((sequence, track));
                    },
                    4 => if let Some((sequence, _)) = in_flight.pop_front() {
                        let before = outbox.len();
                        outbox.acknowledged(sequence);
                        acknowledged += (before - outbox.len()) as u64;
                    },
                    _ => {
                        outbox.lost();
                        in_flight.clear();
                        if track > 0 { outbox.connected(); }
                    }
                }
                prop_assert!(outbox.len() <= max_events);
                prop_assert_eq!(
                    pushed, acknowledged + outbox.dropped().full + outbox.len() as u64);
                prop_assert_eq!(
                    outbox.bytes, outbox.entries.values().map(Entry::bytes).sum::<usize>());
            }
            // Everything that is left can be taken, each track in order.
            outbox.lost();
            let mut last = HashMap::new();
            let mut left = 0;
            while let Some((sequence, text, _)) = take(&mut outbox, 1) {
                prop_assert!(last.insert(text, sequence).is_none_or(|before| before < sequence));
                left += 1;
            }
            prop_assert_eq!(left, outbox.len());
            prop_assert!(outbox.backlog_of.is_empty());
        }
    }
}
