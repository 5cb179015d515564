//! The tracker on recorded and generated sequences: what people in front of a
//! camera do, and what detectors and clocks do to it.

use std::collections::HashMap;
use std::time::Duration;

use expressiond::detector::Detection;
use expressiond::geometry::Rect;
use expressiond::tracks::ChangeKind::{
    ExpressionChanged, ExpressionEnded, ExpressionStarted, FaceAppeared, FaceLeft,
};
use expressiond::tracks::{
    Change, ChangeKind, ExpressionSettings, Filter, Tracker, TrackingSettings,
};
use proptest::prelude::*;

const HAPPY: usize = 0;
const NOT_HAPPY: usize = 1;

/// A tracker that is fed frames at a steady rate.
struct Scene {
    tracker: Tracker,
    now: Duration,
    frame: Duration,
    told: Vec<Change>,
}

impl Scene {
    fn at(fps: f32) -> Self {
        let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
        Self {
            tracker: Tracker::new(tracking, expression, 2),
            now: Duration::from_secs(1000),
            frame: Duration::from_secs_f32(1.0 / fps),
            told: Vec::new(),
        }
    }

    fn frame(&mut self, detections: &[Detection]) {
        self.now += self.frame;
        self.tracker.update(self.now, detections, &mut self.told);
    }

    fn seconds(&mut self, seconds: f32, mut detections: impl FnMut(usize) -> Vec<Detection>) {
        let frames = (seconds / self.frame.as_secs_f32()).round() as usize;
        (0..frames).for_each(|number| self.frame(&detections(number)));
    }

    fn kinds(&self) -> Vec<ChangeKind> {
        self.told.iter().map(|change| change.kind).collect()
    }

    fn tracks(&self) -> usize {
        let mut numbers: Vec<u64> = self.told.iter().map(|change| change.track).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    }
}

fn face(class: usize, confidence: f32, x: f32) -> Detection {
    Detection { class, confidence, rect: Rect::new(x, 100.0, 80.0, 100.0) }
}

#[test]
fn a_visit_tells_its_story_once() {
    let mut scene = Scene::at(10.0);
    scene.seconds(3.0, |_| vec![face(NOT_HAPPY, 0.9, 50.0)]);
    scene.seconds(3.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    scene.seconds(4.0, |_| vec![]);
    let story =
        [FaceAppeared, ExpressionStarted, ExpressionChanged(NOT_HAPPY), ExpressionEnded, FaceLeft];
    assert_eq!(scene.kinds(), story);
    let lasted = |index: usize| scene.told[index].lasted.as_secs_f32();
    assert!((lasted(2) - 3.0).abs() < 0.2, "not happy for {}", lasted(2));
    // From when it was clear to the last frame: nothing shows when it fades any more.
    assert!((lasted(3) - 2.6).abs() < 0.2, "happy for {}", lasted(3));
    assert!((lasted(4) - 6.0).abs() < 0.3, "there for {}", lasted(4));
}

#[test]
fn a_single_wrong_frame_changes_nothing() {
    let mut scene = Scene::at(10.0);
    scene.seconds(10.0, |number| {
        let class = if number % 7 == 3 { NOT_HAPPY } else { HAPPY };
        vec![face(class, 0.95, 50.0)]
    });
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    assert_eq!(scene.told[1].class, HAPPY);
}

#[test]
fn a_false_face_of_one_or_two_frames_is_never_told() {
    let mut scene = Scene::at(10.0);
    scene.seconds(20.0, |number| {
        if number % 10 < 2 { vec![face(HAPPY, 0.9, (number * 37 % 500) as f32)] } else { vec![] }
    });
    assert_eq!(scene.kinds(), []);
}

#[test]
fn thin_smiles_that_alternate_are_not_told_as_changes() {
    let mut scene = Scene::at(10.0);
    scene.seconds(2.0, |_| vec![face(NOT_HAPPY, 0.9, 50.0)]);
    scene.seconds(20.0, |number| {
        let (happy, other) = if number % 2 == 0 { (0.52, 0.45) } else { (0.45, 0.52) };
        let mut boxes = vec![face(HAPPY, happy, 50.0), face(NOT_HAPPY, other, 50.0)];
        boxes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        boxes
    });
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
}

#[test]
fn two_faces_that_cross_keep_their_names() {
    let mut scene = Scene::at(15.0);
    scene.seconds(4.0, |number| {
        let x = number as f32 * 8.0;
        let mut boxes = vec![
            Detection { rect: Rect::new(x, 100.0, 80.0, 100.0), ..face(HAPPY, 0.9, 0.0) },
            Detection {
                rect: Rect::new(472.0 - x, 118.0, 76.0, 96.0),
                ..face(NOT_HAPPY, 0.88, 0.0)
            },
        ];
        // the one behind is hidden while they overlap
        if (x - (472.0 - x)).abs() < 50.0 {
            boxes.pop();
        }
        boxes
    });
    assert_eq!(scene.tracks(), 2);
    let told: HashMap<u64, usize> = scene
        .told
        .iter()
        .filter(|change| change.kind == ExpressionStarted)
        .map(|change| (change.track, change.class))
        .collect();
    let faces = scene.tracker.tracks(scene.now);
    let right = faces.iter().max_by(|a, b| a.rect.x.total_cmp(&b.rect.x)).unwrap();
    assert_eq!(told[&right.track], HAPPY, "the happy one walked to the right");
    assert!(!scene.kinds().iter().any(|kind| matches!(kind, ExpressionChanged(_))));
}

#[test]
fn a_face_that_comes_back_in_time_is_the_same_and_later_another() {
    let mut scene = Scene::at(10.0);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    scene.seconds(1.5, |_| vec![]);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 60.0)]);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    scene.seconds(3.0, |_| vec![]);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 60.0)]);
    let again = [
        FaceAppeared,
        ExpressionStarted,
        ExpressionEnded,
        FaceLeft,
        FaceAppeared,
        ExpressionStarted,
    ];
    assert_eq!(scene.kinds(), again);
    assert_eq!(scene.tracks(), 2);
}

#[test]
fn weak_boxes_keep_a_face_but_never_start_one() {
    let mut scene = Scene::at(10.0);
    scene.seconds(5.0, |_| vec![face(HAPPY, 0.2, 300.0)]);
    assert_eq!(scene.kinds(), []);
    scene.seconds(1.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    scene.seconds(5.0, |_| vec![face(HAPPY, 0.2, 52.0)]);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
}

#[test]
fn a_long_gap_ends_what_was_there() {
    let mut scene = Scene::at(10.0);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    let seen = scene.now;
    scene.now += Duration::from_secs(3600); // the board was suspended
    scene.frame(&[face(NOT_HAPPY, 0.9, 50.0)]);
    assert_eq!(scene.kinds()[2..], [ExpressionEnded, FaceLeft]);
    assert!(scene.told[3].lasted <= seen, "the gap is not part of the visit");
    assert!(scene.told[3].lasted.as_secs_f32() < 2.1);
}

#[test]
fn a_time_that_stands_still_or_runs_back_does_no_harm() {
    let mut scene = Scene::at(10.0);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    let now = scene.now;
    for back in [0, 1, 500] {
        let then = now - Duration::from_secs(back);
        scene.tracker.update(then, &[face(HAPPY, 0.9, 50.0)], &mut scene.told);
    }
    scene.seconds(1.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
}

#[test]
fn two_frames_a_second_are_enough_for_a_moving_face() {
    let mut scene = Scene::at(2.0);
    scene.seconds(8.0, |number| vec![face(HAPPY, 0.9, number as f32 * 45.0)]);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    assert_eq!(scene.tracks(), 1);
}

/// By 70 of 100 pixels, once: whoever stands still again is not somebody else.
#[test]
fn who_shifts_between_two_of_few_frames_stays_one() {
    for fps in [0.5, 1.0, 2.0, 3.0, 15.0] {
        let mut scene = Scene::at(fps);
        for number in 0..20 {
            scene.frame(&[face(HAPPY, 0.9, if number < 10 { 50.0 } else { 120.0 })]);
        }
        assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted], "at {fps} frames/s");
        assert_eq!(scene.tracks(), 1, "at {fps} frames/s");
    }
}

/// Two who never overlap are two, also where the least overlap is enough.
#[test]
fn a_face_far_away_is_another_one_whatever_the_overlap_asked_for() {
    let tracking = TrackingSettings { match_iou: 0.0, ..TrackingSettings::default() };
    let tracker = Tracker::new(tracking, ExpressionSettings::default(), 2);
    let mut scene = Scene { tracker, ..Scene::at(10.0) };
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 600.0)]);
    assert_eq!(scene.tracks(), 2);
}

/// The inference thread tells the tracker every half second that time has passed,
/// whatever the frame rate.
#[test]
fn at_every_rate_that_may_be_set_a_face_is_told_and_stays() {
    for fps in [0.4, 0.5, 1.0, 1.3, 2.0, 15.0] {
        let mut scene = Scene::at(fps);
        let ticks = (scene.frame.as_secs_f32() / 0.5) as u32;
        for _ in 0..40 {
            let start = scene.now;
            for tick in 1..=ticks {
                let now = start + Duration::from_millis(500) * tick;
                scene.tracker.pass(now, &mut scene.told);
            }
            scene.frame(&[face(HAPPY, 0.9, 50.0)]);
        }
        assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted], "at {fps} frames/s");
    }
}

#[test]
fn without_pictures_faces_leave_by_time_alone() {
    let mut scene = Scene::at(10.0);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    for half_second in 1..=4 {
        scene.tracker.pass(scene.now + Duration::from_millis(500) * half_second, &mut scene.told);
        assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted], "within lost_s");
    }
    scene.tracker.pass(scene.now + Duration::from_millis(2500), &mut scene.told);
    let all = [FaceAppeared, ExpressionStarted, ExpressionEnded, FaceLeft];
    assert_eq!(scene.kinds(), all);
    assert!(!scene.tracker.is_busy());
}

/// Its place was foreseen for half a second more, which is beyond the picture.
#[test]
fn who_walks_out_is_told_to_have_left_where_it_was_seen() {
    let mut scene = Scene::at(15.0);
    let at = |frame: usize| 100.0 + 18.0 * frame as f32;
    scene.seconds(2.0, |frame| vec![face(HAPPY, 0.9, at(frame))]);
    scene.seconds(3.0, |_| vec![]);
    for kind in [ExpressionEnded, FaceLeft] {
        let left = scene.told.iter().find(|change| change.kind == kind).expect("told");
        assert!((left.rect.x - at(29)).abs() < 5.0, "{left:?}");
    }
}

#[test]
fn when_the_camera_goes_everything_ends() {
    let mut scene = Scene::at(10.0);
    scene.seconds(2.0, |_| vec![face(HAPPY, 0.9, 50.0), face(NOT_HAPPY, 0.8, 300.0)]);
    let Scene { tracker, told, .. } = &mut scene;
    tracker.end_all(told);
    assert_eq!(scene.kinds().iter().filter(|kind| **kind == FaceLeft).count(), 2);
    assert!(scene.tracker.tracks(scene.now).is_empty());
}

fn detection() -> impl Strategy<Value = Detection> {
    (0usize..2, 0.1f32..1.0, 0f32..600.0, 0f32..400.0, 5f32..200.0, 5f32..200.0).prop_map(
        |(class, confidence, x, y, w, h)| Detection {
            class,
            confidence,
            rect: Rect::new(x, y, w, h),
        },
    )
}

proptest! {
    /// Whatever is seen: each face appears once and leaves once, its expressions begin
    /// and end in between, numbers are never used again.
    #[test]
    fn every_story_is_well_told(
        frames in proptest::collection::vec(
            (1u64..3000, proptest::collection::vec(detection(), 0..6)), 1..80),
    ) {
        let mut tracker = Tracker::new(TrackingSettings::default(), ExpressionSettings::default(), 2);
        let (mut told, mut now) = (Vec::new(), Duration::ZERO);
        for (millis, mut detections) in frames {
            now += Duration::from_millis(millis);
            detections.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
            tracker.update(now, &detections, &mut told);
        }
        tracker.end_all(&mut told);
        let mut open: HashMap<u64, Option<usize>> = HashMap::new();
        let mut last = 0;
        for change in told {
            let state = open.get(&change.track).copied();
            match change.kind {
                FaceAppeared => {
                    prop_assert!(state.is_none());
                    open.insert(change.track, None);
                    last = last.max(change.track);
                }
                ExpressionStarted => {
                    prop_assert_eq!(state, Some(None));
                    open.insert(change.track, Some(change.class));
                }
                ExpressionChanged(from) => {
                    prop_assert_eq!(state, Some(Some(from)));
                    prop_assert_ne!(from, change.class);
                    open.insert(change.track, Some(change.class));
                }
                ExpressionEnded => {
                    prop_assert_eq!(state, Some(Some(change.class)));
                    open.insert(change.track, None);
                }
                FaceLeft => {
                    prop_assert_eq!(state, Some(None));
                    open.insert(change.track, Some(usize::MAX)); // never again
                }
            }
        }
        prop_assert!(open.values().all(|state| *state == Some(usize::MAX)));
    }
}

/// A face of which only each tenth frame shows the place, as far ones are when the board is
/// busy: it is not missed in between, but missed when it was looked for.
#[test]
fn a_face_that_is_not_looked_for_is_not_missed() {
    let mut scene = Scene::at(15.0);
    scene.seconds(1.0, |_| vec![face(HAPPY, 0.9, 0.0)]);
    assert_eq!(scene.kinds()[0], FaceAppeared);
    scene.told.clear();
    let mut play = |seconds: f32, there: bool| {
        for number in 0..(seconds * 15.0) as u32 {
            scene.now += scene.frame;
            let looked = number.is_multiple_of(10);
            let found = if looked && there { vec![face(HAPPY, 0.9, 0.0)] } else { vec![] };
            scene.tracker.update_where(
                scene.now,
                &found,
                &Filter::looked(|_| looked),
                &mut scene.told,
            );
        }
        scene.told.iter().filter(|change| change.kind == FaceLeft).count()
    };
    assert_eq!(play(10.0, true), 0);
    // Two looks that do not find it are too few, five are not.
    assert_eq!(play(1.4, false), 0);
    assert_eq!(play(2.0, false), 1);
}

/// Each look finds it, or all but one do: seldom looked at is not missed.
#[test]
fn a_new_face_that_is_seldom_looked_at_is_told() {
    for every in [7, 10, 18, 45] {
        for missed in [None, Some(1), Some(2)] {
            let mut scene = Scene::at(15.0);
            for number in 0..8 * every {
                scene.now += scene.frame;
                let looked = number % every == 0;
                let there = looked && Some(number / every) != missed;
                let found = if there { vec![face(HAPPY, 0.9, 0.0)] } else { vec![] };
                let filter = Filter::looked(|_| looked);
                scene.tracker.update_where(scene.now, &found, &filter, &mut scene.told);
            }
            let told = scene.kinds();
            assert_eq!(told.first(), Some(&FaceAppeared), "every {every}th, missed: {missed:?}");
            assert!(!told.contains(&FaceLeft), "every {every}th, missed: {missed:?}");
            assert_eq!(scene.tracker.tracks(scene.now)[0].track, 1, "it is the same all the time");
        }
    }
}

/// With the shortest patience that can be set, too.
#[test]
fn frames_that_come_unevenly_end_nothing() {
    let mut scene = Scene::at(10.0);
    scene.tracker.retune(
        TrackingSettings { lost_s: 0.1, ..TrackingSettings::default() },
        ExpressionSettings::default(),
    );
    for number in 0..100 {
        scene.now += Duration::from_millis(if number % 3 == 0 { 350 } else { 120 });
        scene.tracker.update(scene.now, &[face(HAPPY, 0.9, 50.0)], &mut scene.told);
    }
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    scene.now += Duration::from_millis(120);
    scene.tracker.update(scene.now, &[], &mut scene.told);
    scene.now += Duration::from_millis(120);
    scene.tracker.update(scene.now, &[], &mut scene.told);
    assert_eq!(scene.kinds().last(), Some(&FaceLeft), "missed for longer than it says");
}
