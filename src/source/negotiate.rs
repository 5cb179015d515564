//! Which of a camera's modes costs the least processor time for the model's input.
//! Pure: what the driver lists comes in, the mode to ask for comes out.

use super::devices::{Mode, Offer};
use super::formats::FORMATS;
use super::settings::Settings;
use crate::geometry::Size;
use crate::pixels::frame::PixelFormat;

/// What to ask the driver for.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub fourcc: [u8; 4],
    pub size: Size,
    pub fps: u32,
}

/// Of the modes that fit what the owner pinned: big enough for the model, of the shape
/// of the largest one (another is cut out of the sensor's picture), fast enough for
/// `camera.fps`, and then the cheapest. Where none is, as big and as fast as the camera
/// can.
///
/// # Errors
///
/// In words for the owner: nothing readable, or nothing that fits the pins.
pub fn choose(offers: &[Offer], settings: &Settings, model: Size) -> Result<Choice, String> {
    let all: Vec<Candidate> = offers.iter().flat_map(candidates).collect();
    if all.is_empty() {
        let names: Vec<&str> = offers.iter().map(|offer| offer.fourcc.as_str()).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(format!("offers only {names}; `expressiond cameras` says what to do"));
    }
    let shape = all.iter().filter_map(|c| c.size).max_by_key(|size| size.area()).map(aspect);
    let pinned = all.iter().filter(|candidate| candidate.fits(settings));
    let worth = |candidate: &&Candidate| candidate.worth(settings, model, shape);
    let best = pinned.max_by(|a, b| worth(a).total_cmp(&worth(b)));
    best.map(|candidate| candidate.choice(settings)).ok_or_else(|| {
        format!(
            "has no mode with {}; `expressiond cameras` lists what it has",
            pins(settings).join(", ")
        )
    })
}

struct Candidate {
    fourcc: [u8; 4],
    format: PixelFormat,
    /// None where the driver lists no sizes: then it is asked for the pinned or the
    /// usual one.
    size: Option<Size>,
    fps: Option<f64>,
}

/// What cameras without a list of sizes all have.
const USUAL: Size = Size::new(640, 480);

fn candidates(offer: &Offer) -> Vec<Candidate> {
    let known = FORMATS.iter().find(|(letters, _)| offer.fourcc.as_bytes() == *letters);
    let Some((letters, format)) = known else { return Vec::new() };
    let candidate = |size, fps| Candidate { fourcc: **letters, format: *format, size, fps };
    if offer.sizes.is_empty() {
        return vec![candidate(None, None)];
    }
    let mode = |mode: &Mode| candidate(Some(Size::new(mode.width, mode.height)), mode.fps);
    offer.sizes.iter().map(mode).collect()
}

impl Candidate {
    fn fits(&self, settings: &Settings) -> bool {
        let pinned = |pin: u32, value: fn(Size) -> u32| {
            pin == 0 || self.size.is_none_or(|size| value(size) == pin)
        };
        (settings.format.is_empty() || settings.format.as_bytes() == self.fourcc)
            && pinned(settings.width, |size| size.width)
            && pinned(settings.height, |size| size.height)
    }

    fn choice(&self, settings: &Settings) -> Choice {
        let pinned = |pin: u32, usual: u32| if pin == 0 { usual } else { pin };
        let size = self.size.unwrap_or_else(|| {
            Size::new(pinned(settings.width, USUAL.width), pinned(settings.height, USUAL.height))
        });
        let fps = self.fps.map_or(settings.fps, |most| settings.fps.min(most.ceil() as u32).max(1));
        Choice { fourcc: self.fourcc, size, fps }
    }

    /// Higher is better: four wishes, each counting only where the ones before agree.
    fn worth(&self, settings: &Settings, model: Size, shape: Option<f64>) -> f64 {
        let Choice { size, fps, .. } = self.choice(settings);
        // Whether the letterbox shrinks it: the model then sees all it can.
        let scale = f64::max(
            f64::from(size.width) / f64::from(model.width),
            f64::from(size.height) / f64::from(model.height),
        );
        let speed = f64::from(fps) / f64::from(settings.fps);
        let cost = size.area() as f64 * cost_per_pixel(self.format) / 1e9;
        let whole = shape.is_none_or(|shape| (aspect(size) / shape - 1.0).abs() < 0.05);
        1e6 * scale.min(1.0) + 1e4 * f64::from(u8::from(whole)) + 1e2 * speed.min(1.0) - cost
    }
}

fn aspect(size: Size) -> f64 {
    f64::from(size.width) / f64::from(size.height.max(1))
}

/// Nanoseconds on the machine of `docs/design/performance.md`, for YUYV and MJPEG by
/// `expressiond bench`, for the others by the bytes that are read. Grey comes last
/// of the raw ones: the model learnt from colour.
fn cost_per_pixel(format: PixelFormat) -> f64 {
    match format {
        PixelFormat::Nv12 | PixelFormat::I420 => 0.6,
        PixelFormat::Yuyv | PixelFormat::Uyvy => 0.7,
        PixelFormat::Rgb24 | PixelFormat::Bgr24 => 0.9,
        PixelFormat::Grey => 1.7,
        PixelFormat::Mjpeg => 1.8,
    }
}

fn pins(settings: &Settings) -> Vec<String> {
    let numbers = [("camera.width", settings.width), ("camera.height", settings.height)];
    let format =
        (!settings.format.is_empty()).then(|| format!("camera.format {}", settings.format));
    let sides = numbers.into_iter().filter(|(_, value)| *value != 0);
    format.into_iter().chain(sides.map(|(key, value)| format!("{key} {value}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Size = Size::new(224, 224);

    fn offer(fourcc: &str, modes: &[(u32, u32, f64)]) -> Offer {
        let mode = |(width, height, fps): &(u32, u32, f64)| Mode {
            width: *width,
            height: *height,
            fps: Some(*fps),
        };
        Offer {
            fourcc: fourcc.into(),
            description: String::new(),
            readable: true,
            sizes: modes.iter().map(mode).collect(),
        }
    }

    /// As a usual USB camera lists itself.
    fn webcam() -> Vec<Offer> {
        let yuyv = [(160, 120, 30.0), (320, 180, 30.0), (320, 240, 30.0), (1280, 960, 7.5)];
        let mjpg = [(320, 240, 30.0), (640, 480, 30.0), (1280, 960, 30.0)];
        vec![offer("MJPG", &mjpg), offer("YUYV", &yuyv), offer("H264", &mjpg)]
    }

    fn chosen(settings: &Settings) -> (String, u32, u32, u32) {
        let choice = choose(&webcam(), settings, MODEL).expect("a mode");
        let name = String::from_utf8_lossy(&choice.fourcc).into_owned();
        (name, choice.size.width, choice.size.height, choice.fps)
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
        let error = choose(&webcam(), &wrong, MODEL).expect_err("no such mode");
        assert!(error.contains("camera.format YUYV, camera.width 800"), "{error}");
        let error = choose(&[offer("H264", &[])], &Settings::default(), MODEL).expect_err("none");
        assert!(error.contains("offers only H264"), "{error}");
    }

    #[test]
    fn a_camera_that_is_too_slow_or_small_gives_its_best() {
        let slow = [offer("YUYV", &[(640, 480, 5.0), (320, 240, 7.5)])];
        let choice = choose(&slow, &Settings::default(), MODEL).expect("a mode");
        assert_eq!((choice.size.width, choice.fps), (320, 8));
        let small = [offer("GREY", &[(80, 60, 9.0), (160, 120, 9.0)])];
        let choice = choose(&small, &Settings::default(), MODEL).expect("a mode");
        assert_eq!(choice.size.width, 160);
    }

    #[test]
    fn a_driver_that_lists_no_sizes_is_asked_for_the_usual_one() {
        let choice = choose(&[offer("YUYV", &[])], &Settings::default(), MODEL).expect("a mode");
        assert_eq!(choice, Choice { fourcc: *b"YUYV", size: USUAL, fps: 15 });
    }
}
