//! A JPEG picture's markers (ITU-T T.81, B.1.1).
//!
//! Markers are followed, not searched for: an end marker inside a thumbnail or a
//! comment is not the end of the picture. What cameras add is passed over: bytes before
//! the start marker, a second start marker, bytes between two segments.

use std::ops::Range;

use super::error::PixelError;
use crate::geometry::Size;

/// Start of a picture.
pub(crate) const SOI: u8 = 0xD8;
/// End of a picture.
pub(crate) const EOI: u8 = 0xD9;
/// Start of a scan: compressed data follow.
pub(crate) const SOS: u8 = 0xDA;
/// Huffman tables.
pub(crate) const DHT: u8 = 0xC4;
/// Restart interval.
pub(crate) const DRI: u8 = 0xDD;
/// JFIF's version and density.
pub(crate) const APP0: u8 = 0xE0;
/// Exif.
pub(crate) const APP1: u8 = 0xE1;
/// Colour profiles.
pub(crate) const APP2: u8 = 0xE2;
/// What Adobe's programs add.
pub(crate) const APP14: u8 = 0xEE;

/// So many start markers in front of a picture may turn out to be none.
const FALSE_STARTS: usize = 4;
/// So many bytes between two segments are a slip of the camera; more are no JPEG.
const STRAY: usize = 64;

/// Whether a marker stands alone, without length and content: restarts and TEM.
pub(crate) fn stands_alone(marker: u8) -> bool {
    marker == 0x01 || (0xD0..=0xD7).contains(&marker)
}

/// Whether a marker begins a frame header: SOF0 to SOF15, which are C0 to CF except
/// DHT (C4), JPG (C8) and DAC (CC).
pub(crate) fn is_frame_header(marker: u8) -> bool {
    (0xC0..=0xCF).contains(&marker) && ![DHT, 0xC8, 0xCC].contains(&marker)
}

/// The next marker from `at` on, and where it ends; bytes in front of it, fill bytes
/// and stuffed zeros are passed over.
pub(crate) fn next(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        at += bytes[at..].iter().position(|byte| *byte != 0xFF)?;
        at += 1;
        if bytes[at - 1] != 0 {
            return Some((bytes[at - 1], at));
        }
    }
}

/// The content of a segment whose marker ends at `at`.
pub(crate) fn content(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let end = at + length;
    (length >= 2 && end <= bytes.len()).then_some(at + 2..end)
}

/// Where the parts of a picture lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Where its start marker begins.
    pub(crate) start: usize,
    /// Size that its frame header states, in pixels.
    pub(crate) size: Size,
    /// Where the compressed data of its first scan begin.
    pub(crate) scan: usize,
    /// Where its last end marker ends, if it has one.
    pub(crate) end: Option<usize>,
}

impl Outline {
    /// Reads the segments up to the first scan; the compressed data are not looked at.
    ///
    /// # Errors
    ///
    /// There is no picture in these bytes, or not even all of its header.
    pub(crate) fn of(data: &[u8]) -> Result<Self, PixelError> {
        let mut failed = None;
        let mut from = 0;
        for _ in 0..FALSE_STARTS {
            let rest = data.get(from..).unwrap_or_default();
            let Some(found) = rest.windows(3).position(|three| three == [0xFF, SOI, 0xFF]) else {
                break;
            };
            match Self::at(data, from + found) {
                Ok(outline) => return Ok(outline),
                Err(error) => failed = Some(error),
            }
            from += found + 2;
        }
        Err(failed.unwrap_or_else(|| broken("it has no start marker (FF D8)")))
    }

    fn at(data: &[u8], mut start: usize) -> Result<Self, PixelError> {
        let (mut at, mut size) = (start + 2, None);
        loop {
            let cut = || broken("it ends within its header: cut off");
            let (marker, behind) = next(data, at).ok_or_else(cut)?;
            if behind - at > STRAY {
                return Err(broken("its header is no sequence of segments"));
            }
            at = behind;
            match marker {
                SOI => (start, size) = (behind - 2, None),
                EOI => return Err(broken("it ends before its picture begins")),
                _ if stands_alone(marker) => {}
                _ => {
                    let content = content(data, behind).ok_or_else(cut)?;
                    at = content.end;
                    if is_frame_header(marker) {
                        size = stated_size(&data[content]);
                    }
                    if marker == SOS {
                        break;
                    }
                }
            }
        }
        let size = size.ok_or_else(|| broken("it states no size"))?;
        let end = data[at..].windows(2).rposition(|pair| pair == [0xFF, EOI]);
        Ok(Self { start, size, scan: at, end: end.map(|end| at + end + 2) })
    }

    /// The segments of the header, from the first behind the start marker to that of
    /// the first scan.
    pub(crate) fn segments<'a>(&self, data: &'a [u8]) -> impl Iterator<Item = (u8, &'a [u8])> {
        let (mut at, scan) = (self.start + 2, self.scan);
        std::iter::from_fn(move || {
            while at < scan {
                let (marker, behind) = next(data, at)?;
                at = behind;
                if !stands_alone(marker) {
                    let content = content(data, behind)?;
                    at = content.end;
                    return Some((marker, &data[content]));
                }
            }
            None
        })
    }
}

/// Height and width stand behind the precision in a frame header (T.81, B.2.2).
fn stated_size(header: &[u8]) -> Option<Size> {
    let side =
        |at: usize| Some(u32::from(u16::from_be_bytes([*header.get(at)?, *header.get(at + 1)?])));
    Some(Size::new(side(3)?, side(1)?))
}

fn broken(reason: &str) -> PixelError {
    PixelError::Jpeg(reason.to_owned())
}
