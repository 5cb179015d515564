//! The same picture again and again.

use super::*;

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
