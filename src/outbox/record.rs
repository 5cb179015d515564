//! The records of the outbox on disk. One is
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

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::entry::{Accepted, Entries, Entry, Sequence};

const MAGIC: [u8; 4] = [0xFF, b'E', b'O', 0xFE];
const HEADER: usize = 12;
const EVENT: u8 = 1;
const REMOVED: u8 = 2;

/// A body is never longer: `mqtt.max_packet_bytes` ends at 16 MiB.
const LONGEST_BODY: usize = 17 << 20;

/// How much of a journal is read at once.
const PIECE: usize = 64 << 10;

/// What a journal held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replay {
    pub entries: Entries,
    /// The next free sequence.
    pub next: Sequence,
    /// Bytes that belonged to no whole record.
    pub damaged: usize,
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

/// Says that an event waits.
pub(super) fn event_record(sequence: Sequence, entry: &Entry) -> Vec<u8> {
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

/// Says that an event waits no more.
pub(super) fn removed_record(sequence: Sequence) -> Vec<u8> {
    let mut body = vec![REMOVED];
    body.extend(sequence.to_le_bytes());
    record(&body)
}

/// Reads whatever whole records stand in `source`, one after the other: however long it is, no
/// more of it is in memory than what waits and the record at hand.
///
/// # Errors
///
/// Those of `source`. Damage is none.
pub(super) fn scan(source: impl Read) -> io::Result<Replay> {
    scan_in_pieces(source, PIECE)
}

fn scan_in_pieces(source: impl Read, piece: usize) -> io::Result<Replay> {
    let mut replay = Replay { next: 1, ..Replay::default() };
    let mut window = Window { source, piece, bytes: Vec::new(), passed: 0, ended: false };
    loop {
        let header = window.at_least(HEADER)?;
        if header.is_empty() {
            return Ok(replay);
        }
        let wanted = claimed_length(header).unwrap_or(HEADER);
        let rest = window.at_least(wanted)?;
        let passed = match first_record(rest) {
            Some((length, change)) => {
                replay.apply(change);
                length
            }
            None => {
                let damaged = window.to_the_next_record();
                replay.damaged += damaged;
                damaged
            }
        };
        window.passed += passed;
    }
}

/// What is read of a journal, a piece at a time.
struct Window<R> {
    source: R,
    piece: usize,
    bytes: Vec<u8>,
    /// How many of `bytes` were looked at.
    passed: usize,
    ended: bool,
}

impl<R: Read> Window<R> {
    /// What comes next: so many bytes or more, unless the source ends before.
    fn at_least(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let missing = wanted.saturating_sub(self.bytes.len() - self.passed);
        if missing > 0 && !self.ended {
            self.bytes.drain(..self.passed);
            self.passed = 0;
            let most = missing.max(self.piece);
            let mut piece = self.source.by_ref().take(most as u64);
            self.ended = piece.read_to_end(&mut self.bytes)? < most;
        }
        Ok(&self.bytes[self.passed..])
    }

    /// How many bytes there are to where the next record may begin; [`HEADER`] bytes are there,
    /// unless the source has ended.
    fn to_the_next_record(&self) -> usize {
        let rest = &self.bytes[self.passed..];
        match rest[1..].windows(MAGIC.len()).position(|window| window == MAGIC) {
            Some(position) => position + 1,
            None if self.ended => rest.len(),
            // The last bytes may be the first of its mark.
            None => rest.len() - (MAGIC.len() - 1),
        }
    }
}

/// The whole length of a record with this header, if it is one.
fn claimed_length(header: &[u8]) -> Option<usize> {
    let mut rest = header.strip_prefix(&MAGIC)?;
    let length = take_u32(&mut rest)? as usize;
    (length <= LONGEST_BODY).then_some(HEADER + length)
}

enum Change {
    Event(Sequence, Entry),
    Removed(Sequence),
}

impl Replay {
    fn apply(&mut self, change: Change) {
        let sequence = match change {
            Change::Event(sequence, entry) => {
                self.entries.insert(sequence, Arc::new(entry));
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
    let length = claimed_length(bytes)?;
    let (header, body) = bytes.get(..length)?.split_at_checked(HEADER)?;
    let checksum = take_u32(&mut &header[HEADER - 4..])?;
    if crc32fast::hash(body) != checksum {
        return None;
    }
    Some((length, change(body)?))
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
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn entry(text: &str) -> Entry {
        Entry {
            topic: "expressiond/d1/front/event".into(),
            track: format!("front/{text}"),
            payload: format!("{{\"text\":\"{text}\"}}").into(),
            accepted: Accepted::Before(SystemTime::UNIX_EPOCH + Duration::from_millis(1_234)),
        }
    }

    /// What waits, by its sequence and its text.
    pub(crate) fn living(pairs: &[(Sequence, &str)]) -> Entries {
        pairs.iter().map(|(sequence, text)| (*sequence, Arc::new(entry(text)))).collect()
    }

    /// What stands in `bytes`, in however small pieces they are read.
    fn scanned(bytes: &[u8]) -> Replay {
        let whole = scan(bytes).expect("memory");
        for piece in [1, 7, 64] {
            assert_eq!(scan_in_pieces(bytes, piece).expect("memory"), whole, "{piece}");
        }
        whole
    }

    /// Three events, the second of which is acknowledged, and where each record ends.
    fn sample() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for record in [
            event_record(1, &entry("one")),
            event_record(2, &entry("two")),
            removed_record(2),
            event_record(3, &entry("three")),
        ] {
            bytes.extend(record);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn reads_back_what_was_written() {
        let replay = scanned(&sample().0);
        let entries = living(&[(1, "one"), (3, "three")]);
        assert_eq!(replay, Replay { entries, next: 4, damaged: 0 });
    }

    #[test]
    fn a_cut_at_any_byte_costs_the_torn_record_only() {
        let (bytes, ends) = sample();
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let last_end = ends[..whole].last().copied().unwrap_or(0);
            let replay = scanned(&bytes[..cut]);
            assert_eq!(replay, scan_of_first(whole, cut - last_end), "cut at {cut}");
        }
    }

    fn scan_of_first(records: usize, damaged: usize) -> Replay {
        let waiting: &[(Sequence, &str)] = match records {
            0 => &[],
            2 => &[(1, "one"), (2, "two")],
            4 => &[(1, "one"), (3, "three")],
            _ => &[(1, "one")],
        };
        let next = [1, 2, 3, 3, 4][records];
        Replay { entries: living(waiting), next, damaged }
    }

    #[test]
    fn a_damaged_byte_anywhere_costs_its_record_only() {
        let (bytes, ends) = sample();
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            let hit = ends.iter().filter(|end| **end <= position).count();
            let replay = scanned(&damaged);
            let expected: &[u64] = [&[3u64][..], &[1, 3], &[1, 2, 3], &[1]][hit];
            let found: Vec<u64> = replay.entries.keys().copied().collect();
            assert_eq!(found, expected, "damage at {position}");
            assert!(replay.damaged > 0);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_scanned(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            scanned(&bytes);
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
            let replay = scanned(&mixed);
            prop_assert_eq!(&replay.entries, &scanned(&bytes).entries);
            prop_assert_eq!(replay.damaged, garbage.len());
        }
    }
}
