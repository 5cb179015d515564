//! Which of a camera's modes to ask for. Pure: what the driver lists and what is wanted
//! come in, the mode comes out.
//!
//! The rules, each among what the one before has left (docs/design/cameras.md has the
//! reasons and real cameras' lists):
//!
//! 1. What the owner pinned.
//! 2. The wanted rate. A slower mode is taken only where no mode reaches it.
//! 3. The needed pixels in both directions, or as many of them as there are.
//! 4. Modes that cost at most [`WORTH`] times the cheapest and whose sides are at most
//!    [`ROOM`] times the needed ones: more pixels would only be thrown away.
//! 5. The shape of the largest picture that the camera sends at that rate, since other
//!    shapes are usually cut out of it; then the cheapest.

use super::formats::FORMATS;
use super::modes::{Interval, Offer, Rates, reaches};
use super::settings::Settings;
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
pub(super) struct Request {
    /// The format that the owner pinned.
    pub(super) format: Option<[u8; 4]>,
    /// Width and height that the owner pinned, in pixels; 0: not pinned.
    pub(super) pinned: Size,
    /// The pixels that the stage behind can use.
    pub(super) needed: Size,
    /// Frames per second, at least 1.
    pub(super) fps: u32,
}

impl Request {
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
/// Sides so many times the needed ones are large enough for any shape: 640x360 for 224.
const ROOM: f64 = 3.0;
/// What cameras without a list of sizes all have.
const USUAL: Size = Size::new(640, 480);

/// Of the modes listed, the one to ask for.
///
/// # Errors
///
/// In words for the owner: nothing readable, or nothing that fits the pins.
pub(super) fn choose(offers: &[Offer], request: &Request) -> Result<Choice, String> {
    let all: Vec<Candidate> = offers.iter().flat_map(|offer| candidates(offer, request)).collect();
    if all.is_empty() {
        return Err(nothing_readable(offers));
    }
    let pinned: Vec<&Candidate> = all.iter().filter(|candidate| candidate.fits(request)).collect();
    if pinned.is_empty() {
        let pins = request.pins();
        return Err(format!("has no mode with {pins}; `expressiond cameras` lists what it has"));
    }
    let fast: Vec<&Candidate> = pinned.iter().copied().filter(|one| one.is_fast(request)).collect();
    let best = if fast.is_empty() {
        pinned.iter().copied().max_by(|a, b| {
            let worth = |one: &Candidate| one.speed(request) * one.fill(request);
            worth(a).total_cmp(&worth(b)).then_with(|| b.cost().total_cmp(&a.cost()))
        })
    } else {
        let at_rate = all.iter().filter(|one| one.is_fast(request));
        let shape = at_rate.map(|one| one.size).max_by_key(|size| size.area());
        cheapest(&fast, request, shape)
    };
    best.map(Candidate::choice).ok_or_else(|| nothing_readable(offers))
}

/// Rules 3 to 5.
fn cheapest<'a>(
    fast: &[&'a Candidate],
    request: &Request,
    shape: Option<Size>,
) -> Option<&'a Candidate> {
    let fill = fast.iter().map(|one| one.fill(request)).fold(0.0, f64::max);
    let filling = || fast.iter().copied().filter(|one| one.fill(request) >= fill);
    let least = filling().map(Candidate::cost).fold(f64::INFINITY, f64::min);
    let has_room = |one: &Candidate| {
        f64::from(one.size.width) <= ROOM * f64::from(request.needed.width)
            && f64::from(one.size.height) <= ROOM * f64::from(request.needed.height)
    };
    let is_worth =
        |one: &Candidate| one.cost() <= least || (one.cost() <= WORTH * least && has_room(one));
    let unlike = |one: &Candidate| shape.map_or(0.0, |shape| one.size.unlike(shape));
    filling().filter(|one| is_worth(one)).min_by(|a, b| {
        let order = unlike(a).total_cmp(&unlike(b)).then(a.cost().total_cmp(&b.cost()));
        // Whatever the order in which a driver lists its modes.
        order.then_with(|| a.key().cmp(&b.key()))
    })
}

/// In an owner's words, that a camera has no format that is read here.
pub(super) fn nothing_readable(offers: &[Offer]) -> String {
    let names: Vec<&str> = offers.iter().map(|offer| offer.fourcc.trim_end()).collect();
    let names = names.join(", ");
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

fn candidates(offer: &Offer, request: &Request) -> Vec<Candidate> {
    let known = FORMATS.iter().find(|(letters, _)| offer.fourcc.as_bytes() == letters);
    let Some((fourcc, format)) = known else { return Vec::new() };
    let candidate = |size, rates: &Rates| Candidate {
        fourcc: *fourcc,
        format: *format,
        size,
        interval: rates.at_least(request.fps),
    };
    let Size { width, height } = request.pinned;
    let listed =
        offer.sizes.iter().map(|mode| candidate(Size::new(mode.width, mode.height), &mode.rates));
    let mut all: Vec<Candidate> = listed.collect();
    if all.is_empty() {
        // Of one side the other follows, in the usual shape.
        let size = match (width, height) {
            (0, 0) => USUAL,
            (width, 0) => Size::new(width, width * USUAL.height / USUAL.width),
            (0, height) => Size::new(height * USUAL.width / USUAL.height, height),
            (width, height) => Size::new(width, height),
        };
        all.push(candidate(size, &Rates::Unknown));
    } else if (width, height) != (0, 0) {
        let pinned = offer.range.and_then(|range| range.pinned(width, height));
        all.extend(pinned.map(|size| candidate(size, &Rates::Unknown)));
    }
    all
}

impl Candidate {
    fn fits(&self, request: &Request) -> bool {
        let pinned = |pin: u32, value: u32| pin == 0 || value == pin;
        request.format.is_none_or(|format| format == self.fourcc)
            && pinned(request.pinned.width, self.size.width)
            && pinned(request.pinned.height, self.size.height)
    }

    fn choice(&self) -> Choice {
        Choice { fourcc: self.fourcc, size: self.size, interval: self.interval }
    }

    fn is_fast(&self, request: &Request) -> bool {
        reaches(self.interval, request.fps)
    }

    /// The share of the wanted rate that it reaches, 0 to 1.
    fn speed(&self, request: &Request) -> f64 {
        (self.interval.fps() / f64::from(request.fps)).min(1.0)
    }

    /// The share of the needed pixels that it has along the worse side, 0 to 1.
    fn fill(&self, request: &Request) -> f64 {
        let share = |have: u32, need: u32| f64::from(have) / f64::from(need.max(1));
        let across = share(self.size.width, request.needed.width);
        across.min(share(self.size.height, request.needed.height)).min(1.0)
    }

    /// Nanoseconds of processor time for a frame.
    fn cost(&self) -> f64 {
        cost(self.format, self.size)
    }

    /// What tells two modes apart.
    fn key(&self) -> (Option<usize>, u32, u32) {
        let rank = FORMATS.iter().position(|(letters, _)| *letters == self.fourcc);
        (rank, self.size.width, self.size.height)
    }
}

/// Nanoseconds of processor time for a frame, up to the input tensor: measured on the
/// machine of `docs/design/performance.md` with frames of 320x240 to 1920x1440. A JPEG's
/// time hardly shrinks with a small picture, since inverse transforms are done at the scale
/// that is needed. Brightness alone is as dear as it is unwelcome: the model learnt from
/// colour, so it comes last of the raw formats.
fn cost(format: PixelFormat, size: Size) -> f64 {
    use PixelFormat as P;
    let (frame, pixel) = match format {
        P::Nv12 | P::Nv21 | P::I420 | P::Yv12 => (0.0, 0.67),
        P::Yuyv | P::Yvyu | P::Uyvy | P::Vyuy | P::Nv16 | P::Nv61 | P::Yuv422p => (0.0, 0.7),
        P::Rgb24 | P::Bgr24 | P::P010 | P::Nv24 | P::Nv42 => (0.0, 0.8),
        P::Rgbx32 | P::Bgrx32 | P::Xrgb32 | P::Xbgr32 => (0.0, 0.9),
        P::Rgb565 | P::Rgb565Be | P::Rgb555 => (0.0, 1.3),
        P::Grey | P::Grey10 | P::Grey12 | P::Grey14 | P::Grey16 => (0.0, 1.7),
        P::Mjpeg => (280_000.0, 0.75),
    };
    frame + size.area() as f64 * pixel
}

#[cfg(test)]
mod real_cameras;
#[cfg(test)]
mod tests;
