//! What becomes of a camera that somebody covers, turns or freezes: real pictures, as the
//! daemon looks at them with the committed model, in the time of the frames.

#[path = "daemon/program.rs"]
mod program;

use std::path::Path;
use std::time::Duration;

use expressiond::attention::pace::{Pace, Settings as PaceSettings};
use expressiond::attention::reach::Distance;
use expressiond::attention::tamper::Tampering;
use expressiond::attention::{Attention, Findings, Sight};
use expressiond::clock::{Clock, SystemClock};
use expressiond::detector::networks::Networks;
use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, Orientation, PixelFormat};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, imageops};
use program::models;

/// Between two frames of a slow camera: each is at least glanced at.
const FRAME: Duration = Duration::from_secs(1);

/// What is round the camera, 1280x480: the public-domain portrait beside itself, turned.
fn surroundings() -> RgbImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/self-test.jpg");
    let portrait = image::open(path).unwrap();
    let portrait = portrait.resize_exact(480, 480, imageops::FilterType::Triangle);
    let mut wide = RgbImage::new(1280, 480);
    let beside =
        [(0, portrait.clone()), (480, portrait.rotate90().fliph()), (800, portrait.flipv())];
    for (x, picture) in beside {
        imageops::replace(&mut wide, &picture.into_rgb8(), x, 0);
    }
    wide
}

/// What the camera is meant to show.
fn room() -> RgbImage {
    imageops::crop_imm(&surroundings(), 0, 0, 640, 480).to_image()
}

fn elsewhere() -> RgbImage {
    imageops::crop_imm(&surroundings(), 640, 0, 640, 480).to_image()
}

fn attention(pace: Option<Pace>) -> Attention {
    let networks = Networks::load(&models()).unwrap();
    Attention::new(networks, Distance::default(), pace).unwrap()
}

/// One camera, frame by frame.
struct Scenario {
    attention: Attention,
    now: Duration,
    number: u32,
    orientation: Orientation,
    /// As Motion-JPEG, of which a frame is decoded as finely as it is looked at.
    compressed: bool,
}

impl Scenario {
    fn start() -> Self {
        // It mostly glances, as at an empty room.
        let pace = PaceSettings { idle_after_s: 1.0, idle_look_s: 30.0, ..PaceSettings::default() };
        let attention = attention(Some(Pace::new(pace)));
        let orientation = Orientation::default();
        let now = Duration::from_secs(1);
        Self { attention, now, number: 0, orientation, compressed: false }
    }

    /// Shows a picture for so many seconds, with a sensor's noise or without. Returns what
    /// was said, without repetitions.
    fn show(&mut self, picture: &RgbImage, seconds: u32, noise: bool) -> Vec<Option<Tampering>> {
        let mut said = Vec::new();
        for _ in 0..seconds {
            let frame = self.frame(picture, noise);
            let sight =
                self.attention.see(&frame, self.now, &[], 1.0, &mut Findings::default(), &|| true);
            match sight.unwrap() {
                Sight::Passed => {}
                Sight::Glanced(seen) | Sight::Looked(seen, _) => said.push(seen.tampering),
            }
            self.now += FRAME;
        }
        said.dedup();
        said
    }

    fn frame(&mut self, picture: &RgbImage, noise: bool) -> Frame {
        self.number += 1;
        let number = self.number;
        let mut data = picture.as_raw().clone();
        if noise {
            for (value, at) in data.iter_mut().zip(0_u32..) {
                let random = at.wrapping_mul(2_654_435_761).wrapping_add(number * 40_503) >> 13;
                *value = value.saturating_add((random % 7) as u8).saturating_sub(3);
            }
        }
        let size = Size::new(picture.width(), picture.height());
        if self.compressed {
            let mut jpeg = Vec::new();
            let encoder = JpegEncoder::new_with_quality(&mut jpeg, 85);
            encoder.write_image(&data, size.width, size.height, ExtendedColorType::Rgb8).unwrap();
            data = jpeg;
        }
        let format = if self.compressed { PixelFormat::Mjpeg } else { PixelFormat::Rgb24 };
        let orientation = self.orientation;
        Frame { data, format, size, orientation, ..Frame::empty(SystemClock.now()) }
    }
}

#[test]
fn another_camera_is_not_the_one_before_turned_away() {
    let mut scenario = Scenario::start();
    assert_eq!(scenario.show(&room(), 60, true), [None]);
    scenario.attention.leave_camera();
    assert_eq!(scenario.show(&elsewhere(), 60, true), [None]);
}

#[test]
fn a_cloth_over_the_lens_of_any_colour_is_told_and_passes() {
    let (room, mut scenario) = (room(), Scenario::start());
    assert_eq!(scenario.show(&room, 10, true), [None]);
    for colour in [Rgb([230, 228, 220]), Rgb([40, 90, 200])] {
        let cloth = RgbImage::from_pixel(room.width(), room.height(), colour);
        assert_eq!(scenario.show(&cloth, 20, true), [None], "a hand that adjusts it");
        assert_eq!(scenario.show(&cloth, 20, true), [None, Some(Tampering::Covered)]);
        assert_eq!(scenario.show(&room, 10, true), [Some(Tampering::Covered), None]);
    }
}

#[test]
fn a_picture_that_stands_still_is_told_and_passes() {
    let (room, mut scenario) = (room(), Scenario::start());
    assert_eq!(scenario.show(&room, 10, true), [None]);
    assert_eq!(scenario.show(&room, 50, false), [None]);
    assert_eq!(scenario.show(&room, 20, false), [None, Some(Tampering::Frozen)]);
    assert_eq!(scenario.show(&room, 10, true), [Some(Tampering::Frozen), None]);
}

/// Where a piece of the sweep is due the frame is decoded finer than for a glance, and the same
/// bytes give other brightnesses.
#[test]
fn a_compressed_picture_that_stands_still_is_told_and_passes() {
    let room = imageops::resize(&room(), 1280, 720, imageops::FilterType::Triangle);
    let mut scenario = Scenario { compressed: true, ..Scenario::start() };
    assert_eq!(scenario.show(&room, 10, true), [None]);
    assert_eq!(scenario.show(&room, 50, false), [None]);
    assert_eq!(scenario.show(&room, 30, false), [None, Some(Tampering::Frozen)]);
    assert_eq!(scenario.show(&room, 10, true), [Some(Tampering::Frozen), None]);
}

#[test]
fn a_camera_that_is_turned_is_told_and_passes() {
    let (room, elsewhere, mut scenario) = (room(), elsewhere(), Scenario::start());
    assert_eq!(scenario.show(&room, 60, true), [None]);
    assert_eq!(scenario.show(&elsewhere, 20, true), [None]);
    assert_eq!(scenario.show(&elsewhere, 20, true), [None, Some(Tampering::Turned)]);
    assert_eq!(scenario.show(&room, 10, true), [Some(Tampering::Turned), None]);
    assert_eq!(scenario.show(&elsewhere, 60, true), [None, Some(Tampering::Turned)]);
}

/// On the page, which needs no new start for that.
#[test]
fn a_picture_that_its_owner_turns_or_mirrors_is_no_camera_that_was_turned() {
    let (room, mut scenario) = (room(), Scenario::start());
    assert_eq!(scenario.show(&room, 60, true), [None]);
    scenario.orientation.mirror = true;
    assert_eq!(scenario.show(&room, 60, true), [None]);
    scenario.orientation.quarter_turns = 1;
    assert_eq!(scenario.show(&room, 60, true), [None]);
    // It is known how it stands now: who turns the camera is noticed all the same.
    let mirrored = imageops::flip_horizontal(&room);
    assert_eq!(scenario.show(&mirrored, 60, true), [None, Some(Tampering::Turned)]);
    // The owner turns the picture because the camera hangs otherwise now.
    scenario.orientation = Orientation::default();
    assert_eq!(scenario.show(&mirrored, 60, true), [None]);
}

#[test]
fn recorded_pictures_may_stand_still_but_not_be_empty() {
    let (room, mut scenario) = (room(), Scenario::start());
    scenario.attention = attention(None);
    assert_eq!(scenario.show(&room, 70, false), [None]);
    scenario.attention = attention(None);
    let cloth = RgbImage::from_pixel(room.width(), room.height(), Rgb([230, 228, 220]));
    assert_eq!(scenario.show(&cloth, 40, false), [None, Some(Tampering::Covered)]);
}
