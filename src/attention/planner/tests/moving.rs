//! What moves is looked at soon, and bounds hold for what that costs.

use super::*;

#[test]
fn what_moves_is_looked_at_at_once_and_faces_beside_it_stay() {
    let mut room = Room::new(&[face(500.0, 200.0, 180.0)]);
    room.play(0, 150, |_, _| {});
    room.moving = Some(Region { left: 900, top: 100, width: 80, height: 45 });
    let waited = room.wait_of_what_moves(150);
    assert!(waited <= Duration::from_millis(500), "{waited:?}");
}

/// A curtain, a hand, the edge of a screen: what the model's boxes leave outside the body.
#[test]
fn what_goes_on_moving_beside_a_near_face_costs_little_and_who_comes_there_is_seen() {
    let mut room = Room::new(&[face(420.0, 270.0, 180.0)]);
    room.moving = Some(Region { left: 960, top: 585, width: 80, height: 135 });
    room.since = Some(Duration::ZERO);
    room.play(0, 225, |_, _| {});
    let cost = room.cost(225, 60);
    assert!(cost < 0.5 * FPS, "{cost}");
    let (begin, comes) = (225 + 60 * 15, Region { left: 1040, top: 585, width: 80, height: 45 });
    (room.moving, room.since) = (Some(comes), Some(frame_time(begin)));
    let waited = room.wait_of_what_moves(begin);
    assert!(waited <= Duration::from_millis(500), "{waited:?}");
}

/// The looks a second at pieces, of a room that rests and glances four times a second.
fn pieces_while_resting(moves_since: Option<Duration>, moving: bool) -> f32 {
    let mut room = Room::new(&[]);
    room.play(0, 150, |_, _| {});
    room.idle = true;
    room.moving = moving.then_some(Region { left: 900, top: 300, width: 80, height: 45 });
    room.since = moves_since;
    let mut pieces = 0;
    room.play(150, 120 * FPS as u32, |_, looks| {
        pieces += looks.iter().filter(|look| look.purpose == Purpose::Tile).count();
    });
    pieces as f32 / 120.0
}

#[test]
fn what_moves_a_little_in_a_room_that_rests_is_looked_at_for_a_bounded_cost() {
    let still = pieces_while_resting(None, false);
    let goes_on = pieces_while_resting(Some(frame_time(150)), true);
    assert!((0.01..0.2).contains(&(goes_on - still)), "{goes_on} instead of {still}");
    let always_new = pieces_while_resting(None, true);
    assert!((0.4..0.55).contains(&(always_new - still)), "{always_new} instead of {still}");
}

/// Somebody who comes while a near face is looked at in each picture is looked at as soon as
/// before a camera.
#[test]
fn what_moves_in_a_recording_is_looked_at_at_once() {
    let close = Inputs { close: Size::new(160, 160), ..INPUTS };
    let mut planner = Planner::new(close, Distance::Room, FPS);
    let followed = [Followed::at(face(300.0, 200.0, 180.0))];
    let moving = Region { left: 1100, top: 100, width: 80, height: 45 };
    let (mut looks, mut first) = (Vec::new(), None);
    for frame in 0..165 {
        let now = frame_time(frame);
        let activity = Activity::Recorded;
        let at = Situation { now, picture: PICTURE, activity, followed: &followed, share: 1.0 };
        if frame >= 150 {
            planner.moved(moving, now, now);
        }
        planner.plan(&at, &mut looks);
        if frame >= 150 && a_piece_shows(&looks, moving) {
            first.get_or_insert(now - frame_time(150));
        }
    }
    let first = first.expect("looked at");
    assert!(first <= Duration::from_millis(500), "{first:?}");
}
