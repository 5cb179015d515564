//! More people than the budget has looks for, and boards on which looks take long.

use super::*;
use crate::attention::Relief;

/// Those of the committed networks.
const WIDE: Inputs = Inputs::sized(Size::new(288, 192), Size::new(128, 128));
/// No close network: a look at a face costs what one at the whole picture does.
const ALONE: Inputs = Inputs::sized(Size::new(224, 224), Size::new(224, 224));
const FAR_FACE: f32 = 40.0;

/// So many near faces, which fill the lower half of the picture, at most twelve.
fn near_faces(count: u32) -> impl Iterator<Item = Rect> {
    let place = |n: u32| ((10 + n % 6 * 213) as f32, (300 + n / 6 * 200) as f32);
    (0..count).map(place).map(|(x, y)| face(x, y, 130.0))
}

/// So many far ones, of which no close look shows two, at most forty.
fn far_faces(count: u32) -> impl Iterator<Item = Rect> {
    let place = |n: u32| ((10 + n % 10 * 126) as f32, (10 + n / 10 * 90) as f32);
    (0..count).map(place).map(|(x, y)| face(x, y, FAR_FACE))
}

fn crowd(near: u32, far: u32) -> Vec<Rect> {
    near_faces(near).chain(far_faces(far)).collect()
}

/// A room before a camera of 15 frames a second, after it was looked over.
fn known(faces: &[Rect], inputs: Inputs) -> Room {
    let mut room = Room::new(faces);
    room.planner = Planner::new(inputs, Distance::Room, FPS);
    room.play(0, KNOWN, |_, _| {});
    room
}

/// So many frames that takes.
const KNOWN: u32 = 300;
/// So many are played then.
const FRAMES: u32 = 300;

/// The longest that any of a room's faces waited for its look, from a frame on.
fn longest_wait(room: &mut Room, from: u32) -> Duration {
    let mut last: Vec<_> = room.faces.iter().map(|face| (face.rect, face.looked)).collect();
    let mut longest = Duration::ZERO;
    room.play(from, FRAMES, |now, looks| {
        for (rect, looked) in &mut last {
            longest = longest.max(now.saturating_sub(*looked));
            if looks.iter().any(|look| look.covers(rect, PICTURE)) {
                *looked = now;
            }
        }
    });
    longest
}

#[test]
fn a_crowd_is_looked_at_in_turns() {
    let crowd: Vec<Rect> = (0..40)
        .map(|n| face(20.0 + (n % 8) as f32 * 155.0, 20.0 + (n / 8) as f32 * 140.0, 40.0))
        .collect();
    let mut room = Room::new(&crowd);
    room.play(0, 150, |_, _| {});
    let last = frame_time(149);
    let longest = room.faces.iter().map(|face| last - face.looked).max().expect("a crowd");
    assert!(longest <= Duration::from_millis(600), "{longest:?}");
}

#[test]
fn before_a_near_crowd_each_far_face_is_looked_at_every_half_second() {
    for inputs in [INPUTS, WIDE] {
        for (near, far) in [(6, 1), (7, 2), (12, 1), (6, 10)] {
            let mut room = known(&crowd(near, far), inputs);
            let longest = longest_wait(&mut room, KNOWN);
            assert!(longest <= Duration::from_millis(500), "{longest:?} of {near} and {far}");
        }
    }
}

#[test]
fn before_a_near_crowd_what_may_be_a_face_is_looked_at_again() {
    for inputs in [INPUTS, WIDE, ALONE] {
        for (near, far) in [(3, 0), (6, 1), (12, 0), (0, 30)] {
            let mut room = known(&crowd(near, far), inputs);
            room.suspect = Some(face(900.0, 120.0, 30.0));
            for (share, from) in [(1.0, 0), (0.5, 1), (0.25, 2)] {
                room.share = share;
                room.play(KNOWN + from * FRAMES, FRAMES, |_, _| {});
                assert_eq!(room.doubted, 0, "{near} and {far}, {share} of the budget");
            }
        }
    }
}

#[test]
fn before_a_near_crowd_what_moves_is_looked_at_within_half_a_second() {
    for near in [6, 12] {
        let mut room = known(&crowd(near, 0), WIDE);
        room.moving = Some(Region { left: 900, top: 100, width: 80, height: 45 });
        let waited = room.wait_of_what_moves(KNOWN);
        assert!(waited <= Duration::from_millis(500), "{waited:?} before {near}");
        // Something new begins to move all the time; the crowd is still followed.
        let longest = longest_wait(&mut room, KNOWN + 15);
        assert!(longest <= Duration::from_millis(500), "{longest:?} of {near}");
    }
}

/// Films are told by the time of their pictures, of which there may be any number a second.
#[test]
fn before_a_near_crowd_a_film_of_any_rate_is_looked_over_within_the_period() {
    for fps in [10, 24, 25, 30, 50, 60, 120] {
        let mut planner = Planner::new(WIDE, Distance::Room, FPS);
        let followed = followed(&crowd(8, 0));
        let period = planner.period(Activity::Recorded);
        let (mut looks, mut regions) = (Vec::new(), Vec::new());
        let frames = (period.as_secs_f32() * 1.1) as u32 * fps;
        for frame in 0..frames {
            let now = Duration::from_secs(1) * frame / fps;
            let activity = Activity::Recorded;
            let at = Situation { now, picture: PICTURE, activity, followed: &followed, share: 1.0 };
            planner.plan(&at, &mut looks);
            for look in looks.iter().filter(|look| look.purpose == Purpose::Tile) {
                if !regions.contains(&look.region) {
                    regions.push(look.region);
                }
            }
        }
        assert_eq!(regions.len(), 16, "{fps} pictures a second");
    }
}

#[test]
fn of_frames_that_a_slow_board_takes_seldom_few_far_faces_are_looked_at() {
    let mut planner = Planner::new(WIDE, Distance::Room, FPS);
    let mut followed = followed(&crowd(1, 10));
    let mut looks = Vec::new();
    for frame in 0..200 {
        let now = Duration::from_millis(300) * frame;
        let activity = Activity::Lively;
        let at = Situation { now, picture: PICTURE, activity, followed: &followed, share: 0.25 };
        planner.plan(&at, &mut looks);
        let near = looks.iter().any(|look| look.covers(&followed[0].rect, PICTURE));
        let closely = looks.iter().filter(|look| look.purpose == Purpose::Face).count();
        assert!(near && closely <= 1 + 2, "{closely} close looks at {now:?}");
        mark(&mut followed, &looks, now);
    }
}

/// Looks a second at the first face, and how long the others waited at most, on a board that
/// takes `slow` seconds for a look of the main network and the newest frame when it is done.
fn on_a_board(slow: f32, faces: &[Rect]) -> (f32, Duration) {
    let mut planner = Planner::new(WIDE, Distance::Room, FPS);
    let mut followed = followed(faces);
    let (mut relief, mut looks) = (Relief::default(), Vec::new());
    let (mut now, mut busy) = (Duration::ZERO, Duration::ZERO);
    let (mut count, mut longest) = (0, Duration::ZERO);
    let (from, to) = (Duration::from_secs(30), Duration::from_secs(90));
    while now < to {
        let share = relief.update(now, false, busy);
        let activity = Activity::Lively;
        let at = Situation { now, picture: PICTURE, activity, followed: &followed, share };
        planner.plan(&at, &mut looks);
        if now >= from {
            count += u32::from(looks.iter().any(|look| look.covers(&faces[0], PICTURE)));
            let others = followed[1..].iter().map(|face| now - face.looked).max();
            longest = longest.max(others.unwrap_or_default());
        }
        mark(&mut followed, &looks, now);
        let cost: u32 = looks.iter().map(|look| look.cost).sum();
        busy = Duration::from_secs_f32(slow * cost as f32 / WIDE.main.area() as f32);
        now += busy.max(frame_time(1));
    }
    (count as f32 / (to - from).as_secs_f32(), longest)
}

#[test]
fn on_a_slow_board_far_faces_take_less_than_half_of_a_near_ones_looks() {
    for slow in [0.15, 0.3, 0.6] {
        let near = crowd(1, 0);
        let (alone, _) = on_a_board(slow, &near);
        for far in [1, 10, 40] {
            let (beside, longest) = on_a_board(slow, &crowd(1, far));
            assert!(beside >= 0.45 * alone, "{beside} of {alone} a second, {far} at {slow} s");
            let turn = Duration::from_secs_f32(1.0 + 1.5 * far as f32 / beside);
            assert!(longest <= turn, "{longest:?} of {turn:?}, {far} at {slow} s");
        }
    }
}

/// Looks a second at the whole picture, at pieces and at faces, once the room is known.
fn looks_a_second(faces: &[Rect]) -> [f32; 3] {
    let mut looks = [0.0; 3];
    known(faces, WIDE).play(KNOWN, 60 * FPS as u32, |_, planned| {
        planned.iter().for_each(|look| looks[look.purpose as usize] += 1.0 / 60.0);
    });
    looks
}

#[test]
fn few_faces_are_looked_at_in_every_frame_and_little_else_is() {
    let places =
        [(200.0, 300.0, 180.0), (600.0, 280.0, 90.0), (880.0, 200.0, 56.0), (1150.0, 200.0, 40.0)];
    let faces = places.map(|(x, y, height)| face(x, y, height));
    for faces in [&faces[..1], &faces[3..], &faces] {
        let [whole, pieces, close] = looks_a_second(faces);
        let most = FPS * faces.len() as f32;
        assert!(whole < 0.3 && pieces < 1.4, "{whole} and {pieces} a second");
        // A piece that shows a face as well takes the place of a look at it.
        assert!((most - 0.3..=most).contains(&close), "{close} a second of {most}");
    }
}

/// The part of a box that lies in a region is multiplied from other numbers than the box.
#[test]
fn a_look_at_a_face_shows_it_wherever_its_edges_are() {
    let hidden: Vec<Rect> = (0..1000u16)
        .map(|n| f32::from(n) * 0.137)
        .map(|n| face(300.0 + n * 3.1, 200.0 + n, 60.0 + n * 0.71))
        .filter(|face| !shows(&INPUTS.face(face, PICTURE), face, PICTURE))
        .collect();
    assert!(hidden.is_empty(), "{} of 1000, as {:?}", hidden.len(), hidden[0]);
}
