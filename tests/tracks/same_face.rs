//! Who is the same and who is another: faces that cross, move, hide and come back.

use std::collections::HashMap;

use expressiond::detector::Detection;
use expressiond::geometry::Rect;
use expressiond::tracks::ChangeKind::{
    ExpressionChanged, ExpressionEnded, ExpressionStarted, FaceAppeared, FaceLeft,
};
use expressiond::tracks::{ExpressionSettings, Tracker, TrackingSettings};

use super::{HAPPY, NOT_HAPPY, Scene, face};

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
