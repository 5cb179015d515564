//! The tracker on recorded and generated sequences: what people in front of a
//! camera do, and what detectors and clocks do to it.

mod same_face;
mod seldom;
mod stories;
mod time;
mod wrong_frames;

use std::time::Duration;

use expressiond::detector::Detection;
use expressiond::geometry::Rect;
use expressiond::tracks::ChangeKind::{
    ExpressionChanged, ExpressionEnded, ExpressionStarted, FaceAppeared, FaceLeft,
};
use expressiond::tracks::{Change, ChangeKind, ExpressionSettings, Tracker, TrackingSettings};

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
fn weak_boxes_keep_a_face_but_never_start_one() {
    let mut scene = Scene::at(10.0);
    scene.seconds(5.0, |_| vec![face(HAPPY, 0.2, 300.0)]);
    assert_eq!(scene.kinds(), []);
    scene.seconds(1.0, |_| vec![face(HAPPY, 0.9, 50.0)]);
    scene.seconds(5.0, |_| vec![face(HAPPY, 0.2, 52.0)]);
    assert_eq!(scene.kinds(), [FaceAppeared, ExpressionStarted]);
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
