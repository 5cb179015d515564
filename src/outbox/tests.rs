//! The outbox, case by case.

use std::time::SystemTime;

use super::*;
use crate::clock::at;
use crate::outbox::OutboxSettings as Settings;

pub(super) fn entry(track: &str, text: &str) -> Entry {
    Entry {
        topic: "t".into(),
        track: track.into(),
        payload: text.into(),
        accepted: Accepted::Now(at(0)),
    }
}

/// Of a track of this topic.
fn to(topic: &str, text: &str) -> Entry {
    Entry { topic: topic.into(), ..entry(topic, text) }
}

pub(super) fn take(outbox: &mut Outbox, now: u64) -> Option<(Sequence, String, bool)> {
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

fn texts(outbox: &mut Outbox) -> Vec<String> {
    std::iter::from_fn(|| take(outbox, 1)).map(|out| out.1).collect()
}

/// What happens now is worth more than what happened before the outage.
#[test]
fn a_full_outbox_drops_the_oldest_by_number_and_by_bytes() {
    // Each counts for three bytes.
    for (max_events, max_bytes) in [(3, 1000), (1000, 9), (1000, 11)] {
        let mut outbox = Outbox::new(Settings { max_events, max_bytes, ..Settings::default() });
        for text in ["1", "2", "3", "4", "5"] {
            outbox.push(entry("a", text));
        }
        assert_eq!(texts(&mut outbox), ["3", "4", "5"], "{max_events}, {max_bytes}");
        assert_eq!(outbox.dropped().full, 2);
        outbox.push(entry("a", "larger than all"));
        let left = if max_events == 3 { 3 } else { 1 };
        assert_eq!(outbox.len(), left, "{max_events}, {max_bytes}");
    }
}

#[test]
fn an_outbox_that_has_become_smaller_keeps_the_newest() {
    let smaller = [
        Settings { max_events: 2, ..Settings::default() },
        Settings { max_bytes: 6, ..Settings::default() },
    ];
    for smaller in smaller {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut outbox = Outbox::open(Settings::default(), folder.path(), at(0)).expect("opens");
        ["1", "2", "3", "4"].iter().for_each(|text| outbox.push(entry("a", text)));
        drop(outbox);
        let mut outbox = Outbox::open(smaller.clone(), folder.path(), at(0)).expect("opens");
        assert_eq!(texts(&mut outbox), ["3", "4"], "{smaller:?}");
        assert_eq!(outbox.dropped().full, 2);
    }
}

/// One event that was refused used to hold up all others, for up to a week.
#[test]
fn what_is_refused_holds_up_its_topic_only() {
    let mut outbox = Outbox::new(Settings::default());
    for number in 0..9_000 {
        outbox.push(to("old", &number.to_string()));
    }
    outbox.push(to("new", "from before"));
    outbox.connected();
    let under_way: Vec<_> = (0..3).map(|_| take(&mut outbox, 1).expect("waiting")).collect();
    under_way.iter().for_each(|(sequence, ..)| outbox.hold(*sequence));
    outbox.push(Entry { track: "another".into(), ..to("new", "live") });
    let (live, text, _) = take(&mut outbox, 1).expect("live goes on");
    assert_eq!(text, "live");
    assert_eq!(take(&mut outbox, 1).expect("the backlog goes on").1, "from before");
    assert_eq!(take(&mut outbox, 1), None);
    assert!(outbox.lanes.is_clear(), "what is held is passed over once, not with each event");
    // They are offered again, in their order, and what is under way is not doubled.
    outbox.release();
    let again: Vec<_> = std::iter::from_fn(|| take(&mut outbox, 1)).map(|out| out.1).collect();
    assert!(again.into_iter().eq((0..9_000).map(|number| number.to_string())));
    outbox.acknowledged(live);
    assert_eq!(outbox.len(), 9_001);
    // A new connection is told everything, held or under way.
    outbox.hold(under_way[0].0);
    outbox.lost();
    assert_eq!(std::iter::from_fn(|| take(&mut outbox, 1)).count(), 9_001);
}

#[test]
fn what_comes_for_a_topic_that_is_held_waits_behind_it() {
    let mut outbox = Outbox::new(Settings::default());
    outbox.connected();
    for number in ["1", "2"] {
        outbox.push(to("t", number));
    }
    let (first, ..) = take(&mut outbox, 1).expect("waiting");
    outbox.hold(first);
    assert_eq!(take(&mut outbox, 1), None);
    outbox.push(to("t", "3"));
    assert_eq!(take(&mut outbox, 1), None);
    outbox.release();
    outbox.push(to("t", "4"));
    let order: Vec<_> = std::iter::from_fn(|| take(&mut outbox, 1)).map(|out| out.1).collect();
    assert_eq!(order, ["1", "2", "3", "4"]);
}

/// An event of a clock that was never set has no age, and nobody looked behind it.
#[test]
fn what_is_too_old_expires_behind_an_event_of_unknown_age() {
    let mut outbox = Outbox::new(Settings { max_age_s: 100, ..Settings::default() });
    let before =
        |seconds, text| Entry { accepted: Accepted::Before(at(seconds).wall), ..to("t", text) };
    let now = 1_800_000_000;
    outbox.read = at(now);
    outbox.push(before(5, "unknown"));
    outbox.push(before(now - 101, "old"));
    outbox.push(before(now - 100, "not yet"));
    let order: Vec<_> = std::iter::from_fn(|| take(&mut outbox, now)).map(|out| out.1).collect();
    assert_eq!(order, ["unknown", "not yet"]);
    assert_eq!((outbox.dropped().expired, outbox.len()), (1, 2));
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

/// What a clock says that is right, and what one says that is ten days behind, in seconds since 1970.
const NOW: u64 = 1_800_000_000;
const PAST: u64 = NOW - 10 * 86_400;

fn moment(monotonic: u64, wall: u64) -> Moment {
    Moment { wall: at(wall).wall, ..at(monotonic) }
}

/// Does what writes the file anew, to its end.
fn rewrite(outbox: &mut Outbox, chore: Chore) {
    let (path, last) = outbox.finish(chore.run()).expect("installed");
    outbox.settle(crate::storage::sync_folder_of(&path), last);
}

/// Boards without a clock of their own wake up days in the past; the next run goes by what is
/// on the disk.
#[test]
fn a_young_event_is_young_after_a_restart_behind_a_step_of_the_clock() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let open = |now| Outbox::open(Settings::default(), folder.path(), now).expect("opens");
    let mut outbox = open(moment(90, PAST));
    let accepted = Accepted::Now(moment(100, PAST));
    outbox.push(Entry { accepted, ..entry("a", "1") });
    outbox.clock_was_set(moment(160, NOW));
    let chore = outbox.chore(Duration::ZERO).expect("due at once");
    rewrite(&mut outbox, chore);
    // Nothing is corrected twice.
    outbox.clock_was_set(moment(170, NOW + 10));
    assert!(outbox.chore(Duration::ZERO).is_none());
    drop(outbox);
    let mut outbox = open(moment(2, NOW + 27));
    let week = Settings::default().max_age_s;
    let left = outbox.take(moment(5, NOW + 30)).map(|out| (out.late, out.left.as_secs()));
    assert_eq!(left, Some((true, week - 90)));
    assert_eq!(outbox.dropped().expired, 0);
}

/// The daemon is restarted before the network says the time: what the run before has seen went
/// as too old with the step.
#[test]
fn a_young_event_is_young_when_the_clock_is_set_behind_a_restart() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let open = |now| Outbox::open(Settings::default(), folder.path(), now).expect("opens");
    let mut outbox = open(moment(90, PAST));
    let accepted = Accepted::Now(moment(100, PAST));
    outbox.push(Entry { accepted, ..entry("a", "1") });
    drop(outbox);
    let mut outbox = open(moment(130, PAST + 30));
    let week = Settings::default().max_age_s;
    let left = |outbox: &mut Outbox, now| {
        outbox.lost();
        outbox.take(now).map(|out| (out.late, out.left.as_secs()))
    };
    // Also before anybody has noticed that it was set.
    assert_eq!(left(&mut outbox, moment(140, NOW)), Some((true, week - 40)));
    outbox.clock_was_set(moment(160, NOW + 20));
    assert_eq!(left(&mut outbox, moment(170, NOW + 30)), Some((true, week - 70)));
    let chore = outbox.chore(Duration::ZERO).expect("due at once");
    rewrite(&mut outbox, chore);
    outbox.clock_was_set(moment(180, NOW + 40));
    assert!(outbox.chore(Duration::ZERO).is_none(), "nothing is corrected twice");
    drop(outbox);
    let mut outbox = open(moment(5, NOW + 60));
    assert_eq!(left(&mut outbox, moment(10, NOW + 65)), Some((true, week - 105)));
    assert_eq!(outbox.dropped().expired, 0);
}

/// It used to be looked at every `sync_after_s`, so that an event that came right after
/// such a look waited for twice as long.
#[test]
fn an_event_is_forced_to_the_card_when_its_own_time_has_come() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut outbox = Outbox::open(Settings::default(), folder.path(), at(0)).expect("opens");
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
    let mut outbox = Outbox::open(Settings::default(), folder.path(), at(0)).expect("opens");
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
            rewrite(&mut outbox, chore);
            assert!(size() < 1_000, "what is left");
        }
    }
    assert!(largest < (64 << 10) + 1_000, "grew to {largest} bytes");
    assert_eq!(outbox.store_errors(), 0);
    drop(outbox);
    assert_eq!(Outbox::open(Settings::default(), folder.path(), at(0)).expect("opens").len(), 1);
}

/// Stood for by a folder that has the new file's name. The daemon used to end with 74.
#[test]
fn a_full_disk_does_not_keep_what_waits_from_going() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let open = || Outbox::open(Settings::default(), folder.path(), at(0)).expect("opens");
    let mut outbox = open();
    for text in ["1", "2"] {
        outbox.push(entry("a", text));
    }
    drop(outbox);
    let in_the_way = folder.path().join("outbox.new");
    std::fs::create_dir(&in_the_way).expect("made");
    let mut outbox = open();
    assert_eq!((outbox.len(), outbox.store_errors()), (2, 1));
    let (first, text, _) = take(&mut outbox, 1).expect("waiting");
    assert_eq!(text, "1");
    outbox.acknowledged(first);
    outbox.push(entry("a", "3"));
    // There is room again: the file is written anew, and all of it is safe.
    std::fs::remove_dir(&in_the_way).expect("removed");
    let chore = outbox.chore(Duration::ZERO).expect("due at once");
    assert!(matches!(chore, Chore::Rewrite(..)), "{chore:?}");
    rewrite(&mut outbox, chore);
    assert_eq!((outbox.chore_due(), outbox.store_errors()), (None, 1));
    drop(outbox);
    let mut outbox = open();
    let order: Vec<_> = std::iter::from_fn(|| take(&mut outbox, 1)).map(|out| out.1).collect();
    assert_eq!((order, outbox.store_errors()), (vec!["2".to_owned(), "3".into()], 0));
}

#[test]
fn the_card_is_forced_only_for_what_really_waits() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut outbox = Outbox::open(Settings::default(), folder.path(), at(0)).expect("opens");
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

/// Whoever acknowledged an event, and at the lock whoever saw a face, waited for the card.
#[test]
fn while_the_disk_is_waited_for_nothing_is_cut() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let open = || Outbox::open(Settings::default(), folder.path(), at(0)).expect("opens");
    let journal = folder.path().join("outbox.journal");
    let size = || std::fs::metadata(&journal).expect("there").len();
    let goes = |outbox: &mut Outbox| {
        let (sequence, ..) = take(outbox, 9).expect("waiting");
        outbox.acknowledged(sequence);
    };
    let mut outbox = open();
    for rewrite in [false, true] {
        outbox.push(entry("a", "1"));
        if rewrite {
            outbox.store.as_mut().expect("on disk").ask_for_rewrite();
        }
        let before = size();
        let chore = outbox.chore(at(9).monotonic).expect("due");
        goes(&mut outbox);
        assert!(size() > before, "a record says so");
        let installed = outbox.finish(chore.run());
        assert_eq!(installed.is_some(), rewrite);
        if let Some((path, last)) = installed {
            assert!(size() > 0, "the folder is still waited for");
            outbox.settle(crate::storage::sync_folder_of(&path), last);
        }
        assert_eq!((size(), outbox.chore_due()), (0, None));
    }
    outbox.push(entry("a", "2"));
    let _chore = outbox.chore(at(9).monotonic).expect("due");
    goes(&mut outbox);
    drop(outbox);
    assert!(open().is_empty(), "a kill meanwhile brings nothing back");
}
