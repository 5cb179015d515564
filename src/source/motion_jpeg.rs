//! Pictures in a file of JPEGs one after the other, as cameras' streams are recorded.

use std::ops::Range;

use crate::geometry::Size;
use crate::pixels::markers::{self, EOI, Outline, SOI, SOS};

/// Where the pictures lie; what is between them is skipped. A picture without an end
/// marker ends where the next one begins, or with the file.
pub fn split(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut pictures: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(start) = find_start(bytes, at) {
        match picture_at(bytes, start) {
            Some(picture) => {
                at = picture.end;
                pictures.push(picture);
            }
            None => at = start + 2,
        }
    }
    pictures
}

/// The size that a picture's frame header states, in pixels.
pub fn size(jpeg: &[u8]) -> Option<Size> {
    Outline::of(jpeg).ok().map(|outline| outline.size)
}

fn find_start(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(3).position(|window| window == [0xFF, SOI, 0xFF]).map(|found| from + found)
}

/// The picture whose start marker is at `start`.
fn picture_at(bytes: &[u8], mut start: usize) -> Option<Range<usize>> {
    let (mut at, mut has_pixels) = (start + 2, false);
    loop {
        let Some((marker, behind)) = markers::next(bytes, at) else {
            return has_pixels.then_some(start..bytes.len());
        };
        at = behind;
        match marker {
            EOI => return Some(start..behind),
            SOI if has_pixels => return Some(start..behind - 2),
            // Twice, as some cameras write it.
            SOI => start = behind - 2,
            _ if markers::stands_alone(marker) => {}
            _ => {
                at = markers::content(bytes, behind)?.end;
                has_pixels |= marker == SOS;
            }
        }
    }
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

    #[test]
    fn a_picture_without_an_end_ends_where_the_next_begins() {
        let (a, b) = (jpeg(40, 30), jpeg(64, 16));
        let endless = &a[..a.len() - 2];
        let twice = [&[0xFF, SOI], &*b].concat();
        let file = [endless, &*twice, endless].concat();
        let found = split(&file);
        let lengths: Vec<usize> = found.iter().map(Range::len).collect();
        assert_eq!(lengths, [endless.len(), b.len(), endless.len()]);
        assert_eq!(size(&file[found[1].clone()]), Some(Size::new(64, 16)));
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
