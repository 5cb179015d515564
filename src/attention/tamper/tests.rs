//! Real pictures (the public-domain frames of the demonstration), covered, turned and lit
//! otherwise by the tests; and any pictures at any times.

mod covered;
mod frozen;
mod turned;

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
        // A picture several times in turn, or none would ever stand still.
        turns in proptest::collection::vec((0u8..6, 1usize..9, 0u64..40_000), 1..30),
    ) {
        let pictures = [
            room(), cover([90, 90, 90]), cover([5, 5, 5]), looking_at(1.0, &surroundings()), frame(30),
            RgbImage::from_pixel(3, 2, Rgb([255; 3])),
        ].map(|picture| scene(&picture));
        let (mut one, mut two) = (Tamper::default(), Tamper::default());
        let (mut now, mut began) = (Duration::ZERO, Duration::ZERO);
        let mut last = (None, 7);
        let frames = turns.into_iter().flat_map(|(picture, times, gap)| vec![(picture, gap); times]);
        for (picture, gap) in frames {
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
