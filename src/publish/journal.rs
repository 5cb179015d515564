//! The outbox on disk: what a kill or a power cut must not take away.
//!
//! One append-only file of records, replayed at start, rewritten when most of it
//! is history and cut to nothing when nothing waits. A record is
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `FF 'E' 'O' FE`: bytes that no UTF-8 text holds in this order |
//! | 4 | length of the body, little endian |
//! | 4 | CRC-32 of the body |
//! | n | body: kind, sequence, and for an event its time, topic, track, payload |
//!
//! A torn or damaged record is skipped by searching for the next whole one, so a
//! bad block costs what stood in it and no more. An acknowledgement that is lost
//! this way repeats an event, which readers know by its id.
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
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::outbox::{Accepted, Entry, Sequence};

const MAGIC: [u8; 4] = [0xFF, b'E', b'O', 0xFE];
const HEADER: usize = 12;
const EVENT: u8 = 1;
const REMOVED: u8 = 2;

/// A body is never longer: `mqtt.max_packet_bytes` ends at 16 MiB.
const LONGEST_BODY: usize = 17 << 20;

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

/// What a journal held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replay {
    pub entries: BTreeMap<Sequence, Entry>,
    /// The next free sequence.
    pub next: Sequence,
    /// Bytes that belonged to no whole record.
    pub damaged: usize,
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
        let mut body = vec![REMOVED];
        body.extend(sequence.to_le_bytes());
        self.write(&record(&body))
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

fn record(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(MAGIC);
    // Bodies are bounded by LONGEST_BODY, far below 4 GiB.
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(crc32fast::hash(body).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn event_record(sequence: Sequence, entry: &Entry) -> Vec<u8> {
    let wall = match entry.accepted {
        Accepted::Now(moment) => moment.wall,
        Accepted::Before(wall) => wall,
    };
    let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut body = vec![EVENT];
    body.extend(sequence.to_le_bytes());
    body.extend((since_epoch.as_millis() as u64).to_le_bytes());
    for text in [&entry.topic, &entry.track] {
        body.extend((text.len() as u32).to_le_bytes());
        body.extend(text.as_bytes());
    }
    body.extend(&entry.payload);
    record(&body)
}

/// Reads whatever whole records stand in `bytes`.
pub fn scan(bytes: &[u8]) -> Replay {
    let mut replay = Replay { next: 1, ..Replay::default() };
    let mut rest = bytes;
    while !rest.is_empty() {
        match first_record(rest) {
            Some((length, change)) => {
                replay.apply(change);
                rest = &rest[length..];
            }
            None => {
                let next = rest[1..].windows(MAGIC.len()).position(|window| window == MAGIC);
                let skipped = next.map_or(rest.len(), |position| position + 1);
                replay.damaged += skipped;
                rest = &rest[skipped..];
            }
        }
    }
    replay
}

enum Change {
    Event(Sequence, Entry),
    Removed(Sequence),
}

impl Replay {
    fn apply(&mut self, change: Change) {
        let sequence = match change {
            Change::Event(sequence, entry) => {
                self.entries.insert(sequence, entry);
                sequence
            }
            Change::Removed(sequence) => {
                self.entries.remove(&sequence);
                sequence
            }
        };
        self.next = self.next.max(sequence.saturating_add(1));
    }
}

/// The record at the beginning of `bytes` and its whole length, if it is whole.
fn first_record(bytes: &[u8]) -> Option<(usize, Change)> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    let length = take_u32(&mut rest)? as usize;
    let checksum = take_u32(&mut rest)?;
    let body = rest.get(..length).filter(|_| length <= LONGEST_BODY)?;
    if crc32fast::hash(body) != checksum {
        return None;
    }
    Some((HEADER + length, change(body)?))
}

fn change(mut body: &[u8]) -> Option<Change> {
    let kind = *body.split_off_first()?;
    let sequence = take_u64(&mut body)?;
    match kind {
        EVENT => {
            let millis = take_u64(&mut body)?;
            let topic = take_text(&mut body)?;
            let track = take_text(&mut body)?;
            let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))?;
            let accepted = Accepted::Before(wall);
            Some(Change::Event(sequence, Entry { topic, track, payload: body.to_vec(), accepted }))
        }
        REMOVED => Some(Change::Removed(sequence)),
        _ => None,
    }
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u64::from_le_bytes(*head))
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = take_u32(rest)? as usize;
    let text = rest.split_off(..length)?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            topic: "expressiond/d1/front/event".into(),
            track: format!("front/{text}"),
            payload: format!("{{\"text\":\"{text}\"}}").into(),
            accepted: Accepted::Before(SystemTime::UNIX_EPOCH + Duration::from_millis(1_234)),
        }
    }

    /// Three events, the second of which is acknowledged, and where each record ends.
    fn sample() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        let mut removed = vec![REMOVED];
        removed.extend(2u64.to_le_bytes());
        for record in [
            event_record(1, &entry("one")),
            event_record(2, &entry("two")),
            record(&removed),
            event_record(3, &entry("three")),
        ] {
            bytes.extend(record);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn reads_back_what_was_written() {
        let replay = scan(&sample().0);
        let expected = BTreeMap::from([(1, entry("one")), (3, entry("three"))]);
        assert_eq!(replay, Replay { entries: expected, next: 4, damaged: 0 });
    }

    #[test]
    fn a_cut_at_any_byte_costs_the_torn_record_only() {
        let (bytes, ends) = sample();
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let last_end = ends[..whole].last().copied().unwrap_or(0);
            let replay = scan(&bytes[..cut]);
            assert_eq!(replay, scan_of_first(whole, cut - last_end), "cut at {cut}");
        }
    }

    fn scan_of_first(records: usize, damaged: usize) -> Replay {
        let mut entries = BTreeMap::new();
        if records >= 1 {
            entries.insert(1, entry("one"));
        }
        if records == 2 {
            entries.insert(2, entry("two"));
        }
        if records == 4 {
            entries.insert(3, entry("three"));
        }
        let next = [1, 2, 3, 3, 4][records];
        Replay { entries, next, damaged }
    }

    #[test]
    fn a_damaged_byte_anywhere_costs_its_record_only() {
        let (bytes, ends) = sample();
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            let hit = ends.iter().filter(|end| **end <= position).count();
            let replay = scan(&damaged);
            let expected: &[u64] = [&[3u64][..], &[1, 3], &[1, 2, 3], &[1]][hit];
            let found: Vec<u64> = replay.entries.keys().copied().collect();
            assert_eq!(found, expected, "damage at {position}");
            assert!(replay.damaged > 0);
        }
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

    proptest! {
        #[test]
        fn any_bytes_can_be_scanned(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            scan(&bytes);
        }

        #[test]
        fn garbage_between_records_costs_none(
            garbage in prop::collection::vec(any::<u8>(), 0..60),
            at in 0usize..4,
        ) {
            // A garbage that looks like the beginning of a record may swallow nothing either.
            let (bytes, ends) = sample();
            let place = ends[at];
            let mixed = [&bytes[..place], &garbage[..], &bytes[place..]].concat();
            let replay = scan(&mixed);
            prop_assert_eq!(&replay.entries, &scan(&bytes).entries);
            prop_assert_eq!(replay.damaged, garbage.len());
        }
    }
}
