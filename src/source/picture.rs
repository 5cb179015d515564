//! One picture file as a frame.

use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation as Exif;
use image::{ImageDecoder, ImageFormat, ImageReader, Limits};
use thiserror::Error;

use crate::clock::{Clock, SystemClock};
use crate::geometry::Size;
use crate::pixels::frame::{Frame, Orientation, PixelFormat};
use crate::pixels::planes::MAX_SIDE;

/// Why a file is no picture; names the file.
#[derive(Debug, Error)]
#[error("{path}: {reason}")]
pub struct PictureError {
    path: String,
    reason: String,
}

/// Reads a JPEG (kept compressed, to go the way of a camera's) or PNG. Its EXIF
/// orientation becomes the frame's.
pub fn read(path: &Path) -> Result<Frame, PictureError> {
    let mut frame = Frame::empty(SystemClock.now());
    read_into(path, &mut frame)?;
    Ok(frame)
}

/// The same into a frame whose buffer is reused; its times are the caller's.
pub fn read_into(path: &Path, frame: &mut Frame) -> Result<(), PictureError> {
    let refused = |reason: String| PictureError { path: path.display().to_string(), reason };
    frame.data.clear();
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_end(&mut frame.data))
        .map_err(|error| refused(error.to_string()))?;
    recognise(frame).map_err(refused)
}

/// Makes a frame of what a picture file holds, which stands in `frame.data`.
///
/// # Errors
///
/// Why it is no picture, in words.
pub fn recognise(frame: &mut Frame) -> Result<(), String> {
    let format = image::guess_format(&frame.data)
        .ok()
        .filter(|format| [ImageFormat::Jpeg, ImageFormat::Png].contains(format))
        .ok_or_else(|| "neither JPEG nor PNG".to_owned())?;
    let broken = |error: image::ImageError| error.to_string();
    let mut reader = ImageReader::with_format(Cursor::new(&frame.data), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    frame.orientation = from_exif(decoder.orientation().unwrap_or(Exif::NoTransforms));
    let (width, height) = decoder.dimensions();
    frame.size = Size::new(width, height);
    if format == ImageFormat::Jpeg {
        frame.format = PixelFormat::Mjpeg;
        frame.stride = 0;
    } else {
        let picture = image::DynamicImage::from_decoder(decoder).map_err(broken)?;
        frame.format = PixelFormat::Rgb24;
        frame.stride = 3 * width as usize;
        frame.data = picture.into_rgb8().into_raw();
    }
    Ok(())
}

fn from_exif(exif: Exif) -> Orientation {
    let (quarter_turns, mirror) = match exif {
        Exif::NoTransforms => (0, false),
        Exif::Rotate90 => (1, false),
        Exif::Rotate180 => (2, false),
        Exif::Rotate270 => (3, false),
        Exif::FlipHorizontal => (0, true),
        Exif::FlipVertical => (2, true),
        Exif::Rotate90FlipH => (1, true),
        Exif::Rotate270FlipH => (3, true),
    };
    Orientation { quarter_turns, mirror }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::rgb::to_rgb;
    use image::{DynamicImage, Rgb, RgbImage};

    /// Our turning against the image crate's, for all eight values of the tag.
    #[test]
    fn every_exif_orientation_stands_upright() {
        let stored = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 40, y as u8 * 70, 9]));
        for tag in 1..=8 {
            let exif = Exif::from_exif(tag).unwrap();
            let mut upright = DynamicImage::ImageRgb8(stored.clone());
            upright.apply_orientation(exif);
            let frame = Frame {
                data: stored.as_raw().clone(),
                format: PixelFormat::Rgb24,
                size: Size::new(5, 3),
                orientation: from_exif(exif),
                ..Frame::empty(SystemClock.now())
            };
            assert_eq!(to_rgb(&frame).unwrap(), upright.into_rgb8(), "orientation {tag}");
        }
    }

    #[test]
    fn files_that_are_no_pictures_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.jpg");
        std::fs::write(&path, "no picture").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(
            message.contains("notes.jpg") && message.contains("neither JPEG nor PNG"),
            "{message}"
        );
    }
}
