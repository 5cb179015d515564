//! Frames in which a face is taken for another expression than it has.

use expressiond::tracks::ChangeKind::{ExpressionEnded, ExpressionStarted, FaceAppeared};
use expressiond::tracks::{ExpressionSettings, Tracker, TrackingSettings};

use super::{Scene, face};

/// A scene in which each frame shows the class of a letter (`a` is 0).
fn show(scene: &mut Scene, classes: &str) {
    for class in classes.bytes() {
        scene.frame(&[face(usize::from(class - b'a'), 0.9, 50.0)]);
    }
}

#[test]
fn two_wrong_frames_in_six_change_nothing_at_any_rate() {
    for fps in [0.7, 1.0, 1.9, 2.0, 3.0, 15.0] {
        let mut scene = Scene::at(fps);
        show(&mut scene, &("a".repeat(20) + "bb" + &"a".repeat(20)));
        assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted], "at {fps} frames/s");
    }
}

/// They are no wrong ones: what was told is over.
#[test]
fn an_expression_that_no_frame_shows_any_more_ends_by_the_third_at_every_slow_rate() {
    for fps in [0.7, 1.0, 1.9] {
        let mut scene = Scene::at(fps);
        show(&mut scene, &("a".repeat(20) + "bbb"));
        let ended = [FaceAppeared, ExpressionStarted, ExpressionEnded];
        assert_eq!(scene.kinds(), ended, "at {fps} frames/s");
    }
}

/// Each of the two shows often enough to take the first one's place, and for too short a time.
#[test]
fn two_that_take_turns_do_not_keep_a_third_told() {
    let expression = ExpressionSettings { smoothing_s: 0.0, votes: 3, ..Default::default() };
    let hold_s = expression.hold_s;
    let mut scene = Scene::at(10.0);
    scene.tracker = Tracker::new(TrackingSettings::default(), expression, 3);
    show(&mut scene, &"a".repeat(30));
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
    show(&mut scene, &"bc".repeat((hold_s * 10.0) as usize));
    assert_eq!(scene.kinds()[2..], [ExpressionEnded], "within twice hold_s");
    show(&mut scene, &"bc".repeat(150));
    assert_eq!(scene.kinds().len(), 3, "none of the two is told");
}
