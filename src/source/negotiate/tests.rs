//! The rules, one by one, and for any list.

use proptest::prelude::*;

use super::super::modes::{Mode, SizeRange};
use super::*;

const MODEL: Size = Size::new(224, 224);

/// Sizes that can be had at any rate up to the one given.
fn offer(fourcc: &str, modes: &[(u32, u32, f64)]) -> Offer {
    let mode = |(width, height, fps): &(u32, u32, f64)| {
        let fastest = Interval { numerator: 10, denominator: (fps * 10.0) as u32 };
        Mode::new(*width, *height, Rates::Between { slowest: Interval::of_fps(1), fastest })
    };
    Offer {
        fourcc: fourcc.into(),
        description: String::new(),
        readable: true,
        sizes: modes.iter().map(mode).collect(),
        range: None,
    }
}

/// As a usual USB camera lists itself.
fn webcam() -> Vec<Offer> {
    let yuyv = [(160, 120, 30.0), (320, 180, 30.0), (320, 240, 30.0), (1280, 960, 7.5)];
    let mjpg = [(320, 240, 30.0), (640, 480, 30.0), (1280, 960, 30.0)];
    vec![offer("MJPG", &mjpg), offer("YUYV", &yuyv), offer("H264", &mjpg)]
}

fn request(settings: &Settings) -> Request {
    Request::of(settings, MODEL)
}

fn words(choice: &Choice) -> (String, u32, u32, u32) {
    let name = String::from_utf8_lossy(&choice.fourcc).into_owned();
    (name, choice.size.width, choice.size.height, choice.interval.fps().round() as u32)
}

fn chosen(settings: &Settings) -> (String, u32, u32, u32) {
    words(&choose(&webcam(), &request(settings)).expect("a mode"))
}

#[test]
fn the_cheapest_mode_that_fills_the_input_is_taken() {
    assert_eq!(chosen(&Settings::default()), ("YUYV".into(), 320, 240, 15));
}

#[test]
fn a_camera_without_a_list_is_asked_for_the_usual_shape() {
    let silent = [offer("YUYV", &[])];
    let asked = |width, height| {
        let settings = Settings { width, height, ..Settings::default() };
        choose(&silent, &request(&settings)).expect("a mode").size
    };
    assert_eq!(asked(0, 0), Size::new(640, 480));
    assert_eq!(asked(1280, 0), Size::new(1280, 960));
    assert_eq!(asked(0, 720), Size::new(960, 720));
    assert_eq!(asked(1280, 720), Size::new(1280, 720));
}

#[test]
fn pins_hold_and_the_rest_is_chosen() {
    let wide = Settings { width: 1280, fps: 30, ..Settings::default() };
    assert_eq!(chosen(&wide), ("MJPG".into(), 1280, 960, 30), "YUYV has only 7.5 there");
    let slow = Settings { width: 1280, fps: 7, ..Settings::default() };
    assert_eq!(chosen(&slow), ("YUYV".into(), 1280, 960, 7));
    let packed = Settings { format: "MJPG".into(), ..Settings::default() };
    assert_eq!(chosen(&packed), ("MJPG".into(), 320, 240, 15));
}

#[test]
fn what_cannot_be_is_said_with_what_was_asked() {
    let wrong = Settings { width: 800, format: "YUYV".into(), ..Settings::default() };
    let error = choose(&webcam(), &request(&wrong)).expect_err("no such mode");
    assert!(error.contains("camera.format YUYV, camera.width 800"), "{error}");
    let error = choose(&[offer("H264", &[])], &request(&Settings::default())).expect_err("none");
    assert!(error.contains("offers only H264"), "{error}");
    assert!(error.contains("ffmpeg"), "{error}");
}

#[test]
fn a_camera_that_is_too_slow_or_small_gives_its_best() {
    let usual = request(&Settings::default());
    let slow = [offer("YUYV", &[(640, 480, 5.0), (320, 240, 7.5)])];
    let choice = choose(&slow, &usual).expect("a mode");
    assert_eq!((choice.size.width, words(&choice).3), (320, 8));
    let small = [offer("GREY", &[(80, 60, 9.0), (160, 120, 9.0)])];
    let choice = choose(&small, &usual).expect("a mode");
    assert_eq!(choice.size.width, 160);
}

#[test]
fn a_driver_that_lists_no_sizes_is_asked_for_the_usual_one() {
    let choice = choose(&[offer("YUYV", &[])], &request(&Settings::default())).expect("a mode");
    let interval = Interval::of_fps(15);
    assert_eq!(choice, Choice { fourcc: *b"YUYV", size: USUAL, interval });
}

#[test]
fn a_driver_that_scales_takes_any_pinned_size_within_its_limits() {
    let range =
        SizeRange { least: Size::new(32, 32), most: Size::new(2592, 1944), step: Size::new(2, 2) };
    let scaler = [Offer { range: Some(range), ..offer("YU12", &[(320, 240, 90.0)]) }];
    let ask = |width, height| {
        let settings = Settings { width, height, ..Settings::default() };
        choose(&scaler, &request(&settings)).map(|choice| choice.size)
    };
    assert_eq!(ask(800, 600), Ok(Size::new(800, 600)));
    assert_eq!(ask(800, 0), Ok(Size::new(800, 600)), "in the shape of the largest");
    assert_eq!(ask(0, 480), Ok(Size::new(640, 480)));
    assert!(ask(801, 0).is_err(), "not on a step");
    assert!(ask(4000, 0).is_err(), "too large");
}

#[test]
fn a_rate_is_asked_for_that_the_driver_will_not_round_down() {
    let list =
        |rates: &[u32]| Rates::Listed(rates.iter().map(|fps| Interval::of_fps(*fps)).collect());
    assert_eq!(list(&[30, 24, 20, 15, 10]).at_least(15), Interval::of_fps(15));
    // uvcvideo takes the nearest interval: 1/15 is nearer to 1/12 than to 1/30.
    assert_eq!(list(&[30, 12]).at_least(15), Interval::of_fps(30));
    assert_eq!(list(&[10, 5]).at_least(15), Interval::of_fps(10));
    let television = Interval { numerator: 1001, denominator: 30_000 };
    assert_eq!(Rates::Listed(vec![television]).at_least(30), television);
    assert!(reaches(television, 30) && !reaches(Interval::of_fps(29), 30));
}

#[test]
fn a_camera_on_its_side_is_asked_for_the_needed_pixels_along_its_own_sides() {
    let wide = Request::of(&Settings { rotate: 90, ..Settings::default() }, Size::new(240, 320));
    assert_eq!(wide.needed, Size::new(320, 240));
}

/// A format with rates below 1: formats, sizes and rates of any kind.
fn any_offers() -> impl Strategy<Value = Vec<Offer>> {
    let rates = proptest::collection::vec(1u32..121, 1..6);
    let mode = (16u32..5000, 16u32..4000, rates).prop_map(|(width, height, rates)| {
        let rates = rates.into_iter().map(Interval::of_fps).collect();
        Mode::new(width, height, Rates::Listed(rates))
    });
    let fourcc = prop_oneof![Just("YUYV"), Just("MJPG"), Just("NV12"), Just("GREY"), Just("H264")];
    let offer = (fourcc, proptest::collection::vec(mode, 1..12))
        .prop_map(|(fourcc, sizes)| Offer { sizes, ..offer(fourcc, &[]) });
    proptest::collection::vec(offer, 1..4)
}

fn any_request() -> impl Strategy<Value = Request> {
    let side = prop_oneof![Just(96u32), Just(224), Just(320), Just(1280), 1u32..3000];
    (side.clone(), side, 1u32..61).prop_map(|(width, height, fps)| Request {
        format: None,
        pinned: Size::new(0, 0),
        needed: Size::new(width, height),
        fps,
    })
}

/// The readable modes with the highest rate of each.
fn modes(offers: &[Offer]) -> Vec<(&Offer, Size, f64)> {
    let known =
        |offer: &&Offer| FORMATS.iter().any(|(letters, _)| offer.fourcc.as_bytes() == letters);
    let modes = offers.iter().filter(known).flat_map(|offer| {
        offer
            .sizes
            .iter()
            .map(move |mode| (offer, Size::new(mode.width, mode.height), mode.fps.unwrap_or(0.0)))
    });
    modes.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_rules_hold_for_any_list(offers in any_offers(), request in any_request()) {
        let all = modes(&offers);
        let Ok(choice) = choose(&offers, &request) else {
            prop_assert!(all.is_empty());
            return Ok(());
        };
        let mine = all.iter().filter(|(offer, size, fps)| {
            offer.fourcc.as_bytes() == choice.fourcc
                && *size == choice.size
                && *fps >= choice.interval.fps()
        });
        prop_assert!(mine.count() > 0, "a mode that is not listed");
        let wanted = 0.98 * f64::from(request.fps);
        let fast: Vec<_> = all.iter().filter(|(_, _, fps)| *fps >= wanted).collect();
        if fast.is_empty() {
            return Ok(());
        }
        prop_assert!(choice.interval.fps() >= wanted, "slower than another mode");
        let fills = |size: &Size| size.width >= request.needed.width && size.height >= request.needed.height;
        let cost_of = |fourcc: &[u8], size: &Size| {
            let (_, format) = FORMATS.iter().find(|(letters, _)| letters == fourcc).expect("known");
            cost(*format, *size)
        };
        let filling = fast.iter().filter(|(_, size, _)| fills(size));
        let least = filling.map(|(offer, size, _)| cost_of(offer.fourcc.as_bytes(), size));
        if let Some(least) = least.min_by(f64::total_cmp) {
            prop_assert!(fills(&choice.size), "fewer pixels than another mode");
            let mine = cost_of(&choice.fourcc, &choice.size);
            prop_assert!(mine <= WORTH * least * 1.001, "too dear");
            let room = |side: u32, needed: u32| f64::from(side) <= ROOM * f64::from(needed);
            let has_room = room(choice.size.width, request.needed.width)
                && room(choice.size.height, request.needed.height);
            prop_assert!(has_room || mine <= least * 1.001, "too many pixels");
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(offers in any_offers(), request in any_request()) {
        let mut turned = offers.clone();
        turned.reverse();
        turned.iter_mut().for_each(|offer| offer.sizes.reverse());
        let (a, b) = (choose(&offers, &request), choose(&turned, &request));
        prop_assert_eq!(a.is_ok(), b.is_ok());
        if let (Ok(a), Ok(b)) = (a, b) {
            prop_assert_eq!((a.fourcc, a.size), (b.fourcc, b.size));
        }
    }

    #[test]
    fn pins_are_kept(offers in any_offers(), request in any_request(), pick: proptest::sample::Index) {
        let all = modes(&offers);
        prop_assume!(!all.is_empty());
        let (offer, size, _) = pick.get(&all);
        let format = offer.fourcc.as_bytes().try_into().ok();
        let pinned = Request { format, pinned: *size, ..request };
        let choice = choose(&offers, &pinned);
        prop_assert_eq!(choice.map(|choice| (Some(choice.fourcc), choice.size)), Ok((format, *size)));
    }
}
