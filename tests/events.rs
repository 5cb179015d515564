//! The event type, its schema and its page say the same.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expressiond::clock::Moment;
use expressiond::events::{Event, EventType, Origin, Recorder};
use expressiond::geometry::{Rect, Size};
use expressiond::tracks::{Change, ChangeKind};
use proptest::prelude::*;
use serde_json::Value;

const PAGE: &str = include_str!("../docs/ref/events.md");
const SCHEMA: &str = include_str!("../docs/ref/event.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn recorder() -> Recorder {
    let origin = Origin {
        device: "hall".to_owned(),
        camera: "door".to_owned(),
        model: "m@1+00".to_owned(),
        classes: vec!["happy".to_owned(), "not_happy".to_owned()],
    };
    let mut counter = 0u8;
    Recorder::new(
        origin,
        Box::new(move || {
            counter = counter.wrapping_add(1);
            [counter; 10]
        }),
    )
}

fn change(kind: ChangeKind) -> Change {
    let rect = Rect::new(10.0, 20.0, 30.0, 40.0);
    Change { track: 7, kind, rect, class: 0, confidence: 0.9, lasted: Duration::from_millis(1500) }
}

fn at(wall: SystemTime) -> Moment {
    Moment { monotonic: Duration::from_secs(5), wall }
}

fn zones(number: usize) -> Vec<String> {
    ["desk", "door"].into_iter().take(number).map(str::to_owned).collect()
}

const KINDS: [ChangeKind; 5] = [
    ChangeKind::FaceAppeared,
    ChangeKind::ExpressionStarted,
    ChangeKind::ExpressionChanged(1),
    ChangeKind::ExpressionEnded,
    ChangeKind::FaceLeft,
];

#[test]
fn every_event_fits_the_schema_and_uses_every_field_of_it() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut recorder = recorder();
    let mut used = BTreeSet::new();
    for kind in KINDS {
        for late in [false, true] {
            let (now, frame) = (at(SystemTime::now()), Size::new(640, 480));
            let event = recorder.record(&change(kind), now, frame, zones(usize::from(late)));
            let value = serde_json::to_value(Event { late, ..event }).unwrap();
            assert!(validator.is_valid(&value), "{value}");
            used.extend(value.as_object().unwrap().keys().cloned());
        }
    }
    let described: BTreeSet<String> =
        schema()["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, described);
}

#[test]
fn the_schema_and_the_page_list_exactly_the_types_there_are() {
    let coded: Vec<Value> = EventType::ALL.iter().map(|kind| kind.name().into()).collect();
    assert_eq!(schema()["properties"]["event_type"]["enum"], Value::Array(coded));
    let rows: Vec<&str> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| *name != "event_type")
        .collect();
    assert_eq!(rows, EventType::ALL.map(EventType::name));
}

#[test]
fn the_page_s_examples_are_events_and_stay_the_same() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let examples: Vec<&str> = PAGE.lines().filter(|line| line.starts_with('{')).collect();
    let mut types = BTreeSet::new();
    for example in &examples {
        let value: Value = serde_json::from_str(example).unwrap();
        assert!(validator.is_valid(&value), "{example}");
        let event: Event = serde_json::from_str(example).unwrap();
        types.insert(event.event_type.name());
        assert_eq!(serde_json::to_string(&event).unwrap(), *example);
    }
    assert_eq!(types.len(), EventType::ALL.len());
}

#[test]
fn an_unknown_field_is_refused() {
    let example = PAGE.lines().find(|line| line.starts_with('{')).unwrap();
    let more = example.replacen('{', "{\"mood\":\"good\",", 1);
    assert!(serde_json::from_str::<Event>(&more).is_err());
}

#[test]
fn ids_are_unique_and_a_wall_clock_that_jumps_changes_only_what_is_printed() {
    let mut recorder = recorder();
    let times = [0, 4_000_000_000, 1, 4_000_000_000].map(|s| UNIX_EPOCH + Duration::from_secs(s));
    let events: Vec<Event> = times
        .iter()
        .map(|time| {
            let change = change(ChangeKind::FaceLeft);
            recorder.record(&change, at(*time), Size::new(640, 480), zones(0))
        })
        .collect();
    let ids: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), events.len());
    assert!(events.iter().all(|event| event.duration_ms == 1500));
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(events[0].time, "1970-01-01T00:00:00.000Z");
}

proptest! {
    #[test]
    fn whatever_a_tracker_says_the_event_fits_the_schema(
        x in -1e4f32..1e4, y in -1e4f32..1e4, w in 0f32..1e4, h in 0f32..1e4,
        confidence in -1f32..2.0, class in 0usize..2, millis: u64, kind in proptest::sample::select(&KINDS[..]),
    ) {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let change = Change {
            rect: Rect::new(x, y, w, h), confidence, class,
            lasted: Duration::from_millis(millis), ..change(kind)
        };
        let event =
            recorder().record(&change, at(SystemTime::now()), Size::new(640, 480), zones(class));
        let text = serde_json::to_string(&event).unwrap();
        prop_assert!(validator.is_valid(&serde_json::from_str(&text).unwrap()), "{}", text);
        prop_assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
