//! Time: long gaps, clocks that stand still or run back, slow and uneven frames, none at all.

use std::time::Duration;

use expressiond::tracks::ChangeKind::{ExpressionEnded, ExpressionStarted, FaceAppeared, FaceLeft};
use expressiond::tracks::{ExpressionSettings, TrackingSettings};

use super::{HAPPY, NOT_HAPPY, Scene, face};

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

/// Frames come a little early or late, as a driver brings them, and one of them misses the face.
/// It is found in the next one, so nobody has left.
#[test]
fn one_missed_frame_ends_no_visit_at_any_rate() {
    for fps in [0.3, 0.5, 0.8, 1.0, 1.5] {
        let mut scene = Scene::at(fps);
        let ticks = (scene.frame.as_secs_f32() / 0.5) as u32;
        let steady = scene.frame;
        for number in 0..30 {
            for tick in 1..=ticks {
                let now = scene.now + Duration::from_millis(500) * tick;
                scene.tracker.pass(now, &mut scene.told);
            }
            scene.frame = steady + Duration::from_millis(number * 5 % 7) - Duration::from_millis(3);
            let found = if number == 20 { vec![] } else { vec![face(HAPPY, 0.9, 50.0)] };
            scene.frame(&found);
        }
        assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted], "at {fps} frames/s");
        assert_eq!(scene.tracks(), 1, "at {fps} frames/s");
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
    for _ in 0..3 {
        scene.now += Duration::from_millis(120);
        scene.tracker.update(scene.now, &[], &mut scene.told);
    }
    assert_eq!(scene.kinds().last(), Some(&FaceLeft), "missed for longer than it says");
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
