use super::*;
use crate::clock::{Clock, SystemClock};
use crate::detector::Settings;
use crate::pixels::frame::PixelFormat;

#[test]
fn who_is_not_followed_yet_is_looked_at_again_before_who_is() {
    let at = |x: f32| Rect::new(x, 100.0, 32.0, 40.0);
    let followed = [10.0, 300.0].map(|x| Followed::at(at(x)));
    // Half of one that is followed was cut off.
    let cut = Rect { height: 20.0, ..at(303.0) };
    let mut suspects = [at(12.0), at(600.0), cut, at(500.0)];
    who_is_new_first(&mut suspects, &followed);
    assert_eq!(suspects, [at(600.0), at(500.0), at(12.0), cut]);
}

/// Looks at an empty room at 15 frames a second. Returns when the whole picture was looked at,
/// in milliseconds; before each frame `change` may change something.
fn wholes(frames: u32, mut change: impl FnMut(u32, &mut Attention, &mut Frame)) -> Vec<u128> {
    let networks = Networks::load(&Settings::committed()).expect("the committed models");
    let pace = Pace::new(pace::Settings::default());
    let mut attention =
        Attention::new(networks, Distance::default(), Some(pace)).expect("attention");
    let (size, format) = (Size::new(640, 480), PixelFormat::Grey);
    let data = vec![90; size.area()];
    let mut frame = Frame { data, format, size, stride: 640, ..Frame::empty(SystemClock.now()) };
    let (mut out, mut seen) = (Findings::default(), Vec::new());
    for number in 0..frames {
        change(number, &mut attention, &mut frame);
        let now = Duration::from_secs(60) + Duration::from_secs(1) * number / 15;
        let sight = attention.see(&frame, now, &[], 1.0, &mut out, &|| true).expect("a picture");
        let whole = |look: &Look| look.purpose == Purpose::Whole;
        if matches!(sight, Sight::Looked(..)) && out.looks.iter().any(whole) {
            seen.push((now - Duration::from_secs(60)).as_millis());
        }
    }
    seen
}

/// On the page, 0.47 s after the picture was looked at.
#[test]
fn a_picture_that_was_turned_and_another_cameras_are_looked_at_as_a_whole_soon() {
    assert_eq!(wholes(20, |_, _, _| {}), [0], "nothing has moved");
    let turned = wholes(20, |number, _, frame| frame.orientation.mirror = number >= 7);
    let other = wholes(20, |number, attention, _| {
        if number == 7 {
            attention.leave_camera();
        }
    });
    for seen in [turned, other] {
        assert!(seen.len() == 2 && (466..766).contains(&seen[1]), "{seen:?}");
    }
}

#[test]
fn what_moves_is_a_share_of_what_is_to_be_seen() {
    let first = |count: usize| std::array::from_fn(|cell| cell < count);
    assert_eq!(share(&first(4), &first(0)), 4.0 / CELLS as f32);
    let gap = std::array::from_fn(|cell| cell >= 8);
    assert_eq!(share(&first(4), &gap), 0.5);
    assert_eq!(share(&first(0), &first(CELLS)), 0.0, "all is masked");
}
