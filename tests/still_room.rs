//! A face that comes into a room where nothing happened, seen by the committed model: in
//! the time of the frames, so that no machine's speed counts.

#[path = "daemon/program.rs"]
mod program;

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use expressiond::attention::look::Purpose;
use expressiond::attention::pace;
use expressiond::attention::pace::Pace;
use expressiond::attention::reach::Distance;
use expressiond::attention::{Attention, Findings, Sight};
use expressiond::detector::networks::Networks;
use expressiond::detector::{Detection, ModelError};
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::pixels::rgb::to_rgb;
use expressiond::source::picture;
use expressiond::zones::{Kind, Settings as Zone, Zones};
use image::{Rgb, RgbImage};
use program::models;

/// Between two frames of a camera at the default `camera.fps`.
const FRAME: Duration = Duration::from_micros(66_667);
const PHASES: u32 = 8;

fn frame(name: &str) -> Frame {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    picture::read(&root.join("tests/demo/frames").join(name)).unwrap()
}

/// Shows `frame` from `now` on until `done`, at most for a minute; says when that was.
fn show(
    attention: &mut Attention,
    frame: &Frame,
    mut now: Duration,
    mut done: impl FnMut(Sight, &[Detection]) -> bool,
) -> Duration {
    let (mut found, end) = (Findings::default(), now + Duration::from_secs(60));
    while now < end {
        let sight = attention.see(frame, now, &[], 1.0, &mut found, &|| true).unwrap();
        if done(sight, &found.detections) {
            return now;
        }
        now += FRAME;
    }
    panic!("not within a minute of frames");
}

/// By which the watchdog is fed: a frame of several looks takes as many times as long.
#[test]
fn each_look_is_told_when_it_is_over() {
    let networks = Networks::load(&models()).unwrap();
    let mut attention = Attention::new(networks, Distance::default(), None).unwrap();
    let (somebody, mut found) = (frame("030.jpg"), Findings::default());
    let mut several = 0;
    for number in 1..10 {
        let (told, now) = (Cell::new(0), FRAME * number);
        let goes_on = || {
            told.set(told.get() + 1);
            true
        };
        attention.see(&somebody, now, &[], 1.0, &mut found, &goes_on).unwrap();
        assert_eq!(told.get(), found.looks.len());
        several += usize::from(told.get() > 1);
    }
    assert!(several > 0, "no frame was worth several looks");
}

#[test]
fn looks_that_nobody_wants_any_more_are_left_out() {
    let networks = Networks::load(&models()).unwrap();
    let mut attention = Attention::new(networks, Distance::default(), None).unwrap();
    let (somebody, mut found) = (frame("030.jpg"), Findings::default());
    for number in 1..10 {
        let told = Cell::new(0);
        let goes_on = || {
            told.set(told.get() + 1);
            false
        };
        let sight = attention.see(&somebody, FRAME * number, &[], 1.0, &mut found, &goes_on);
        assert!(matches!(sight, Err(ModelError::Unwanted)), "{sight:?}");
        assert_eq!(told.get(), 1);
    }
    assert!(found.looks.is_empty() && found.detections.is_empty());
}

#[test]
fn a_face_is_seen_within_half_a_second_after_stillness() {
    let networks = Networks::load(&models()).unwrap();
    let settings = pace::Settings { idle_after_s: 0.5, ..pace::Settings::default() };
    let mut attention =
        Attention::new(networks, Distance::default(), Some(Pace::new(settings))).unwrap();
    let (nobody, somebody) = (frame("000.jpg"), frame("030.jpg"));
    let mut now = Duration::from_secs(1);
    for phase in 0..PHASES {
        // Until it only glances, and then a little longer: the face comes between two
        // glances, at another place each time.
        let mut glances = 0;
        now = show(&mut attention, &nobody, now, |sight, _| {
            glances += u32::from(matches!(sight, Sight::Glanced(light) if light.idle));
            glances > 3
        });
        let came = now + FRAME * 3 / 4 + FRAME * phase / 2;
        now = show(&mut attention, &somebody, came, |sight, found| {
            matches!(sight, Sight::Looked(..)) && found.iter().any(|face| face.confidence >= 0.7)
        });
        let took = now - came;
        assert!(took <= Duration::from_millis(400), "{took:?} in phase {phase}");
        now += FRAME;
    }
}

/// Where the television stands, in shares of the picture.
const SCREEN: [f32; 4] = [0.75, 0.0, 1.0, 0.5];

/// `picture` with a television that shows something else in each frame.
fn with_television(picture: &RgbImage, number: u8) -> Frame {
    let mut shown = picture.clone();
    let (width, height) = (shown.width() as f32, shown.height() as f32);
    let [left, top, right, bottom] = SCREEN;
    for (x, y, pixel) in shown.enumerate_pixels_mut() {
        let (x, y) = (x as f32 / width, y as f32 / height);
        if (left..right).contains(&x) && (top..bottom).contains(&y) {
            let light = number.wrapping_mul(67).wrapping_add(((x * 40.0) as u8).wrapping_mul(31));
            *pixel = Rgb([light; 3]);
        }
    }
    let size = expressiond::geometry::Size::new(shown.width(), shown.height());
    let (data, format) = (shown.into_raw(), PixelFormat::Rgb24);
    Frame { data, format, size, ..frame("000.jpg") }
}

#[test]
fn a_masked_television_lets_the_room_rest_and_somebody_beside_it_is_seen() {
    let [left, top, right, bottom] = SCREEN;
    let points = vec![[left, top], [right, top], [right, bottom], [left, bottom]];
    let zone = Zone { name: "tv".into(), kind: Kind::Mask, points, enabled: true };
    let (nobody, somebody) =
        (to_rgb(&frame("000.jpg")).unwrap(), to_rgb(&frame("030.jpg")).unwrap());
    for masked in [false, true] {
        let networks = Networks::load(&models()).unwrap();
        let settings = pace::Settings { idle_after_s: 0.5, ..pace::Settings::default() };
        let pace = Some(Pace::new(settings));
        let mut attention = Attention::new(networks, Distance::default(), pace).unwrap();
        if masked {
            attention.set_masks(&Zones::new(std::slice::from_ref(&zone)).masks());
        }
        let (mut now, mut found, mut idle) = (Duration::ZERO, Findings::default(), false);
        let mut see = |picture: &RgbImage, number: u8, now: Duration| {
            let frame = with_television(picture, number);
            let sight = attention.see(&frame, now, &[], 1.0, &mut found, &|| true).unwrap();
            if let Sight::Glanced(seen) | Sight::Looked(seen, _) = sight {
                idle = seen.idle;
            }
            let face = found.detections.iter().any(|face| face.confidence >= 0.7);
            (idle, matches!(sight, Sight::Looked(..)) && face)
        };
        let rests = (0..75).map(|number| {
            now += FRAME;
            see(&nobody, number, now).0
        });
        assert_eq!(rests.last(), Some(masked), "after five seconds");
        let mut seen =
            (0..6).map(|number| see(&somebody, number, now + FRAME * u32::from(number + 1)).1);
        assert!(seen.any(|seen| seen), "within 0.4 s, masked: {masked}");
    }
}

#[test]
fn a_room_that_rests_is_looked_at_as_often_as_was_asked_for() {
    let networks = Networks::load(&models()).unwrap();
    let settings =
        pace::Settings { idle_after_s: 0.5, idle_look_s: 1.0, ..pace::Settings::default() };
    let pace = Some(Pace::new(settings));
    let mut attention = Attention::new(networks, Distance::default(), pace).unwrap();
    let (nobody, mut found) = (frame("000.jpg"), Findings::default());
    let (mut times, mut now) = (0, Duration::ZERO);
    for number in 0..22 * 15 {
        let sight = attention.see(&nobody, now, &[], 1.0, &mut found, &|| true).unwrap();
        let whole = found.looks.iter().any(|look| look.purpose == Purpose::Whole);
        times += u32::from(number >= 2 * 15 && whole && matches!(sight, Sight::Looked(..)));
        now += FRAME;
    }
    assert!((16..=20).contains(&times), "{times} times in 20 s, every second");
}
