use proptest::prelude::*;

use super::super::look::Purpose;
use super::*;
use crate::geometry::Region;
use crate::zones::{Kind, Settings, Zones};

pub(super) const INPUTS: Inputs = Inputs::sized(Size::new(224, 224), Size::new(128, 128));
pub(super) const PICTURE: Size = Size { width: 1280, height: 720 };
pub(super) const FPS: f32 = 15.0;
const IDLE: Activity = Activity::Idle(Duration::from_secs(10));

fn planner() -> Planner {
    Planner::new(INPUTS, Distance::Room, FPS)
}

pub(super) fn frame_time(frame: u32) -> Duration {
    Duration::from_secs_f64(f64::from(frame) / f64::from(FPS))
}

pub(super) fn face(x: f32, y: f32, height: f32) -> Rect {
    Rect::new(x, y, height * 0.8, height)
}

/// A room in which faces stand, and things move or not.
pub(super) struct Room {
    pub(super) planner: Planner,
    pub(super) faces: Vec<Followed>,
    idle: bool,
    pub(super) share: f32,
    /// A region in which something moves in every frame,
    pub(super) moving: Option<Region>,
    /// since then; or something begins to in every frame.
    since: Option<Duration>,
    /// What each piece shows that may be a face,
    pub(super) suspect: Option<Rect>,
    /// and how often that was not looked at again for want of a budget.
    pub(super) doubted: u32,
}

impl Room {
    pub(super) fn new(faces: &[Rect]) -> Self {
        let faces = faces.iter().copied().map(Followed::at).collect();
        Self {
            planner: planner(),
            faces,
            idle: false,
            share: 1.0,
            moving: None,
            since: None,
            suspect: None,
            doubted: 0,
        }
    }

    /// Plays so many frames from a frame on; gives each one's looks to `seen`.
    pub(super) fn play(&mut self, from: u32, frames: u32, mut seen: impl FnMut(Duration, &[Look])) {
        let mut looks = Vec::new();
        for frame in from..from + frames {
            let now = frame_time(frame);
            if let Some(region) = self.moving {
                self.planner.moved(region, self.since.unwrap_or(now), now);
            }
            let situation = Situation {
                now,
                picture: PICTURE,
                activity: if self.idle { IDLE } else { Activity::Lively },
                followed: &self.faces,
                share: self.share,
            };
            self.planner.plan(&situation, &mut looks);
            if looks.iter().any(|look| look.purpose == Purpose::Tile)
                && let Some(face) = self.suspect
            {
                self.doubted += u32::from(self.planner.look_again(&face, PICTURE).is_none());
            }
            for face in &mut self.faces {
                if looks.iter().any(|look| look.covers(&face.rect, PICTURE)) {
                    face.looked = now;
                }
            }
            seen(now, &looks);
        }
    }

    /// What the looks of so many seconds cost, in looks of the main network a second.
    fn cost(&mut self, from: u32, seconds: u32) -> f32 {
        let mut all = 0;
        let frames = seconds * FPS as u32;
        self.play(from, frames, |_, looks| all += looks.iter().map(|look| look.cost).sum::<u32>());
        all as f32 / INPUTS.main.area() as f32 / seconds as f32
    }
}

#[test]
fn looks_at_a_frame_that_was_broken_are_due_at_the_next_ones() {
    for broken in [false, true] {
        let mut room = Room::new(&[]);
        room.play(0, 900, |_, _| {});
        let (mut frame, mut planned) = (900, Vec::new());
        while !planned.iter().any(|look: &Look| look.purpose == Purpose::Whole) {
            room.play(frame, 1, |_, looks| planned = looks.to_vec());
            frame += 1;
        }
        if broken {
            room.planner.forgo(frame_time(frame - 1));
        }
        let mut next = Vec::new();
        room.play(frame, 5, |_, looks| next.extend(looks.iter().map(|look| look.region)));
        assert!(planned.iter().all(|look| next.contains(&look.region) == broken), "{broken}");
    }
}

#[test]
fn a_near_face_is_looked_at_closely_in_every_frame_for_half_of_what_it_cost() {
    let near = face(500.0, 200.0, 180.0);
    let mut room = Room::new(&[near]);
    let cost = room.cost(0, 5);
    assert!(cost < 12.0, "{cost}: at first the room is looked over");
    room.play(75, 150, |now, looks| {
        let best = looks.iter().map(|look| look.misfit(&near)).fold(f32::MAX, f32::min);
        assert!(best < 0.5, "{best} at {now:?}");
    });
    // Once 15 looks of the main network. A close look costs a third of one in pixels.
    let cost = room.cost(225, 60);
    assert!(cost < 0.55 * FPS, "{cost}");
}

#[test]
fn heat_and_load_slow_far_faces_down_and_near_ones_not() {
    let (near, far) = (face(500.0, 200.0, 180.0), face(1000.0, 100.0, 30.0));
    let mut room = Room::new(&[far, near]);
    room.share = 0.25;
    room.moving = Some(Region { left: 0, top: 600, width: 300, height: 100 });
    room.play(0, 60, |_, _| {});
    let (mut at_near, mut at_far) = (0, 0);
    room.play(60, 150, |_, looks| {
        let closely = |face: &Rect| looks.iter().any(|look| look.misfit(face) < 0.5);
        at_near += u32::from(closely(&near));
        at_far += u32::from(closely(&far));
    });
    assert_eq!(at_near, 150);
    assert!((30..=60).contains(&at_far), "{at_far}");
}

#[test]
fn what_moves_is_looked_at_at_once_and_faces_beside_it_stay() {
    let mut room = Room::new(&[face(500.0, 200.0, 180.0)]);
    room.play(0, 150, |_, _| {});
    let moving = Region { left: 900, top: 100, width: 80, height: 45 };
    room.moving = Some(moving);
    let mut first = None;
    room.play(150, 15, |now, looks| {
        let tile = |look: &&Look| look.purpose == Purpose::Tile;
        let mut tiles = looks.iter().filter(tile).map(|look| look.region.rect());
        if tiles.any(|region| moving.rect().share_in(&region) >= 1.0) {
            first.get_or_insert(now);
        }
    });
    let waited = first.expect("looked at") - frame_time(150);
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
    let mut first = None;
    room.play(begin, 15, |now, looks| {
        let shows = |look: &Look| comes.rect().share_in(&look.region.rect()) >= 1.0;
        if looks.iter().any(|look| look.purpose == Purpose::Tile && shows(look)) {
            first.get_or_insert(now);
        }
    });
    let waited = first.expect("looked at") - frame_time(begin);
    assert!(waited <= Duration::from_millis(500), "{waited:?}");
}

#[test]
fn a_near_face_that_is_not_where_it_was_is_looked_for_in_the_whole_picture() {
    let mut room = Room::new(&[face(500.0, 200.0, 180.0)]);
    room.play(0, 150, |_, _| {});
    let wholes = |room: &mut Room, from: u32| {
        let mut count = 0;
        room.play(from, 60, |_, looks| {
            count += looks.iter().filter(|look| look.purpose == Purpose::Whole).count();
        });
        count
    };
    assert_eq!(wholes(&mut room, 150), 1, "in four seconds");
    room.faces[0].missed = true;
    assert!((14..=16).contains(&wholes(&mut room, 210)), "a quarter of a second apart");
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

#[test]
fn a_still_room_costs_less_than_half_a_look_a_second_beyond_its_glances() {
    let mut room = Room::new(&[]);
    room.play(0, 150, |_, _| {});
    room.idle = true;
    let cost = room.cost(150, 90);
    assert!(cost < 0.6, "{cost}");
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

/// A look at one of them ends where the other does.
#[test]
fn two_who_stand_close_together_have_a_look_each() {
    let inputs = Inputs { close_look: 2.5, ..INPUTS };
    let mut planner = Planner::new(inputs, Distance::Room, FPS);
    let faces = [face(600.0, 300.0, 50.0), face(643.0, 300.0, 50.0)];
    let look = inputs.face(&faces[0], PICTURE);
    assert!(faces[1].share_in(&look.region.rect()) >= 1.0 && look.cuts(&faces[1], PICTURE));
    let followed = faces.map(Followed::at);
    let (activity, now) = (Activity::Lively, Duration::from_secs(1));
    let at = Situation { now, picture: PICTURE, activity, followed: &followed, share: 1.0 };
    let mut looks = Vec::new();
    planner.plan(&at, &mut looks);
    looks.retain(|look| look.purpose == Purpose::Face);
    assert_eq!(looks, faces.map(|face| inputs.face(&face, PICTURE)));
}

/// What the settings allow, from a frame in ten seconds on.
#[test]
fn the_period_holds_at_every_rate_of_frames() {
    for fps in [0.1, 0.5, 1.0, 4.0, 15.0, 60.0] {
        let mut planner = Planner::new(INPUTS, Distance::Room, fps);
        let faces = [face(500.0, 200.0, 180.0), face(1000.0, 100.0, 30.0)];
        let followed = faces.map(Followed::at);
        let period = planner.period(Activity::Lively);
        let (mut looks, mut last, mut longest) = (Vec::new(), Vec::new(), Duration::ZERO);
        for frame in 0..(5.0 * period.as_secs_f32() * fps) as u32 {
            let now = Duration::from_secs_f32(frame as f32 / fps);
            let activity = Activity::Lively;
            let at = Situation { now, picture: PICTURE, activity, followed: &followed, share: 1.0 };
            planner.plan(&at, &mut looks);
            for tile in looks.iter().filter(|look| look.purpose == Purpose::Tile) {
                last.retain(|(region, _)| *region != tile.region);
                last.push((tile.region, now));
            }
            let waited = last.iter().map(|(_, then)| now - *then).max();
            longest = longest.max(waited.unwrap_or_default());
        }
        assert!(last.len() > 10, "{} pieces at {fps}", last.len());
        let most = period + Duration::from_secs_f32(1.0 / fps);
        assert!(longest <= most.mul_f32(1.02), "{longest:?} of {most:?} at {fps} frames a second");
    }
}

#[test]
fn of_recorded_pictures_the_whole_of_every_one_is_looked_at_at_any_rate() {
    for fps in [1, 15, 30, 60, 240] {
        let mut planner = planner();
        let faces = [face(500.0, 200.0, 180.0), face(1000.0, 100.0, 30.0)];
        let followed = faces.map(Followed::at);
        let mut looks = Vec::new();
        for frame in 0..fps * 4 {
            let now = Duration::from_secs(1) / fps * frame;
            let activity = Activity::Recorded;
            let at = Situation { now, picture: PICTURE, activity, followed: &followed, share: 1.0 };
            planner.plan(&at, &mut looks);
            let whole = looks.iter().any(|look| look.purpose == Purpose::Whole);
            assert!(whole, "picture {frame} of {fps} a second");
        }
    }
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
        let tile = |look: &&Look| look.purpose == Purpose::Tile;
        let mut tiles = looks.iter().filter(tile).map(|look| look.region.rect());
        if frame >= 150 && tiles.any(|region| moving.rect().share_in(&region) >= 1.0) {
            first.get_or_insert(now - frame_time(150));
        }
    }
    let first = first.expect("looked at");
    assert!(first <= Duration::from_millis(500), "{first:?}");
}

/// The left edge of what is masked, in shares.
const MASKED: f32 = 0.6;

/// From there on, all of it.
fn masks() -> Masks {
    let points = vec![[MASKED, 0.0], [1.0, 0.0], [1.0, 1.0], [MASKED, 1.0]];
    let zone = Settings { name: "street".into(), kind: Kind::Mask, points, enabled: true };
    Zones::new(&[zone]).masks()
}

#[test]
fn what_is_masked_everywhere_is_not_swept_and_is_again_when_the_mask_is_off() {
    let mut room = Room::new(&[]);
    let everywhere = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    let zone = Settings { name: "all".into(), kind: Kind::Mask, points: everywhere, enabled: true };
    room.planner.set_masks(&Zones::new(&[zone]).masks());
    let mut pieces = 0;
    let mut count = |looks: &[Look]| {
        pieces += looks.iter().filter(|look| look.purpose == Purpose::Tile).count();
        pieces
    };
    room.play(0, 300, |_, looks| assert_eq!(count(looks), 0));
    room.planner.set_masks(&Masks::default());
    room.play(300, 75, |_, looks| {
        count(looks);
    });
    assert!(count(&[]) > 10, "looked over within seconds");
}

fn crowds() -> impl Strategy<Value = Vec<Rect>> {
    let one = (0f32..1300.0, -20f32..760.0, 5f32..600.0);
    proptest::collection::vec(one.prop_map(|(x, y, height)| face(x, y, height)), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever stands in the picture and whatever moves, each piece has its turn that is not
    /// masked.
    #[test]
    fn every_pixel_is_looked_at_closely_within_the_period(
        crowd in crowds(), share in 0.25f32..1.0, idle: bool, moving: bool, masked: bool,
        x in 0f32..1.0, y in 0f32..720.0,
    ) {
        let masked_from = if masked { MASKED } else { 1.0 };
        let x = x * masked_from * 1280.0;
        let mut room = Room::new(if idle { &[] } else { &crowd });
        (room.share, room.idle) = (share, idle);
        room.moving = moving.then_some(Region { left: 300, top: 300, width: 200, height: 50 });
        room.planner.set_masks(&if masked { masks() } else { Masks::default() });
        let activity = if idle { IDLE } else { Activity::Lively };
        let period = room.planner.period(activity).mul_f32(1.0 / share);
        let smallest = Distance::Room.reach(PICTURE).face;
        let pixel = Rect::new(x, y, 0.5, 0.5);
        let mut last = Duration::ZERO;
        let (mut longest, mut beyond) = (Duration::ZERO, false);
        let frames = (3.0 * period.as_secs_f32() * FPS) as u32;
        room.play(0, frames, |now, looks| {
            let closely = |look: &&Look| look.scale * super::super::look::READABLE <= smallest * 1.01;
            let mut closely = looks.iter().filter(closely);
            if closely.any(|look| pixel.clipped(PICTURE).share_in(&look.region.rect()) > 0.9) {
                last = now;
            }
            longest = longest.max(now.saturating_sub(last));
            let tiles = looks.iter().filter(|look| look.purpose == Purpose::Tile);
            beyond |= tiles.map(|tile| tile.region.left).any(|left| left as f32 > masked_from * 1280.0);
        });
        prop_assert!(!beyond, "a piece that is wholly masked");
        prop_assert!(longest <= period.mul_f32(1.02), "{longest:?} of {period:?}");
    }

    #[test]
    fn the_budget_holds_regions_lie_within_and_the_same_gives_the_same(
        crowd in crowds(), share in 0.25f32..1.0, frames in 1u32..120,
        width in 1u32..2000, height in 1u32..2000, moving: bool,
    ) {
        let picture = Size::new(width, height);
        let followed: Vec<Followed> = crowd.iter().copied().map(Followed::at).collect();
        let (mut one, mut other) = (planner(), planner());
        let (mut looks, mut same) = (Vec::new(), Vec::new());
        let mut spent = 0.0;
        for frame in 0..frames {
            let now = frame_time(frame);
            for planner in [&mut one, &mut other].into_iter().filter(|_| moving) {
                planner.moved(Region::whole(picture), now, now);
            }
            let at = Situation { now, picture, activity: Activity::Lively, followed: &followed, share };
            one.plan(&at, &mut looks);
            other.plan(&at, &mut same);
            prop_assert_eq!(&looks, &same);
            prop_assert!(looks.iter().all(|look| look.region.is_within(picture)));
            let again = crowd.first().and_then(|face| one.look_again(face, picture));
            let _ = crowd.first().and_then(|face| other.look_again(face, picture));
            spent += looks.iter().chain(&again).map(|look| look.cost as f32).sum::<f32>();
            // What can be saved up, which nobody had spent before, and what time has added.
            let saved = 0.3 * Planner::rate(INPUTS, FPS, 1.0);
            let added = frame_time(frame).as_secs_f32() * Planner::rate(INPUTS, FPS, share);
            prop_assert!(spent <= (saved + added) * 1.001, "{spent} of {saved} and {added}");
        }
    }
}
