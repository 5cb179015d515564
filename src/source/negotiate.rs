//! Which of a camera's modes to ask for. Pure: what the driver lists and what is wanted
//! come in, the mode comes out.
//!
//! The rules, each among what the one before has left (docs/design/cameras.md has the
//! reasons and real cameras' lists):
//!
//! 1. What the owner pinned.
//! 2. The wanted rate. A slower mode is taken only where no mode reaches it.
//! 3. The needed pixels in both directions, or as many of them as there are.
//! 4. Modes that cost at most [`WORTH`] times the cheapest: more pixels would only be
//!    thrown away.
//! 5. The shape of the largest picture that the camera sends at that rate, since other
//!    shapes are usually cut out of it; then the cheapest.

use super::Settings;
use super::formats::FORMATS;
use super::modes::{Interval, Offer, Rates, reaches};
use crate::geometry::Size;
use crate::pixels::frame::PixelFormat;

/// What to ask the driver for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) fourcc: [u8; 4],
    pub(super) size: Size,
    pub(super) interval: Interval,
}

/// What is wanted of a camera.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    /// The format that the owner pinned.
    pub(super) format: Option<[u8; 4]>,
    /// Width and height that the owner pinned, in pixels; 0: not pinned.
    pub(super) pinned: Size,
    /// The pixels that the stage behind can use.
    pub(super) needed: Size,
    /// Frames per second, at least 1.
    pub(super) fps: u32,
}

impl Wish {
    /// What the settings say, with `needed` pixels of the upright picture.
    pub(super) fn of(settings: &Settings, needed: Size) -> Self {
        Self {
            format: settings.fourcc(),
            pinned: Size::new(settings.width, settings.height),
            needed: settings.orientation().upright(needed),
            fps: settings.fps,
        }
    }

    fn pins(&self) -> String {
        let format = self
            .format
            .map(|format| format!("camera.format {}", String::from_utf8_lossy(&format).trim_end()));
        let sides = [("camera.width", self.pinned.width), ("camera.height", self.pinned.height)];
        let sides = sides.into_iter().filter(|(_, value)| *value != 0);
        let sides = sides.map(|(key, value)| format!("{key} {value}"));
        format.into_iter().chain(sides).collect::<Vec<_>>().join(", ")
    }
}

/// A mode may cost so many times what the cheapest does, to show all that the camera
/// sees. The decoding and shrinking of a small picture is a twentieth of a frame's work
/// (docs/design/performance.md); four times that is still less than half of it.
const WORTH: f64 = 4.0;
/// Shapes nearer than this are the same: 1366x768 is 16:9.
const SAME_SHAPE: f64 = 0.01;
/// What cameras without a list of sizes all have.
const USUAL: Size = Size::new(640, 480);

/// Of the modes listed, the one to ask for.
///
/// # Errors
///
/// In words for the owner: nothing readable, or nothing that fits the pins.
pub(super) fn choose(offers: &[Offer], wish: &Wish) -> Result<Choice, String> {
    let all: Vec<Candidate> = offers.iter().flat_map(|offer| candidates(offer, wish)).collect();
    if all.is_empty() {
        return Err(nothing_readable(offers));
    }
    let pinned: Vec<&Candidate> = all.iter().filter(|candidate| candidate.fits(wish)).collect();
    if pinned.is_empty() {
        let pins = wish.pins();
        return Err(format!("has no mode with {pins}; `expressiond cameras` lists what it has"));
    }
    let fast: Vec<&Candidate> = pinned.iter().copied().filter(|one| one.is_fast(wish)).collect();
    let best = if fast.is_empty() {
        pinned.iter().copied().max_by(|a, b| {
            let worth = |one: &Candidate| one.speed(wish) * one.fill(wish);
            worth(a).total_cmp(&worth(b)).then_with(|| b.cost().total_cmp(&a.cost()))
        })
    } else {
        let at_rate = all.iter().filter(|one| one.is_fast(wish));
        let shape = at_rate.map(|one| one.size).max_by_key(|size| size.area()).map(aspect);
        cheapest(&fast, wish, shape)
    };
    best.map(Candidate::choice).ok_or_else(|| nothing_readable(offers))
}

/// Rules 3 to 5.
fn cheapest<'a>(fast: &[&'a Candidate], wish: &Wish, shape: Option<f64>) -> Option<&'a Candidate> {
    let fill = fast.iter().map(|one| one.fill(wish)).fold(0.0, f64::max);
    let filling = || fast.iter().copied().filter(|one| one.fill(wish) >= fill);
    let least = filling().map(Candidate::cost).fold(f64::INFINITY, f64::min);
    // In steps, so that nearly the same shape is the same.
    let unlike = |one: &Candidate| {
        shape.map_or(0.0, |shape| ((aspect(one.size) / shape).ln().abs() / SAME_SHAPE).floor())
    };
    filling().filter(|one| one.cost() <= WORTH * least).min_by(|a, b| {
        let order = unlike(a).total_cmp(&unlike(b)).then(a.cost().total_cmp(&b.cost()));
        // Whatever the order in which a driver lists its modes.
        order.then_with(|| a.key().cmp(&b.key()))
    })
}

/// In an owner's words, that a camera has no format that is read here.
pub(super) fn nothing_readable(offers: &[Offer]) -> String {
    let names: Vec<&str> = offers.iter().map(|offer| offer.fourcc.trim_end()).collect();
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    format!(
        "offers only {names}, no pixel format that can be read; ffmpeg and v4l2loopback bring \
         it as pictures: docs/guide/cameras.md, \"A camera that sends only H.264\""
    )
}

#[derive(Debug)]
struct Candidate {
    fourcc: [u8; 4],
    format: PixelFormat,
    size: Size,
    /// The rate to ask for.
    interval: Interval,
}

fn candidates(offer: &Offer, wish: &Wish) -> Vec<Candidate> {
    let known = FORMATS.iter().find(|(letters, _)| offer.fourcc.as_bytes() == letters);
    let Some((fourcc, format)) = known else { return Vec::new() };
    let candidate = |size, rates: &Rates| Candidate {
        fourcc: *fourcc,
        format: *format,
        size,
        interval: rates.at_least(wish.fps),
    };
    let Size { width, height } = wish.pinned;
    let listed =
        offer.sizes.iter().map(|mode| candidate(Size::new(mode.width, mode.height), &mode.rates));
    let mut all: Vec<Candidate> = listed.collect();
    if all.is_empty() {
        let side = |pin: u32, usual: u32| if pin == 0 { usual } else { pin };
        let size = Size::new(side(width, USUAL.width), side(height, USUAL.height));
        all.push(candidate(size, &Rates::Unknown));
    } else if (width, height) != (0, 0) {
        let pinned = offer.range.and_then(|range| range.pinned(width, height));
        all.extend(pinned.map(|size| candidate(size, &Rates::Unknown)));
    }
    all
}

impl Candidate {
    fn fits(&self, wish: &Wish) -> bool {
        let pinned = |pin: u32, value: u32| pin == 0 || value == pin;
        wish.format.is_none_or(|format| format == self.fourcc)
            && pinned(wish.pinned.width, self.size.width)
            && pinned(wish.pinned.height, self.size.height)
    }

    fn choice(&self) -> Choice {
        Choice { fourcc: self.fourcc, size: self.size, interval: self.interval }
    }

    fn is_fast(&self, wish: &Wish) -> bool {
        reaches(self.interval, wish.fps)
    }

    /// The share of the wanted rate that it reaches, 0 to 1.
    fn speed(&self, wish: &Wish) -> f64 {
        (self.interval.fps() / f64::from(wish.fps)).min(1.0)
    }

    /// The share of the needed pixels that it has along the worse side, 0 to 1.
    fn fill(&self, wish: &Wish) -> f64 {
        let share = |have: u32, need: u32| f64::from(have) / f64::from(need.max(1));
        let across = share(self.size.width, wish.needed.width);
        across.min(share(self.size.height, wish.needed.height)).min(1.0)
    }

    /// Nanoseconds of processor time for a frame.
    fn cost(&self) -> f64 {
        self.size.area() as f64 * cost_per_pixel(self.format)
    }

    /// What tells two modes apart.
    fn key(&self) -> (Option<usize>, u32, u32) {
        let rank = FORMATS.iter().position(|(letters, _)| *letters == self.fourcc);
        (rank, self.size.width, self.size.height)
    }
}

fn aspect(size: Size) -> f64 {
    f64::from(size.width) / f64::from(size.height.max(1))
}

/// Nanoseconds of processor time for a pixel that the camera sends, up to the input tensor,
/// on the machine of `docs/design/performance.md`. Raw formats are told apart by the bytes
/// that are read. Brightness alone comes last of them: the model learnt from colour.
fn cost_per_pixel(format: PixelFormat) -> f64 {
    use PixelFormat as P;
    match format {
        P::Nv12 | P::Nv21 | P::I420 | P::Yv12 => 0.6,
        P::Yuyv | P::Yvyu | P::Uyvy | P::Vyuy | P::Nv16 | P::Nv61 | P::Yuv422p => 0.7,
        P::Rgb24 | P::Bgr24 | P::Nv24 | P::Nv42 => 0.9,
        P::Rgbx32 | P::Bgrx32 | P::Xrgb32 | P::Xbgr32 | P::P010 => 1.2,
        P::Rgb565 | P::Rgb565Be | P::Rgb555 => 1.6,
        P::Grey | P::Grey10 | P::Grey12 | P::Grey14 | P::Grey16 => 1.7,
        P::Mjpeg => 1.8,
    }
}

#[cfg(test)]
mod tests {
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

    fn wish(settings: &Settings) -> Wish {
        Wish::of(settings, MODEL)
    }

    fn words(choice: &Choice) -> (String, u32, u32, u32) {
        let name = String::from_utf8_lossy(&choice.fourcc).into_owned();
        (name, choice.size.width, choice.size.height, choice.interval.fps().round() as u32)
    }

    fn chosen(settings: &Settings) -> (String, u32, u32, u32) {
        words(&choose(&webcam(), &wish(settings)).expect("a mode"))
    }

    #[test]
    fn the_cheapest_mode_that_fills_the_input_is_taken() {
        assert_eq!(chosen(&Settings::default()), ("YUYV".into(), 320, 240, 15));
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
        let error = choose(&webcam(), &wish(&wrong)).expect_err("no such mode");
        assert!(error.contains("camera.format YUYV, camera.width 800"), "{error}");
        let error = choose(&[offer("H264", &[])], &wish(&Settings::default())).expect_err("none");
        assert!(error.contains("offers only H264"), "{error}");
        assert!(error.contains("ffmpeg"), "{error}");
    }

    #[test]
    fn a_camera_that_is_too_slow_or_small_gives_its_best() {
        let usual = wish(&Settings::default());
        let slow = [offer("YUYV", &[(640, 480, 5.0), (320, 240, 7.5)])];
        let choice = choose(&slow, &usual).expect("a mode");
        assert_eq!((choice.size.width, words(&choice).3), (320, 8));
        let small = [offer("GREY", &[(80, 60, 9.0), (160, 120, 9.0)])];
        let choice = choose(&small, &usual).expect("a mode");
        assert_eq!(choice.size.width, 160);
    }

    #[test]
    fn a_driver_that_lists_no_sizes_is_asked_for_the_usual_one() {
        let choice = choose(&[offer("YUYV", &[])], &wish(&Settings::default())).expect("a mode");
        let interval = Interval::of_fps(15);
        assert_eq!(choice, Choice { fourcc: *b"YUYV", size: USUAL, interval });
    }

    #[test]
    fn a_driver_that_scales_takes_any_pinned_size_within_its_limits() {
        let range = SizeRange {
            least: Size::new(32, 32),
            most: Size::new(2592, 1944),
            step: Size::new(2, 2),
        };
        let scaler = [Offer { range: Some(range), ..offer("YU12", &[(320, 240, 90.0)]) }];
        let ask = |width, height| {
            let settings = Settings { width, height, ..Settings::default() };
            choose(&scaler, &wish(&settings)).map(|choice| choice.size)
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
        let wide = Wish::of(&Settings { rotate: 90, ..Settings::default() }, Size::new(240, 320));
        assert_eq!(wide.needed, Size::new(320, 240));
    }

    /// A format with rates below 1: formats, sizes and rates of any kind.
    fn any_offers() -> impl Strategy<Value = Vec<Offer>> {
        let rates = proptest::collection::vec(1u32..121, 1..6);
        let mode = (16u32..5000, 16u32..4000, rates).prop_map(|(width, height, rates)| {
            let rates = rates.into_iter().map(Interval::of_fps).collect();
            Mode::new(width, height, Rates::Listed(rates))
        });
        let fourcc =
            prop_oneof![Just("YUYV"), Just("MJPG"), Just("NV12"), Just("GREY"), Just("H264")];
        let offer = (fourcc, proptest::collection::vec(mode, 1..12))
            .prop_map(|(fourcc, sizes)| Offer { sizes, ..offer(fourcc, &[]) });
        proptest::collection::vec(offer, 1..4)
    }

    fn any_wish() -> impl Strategy<Value = Wish> {
        let side = prop_oneof![Just(96u32), Just(224), Just(320), Just(1280), 1u32..3000];
        (side.clone(), side, 1u32..61).prop_map(|(width, height, fps)| Wish {
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
            offer.sizes.iter().map(move |mode| {
                (offer, Size::new(mode.width, mode.height), mode.fps.unwrap_or(0.0))
            })
        });
        modes.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn the_rules_hold_for_any_list(offers in any_offers(), wish in any_wish()) {
            let all = modes(&offers);
            let Ok(choice) = choose(&offers, &wish) else {
                prop_assert!(all.is_empty());
                return Ok(());
            };
            let mine = all.iter().filter(|(offer, size, fps)| {
                offer.fourcc.as_bytes() == choice.fourcc
                    && *size == choice.size
                    && *fps >= choice.interval.fps()
            });
            prop_assert!(mine.count() > 0, "a mode that is not listed");
            let wanted = 0.98 * f64::from(wish.fps);
            let fast: Vec<_> = all.iter().filter(|(_, _, fps)| *fps >= wanted).collect();
            if fast.is_empty() {
                return Ok(());
            }
            prop_assert!(choice.interval.fps() >= wanted, "slower than another mode");
            let fills = |size: &Size| size.width >= wish.needed.width && size.height >= wish.needed.height;
            let cost = |fourcc: &[u8], size: &Size| {
                let (_, format) = FORMATS.iter().find(|(letters, _)| letters == fourcc).expect("known");
                size.area() as f64 * cost_per_pixel(*format)
            };
            let filling = fast.iter().filter(|(_, size, _)| fills(size));
            let least = filling.map(|(offer, size, _)| cost(offer.fourcc.as_bytes(), size));
            if let Some(least) = least.min_by(f64::total_cmp) {
                prop_assert!(fills(&choice.size), "fewer pixels than another mode");
                prop_assert!(cost(&choice.fourcc, &choice.size) <= WORTH * least * 1.001, "too many pixels");
            }
        }

        #[test]
        fn the_order_of_the_list_does_not_matter(offers in any_offers(), wish in any_wish()) {
            let mut turned = offers.clone();
            turned.reverse();
            turned.iter_mut().for_each(|offer| offer.sizes.reverse());
            let (a, b) = (choose(&offers, &wish), choose(&turned, &wish));
            prop_assert_eq!(a.is_ok(), b.is_ok());
            if let (Ok(a), Ok(b)) = (a, b) {
                prop_assert_eq!((a.fourcc, a.size), (b.fourcc, b.size));
            }
        }

        #[test]
        fn pins_are_kept(offers in any_offers(), wish in any_wish(), pick: proptest::sample::Index) {
            let all = modes(&offers);
            prop_assume!(!all.is_empty());
            let (offer, size, _) = pick.get(&all);
            let format = offer.fourcc.as_bytes().try_into().ok();
            let pinned = Wish { format, pinned: *size, ..wish };
            let choice = choose(&offers, &pinned);
            prop_assert_eq!(choice.map(|choice| (Some(choice.fourcc), choice.size)), Ok((format, *size)));
        }
    }
}
