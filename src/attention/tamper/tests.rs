//! Real pictures (the public-domain frames of the demonstration), covered, turned and lit
//! otherwise by the tests; and any pictures at any times.

use image::{DynamicImage, GenericImageView, Rgb, RgbImage, imageops};
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::geometry::Size;
use crate::pixels::frame::{Frame, PixelFormat};
use crate::pixels::preprocess::Preprocessor;
use crate::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use crate::zones::mask::View;
use crate::zones::{Kind, Settings, Zones};

const SPEC: InputSpec = InputSpec {
    size: Size { width: 224, height: 224 },
    encoding: Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 },
};

/// As the daemon makes it of a camera's frame.
fn scene(picture: &RgbImage) -> Scene {
    masked_scene(picture, None)
}

/// The same with a part of the picture masked, in shares.
fn masked_scene(picture: &RgbImage, part: Option<[f32; 4]>) -> Scene {
    let size = Size::new(picture.width(), picture.height());
    let (data, format) = (picture.as_raw().clone(), PixelFormat::Rgb24);
    let frame = Frame { data, format, size, ..Frame::empty(SystemClock.now()) };
    let mut tensor = TensorBuffer::new(&SPEC);
    let mut preprocessor = Preprocessor::new(SPEC).expect("a decoder");
    let letterbox = preprocessor.prepare(&frame, &mut tensor).expect("a whole frame");
    let mut masked = Vec::new();
    let points = part.map(|[left, top, right, bottom]| {
        vec![[left, top], [right, top], [right, bottom], [left, bottom]]
    });
    let zone = |points| Settings { name: "tv".into(), kind: Kind::Mask, points, enabled: true };
    let zones: Vec<Settings> = points.into_iter().map(zone).collect();
    Zones::new(&zones).masks().stencil(SPEC.size, View::from(&letterbox), &mut masked);
    Scene::of(&tensor, &SPEC, &letterbox, &masked)
}

fn frame(number: u32) -> RgbImage {
    let path = format!("{}/tests/demo/frames/{number:03}.jpg", env!("CARGO_MANIFEST_DIR"));
    image::open(path).expect("a picture of the repository").into_rgb8()
}

fn portrait() -> DynamicImage {
    let path = format!("{}/models/self-test.jpg", env!("CARGO_MANIFEST_DIR"));
    image::open(path).expect("a picture of the repository")
}

/// All round the camera: the portrait's flag, suit, rocket and helmet, in several positions.
fn surroundings() -> RgbImage {
    let portrait = portrait().resize_exact(480, 480, imageops::FilterType::Triangle);
    let mut wide = RgbImage::new(1280, 480);
    for (x, picture) in
        [(0, portrait.clone()), (480, portrait.rotate90().fliph()), (800, portrait.flipv())]
    {
        imageops::replace(&mut wide, &picture.into_rgb8(), x, 0);
    }
    wide
}

/// What the camera is meant to show.
fn room() -> RgbImage {
    looking_at(0.0, &surroundings())
}

/// A sensor's noise of a few levels, another in every frame.
fn noisy(picture: &RgbImage, seed: u32) -> RgbImage {
    let mut state = u64::from(seed) << 32 | 0x9E37_79B9;
    let mut noise = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 60) as i16 - 8
    };
    let mut out = picture.clone();
    out.iter_mut().for_each(|value| *value = (i16::from(*value) + noise()).clamp(0, 255) as u8);
    out
}

/// One colour, lit unevenly as cloth or a hand is.
fn cover(colour: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(640, 480, |x, y| {
        let light = 1.0 - 0.5 * (x as f32 / 640.0) - 0.1 * (y as f32 / 480.0);
        Rgb(colour.map(|value| (f32::from(value) * light) as u8))
    })
}

/// Every value through `change`, of its place from 0 to 1 and itself.
fn relit(picture: &RgbImage, change: impl Fn(f32, f32, f32) -> f32) -> RgbImage {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let mut out = picture.clone();
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        for value in &mut pixel.0 {
            let lit = change(x as f32 / width, y as f32 / height, f32::from(*value) / 255.0);
            *value = (lit.clamp(0.0, 1.0) * 255.0) as u8;
        }
    }
    out
}

/// What a camera sees of a wide picture that looks at `left` of it, 0 to 1.
fn looking_at(left: f32, picture: &RgbImage) -> RgbImage {
    let width = picture.width() / 2;
    let x = ((picture.width() - width) as f32 * left) as u32;
    picture.view(x, 0, width, picture.height()).to_image()
}

/// Shows `picture` with fresh noise four times a second for so many seconds from `from`;
/// returns when what is found changed, and to what.
fn show(
    tamper: &mut Tamper,
    from: u32,
    seconds: u32,
    picture: &RgbImage,
) -> Vec<(u32, Option<Tampering>)> {
    let scenes: Vec<Scene> = (0..3).map(|seed| scene(&noisy(picture, seed))).collect();
    play(tamper, from, seconds, |frame| scenes[frame as usize % scenes.len()].clone())
}

fn play(
    tamper: &mut Tamper,
    from: u32,
    seconds: u32,
    scene: impl Fn(u32) -> Scene,
) -> Vec<(u32, Option<Tampering>)> {
    let (mut found, mut changes) = (tamper.found(), Vec::new());
    for frame in 0..seconds * 4 {
        let now =
            Duration::from_secs(1000) + Duration::from_millis(u64::from(from * 4 + frame) * 250);
        let next = tamper.observe(&scene(frame), now);
        if next != found {
            changes.push((from + frame / 4, next));
            found = next;
        }
    }
    changes
}

const FREE: Option<Tampering> = None;
const COVERED: Option<Tampering> = Some(Tampering::Covered);
const FROZEN: Option<Tampering> = Some(Tampering::Frozen);
const TURNED: Option<Tampering> = Some(Tampering::Turned);

#[test]
fn a_cover_of_any_colour_is_noticed_after_half_a_minute_and_gone_five_seconds_after_it_is() {
    for colour in [[240, 235, 220], [128, 128, 128], [200, 40, 30], [30, 90, 200], [60, 62, 55]] {
        let mut tamper = Tamper::default();
        assert_eq!(show(&mut tamper, 0, 60, &room()), []);
        assert_eq!(show(&mut tamper, 60, 60, &cover(colour)), [(90, COVERED)], "{colour:?}");
        assert_eq!(show(&mut tamper, 120, 60, &room()), [(125, FREE)], "{colour:?}");
    }
}

#[test]
fn a_camera_that_starts_covered_says_so() {
    assert_eq!(show(&mut Tamper::default(), 0, 60, &cover([180, 180, 170])), [(30, COVERED)]);
}

#[test]
fn a_corner_that_the_cover_leaves_free_does_not_hide_it() {
    let mut partly = cover([150, 130, 110]);
    let free = room().view(0, 0, 120, 110).to_image();
    imageops::replace(&mut partly, &free, 0, 0);
    assert_eq!(show(&mut Tamper::default(), 0, 60, &partly), [(30, COVERED)]);
}

#[test]
fn a_hand_that_passes_and_a_dark_room_are_no_cover() {
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &room());
    assert_eq!(show(&mut tamper, 60, 25, &cover([200, 150, 130])), []);
    assert_eq!(show(&mut tamper, 85, 60, &room()), []);
    // What a camera makes of night, and of a black cap: told as darkness.
    assert_eq!(show(&mut tamper, 145, 600, &cover([8, 8, 9])), []);
    assert_eq!(show(&mut tamper, 745, 60, &room()), []);
}

#[test]
fn fog_that_comes_slowly_is_no_cover() {
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 30, &room());
    for minute in 0..30 {
        let left = (1.0 - minute as f32 / 20.0).max(0.02);
        let foggy = relit(&room(), |_, _, value| 0.7 + (value - 0.7) * left);
        assert_eq!(show(&mut tamper, 30 + minute * 60, 60, &foggy), [], "minute {minute}");
    }
    assert_eq!(show(&mut tamper, 1830, 60, &room()), []);
}

#[test]
fn a_picture_that_stands_still_to_the_last_bit_is_frozen() {
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 30, &room());
    let still = scene(&room());
    assert_eq!(play(&mut tamper, 30, 120, |_| still.clone()), [(90, FROZEN)]);
    assert_eq!(show(&mut tamper, 150, 30, &room()), [(152, FREE)]);
}

#[test]
fn a_still_room_lives_by_its_sensors_noise() {
    assert_eq!(show(&mut Tamper::default(), 0, 3600, &room()), []);
}

/// A frame that is decoded finer, or not, as it is looked at: another picture at each size.
#[test]
fn another_size_neither_freezes_a_picture_nor_brings_it_to_life() {
    let sizes = [(640, 480), (320, 240)].map(|(width, height)| Size::new(width, height));
    let of = |number: u32, at: usize| scene(&noisy(&room(), number)).of_decoded(sizes[at]);
    let still = [of(1, 0), of(2, 1)];
    let mut tamper = Tamper::default();
    let at = |frame: u32| usize::from(frame.is_multiple_of(3));
    assert_eq!(play(&mut tamper, 0, 120, |frame| still[at(frame)].clone()), [(60, FROZEN)]);
    let alive: Vec<Scene> = (0..120).map(|frame| of(frame, at(frame))).collect();
    let changes = play(&mut tamper, 120, 30, |frame| alive[frame as usize].clone());
    assert_eq!(changes, [(122, FREE)]);
    let changes = play(&mut tamper, 150, 600, |frame| alive[frame as usize / 40].clone());
    assert_eq!(changes, [], "a change at one size is a change");
}

/// A network camera's encoder: the picture changes with each key frame only.
#[test]
fn a_picture_that_changes_every_ten_seconds_is_not_frozen() {
    let scenes: Vec<Scene> = (0..60).map(|seed| scene(&noisy(&room(), seed))).collect();
    let changes = play(&mut Tamper::default(), 0, 600, |frame| scenes[frame as usize / 40].clone());
    assert_eq!(changes, []);
}

#[test]
fn a_black_or_blank_picture_is_not_frozen() {
    for value in [0, 255] {
        let blank = scene(&RgbImage::from_pixel(640, 480, Rgb([value; 3])));
        let changes = play(&mut Tamper::default(), 0, 120, |_| blank.clone());
        assert!(changes.iter().all(|(_, found)| *found != FROZEN), "{changes:?}");
    }
}

#[test]
fn a_camera_that_was_turned_is_noticed_and_so_is_its_return() {
    let wide = surroundings();
    for (before, after) in [(0.0, 0.5), (0.0, 1.0), (0.9, 0.2), (0.5, 1.0)] {
        let mut tamper = Tamper::default();
        assert_eq!(show(&mut tamper, 0, 60, &looking_at(before, &wide)), []);
        let changes = show(&mut tamper, 60, 60, &looking_at(after, &wide));
        assert_eq!(changes, [(90, TURNED)], "from {before} to {after}");
        let changes = show(&mut tamper, 120, 60, &looking_at(before, &wide));
        assert_eq!(changes, [(125, FREE)], "from {before} to {after}");
    }
}

/// A television on a plain wall, which is all that has edges there, and another still picture
/// on it.
#[test]
fn a_masked_television_is_no_turn_and_a_turn_beside_a_mask_is_one() {
    let wall = cover([170, 165, 160]);
    let screen = |left: f32| {
        let picture = looking_at(left, &surroundings());
        let mut all = wall.clone();
        imageops::replace(&mut all, &picture.view(0, 0, 480, 380).to_image(), 80, 50);
        all
    };
    let play_both = |before: &RgbImage, after: &RgbImage, mask: Option<[f32; 4]>| {
        let scenes =
            |picture: &RgbImage| [0, 1, 2].map(|seed| masked_scene(&noisy(picture, seed), mask));
        let (before, after) = (scenes(before), scenes(after));
        let mut tamper = Tamper::default();
        play(&mut tamper, 0, 60, |frame| before[frame as usize % 3].clone());
        play(&mut tamper, 60, 60, |frame| after[frame as usize % 3].clone())
    };
    let around = Some([0.1, 0.08, 0.9, 0.92]);
    assert_eq!(play_both(&screen(0.0), &screen(1.0), None), [(90, TURNED)], "not masked");
    assert_eq!(play_both(&screen(0.0), &screen(1.0), around), []);
    let (wide, half) = (surroundings(), Some([0.5, 0.0, 1.0, 1.0]));
    let turned = play_both(&looking_at(0.0, &wide), &looking_at(1.0, &wide), half);
    assert_eq!(turned, [(90, TURNED)]);
}

#[test]
fn a_nudge_is_no_turn() {
    let wide = surroundings();
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &looking_at(0.3, &wide));
    assert_eq!(show(&mut tamper, 60, 120, &looking_at(0.31, &wide)), []);
}

#[test]
fn another_light_is_no_turn() {
    let lamp = |x: f32, y: f32| {
        relit(&room(), |at_x, at_y, value| {
            let distance = (at_x - x).powi(2) + (at_y - y).powi(2);
            let light = 0.2 + 1.2 * (-distance / 0.12).exp();
            (value.powf(2.2) * light).powf(1.0 / 2.2)
        })
    };
    let infrared = {
        let picture = room();
        let grey = |pixel: &Rgb<u8>| {
            let [red, green, blue] = pixel.0.map(f32::from);
            (1.1 * red - 0.1 * green - 0.2 * blue + 25.0).clamp(0.0, 255.0) as u8
        };
        let grey = RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
            Rgb([grey(picture.get_pixel(x, y)); 3])
        });
        relit(&grey, |x, y, value| {
            value * (1.3 - (x - 0.5).powi(2) * 3.0 - (y - 0.5).powi(2) * 3.0)
        })
    };
    let exposures = [0.4, 0.8, 1.6].map(|gain| relit(&room(), |_, _, value| value * gain));
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &room());
    let mut from = 60;
    let lit = [lamp(0.2, 0.3), infrared, lamp(0.9, 0.8), room()];
    for (number, picture) in lit.iter().chain(&exposures).enumerate() {
        assert_eq!(show(&mut tamper, from, 90, picture), [], "light {number}");
        from += 90;
    }
    // Automatic exposure that cannot make up its mind.
    let pumping = exposures.map(|picture| scene(&picture));
    assert_eq!(play(&mut tamper, from, 300, |frame| pumping[frame as usize % 3].clone()), []);
}

/// The portrait, so near that it hides six tenths of the room.
#[test]
fn somebody_close_before_the_lens_is_no_turn_and_no_cover() {
    let portrait = frame(30).view(100, 0, 430, 430).to_image();
    let close = |x: i64| {
        let mut picture = room();
        imageops::replace(&mut picture, &portrait, x, 50);
        picture
    };
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &room());
    assert_eq!(show(&mut tamper, 60, 300, &close(100)), []);
    let moving: Vec<Scene> = (0..40).map(|step| scene(&noisy(&close(step * 5), 1))).collect();
    assert_eq!(play(&mut tamper, 360, 300, |frame| moving[frame as usize % 40].clone()), []);
    assert_eq!(show(&mut tamper, 660, 60, &room()), []);
}

/// The demonstration while somebody is there: a smile, and the light goes down and comes
/// back.
#[test]
fn somebody_who_smiles_in_changing_light_is_no_alarm() {
    let scenes: Vec<Scene> = (12..50).map(|number| scene(&noisy(&frame(number), number))).collect();
    let changes = play(&mut Tamper::default(), 0, 300, |frame| {
        scenes[frame as usize / 4 % scenes.len()].clone()
    });
    assert_eq!(changes, []);
}

#[test]
fn a_turn_that_lasts_an_hour_or_is_accepted_is_right() {
    let wide = surroundings();
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &looking_at(0.0, &wide));
    let changes = show(&mut tamper, 60, 3700, &looking_at(1.0, &wide));
    assert_eq!(changes, [(90, TURNED), (3690, FREE)]);
    assert_eq!(show(&mut tamper, 3760, 60, &looking_at(0.0, &wide)), [], "known as well");
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &looking_at(0.0, &wide));
    show(&mut tamper, 60, 60, &looking_at(1.0, &wide));
    assert_eq!(tamper.found(), TURNED);
    tamper.accept(&scene(&looking_at(1.0, &wide)), Duration::from_secs(1120));
    assert_eq!(tamper.found(), FREE);
    assert_eq!(show(&mut tamper, 120, 120, &looking_at(1.0, &wide)), []);
}

#[test]
fn a_turn_ends_after_an_hour_also_where_the_view_is_half_known_or_in_unknown_infrared() {
    let (wide, mut half_known) = (surroundings(), looking_at(1.0, &surroundings()));
    // Four of sixteen regions as they were.
    imageops::replace(&mut half_known, &room().view(0, 0, 640, 120).to_image(), 0, 0);
    let infrared = DynamicImage::from(looking_at(1.0, &wide)).into_luma8();
    let infrared = DynamicImage::from(infrared).into_rgb8();
    for (name, later) in [("half known", half_known), ("infrared", infrared)] {
        let mut tamper = Tamper::default();
        show(&mut tamper, 0, 60, &room());
        assert_eq!(show(&mut tamper, 60, 60, &looking_at(1.0, &wide)), [(90, TURNED)], "{name}");
        assert_eq!(show(&mut tamper, 120, 3700, &later), [(3690, FREE)], "{name}");
        assert_eq!(show(&mut tamper, 3820, 60, &later), [], "{name} is known now");
    }
}

#[test]
fn what_began_before_a_pause_has_not_lasted() {
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &room());
    assert_eq!(show(&mut tamper, 60, 20, &cover([200, 200, 200])), []);
    assert_eq!(show(&mut tamper, 200, 20, &cover([200, 200, 200])), []);
    assert_eq!(show(&mut tamper, 220, 20, &cover([200, 200, 200])), [(230, COVERED)]);
}

#[test]
fn what_lasted_before_a_pause_is_told_again_only_if_it_still_lasts() {
    let mut tamper = Tamper::default();
    show(&mut tamper, 0, 60, &room());
    assert_eq!(show(&mut tamper, 60, 60, &cover([200, 200, 200])), [(90, COVERED)]);
    assert_eq!(show(&mut tamper.clone(), 300, 1, &room()), [(300, FREE)]);
    let again = show(&mut tamper, 300, 60, &cover([200, 200, 200]));
    assert_eq!(again, [(300, FREE), (330, COVERED)]);
    assert_eq!(show(&mut tamper, 360, 60, &room()), [(365, FREE)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever comes, at whatever times: nothing breaks, the same leads to the same, and
    /// nothing begins before it can have lasted.
    #[test]
    fn any_pictures_at_any_times_are_followed(
        steps in proptest::collection::vec((0u8..6, 0u64..40_000), 1..120),
    ) {
        let pictures = [
            room(), cover([90, 90, 90]), cover([5, 5, 5]), looking_at(1.0, &surroundings()), frame(30),
            RgbImage::from_pixel(3, 2, Rgb([255; 3])),
        ].map(|picture| scene(&picture));
        let (mut one, mut two) = (Tamper::default(), Tamper::default());
        let (mut now, mut began) = (Duration::ZERO, Duration::ZERO);
        let mut last = (None, 7);
        for (picture, gap) in steps {
            now += Duration::from_millis(gap);
            if picture != last.1 {
                began = now;
            }
            let found = one.observe(&pictures[usize::from(picture)], now);
            prop_assert_eq!(found, two.observe(&pictures[usize::from(picture)], now));
            if found.is_some() && last.0.is_none() {
                let least = if found == FROZEN { FROZEN_FOR } else { Duration::ZERO };
                prop_assert!(now - began >= least);
                prop_assert!(now >= COVERED_FOR);
            }
            last = (found, picture);
        }
    }
}
