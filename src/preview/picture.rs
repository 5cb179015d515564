//! From a camera's frame to a small JPEG, once for all who watch.

use std::collections::BTreeMap;

use bytes::Bytes;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use serde::Serialize;

use super::live::{Shot, ShownFace, ShownLook};
use crate::pixels::frame::Frame;
use crate::pixels::rgb::to_rgb;
use crate::zones::Masks;

/// The longer side of what is sent, in pixels: enough to aim by, on any phone.
const LONGEST_SIDE: u32 = 640;
/// The same of a picture beside a camera's name, by which it is chosen.
const THUMBNAIL_SIDE: u32 = 320;
const QUALITY: i32 = 75;

/// What the page is told of a picture.
#[derive(Debug, Serialize)]
struct About<'a> {
    kind: &'static str,
    /// Counts the camera's frames.
    sequence: u64,
    /// Size of the upright picture as the camera takes it, in pixels.
    width: u32,
    height: u32,
    /// How old it was when it was encoded, in milliseconds.
    age_ms: u64,
    faces: &'a [ShownFace],
    looks: &'a [ShownLook],
    /// How many faces are in each zone, by its name.
    zones: &'a BTreeMap<String, usize>,
}

/// A picture that is ready to be sent to any number of viewers.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub about: Bytes,
    pub jpeg: Bytes,
}

/// # Errors
///
/// In words: the frame is broken.
pub(super) fn encode(shot: &Shot, now: std::time::Duration) -> Result<Picture, String> {
    let mut whole = to_rgb(&shot.frame).map_err(|error| error.to_string())?;
    shot.masks.blacken(&mut whole);
    let (width, height) = whole.dimensions();
    let about = About {
        kind: "picture",
        sequence: shot.frame.sequence,
        width,
        height,
        age_ms: now.saturating_sub(shot.frame.captured.monotonic).as_millis() as u64,
        faces: &shot.faces,
        looks: &shot.looks,
        zones: &shot.zones,
    };
    let about = serde_json::to_vec(&about).map_err(|error| error.to_string())?;
    let jpeg = compress(&small(whole, LONGEST_SIDE)).map_err(|error| error.to_string())?;
    Ok(Picture { about: about.into(), jpeg: jpeg.into() })
}

/// What whoever watches is sent of a frame: a JPEG.
///
/// # Errors
///
/// In words: the frame is broken.
pub fn shown(frame: &Frame) -> Result<Bytes, String> {
    let shot = alone(frame.clone(), Masks::default());
    encode(&shot, shot.frame.captured.monotonic).map(|picture| picture.jpeg)
}

/// A frame in which nothing is seen.
fn alone(frame: Frame, masks: Masks) -> Shot {
    Shot { frame, faces: Vec::new(), looks: Vec::new(), zones: BTreeMap::new(), masks }
}

/// A frame as it stands beside a camera's name: a JPEG.
///
/// # Errors
///
/// In words: the frame is broken.
pub(super) fn thumbnail(frame: &Frame) -> Result<Bytes, String> {
    let whole = to_rgb(frame).map_err(|error| error.to_string())?;
    let jpeg = compress(&small(whole, THUMBNAIL_SIDE)).map_err(|error| error.to_string())?;
    Ok(jpeg.into())
}

/// With sides of `most` pixels at most.
fn small(picture: RgbImage, most: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= most {
        return picture;
    }
    let scaled = |side: u32| (side * most / longest).max(1);
    resize(&picture, scaled(width), scaled(height), FilterType::Triangle)
}

/// By the library that decodes the camera's pictures: several times faster than the
/// crate `image`.
fn compress(picture: &RgbImage) -> turbojpeg::Result<Vec<u8>> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = turbojpeg::Image {
        pixels: picture.as_raw().as_slice(),
        width,
        pitch: 3 * width,
        height,
        format: turbojpeg::PixelFormat::RGB,
    };
    turbojpeg::compress(pixels, QUALITY, turbojpeg::Subsamp::Sub2x2).map(|jpeg| jpeg.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_not_sent() {
        use crate::zones::{Kind, Settings, Zones};
        let right = vec![[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]];
        let mask = Settings { name: "tv".into(), kind: Kind::Mask, points: right, enabled: true };
        let frame = crate::source::picture::read("models/self-test.jpg".as_ref()).expect("read");
        let masks = Zones::new(&[mask]).blackened();
        let shot = alone(frame, masks);
        let sent = encode(&shot, std::time::Duration::ZERO).expect("encoded").jpeg;
        let sent = image::load_from_memory(&sent).expect("a picture").into_luma8();
        // A block of JPEG beside the border is left out.
        let (middle, block) = (sent.width() / 2, 16);
        let brightest = |columns: std::ops::Range<u32>| {
            let pixels = sent.enumerate_pixels().filter(|(x, ..)| columns.contains(x));
            pixels.map(|(.., pixel)| pixel.0[0]).max().expect("pixels")
        };
        assert!(brightest(middle + block..sent.width()) < 8);
        assert!(brightest(0..middle - block) > 60);
    }

    #[test]
    fn what_is_sent_is_small_and_keeps_its_shape() {
        for (size, wanted) in
            [((1920, 1080), (640, 360)), ((480, 640), (480, 640)), ((16384, 4), (640, 1))]
        {
            let picture = small(RgbImage::new(size.0, size.1), LONGEST_SIDE);
            assert_eq!(picture.dimensions(), wanted);
            let jpeg = compress(&picture).expect("encoded");
            let back = image::load_from_memory(&jpeg).expect("a picture");
            assert_eq!((back.width(), back.height()), wanted);
        }
    }

    #[test]
    fn a_camera_is_chosen_by_a_small_picture() {
        let frame = crate::source::picture::read("models/self-test.jpg".as_ref()).expect("read");
        let (size, jpeg) = (frame.upright_size(), thumbnail(&frame).expect("encoded"));
        let back = image::load_from_memory(&jpeg).expect("a picture");
        assert_eq!(
            back.width().max(back.height()),
            THUMBNAIL_SIDE.min(size.width.max(size.height))
        );
        assert!(jpeg.len() < 40_000, "{} bytes", jpeg.len());
    }
}
