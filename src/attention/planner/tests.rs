//! Rooms in which faces stand and things move, planned frame by frame.

mod crowd;
mod moving;
mod period;

use super::super::look::Purpose;
use super::*;

const INPUTS: Inputs = Inputs::sized(Size::new(224, 224), Size::new(128, 128));
const PICTURE: Size = Size { width: 1280, height: 720 };
const FPS: f32 = 15.0;
const IDLE: Activity = Activity::Idle(Duration::from_secs(10));

fn planner() -> Planner {
    Planner::new(INPUTS, Distance::Room, FPS)
}

fn frame_time(frame: u32) -> Duration {
    Duration::from_secs_f64(f64::from(frame) / f64::from(FPS))
}

fn face(x: f32, y: f32, height: f32) -> Rect {
    Rect::new(x, y, height * 0.8, height)
}

fn followed(faces: &[Rect]) -> Vec<Followed> {
    faces.iter().copied().map(Followed::at).collect()
}

/// These looks were carried out.
fn mark(followed: &mut [Followed], looks: &[Look], now: Duration) {
    for face in followed {
        if looks.iter().any(|look| look.covers(&face.rect, PICTURE)) {
            face.looked = now;
        }
    }
}

fn a_piece_shows(looks: &[Look], region: Region) -> bool {
    let shows = |look: &Look| region.rect().share_in(&look.region.rect()) >= 1.0;
    looks.iter().any(|look| look.purpose == Purpose::Tile && shows(look))
}

/// A room in which faces stand, and things move or not.
struct Room {
    planner: Planner,
    faces: Vec<Followed>,
    idle: bool,
    share: f32,
    /// A region in which something moves in every frame,
    moving: Option<Region>,
    /// since then; or something begins to in every frame.
    since: Option<Duration>,
    /// What each piece shows that may be a face,
    suspect: Option<Rect>,
    /// and how often that was not looked at again for want of a budget.
    doubted: u32,
}

impl Room {
    fn new(faces: &[Rect]) -> Self {
        Self {
            planner: planner(),
            faces: followed(faces),
            idle: false,
            share: 1.0,
            moving: None,
            since: None,
            suspect: None,
            doubted: 0,
        }
    }

    /// Plays so many frames from a frame on; gives each one's looks to `seen`.
    fn play(&mut self, from: u32, frames: u32, mut seen: impl FnMut(Duration, &[Look])) {
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
            mark(&mut self.faces, &looks, now);
            seen(now, &looks);
        }
    }

    /// How long what moves waits for a piece that shows all of it, from a frame on.
    fn wait_of_what_moves(&mut self, from: u32) -> Duration {
        let moving = self.moving.expect("something moves");
        let mut first = None;
        self.play(from, FPS as u32, |now, looks| {
            if a_piece_shows(looks, moving) {
                first.get_or_insert(now);
            }
        });
        first.expect("looked at") - frame_time(from)
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

#[test]
fn a_still_room_costs_less_than_half_a_look_a_second_beyond_its_glances() {
    let mut room = Room::new(&[]);
    room.play(0, 150, |_, _| {});
    room.idle = true;
    let cost = room.cost(150, 90);
    assert!(cost < 0.6, "{cost}");
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
