//! Whatever happens before a camera, what is told of it makes sense.

use std::collections::HashMap;
use std::time::Duration;

use expressiond::detector::Detection;
use expressiond::geometry::Rect;
use expressiond::tracks::ChangeKind::{
    ExpressionChanged, ExpressionEnded, ExpressionStarted, FaceAppeared, FaceLeft,
};
use expressiond::tracks::{Change, ExpressionSettings, Tracker, TrackingSettings};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseResult, TestRunner};

/// Milliseconds since the frame before, and what is found.
type Frame = (u64, Vec<Detection>);

/// Where one frame finds a face, by shares of its size beside its place, and how surely; nowhere
/// where it is missed.
type Found = Option<(f32, f32, f32)>;

/// A face that stays about one place, from which frame on, and its expressions one after another
/// with their frames.
#[derive(Clone, Debug)]
struct Visitor {
    place: Rect,
    comes: usize,
    runs: Vec<(usize, usize)>,
}

impl Visitor {
    /// Its class in the frame of this number; none before it comes and when it has left.
    fn class(&self, frame: usize) -> Option<usize> {
        let mut ends = self.comes;
        let mut shown = self.runs.iter().filter(|(_, frames)| {
            ends += frames;
            frame < ends
        });
        shown.next().filter(|_| frame >= self.comes).map(|(class, _)| *class)
    }

    fn seen(&self, frame: usize, found: Found) -> Option<Detection> {
        let (class, (right, down, confidence)) = (self.class(frame)?, found?);
        let Rect { x, y, width, height } = self.place;
        let rect = Rect::new(x + right * width, y + down * height, width, height);
        Some(Detection { class, confidence, rect })
    }
}

fn visitor() -> impl Strategy<Value = Visitor> {
    let place = (0f32..600.0, 0f32..400.0, 30f32..150.0);
    let runs = proptest::collection::vec((0usize..2, 5usize..=20), 1..6);
    (place, 0usize..30, runs).prop_map(|((x, y, size), comes, runs)| Visitor {
        place: Rect::new(x, y, size, size * 1.2),
        comes,
        runs,
    })
}

fn found() -> impl Strategy<Value = Found> {
    let beside = -0.3f32..0.3;
    let sure = prop_oneof![4 => 0.7f32..1.0, 1 => 0.1f32..0.7];
    proptest::option::weighted(0.9, (beside.clone(), beside, sure))
}

/// What is taken for a face now and then, anywhere.
fn clutter() -> impl Strategy<Value = Option<Detection>> {
    let anything = (0usize..2, 0.1f32..1.0, 0f32..600.0, 0f32..400.0, 5f32..200.0, 5f32..200.0);
    proptest::option::weighted(
        0.1,
        anything.prop_map(|(class, confidence, x, y, width, height)| Detection {
            class,
            confidence,
            rect: Rect::new(x, y, width, height),
        }),
    )
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let millis = prop_oneof![60 => 30u64..400, 1 => Just(3000u64)];
    let frame = (millis, proptest::array::uniform3(found()), clutter());
    (proptest::collection::vec(visitor(), 1..=3), proptest::collection::vec(frame, 20..120))
        .prop_map(|(visitors, frames)| {
            let detections = |number: usize, places: [Found; 3], clutter: Option<Detection>| {
                let mut all: Vec<Detection> = visitors
                    .iter()
                    .zip(places)
                    .filter_map(|(visitor, found)| visitor.seen(number, found))
                    .chain(clutter)
                    .collect();
                all.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
                all
            };
            frames
                .into_iter()
                .enumerate()
                .map(|(number, (millis, places, clutter))| {
                    (millis, detections(number, places, clutter))
                })
                .collect()
        })
}

/// All that is told of these frames, after which the camera goes.
fn told(frames: &[Frame]) -> Vec<Change> {
    let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
    let mut tracker = Tracker::new(tracking, expression, 2);
    let (mut told, mut now) = (Vec::new(), Duration::ZERO);
    for (millis, detections) in frames {
        now += Duration::from_millis(*millis);
        tracker.update(now, detections, &mut told);
    }
    tracker.end_all(&mut told);
    told
}

/// How far the story of one face is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// It is there, with this expression.
    There(Option<usize>),
    /// It has left, and never comes again.
    Left,
}

/// Each face appears once and leaves once, its expressions begin and end in between and together
/// last no longer than it was there, and numbers are never used again.
fn make_sense(told: &[Change]) -> TestCaseResult {
    let mut faces: HashMap<u64, (State, Duration)> = HashMap::new();
    for change in told {
        let known = faces.get(&change.track).copied();
        let (state, expressions) = known.unzip();
        let expressions = expressions.unwrap_or_default();
        let (before, after) = match change.kind {
            FaceAppeared => (None, State::There(None)),
            ExpressionStarted => (Some(State::There(None)), State::There(Some(change.class))),
            ExpressionChanged(from) => {
                prop_assert_ne!(from, change.class);
                (Some(State::There(Some(from))), State::There(Some(change.class)))
            }
            ExpressionEnded => (Some(State::There(Some(change.class))), State::There(None)),
            FaceLeft => {
                prop_assert!(expressions <= change.lasted, "{:?} of {:?}", expressions, change);
                (Some(State::There(None)), State::Left)
            }
        };
        prop_assert_eq!(state, before, "{:?}", change);
        faces.insert(change.track, (after, expressions + change.lasted));
    }
    prop_assert!(faces.values().all(|(state, _)| *state == State::Left));
    Ok(())
}

proptest! {
    #[test]
    fn every_story_is_well_told(frames in frames()) {
        make_sense(&told(&frames))?;
    }
}

/// A property of stories proves nothing where none is told.
#[test]
fn the_stories_that_are_made_up_have_everything_that_can_be_told() {
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 5];
    for _ in 0..128 {
        let frames = frames().new_tree(&mut runner).unwrap().current();
        for change in told(&frames) {
            counts[match change.kind {
                FaceAppeared => 0,
                ExpressionStarted => 1,
                ExpressionChanged(_) => 2,
                ExpressionEnded => 3,
                FaceLeft => 4,
            }] += 1;
        }
    }
    assert!(counts.iter().all(|count| *count >= 16), "of 128 stories: {counts:?}");
}
