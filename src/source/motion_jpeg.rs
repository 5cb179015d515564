//! Pictures in a file of JPEGs one after the other.
//!
//! Markers are followed, not searched for: an end marker inside a thumbnail or a
//! comment is not the end of the picture (ITU-T T.81, B.1.1).

use std::ops::Range;

use crate::geometry::Size;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;

/// Where the pictures lie; what is between them is skipped.
pub fn split(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut pictures = Vec::new();
    let mut at = 0;
    while let Some(start) = find_start(bytes, at) {
        match end_of_picture(bytes, start) {
            Some(end) => {
                pictures.push(start..end);
                at = end;
            }
            None => at = start + 2,
        }
    }
    pictures
}

/// The size that a picture's frame header states.
pub fn size(jpeg: &[u8]) -> Option<Size> {
    let mut at = 2;
    loop {
        let (marker, content) = segment(jpeg, at)?;
        // SOF0 to SOF15, but not DHT (C4), JPG (C8) and DAC (CC)
        if (0xC0..=0xCF).contains(&marker) && ![0xC4, 0xC8, 0xCC].contains(&marker) {
            let side = |at: usize| {
                Some(u32::from(u16::from_be_bytes([*jpeg.get(at)?, *jpeg.get(at + 1)?])))
            };
            return Some(Size::new(side(content.start + 3)?, side(content.start + 1)?));
        }
        if marker == SOS {
            return None;
        }
        at = content.end;
    }
}

fn find_start(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(3).position(|window| window == [0xFF, SOI, 0xFF]).map(|found| from + found)
}

/// Marker and content of the segment at `at`; fill bytes are passed over.
fn segment(bytes: &[u8], mut at: usize) -> Option<(u8, Range<usize>)> {
    if *bytes.get(at)? != 0xFF {
        return None;
    }
    while *bytes.get(at + 1)? == 0xFF {
        at += 1;
    }
    let marker = bytes[at + 1];
    let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
    let end = at + 2 + length;
    (length >= 2 && end <= bytes.len()).then_some((marker, at + 4..end))
}

fn end_of_picture(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 2;
    loop {
        if bytes.get(at..at + 2)? == [0xFF, EOI] {
            return Some(at + 2);
        }
        let (marker, content) = segment(bytes, at)?;
        at = content.end;
        if marker == SOS {
            at = end_of_scan(bytes, at)?;
        }
    }
}

/// Compressed data ends at the first marker that is neither a stuffed zero nor a
/// restart.
fn end_of_scan(bytes: &[u8], from: usize) -> Option<usize> {
    let inside = |next: u8| next == 0 || next == 0xFF || (0xD0..=0xD7).contains(&next);
    let rest = bytes.get(from..)?;
    let found = rest.windows(2).position(|pair| pair[0] == 0xFF && !inside(pair[1]))?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    fn jpeg(w: u32, h: u32) -> Vec<u8> {
        let picture =
            image::RgbImage::from_fn(w, h, |x, y| image::Rgb([(x * 7) as u8, (y * 13) as u8, 99]));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture).unwrap();
        bytes
    }

    /// The same picture with another inside a comment, as a camera's thumbnail is.
    fn with_thumbnail(whole: &[u8]) -> Vec<u8> {
        let inner = jpeg(8, 8);
        let mut bytes = vec![0xFF, SOI, 0xFF, 0xFE];
        bytes.extend((inner.len() as u16 + 2).to_be_bytes());
        bytes.extend(inner);
        bytes.extend(&whole[2..]);
        bytes
    }

    #[test]
    fn pictures_are_found_with_rubbish_between_and_thumbnails_inside() {
        let (a, b) = (jpeg(40, 30), with_thumbnail(&jpeg(64, 16)));
        let file = [b"--boundary\r\n".as_slice(), &a, b"\r\n\xFF\xD8", &b, b"end"].concat();
        let found = split(&file);
        assert_eq!(found.len(), 2);
        assert_eq!((&file[found[0].clone()], &file[found[1].clone()]), (&a[..], &b[..]));
        assert_eq!(size(&a), Some(Size::new(40, 30)));
        assert_eq!(size(&b), Some(Size::new(64, 16)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_without_harm(bytes in proptest::collection::vec(
            prop_oneof![Just(0xFFu8), Just(SOI), Just(EOI), Just(SOS), any::<u8>()], 0..400)) {
            for picture in split(&bytes) {
                prop_assert!(picture.end <= bytes.len());
                let _ = size(&bytes[picture]);
            }
        }
    }
}
