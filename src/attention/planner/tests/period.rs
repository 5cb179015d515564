//! What the settings promise: each piece that is not masked has its turn within the period, and
//! the budget holds.

use proptest::prelude::*;

use super::*;
use crate::attention::look::READABLE;
use crate::zones::{Kind, Settings, Zones};

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

/// The left edge of what is masked, in shares.
const MASKED: f32 = 0.6;

/// From this on, all of it.
fn masks_from(left: f32) -> Masks {
    let points = vec![[left, 0.0], [1.0, 0.0], [1.0, 1.0], [left, 1.0]];
    let zone = Settings { name: "street".into(), kind: Kind::Mask, points, enabled: true };
    Zones::new(&[zone]).masks()
}

#[test]
fn what_is_masked_everywhere_is_not_swept_and_is_again_when_the_mask_is_off() {
    let mut room = Room::new(&[]);
    room.planner.set_masks(&masks_from(0.0));
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
        room.planner.set_masks(&if masked { masks_from(MASKED) } else { Masks::default() });
        let activity = if idle { IDLE } else { Activity::Lively };
        let period = room.planner.period(activity).mul_f32(1.0 / share);
        let smallest = Distance::Room.reach(PICTURE).face;
        let pixel = Rect::new(x, y, 0.5, 0.5);
        let mut last = Duration::ZERO;
        let (mut longest, mut beyond) = (Duration::ZERO, false);
        let frames = (3.0 * period.as_secs_f32() * FPS) as u32;
        room.play(0, frames, |now, looks| {
            let closely = |look: &&Look| look.scale * READABLE <= smallest * 1.01;
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
        let followed = followed(&crowd);
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
