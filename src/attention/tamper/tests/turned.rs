//! The camera looks elsewhere; and what only changes what it sees.

use super::*;

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
