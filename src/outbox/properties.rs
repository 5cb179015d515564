//! What holds for the outbox whatever happens to it.

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::tests::{entry, take};
use super::{Entry, Outbox, Sequence};
use crate::clock::at;
use crate::outbox::OutboxSettings as Settings;

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
            Outbox::open(settings, folder.path(), at(0)).expect("opens")
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

/// Several tracks have one topic.
fn topic(track: u8) -> String {
    (track % 2).to_string()
}

proptest! {
    /// Whatever happens, first sightings within a track are in order, nothing
    /// is lost that was not counted, and the bounds hold.
    #[test]
    fn order_bounds_and_account(
        steps in prop::collection::vec((0u8..9, 0u8..3), 0..200),
        max_events in 1usize..20,
        max_bytes in 1usize..80,
    ) {
        let settings = Settings { max_events, max_bytes, ..Settings::default() };
        let mut outbox = Outbox::new(settings);
        let (mut pushed, mut acknowledged) = (0u64, 0u64);
        let mut in_flight: VecDeque<(Sequence, u8)> = VecDeque::new();
        let mut held = HashSet::new();
        for (step, track) in steps {
            match step {
                0 | 1 => {
                    let entry = entry(&track.to_string(), &track.to_string());
                    let entry = Entry { topic: topic(track), ..entry };
                    let room = max_events.min(max_bytes / entry.bytes()).max(1);
                    let before = sequences(&outbox);
                    outbox.push(entry);
                    pushed += 1;
                    // The oldest went, and no more of them than had to.
                    let kept = before.len().min(room - 1);
                    let after = sequences(&outbox);
                    prop_assert_eq!(&after[..kept], &before[before.len() - kept..]);
                    prop_assert_eq!(after.len(), kept + 1);
                }
                2 | 3 => if let Some((sequence, text, _)) = take(&mut outbox, 1) {
                    let track: u8 = text.parse().expect("its track");
                    prop_assert!(!held.contains(&topic(track)));
                    // Once seen, an event may only be repeated after a loss.
                    prop_assert!(in_flight.iter().all(|(s, t)| *t != track || *s < sequence));
                    in_flight.push_back((sequence, track));
                } else {
                    // Nothing is forgotten.
                    let under_way: HashSet<_> = in_flight.iter().map(|(s, _)| *s).collect();
                    prop_assert!(outbox.entries.iter().all(
                        |(s, entry)| under_way.contains(s) || held.contains(&entry.topic)));
                },
                4 => if let Some((sequence, _)) = in_flight.pop_front() {
                    let before = outbox.len();
                    outbox.acknowledged(sequence);
                    acknowledged += (before - outbox.len()) as u64;
                },
                // The broker refuses all to one topic, and later we offer them again.
                5 => if let Some((_, first)) = in_flight.front().copied() {
                    in_flight.retain(|(sequence, track)| {
                        let refused = topic(*track) == topic(first);
                        if refused {
                            if outbox.entries.contains_key(sequence) {
                                held.insert(topic(*track));
                            }
                            outbox.hold(*sequence);
                        }
                        !refused
                    });
                },
                6 => {
                    outbox.release();
                    held.clear();
                }
                7 => if let Some((sequence, _)) = in_flight.pop_back() {
                    outbox.drop_oversized(sequence);
                },
                _ => {
                    outbox.lost();
                    in_flight.clear();
                    held.clear();
                    if track > 0 { outbox.connected(); }
                }
            }
            prop_assert!(outbox.len() <= max_events);
            prop_assert!(outbox.bytes <= max_bytes || outbox.len() == 1);
            let dropped = outbox.dropped().full + outbox.dropped().oversized;
            prop_assert_eq!(pushed, acknowledged + dropped + outbox.len() as u64);
            prop_assert_eq!(
                outbox.bytes, outbox.entries.values().map(|entry| entry.bytes()).sum::<usize>());
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
        prop_assert!(outbox.lanes.is_clear());
    }
}
