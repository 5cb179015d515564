//! Something hangs before the camera.

use super::*;

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
