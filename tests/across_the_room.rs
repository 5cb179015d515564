//! People at every distance, in frames of 1280x720 at 15 a second: looked at and followed
//! as the daemon does it, in the time of the frames. The faces are the demonstration's, in
//! the public domain (tests/demo/README.md).

use std::path::Path;
use std::time::Duration;

use expressiond::attention::pace::{Pace, Settings as PaceSettings};
use expressiond::attention::reach::Distance;
use expressiond::attention::{Attention, Findings, Sight};
use expressiond::clock::{Clock, SystemClock};
use expressiond::detector::Settings;
use expressiond::detector::networks::Networks;
use expressiond::geometry::{Rect, Size};
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::tracks::{
    Change, ChangeKind, ExpressionSettings, Filter, Tracker, TrackingSettings,
};
use image::{RgbImage, imageops};

const FPS: f32 = 15.0;
const PICTURE: Size = Size { width: 1280, height: 720 };
/// Height in pixels of a face a metre away.
const AT_ONE_METRE: f32 = 180.0;

/// Somebody of the demonstration, cut out with a margin, and where the face is in that.
struct Person {
    picture: RgbImage,
    face: Rect,
}

impl Person {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/frames/030.jpg");
        let picture = image::open(path).unwrap().into_rgb8();
        // The head stands in the middle of that frame (tests/demo/make.py).
        let picture = imageops::crop_imm(&picture, 170, 20, 300, 460).to_image();
        Self { picture, face: Rect::new(82.0, 58.0, 128.0, 170.0) }
    }

    /// Draws the person so far away, with the face's middle at a place in pixels.
    fn stand(&self, room: &mut RgbImage, metres: f32, (x, y): (f32, f32)) {
        let scale = AT_ONE_METRE / metres / self.face.height;
        let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
        let (width, height) = (side(self.picture.width()), side(self.picture.height()));
        let small = if scale < 1.0 {
            imageops::thumbnail(&self.picture, width, height)
        } else {
            imageops::resize(&self.picture, width, height, imageops::FilterType::Triangle)
        };
        let (face_x, face_y) = self.face.centre();
        let (left, top) = (x - face_x * scale, y - face_y * scale);
        imageops::replace(room, &small, left.round() as i64, top.round() as i64);
    }
}

/// A wall with a window and a shelf: edges, as rooms have them.
fn room() -> RgbImage {
    RgbImage::from_fn(PICTURE.width, PICTURE.height, |x, y| {
        let wall = (186 - x / 24 - y / 18) as u8;
        match (x, y) {
            (60..=260, 80..=330) if (x - 60) % 100 > 6 && (y - 80) % 125 > 6 => {
                image::Rgb([200, 215, 235])
            }
            (1000..=1250, 400..=415 | 520..=535) => image::Rgb([96, 66, 40]),
            (0..=1279, 640..=719) => image::Rgb([120, 104, 90]),
            _ => image::Rgb([wall, wall, wall.saturating_add(6)]),
        }
    })
}

/// One camera and what is told of it.
struct Camera {
    attention: Attention,
    tracker: Tracker,
    now: Duration,
    number: u32,
    told: Vec<(Duration, Change)>,
}

impl Camera {
    fn new() -> Self {
        let networks = Networks::load(&Settings::default()).unwrap();
        let classes = networks.info().classes.len();
        let pace = Some(Pace::new(PaceSettings::default()));
        let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
        Self {
            attention: Attention::new(networks, Distance::Room, pace).unwrap(),
            tracker: Tracker::new(tracking, expression, classes),
            now: Duration::ZERO,
            number: 0,
            told: Vec::new(),
        }
    }

    /// Shows so many seconds of what `scene` draws into an empty room, by the seconds since
    /// it began.
    fn show(&mut self, room: &RgbImage, seconds: f32, scene: impl Fn(f32, &mut RgbImage)) {
        let (mut followed, mut findings, mut changes) =
            (Vec::new(), Findings::default(), Vec::new());
        for frame in 0..(seconds * FPS) as u32 {
            let mut picture = room.clone();
            scene(frame as f32 / FPS, &mut picture);
            let frame = self.frame(picture);
            self.tracker.followed(self.now, &mut followed);
            let sight =
                self.attention.see(&frame, self.now, &followed, 1.0, &mut findings).unwrap();
            if matches!(sight, Sight::Looked(..)) {
                let looked = Filter::looked(|rect| findings.covers(rect));
                self.tracker.update_where(self.now, &findings.detections, &looked, &mut changes);
            }
            let now = self.now;
            self.told.extend(changes.drain(..).map(|change| (now, change)));
            self.now += Duration::from_secs_f32(1.0 / FPS);
        }
    }

    /// With a sensor's noise.
    fn frame(&mut self, picture: RgbImage) -> Frame {
        self.number += 1;
        let mut data = picture.into_raw();
        for (value, at) in data.iter_mut().zip(0_u32..) {
            let random = at.wrapping_add(self.number * 40_503).wrapping_mul(2_654_435_761) >> 13;
            *value = value.saturating_add((random % 5) as u8).saturating_sub(2);
        }
        Frame { data, format: PixelFormat::Rgb24, size: PICTURE, ..Frame::empty(SystemClock.now()) }
    }

    /// When faces appeared, and where.
    fn appeared(&self) -> Vec<(f32, Rect)> {
        let all = self.told.iter().filter(|(_, change)| change.kind == ChangeKind::FaceAppeared);
        all.map(|(when, change)| (when.as_secs_f32(), change.rect)).collect()
    }

    fn left(&self) -> usize {
        self.told.iter().filter(|(_, change)| change.kind == ChangeKind::FaceLeft).count()
    }
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn who_approaches_from_eight_metres_is_one_person_told_soon_after_28_pixels() {
    let (person, room, mut camera) = (Person::new(), room(), Camera::new());
    camera.show(&room, 2.0, |_, _| {});
    // A metre a second.
    let metres = |seconds: f32| 8.0 - seconds;
    camera.show(&room, 7.0, |seconds, picture| {
        let away = metres(seconds);
        person.stand(picture, away, (640.0 + 20.0 * seconds, 300.0 + 60.0 / away));
    });
    camera.show(&room, 3.0, |_, _| {});
    let appeared = camera.appeared();
    assert_eq!(appeared.len(), 1, "{:?}", camera.told);
    let at_28_pixels = 2.0 + 8.0 - AT_ONE_METRE / 28.0;
    assert!(appeared[0].0 <= at_28_pixels + 1.5, "{appeared:?} for {at_28_pixels}");
    assert_eq!(camera.left(), 1);
    let kinds: Vec<ChangeKind> = camera.told.iter().map(|(_, change)| change.kind).collect();
    assert!(kinds.contains(&ChangeKind::ExpressionStarted), "{kinds:?}");
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn who_crosses_at_four_metres_stays_one_person() {
    let (person, room, mut camera) = (Person::new(), room(), Camera::new());
    camera.show(&room, 1.0, |_, _| {});
    // 200 pixels a second are about 1.1 metres.
    camera.show(&room, 7.0, |seconds, picture| {
        person.stand(picture, 4.0, (-60.0 + 200.0 * seconds, 320.0));
    });
    camera.show(&room, 3.0, |_, _| {});
    let appeared = camera.appeared();
    assert_eq!((appeared.len(), camera.left()), (1, 1), "{:?}", camera.told);
    assert!(appeared[0].0 <= 3.0, "{appeared:?}");
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn somebody_at_one_metre_does_not_hide_somebody_at_five() {
    let (person, room, mut camera) = (Person::new(), room(), Camera::new());
    camera.show(&room, 5.0, |seconds, picture| {
        person.stand(picture, 1.0, (380.0 + 10.0 * (seconds * 2.0).sin(), 360.0));
    });
    camera.show(&room, 4.0, |seconds, picture| {
        person.stand(picture, 5.0, (1180.0 - 40.0 * seconds, 280.0));
        let near = 5.0 + seconds;
        person.stand(picture, 1.0, (380.0 + 10.0 * (near * 2.0).sin(), 360.0));
    });
    let appeared = camera.appeared();
    assert_eq!((appeared.len(), camera.left()), (2, 0), "{:?}", camera.told);
    assert!(appeared[0].0 <= 1.0 && appeared[0].1.height > 120.0, "{appeared:?}");
    assert!(appeared[1].0 <= 6.5 && appeared[1].1.height < 60.0, "{appeared:?}");
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "an hour under an emulator")]
fn somebody_who_sits_still_at_five_metres_is_found() {
    let (person, mut room, mut camera) = (Person::new(), room(), Camera::new());
    person.stand(&mut room, 5.0, (860.0, 420.0));
    camera.show(&room, 15.0, |_, _| {});
    let appeared = camera.appeared();
    assert_eq!((appeared.len(), camera.left()), (1, 0), "{:?}", camera.told);
}
