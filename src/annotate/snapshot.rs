//! The picture that the command `snapshot` sends to the broker.

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use serde::{Deserialize, Serialize};

use super::drawing::{Mark, Shows, draw};
use crate::pixels::PixelError;
use crate::pixels::frame::Frame;
use crate::pixels::rgb::to_rgb;
use crate::tracks::TrackedFace;
use crate::zones::Masks;

/// Section `[snapshots]`: whether pictures may leave the device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether the command `snapshot` publishes a picture. Default: false.
    pub enabled: bool,
}

/// What a picture for people needs beside the frame and its faces.
#[derive(Clone, Debug)]
pub(crate) struct Legend<'a> {
    /// Names of the expressions.
    pub classes: &'a [String],
    /// What is blackened.
    pub masks: Masks,
}

/// The frame, upright, with the faces and their expressions on it.
///
/// # Errors
///
/// A frame that cannot be decoded.
pub(crate) fn annotated(
    frame: &Frame,
    faces: &[TrackedFace],
    legend: &Legend,
) -> Result<RgbImage, PixelError> {
    let mut picture = to_rgb(frame)?;
    legend.masks.blacken(&mut picture);
    let classes = legend.classes;
    let labels: Vec<String> = faces
        .iter()
        .map(|face| match face.expression {
            Some((class, share)) => format!("{} {} {share:.2}", face.track, classes[class]),
            None => format!("{} ?", face.track),
        })
        .collect();
    let marks: Vec<Mark> = faces
        .iter()
        .zip(&labels)
        .map(|(face, label)| {
            let shows = face.expression.map_or(Shows::Undecided, |(class, _)| Shows::Class(class));
            Mark { rect: face.rect, shows, label }
        })
        .collect();
    draw(&mut picture, &marks);
    Ok(picture)
}

/// JPEG qualities, tried in this order. Below 30 a picture of half the size looks better
/// than a coarser one.
const QUALITIES: [u8; 4] = [85, 70, 50, 30];
/// The shortest side in pixels that still shows a face.
const LEAST_SIDE: u32 = 32;

/// A JPEG of at most `limit` bytes: each of [`QUALITIES`] is tried, then each at half the
/// size, and so on. None where not even the smallest picture fits.
pub(crate) fn jpeg(mut picture: RgbImage, limit: usize) -> Option<Vec<u8>> {
    loop {
        for quality in QUALITIES {
            let mut bytes = Vec::new();
            // Writing to memory fails for impossible sizes only: then nothing fits.
            JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture).ok()?;
            if bytes.len() <= limit {
                return Some(bytes);
            }
        }
        let (width, height) = (picture.width() / 2, picture.height() / 2);
        if width.min(height) < LEAST_SIDE {
            return None;
        }
        picture = resize(&picture, width, height, FilterType::Triangle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_its_limit_or_is_not_sent() {
        // Noise is what JPEG packs worst.
        let mut seed = 1u32;
        let picture = RgbImage::from_fn(640, 480, |_, _| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            image::Rgb(seed.to_be_bytes()[..3].try_into().expect("three of four bytes"))
        });
        let mut last = usize::MAX;
        for limit in [1 << 20, 100_000, 4000] {
            let bytes = jpeg(picture.clone(), limit).expect("fits");
            assert!(bytes.len() <= limit && bytes.len() < last, "{} of {limit}", bytes.len());
            last = bytes.len();
            image::load_from_memory(&bytes).expect("a picture");
        }
        assert_eq!(jpeg(picture, 100), None);
    }
}
