//! Faces that are looked for as the planner says: it and the tracker depend on each other.

use proptest::prelude::*;

use super::*;
use crate::attention::Relief;
use crate::attention::look::{Inputs, Look};
use crate::attention::pace::Activity;
use crate::attention::planner::{Planner, Situation};
use crate::attention::reach::Distance;
use crate::geometry::{Region, Size};

const PICTURE: Size = Size::new(1280, 720);
const INPUTS: Inputs = Inputs::sized(Size::new(288, 192), Size::new(128, 128));
const FPS: f32 = 15.0;

/// A room before a camera, on a board that takes some time for its looks.
struct Room {
    planner: Planner,
    tracker: Tracker,
    relief: Relief,
    /// Who can be seen.
    faces: Vec<Rect>,
    /// Seconds that a look of the main network takes.
    slow: f32,
    /// From one frame to the next, on a board that is fast enough.
    frame: Duration,
    now: Duration,
    busy: Duration,
    told: Vec<Change>,
}

impl Room {
    fn new(tracking: TrackingSettings, fps: f32) -> Self {
        Self {
            planner: Planner::new(INPUTS, Distance::Room, fps),
            tracker: Tracker::new(tracking, ExpressionSettings::default(), 1),
            relief: Relief::default(),
            faces: Vec::new(),
            slow: 0.0,
            frame: Duration::from_secs_f32(1.0 / fps),
            now: Duration::ZERO,
            busy: Duration::ZERO,
            told: Vec::new(),
        }
    }

    /// The next frame: who is in one of its looks is found.
    fn step(&mut self) {
        self.now += self.busy.max(self.frame);
        let share = self.relief.update(self.now, false, self.busy);
        let (mut followed, mut looks) = (Vec::new(), Vec::new());
        self.tracker.followed(self.now, &mut followed);
        let at = Situation {
            now: self.now,
            picture: PICTURE,
            activity: Activity::Lively,
            followed: &followed,
            share,
        };
        self.planner.plan(&at, &mut looks);
        let looked = |rect: &Rect| looks.iter().any(|look: &Look| look.covers(rect, PICTURE));
        let seen = self.faces.iter().filter(|rect| looked(rect));
        let found: Vec<Detection> = seen.map(|rect| found(*rect)).collect();
        let filter = Filter::looked(looked);
        self.tracker.update_where(self.now, &found, &filter, &mut self.told);
        let cost: u32 = looks.iter().map(|look| look.cost).sum();
        self.busy = Duration::from_secs_f32(self.slow * cost as f32 / INPUTS.main.area() as f32);
    }

    fn play(&mut self, seconds: f32) {
        let end = self.now + Duration::from_secs_f32(seconds);
        while self.now < end {
            self.step();
        }
    }

    /// Whatever the looks would have shown: these boxes, in a frame each.
    fn show(&mut self, boxes: impl IntoIterator<Item = Rect>) {
        for rect in boxes {
            self.now += self.frame;
            self.tracker.update(self.now, &[found(rect)], &mut self.told);
        }
    }

    fn count(&self, kind: ChangeKind) -> usize {
        self.told.iter().filter(|change| change.kind == kind).count()
    }
}

fn found(rect: Rect) -> Detection {
    Detection { class: 0, confidence: 0.9, rect }
}

/// So many boxes on the way from one to another.
fn way(from: Rect, to: Rect, steps: u16) -> impl Iterator<Item = Rect> {
    (0..=steps).map(move |step| {
        let share = f32::from(step) / f32::from(steps.max(1));
        let between = |a: f32, b: f32| a + (b - a) * share;
        Rect::new(
            between(from.x, to.x),
            between(from.y, to.y),
            between(from.width, to.width),
            between(from.height, to.height),
        )
    })
}

/// The box grows lower and lower until nothing is found any more.
#[test]
fn whoever_ducks_behind_a_desk_leaves() {
    for fps in [5.0, 10.0, FPS] {
        for speed in [50.0, 150.0, 250.0, 400.0] {
            let mut room = Room::new(TrackingSettings::default(), fps);
            let whole = Rect::new(500.0, 200.0, 80.0, 107.0);
            let low = Rect { y: 252.0, height: 55.0, ..whole };
            room.show(way(whole, whole, fps as u16));
            room.show(way(whole, low, (52.0 / speed * fps).ceil() as u16));
            assert_eq!(room.count(ChangeKind::FaceAppeared), 1);
            room.play(3.0);
            assert_eq!(room.count(ChangeKind::FaceLeft), 1, "{speed} px/s, {fps} frames/s");
        }
    }
}

/// A look at a face has to show where it has come to, from however near a network reads best.
#[test]
fn who_crosses_far_away_is_confirmed_and_then_seen_from_as_near_as_is_best() {
    for close_look in [1.5, 3.0] {
        let mut room = Room::new(TrackingSettings::default(), FPS);
        let inputs = Inputs { close_look, ..INPUTS };
        room.planner = Planner::new(inputs, Distance::Room, FPS);
        // At 4 m, 1.5 m a second.
        let at = |frame: u16| Rect::new(20.0 + 18.0 * f32::from(frame), 297.0, 36.0, 45.0);
        room.play(5.0);
        // What moves has shown it once.
        room.show([at(0)]);
        for frame in 1..30 {
            room.faces = vec![at(frame)];
            room.step();
            let told = usize::from(frame > 7);
            assert!(room.count(ChangeKind::FaceAppeared) >= told, "{close_look}: {frame}");
        }
        assert_eq!(room.count(ChangeKind::FaceAppeared), 1);
        let mut followed = Vec::new();
        room.tracker.followed(room.now + room.frame, &mut followed);
        let look = inputs.face_about(&followed[0].rect, followed[0].unsure, PICTURE);
        assert_eq!(look, inputs.face(&followed[0].rect, PICTURE));
    }
}

#[test]
fn whoever_comes_up_again_is_the_same() {
    let mut room = Room::new(TrackingSettings::default(), FPS);
    let whole = Rect::new(500.0, 200.0, 80.0, 107.0);
    let low = Rect { y: 252.0, height: 55.0, ..whole };
    room.show(way(whole, whole, 15));
    room.show(way(whole, low, 4));
    room.play(1.0);
    room.show(way(low, whole, 4));
    assert_eq!(room.count(ChangeKind::FaceAppeared), 1);
    assert_eq!(room.count(ChangeKind::FaceLeft), 0);
}

/// Of ten far faces each waits for a second and more on a slow board.
#[test]
fn who_comes_far_away_is_told_however_long_faces_wait_for_their_looks() {
    let far = |n: u16| Rect::new(f32::from(10 + n * 126), 60.0, 32.0, 40.0);
    for (slow, near, count) in [(0.0, 6, 9), (0.1, 1, 6), (0.15, 1, 9), (0.3, 1, 3), (0.3, 1, 9)] {
        let mut room = Room::new(TrackingSettings::default(), FPS);
        room.slow = slow;
        let near = (0..near).map(|n: u16| Rect::new(f32::from(10 + n * 210), 300.0, 104.0, 130.0));
        room.faces = near.chain((0..count).map(far)).collect();
        room.play(120.0);
        let there = room.faces.len();
        assert_eq!(room.count(ChangeKind::FaceAppeared), there, "{count} far ones at {slow} s");
        let comes = far(9);
        room.faces.push(comes);
        let place = Region::around(comes.centre(), 80, PICTURE);
        room.planner.moved(place, room.now, room.now);
        room.play(12.0);
        assert_eq!(room.count(ChangeKind::FaceAppeared), there + 1, "{count} at {slow} s");
        room.play(60.0);
        assert_eq!(room.count(ChangeKind::FaceLeft), 0, "{count} at {slow} s");
    }
}

/// A face that each look finds was never looked for in vain.
#[test]
fn a_short_patience_loses_nobody_who_waits_for_a_look() {
    let tracking = TrackingSettings { lost_s: 0.1, ..TrackingSettings::default() };
    for slow in [0.0, 0.1] {
        let mut room = Room::new(tracking.clone(), FPS);
        room.slow = slow;
        let far = (0..10).map(|n: u16| Rect::new(f32::from(10 + n * 126), 60.0, 32.0, 40.0));
        let near = (0..6).map(|n: u16| Rect::new(f32::from(10 + n * 210), 300.0, 104.0, 130.0));
        room.faces = near.chain(far).collect();
        room.play(180.0);
        assert_eq!(room.count(ChangeKind::FaceAppeared), room.faces.len(), "{slow} s for a look");
        assert_eq!(room.count(ChangeKind::FaceLeft), 0, "{slow} s for a look");
    }
}

#[test]
fn one_long_gap_keeps_nobody_who_is_not_seen_after_it() {
    let settings = TrackingSettings { confirm_s: 0.0, confirm_frames: 1, ..Default::default() };
    let mut tracker = Tracker::new(settings, ExpressionSettings::default(), 2);
    let mut told = Vec::new();
    let second = Duration::from_secs;
    tracker.update(second(0), &[], &mut told);
    // An hour later one frame shows a face, and the camera is lost.
    let face = found(Rect { x: 10.0, y: 10.0, width: 100.0, height: 100.0 });
    tracker.update(second(3600), &[face], &mut told);
    tracker.pass(second(3603), &mut told);
    let kinds: Vec<_> = told.iter().map(|change| &change.kind).collect();
    assert!(matches!(kinds.last(), Some(ChangeKind::FaceLeft)), "{kinds:?}");
}

fn anywhere() -> impl Strategy<Value = Rect> {
    (-200f32..1300.0, -200f32..750.0, 1f32..900.0, 1f32..900.0)
        .prop_map(|(x, y, width, height)| Rect::new(x, y, width, height))
}

proptest! {
    /// Whatever boxes came before: what is followed is looked for, and leaves when it is not
    /// found for `lost_s`, give or take its turn.
    #[test]
    fn whoever_is_looked_for_in_vain_leaves(
        from in anywhere(), to in anywhere(), steps in 1u16..20, fps in 2f32..30.0,
    ) {
        let mut room = Room::new(TrackingSettings::default(), fps);
        room.show(way(from, from, fps as u16));
        room.show(way(from, to, steps));
        let followed: Vec<_> = room.tracker.tracks.iter().map(|track| track.motion.rect()).collect();
        room.play(room.tracker.tracking.lost_s + 1.5);
        prop_assert!(!room.tracker.is_busy(), "{:?}", followed);
    }
}

/// However short `confirm_s` is.
#[test]
fn a_face_is_told_when_it_was_seen_in_as_many_frames_as_the_settings_say() {
    for confirm_frames in [1, 3, 5] {
        let tracking =
            TrackingSettings { confirm_s: 0.0, confirm_frames, ..TrackingSettings::default() };
        let mut room = Room::new(tracking, FPS);
        let face = Rect::new(500.0, 200.0, 80.0, 107.0);
        for frame in 1..=6 {
            room.show([face]);
            let told = usize::from(frame >= confirm_frames);
            assert_eq!(room.count(ChangeKind::FaceAppeared), told, "{frame} of {confirm_frames}");
        }
    }
}
