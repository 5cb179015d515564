//! What people before the camera cost, against looking at the whole of every frame.

use std::fmt;
use std::time::Duration;

use image::{RgbImage, imageops};
use serde::Serialize;

use super::yuyv::to_yuyv;
use expressiond::attention::look::Purpose;
use expressiond::attention::pace::{Pace, Settings as PaceSettings};
use expressiond::attention::reach::Distance;
use expressiond::attention::{Attention, Findings, Sight};
use expressiond::clock::{Clock, SystemClock, cpu_time};
use expressiond::detector::networks::{Network, Networks};
use expressiond::detector::{Detection, Detector};
use expressiond::error::Result;
use expressiond::geometry::{Rect, Size};
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::tracks::{ExpressionSettings, Filter, Tracker, TrackingSettings};

/// What a camera sends that sees across a room.
const FRAME: Size = Size::new(1280, 720);
const FPS: u32 = 15;
/// Seconds until the room was looked over once, and those that are measured.
const BEFORE: u32 = 15;
const MEASURED: u32 = 12;
/// Height of a face in pixels, and where its middle is, in shares of the picture.
type Place = (u32, f32, f32);
const SITUATIONS: [(&str, &[Place]); 4] = [
    ("nobody", &[]),
    ("one near face", &[(180, 0.4, 0.5)]),
    ("one far face", &[(40, 0.6, 0.3)]),
    ("four faces", &[(180, 0.2, 0.5), (90, 0.5, 0.4), (56, 0.7, 0.3), (40, 0.9, 0.3)]),
];

/// One situation (docs/ref/bench.md).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Situation {
    pub name: &'static str,
    /// CPU milliseconds for a second of frames.
    pub cpu_ms_per_s: f64,
    /// Against one look at the whole of every frame, in the same run.
    pub ratio: f64,
    /// Faces that were followed in the end.
    pub followed: usize,
    /// Looks a second, by what they were for.
    pub whole_per_s: f64,
    pub tiles_per_s: f64,
    pub faces_per_s: f64,
    /// What they cost, in looks at the whole picture.
    pub cost_per_s: f64,
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  {:<14} {:>6.1} ms of CPU a second, {:.2} times; followed: {}; looks a second: \
             whole {:.1}, pieces {:.1}, faces {:.1}, which cost {:.1} at the whole",
            self.name,
            self.cpu_ms_per_s,
            self.ratio,
            self.followed,
            self.whole_per_s,
            self.tiles_per_s,
            self.faces_per_s,
            self.cost_per_s
        )
    }
}

/// Plays each situation. `portrait` has one face, which becomes all of them.
pub(crate) fn measure(mut networks: Networks, portrait: &RgbImage) -> Result<Vec<Situation>> {
    let face = largest_face(networks.get_mut(Network::Main), portrait)?;
    let mut all = Vec::new();
    for (name, faces) in SITUATIONS {
        let frames: Vec<Frame> =
            (0..FPS / 3).map(|number| render(portrait, face, faces, number)).collect();
        let looking = look_at_all(networks.get_mut(Network::Main), &frames)?;
        let (situation, same) = play(name, &frames, networks, looking)?;
        networks = same;
        all.push(situation);
    }
    Ok(all)
}

fn largest_face(detector: &mut Detector, portrait: &RgbImage) -> Result<Rect> {
    let size = Size::new(portrait.width(), portrait.height());
    let data = portrait.as_raw().clone();
    let mut found: Vec<Detection> = Vec::new();
    detector.detect(&frame(PixelFormat::Rgb24, size, data, 3), &mut found)?;
    let all = Rect::new(0.0, 0.0, size.width as f32, size.height as f32);
    Ok(found.first().map_or(all, |found| found.rect))
}

/// A picture with so many `bytes` for each pixel; 0 where lines have no length.
pub(super) fn frame(format: PixelFormat, size: Size, data: Vec<u8>, bytes: usize) -> Frame {
    let stride = bytes * size.width as usize;
    Frame { format, size, data, stride, ..Frame::empty(SystemClock.now()) }
}

/// The portrait at each place, swaying a little from frame to frame, before an even wall.
fn render(portrait: &RgbImage, face: Rect, faces: &[Place], number: u32) -> Frame {
    let mut picture = RgbImage::from_fn(FRAME.width, FRAME.height, |x, y| {
        // Darker to the right, and a little noise that is another in each frame.
        let noise = x.wrapping_mul(7919).wrapping_add(y.wrapping_mul(104_729) + number * 31) % 7;
        image::Rgb([(150 - x / 20 + noise) as u8, (160 - y / 20 + noise) as u8, 150])
    });
    for (height, x, y) in faces {
        let scale = *height as f32 / face.height;
        let side = |length: u32| ((length as f32 * scale) as u32).max(1);
        let (width, tall) = (side(portrait.width()), side(portrait.height()));
        let small = imageops::thumbnail(portrait, width, tall);
        let (face_x, face_y) = face.centre();
        let sway = (number % 3) as f32 * *height as f32 / 60.0;
        let left = x * FRAME.width as f32 - face_x * scale + sway;
        let top = y * FRAME.height as f32 - face_y * scale;
        imageops::replace(&mut picture, &small, left as i64, top as i64);
    }
    frame(PixelFormat::Yuyv, FRAME, to_yuyv(&picture), 2)
}

/// CPU milliseconds for a second in which the whole of every frame is looked at.
pub(super) fn look_at_all(detector: &mut Detector, frames: &[Frame]) -> Result<f64> {
    let (mut copy, mut found) = (frames[0].clone(), Vec::new());
    detector.detect(&copy, &mut found)?;
    let begin = cpu_time();
    for number in 0..2 * FPS as usize {
        copy.clone_from(&frames[number % frames.len()]);
        detector.detect(&copy, &mut found)?;
    }
    Ok((cpu_time() - begin).as_secs_f64() * 1e3 / 2.0)
}

fn play(
    name: &'static str,
    frames: &[Frame],
    networks: Networks,
    looking: f64,
) -> Result<(Situation, Networks)> {
    let classes = networks.info().classes.len();
    let main = networks.info().input.area() as f64;
    let pace = Some(Pace::new(PaceSettings::default()));
    let mut attention = Attention::new(networks, Distance::default(), pace)?;
    let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
    let mut tracker = Tracker::new(tracking, expression, classes);
    let (mut copy, mut findings) = (frames[0].clone(), Findings::default());
    let (mut followed, mut changes) = (Vec::new(), Vec::new());
    let (mut looks, mut cost, mut begin) = ([0_u32; 3], 0.0, cpu_time());
    for number in 0..(BEFORE + MEASURED) * FPS {
        if number == BEFORE * FPS {
            (looks, cost, begin) = ([0; 3], 0.0, cpu_time());
        }
        copy.clone_from(&frames[number as usize % frames.len()]);
        let now = Duration::from_secs(1) * number / FPS;
        tracker.followed(now, &mut followed);
        let sight = attention.see(&copy, now, &followed, 1.0, &mut findings, &|| true)?;
        if !matches!(sight, Sight::Looked(..)) {
            continue;
        }
        let looked = Filter::looked(|rect| findings.covers(rect));
        tracker.update_where(now, &findings.detections, &looked, &mut changes);
        changes.clear();
        for look in &findings.looks {
            let purposes = [Purpose::Whole, Purpose::Tile, Purpose::Face];
            let index = purposes.iter().position(|purpose| *purpose == look.purpose);
            looks[index.unwrap_or_default()] += 1;
            cost += f64::from(look.cost) / main;
        }
    }
    let seconds = f64::from(MEASURED);
    let cpu = (cpu_time() - begin).as_secs_f64() * 1e3 / seconds;
    let [whole, tiles, faces] = looks.map(|count| f64::from(count) / seconds);
    let situation = Situation {
        name,
        cpu_ms_per_s: cpu,
        ratio: cpu / looking.max(f64::MIN_POSITIVE),
        followed: tracker.tracks(Duration::from_secs((BEFORE + MEASURED).into())).len(),
        whole_per_s: whole,
        tiles_per_s: tiles,
        faces_per_s: faces,
        cost_per_s: cost / seconds,
    };
    Ok((situation, attention.into_networks()))
}
