//! One picture file as a frame.

use std::io::{Cursor, ErrorKind, Read};
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use thiserror::Error;

use super::exif;
use super::media;
use crate::clock::{Clock, SystemClock};
use crate::geometry::Size;
use crate::pixels::frame::{Frame, Orientation, PixelFormat};
use crate::pixels::markers::APP1;
use crate::pixels::{jpeg, planes::check_sides};
use crate::printable::line;

/// Bytes of the largest file that is read: a PNG of fifty million pixels has less. What is
/// longer is a stream of many pictures, and would fill a small board's memory.
const LARGEST: u64 = 128 << 20;
/// Bytes that the pixels of a PNG may take. A file of a few kilobytes may hold any number of
/// pixels of one colour.
const MEMORY: u64 = 256 << 20;

/// Why a file is no picture; names the file.
#[derive(Debug, Error)]
#[error("{path}: {reason}")]
pub struct PictureError {
    path: String,
    reason: String,
}

/// Reads a JPEG (kept compressed, to go the way of a camera's) or PNG. Its EXIF
/// orientation becomes the frame's, the time of reading its own.
///
/// # Errors
///
/// The file cannot be read, or is no picture of these kinds.
pub fn read(path: &Path) -> Result<Frame, PictureError> {
    let mut frame = Frame::empty(SystemClock.now());
    read_into(path, &mut frame)?;
    Ok(frame)
}

/// The same into a frame whose buffer is reused; its times are the caller's.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_into(path: &Path, frame: &mut Frame) -> Result<(), PictureError> {
    let refused = |reason: String| PictureError { path: line(&path.to_string_lossy()), reason };
    frame.data.clear();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut frame.data))
        .map_err(|error| match error.kind() {
            ErrorKind::IsADirectory => refused("is a folder: name its pictures".to_owned()),
            _ => refused(error.to_string()),
        })?;
    if frame.data.len() as u64 > LARGEST {
        let most = LARGEST >> 20;
        return Err(refused(format!(
            "larger than {most} MiB; a file of many JPEGs is played when its name ends in .mjpeg"
        )));
    }
    recognise(frame).map_err(refused)
}

/// Makes a frame of what a picture file holds, which stands in `frame.data`. A JPEG's
/// pixels are not looked at yet.
///
/// # Errors
///
/// Why it is no picture, in words.
pub fn recognise(frame: &mut Frame) -> Result<(), String> {
    match image::guess_format(&frame.data) {
        Ok(ImageFormat::Jpeg) => recognise_jpeg(frame),
        Ok(ImageFormat::Png) => decode_png(frame),
        _ => match media::by_content(&frame.data) {
            Some(medium) => Err(format!("neither JPEG nor PNG, but {medium}")),
            // A camera's frame as it was saved may have bytes in front.
            None => recognise_jpeg(frame).map_err(|_| "neither JPEG nor PNG".to_owned()),
        },
    }
}

/// The same of what must be a JPEG. Cheap: only its header is read.
///
/// # Errors
///
/// Why it is none, in words.
pub(super) fn recognise_jpeg(frame: &mut Frame) -> Result<(), String> {
    let outline = jpeg::outline(&frame.data).map_err(|error| error.to_string())?;
    // APP1 also carries XMP, which begins otherwise.
    let exif = outline
        .segments(&frame.data)
        .find(|(marker, content)| *marker == APP1 && content.starts_with(b"Exif\0"));
    frame.orientation = exif.map_or(Orientation::default(), |(_, exif)| exif::orientation(exif));
    frame.size = outline.size;
    frame.format = PixelFormat::Mjpeg;
    frame.stride = 0;
    Ok(())
}

fn decode_png(frame: &mut Frame) -> Result<(), String> {
    let broken = |error: image::ImageError| match error {
        ImageError::Limits(_) => {
            format!("this PNG needs more memory than is given to one, {} MiB", MEMORY >> 20)
        }
        _ => format!("broken PNG: {error}"),
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(&frame.data), ImageFormat::Png);
    reader.limits(limits.clone());
    let decoder = reader.into_decoder().map_err(broken)?;
    frame.orientation = png_exif(&frame.data).map_or(Orientation::default(), exif::orientation);
    let (width, height) = decoder.dimensions();
    frame.size = Size::new(width, height);
    check_sides(frame.size, 0).map_err(|error| error.to_string())?;
    // The decoder counts what it needs itself, and no pixels.
    limits.reserve(decoder.total_bytes()).map_err(broken)?;
    if decoder.color_type() != ColorType::Rgb8 {
        limits.reserve_buffer(width, height, ColorType::Rgb8).map_err(broken)?;
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    frame.format = PixelFormat::Rgb24;
    frame.stride = 3 * width as usize;
    frame.data = picture.into_rgb8().into_raw();
    Ok(())
}

/// The Exif data of a PNG: its chunk `eXIf`, which may stand in front of the pixels or behind
/// them (PNG, third edition, 5.6), where ImageMagick writes it and a decoder of pixels does not
/// come.
fn png_exif(file: &[u8]) -> Option<&[u8]> {
    // Behind the signature each chunk has a length, a type, its content and a checksum.
    let mut rest = file.get(8..)?;
    loop {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let (content, behind) =
            behind.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        match kind {
            b"eXIf" => return Some(content),
            b"IEND" => return None,
            _ => rest = behind.get(4..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::rgb::to_rgb;
    use image::metadata::Orientation as Exif;
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    /// In the words that a JPEG would get.
    #[test]
    fn a_png_that_is_no_picture_is_refused_with_its_reason() {
        let refused = |data: &[u8]| {
            let mut frame = Frame::empty(SystemClock.now());
            frame.data.extend_from_slice(data);
            recognise(&mut frame).expect_err("refused")
        };
        assert_eq!(
            refused(&png(&RgbImage::new(20_000, 10))),
            "a picture of 20000x10 is outside 1x1 to 16384x16384"
        );
        let half = refused(&png(&RgbImage::new(10, 10))[..50]);
        assert!(half.starts_with("broken PNG: "), "{half}");
    }

    /// The cyclic redundancy check of PNG's chunks (PNG, annex D).
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    /// What a PNG's header says is not believed until there is room for it: of one colour
    /// pixels compress to a thousandth, and the size of the file tells nothing.
    #[test]
    fn a_small_file_of_many_pixels_is_refused_before_they_are_decoded() {
        let mut small = Cursor::new(Vec::new());
        image::RgbaImage::new(1, 1).write_to(&mut small, ImageFormat::Png).unwrap();
        let refused = |width: u32, height: u32, colour: u8| {
            let mut data = small.get_ref().clone();
            data[16..20].copy_from_slice(&width.to_be_bytes());
            data[20..24].copy_from_slice(&height.to_be_bytes());
            data[25] = colour;
            let check = crc(&data[12..29]);
            data[29..33].copy_from_slice(&check.to_be_bytes());
            let mut frame = Frame { data, ..Frame::empty(SystemClock.now()) };
            recognise(&mut frame).unwrap_err()
        };
        let (grey, rgb, rgba) = (0, 2, 6);
        for (width, height, colour) in
            [(16384, 16384, rgba), (16384, 16384, grey), (10_000, 9_000, rgb), (7_000, 6_000, rgba)]
        {
            let error = refused(width, height, colour);
            assert!(error.contains("needs more memory") && error.contains("256 MiB"), "{error}");
        }
        // As telephones make them: only then it is seen that there are none.
        for (width, height, colour) in [(8_000, 6_000, rgb), (7_000, 5_000, rgba)] {
            let error = refused(width, height, colour);
            assert!(error.contains("broken PNG"), "{error}");
        }
    }

    #[test]
    fn a_jpeg_of_more_pixels_than_any_camera_makes_is_refused() {
        let refused = |width: u16, height: u16| {
            let mut data = jpeg();
            let frame = data.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
            data[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
            data[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
            recognise(&mut Frame { data, ..Frame::empty(SystemClock.now()) }).err()
        };
        let error = refused(12_000, 12_000).unwrap();
        assert_eq!(error, "a picture of 12000x12000 has more than 120 megapixels");
        assert_eq!(refused(12_000, 9_000), None, "a telephone's 108");
    }

    /// Our turning against the image crate's, for all eight values of the tag.
    #[test]
    fn every_exif_orientation_stands_upright() {
        let stored = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 40, y as u8 * 70, 9]));
        for tag in 1..=8 {
            let theirs = Exif::from_exif(tag).unwrap();
            let mut upright = DynamicImage::ImageRgb8(stored.clone());
            upright.apply_orientation(theirs);
            let frame = Frame {
                data: stored.as_raw().clone(),
                format: PixelFormat::Rgb24,
                size: Size::new(5, 3),
                orientation: exif::orientation(&exif::tests::exif(3, tag.into(), true)),
                ..Frame::empty(SystemClock.now())
            };
            assert_eq!(to_rgb(&frame).unwrap(), upright.into_rgb8(), "orientation {tag}");
        }
    }

    fn png(picture: &RgbImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).expect("written");
        bytes.into_inner()
    }

    fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let checked = [kind.as_slice(), content].concat();
        let (length, check) = (content.len() as u32, crc(&checked));
        [&length.to_be_bytes(), &*checked, &check.to_be_bytes()].concat()
    }

    /// As ImageMagick writes it, behind the pixels, and as others do, behind the header.
    #[test]
    fn a_png_stands_upright_wherever_its_exif_data_stand() {
        let stored = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 40, y as u8 * 70, 9]));
        let file = png(&stored);
        for tag in 1..=8 {
            let mut upright = DynamicImage::ImageRgb8(stored.clone());
            upright.apply_orientation(Exif::from_exif(tag).unwrap());
            let upright = upright.into_rgb8();
            let exif = chunk(b"eXIf", &exif::tests::exif(3, tag.into(), false));
            for at in [8 + 25, file.len() - 12] {
                let data = [&file[..at], &exif, &file[at..]].concat();
                let mut frame = Frame { data, ..Frame::empty(SystemClock.now()) };
                recognise(&mut frame).unwrap();
                assert_eq!(to_rgb(&frame).unwrap(), upright, "orientation {tag} at byte {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn chunks_of_any_length_are_passed_without_harm(
            length in prop_oneof![0u32..40, any::<u32>()], cut in 0usize..40, at in 0usize..2,
        ) {
            let mut file = [&[0; 8], &*chunk(b"tEXt", b"abc"), &*chunk(b"eXIf", b"II*")].concat();
            prop_assert_eq!(png_exif(&file), Some(&b"II*"[..]));
            file[8 + 15 * at..][..4].copy_from_slice(&length.to_be_bytes());
            file.truncate(cut);
            prop_assert!(png_exif(&file).is_none_or(|exif| exif.len() <= cut));
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

    fn jpeg() -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = RgbImage::from_fn(20, 10, |x, y| Rgb([x as u8 * 9, y as u8 * 20, 7]));
        image::codecs::jpeg::JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
        bytes
    }

    /// XMP also stands in an APP1, and the orientation as a LONG (as some editors write it).
    #[test]
    fn a_jpegs_own_orientation_is_found_behind_other_segments() {
        let segment = |content: &[u8]| {
            let length = (content.len() as u16 + 2).to_be_bytes();
            [&[0xFF, APP1], length.as_slice(), content].concat()
        };
        let xmp = segment(b"http://ns.adobe.com/xap/1.0/\0<x/>");
        let exif = segment(&[b"Exif\0\0".as_slice(), &exif::tests::exif(4, 6, false)].concat());
        let data = [&[0xFF, 0xD8], &*xmp, &*exif, &jpeg()[2..]].concat();
        let mut frame = Frame { data, ..Frame::empty(SystemClock.now()) };
        recognise(&mut frame).unwrap();
        assert_eq!(frame.orientation, Orientation { quarter_turns: 1, mirror: false });
        assert_eq!(to_rgb(&frame).unwrap().dimensions(), (10, 20));
    }

    #[test]
    fn a_file_larger_than_any_picture_is_not_read_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stream.jpg");
        std::fs::File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("larger than 128 MiB") && message.contains(".mjpeg"), "{message}");
    }

    #[test]
    fn other_pictures_are_called_what_they_are() {
        let mut frame = Frame::empty(SystemClock.now());
        for (bytes, words) in [
            (&b"RIFF\x10\0\0\0WEBPVP8 "[..], "a WebP picture"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "a HEIC picture"),
            (b"\0\0\0\x20ftypisom", "an MP4 film"),
        ] {
            frame.data = bytes.to_vec();
            let error = recognise(&mut frame).unwrap_err();
            assert!(error.contains(words) && error.contains("ffmpeg -i"), "{error}");
        }
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_read_like_another() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xE9.jpg"));
        std::fs::write(&path, jpeg()).unwrap();
        assert_eq!(read(&path).unwrap().size, Size::new(20, 10));
        std::fs::write(&path, "no picture").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("caf"));
    }
}
