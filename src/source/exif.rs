//! The orientation tag of Exif (JEITA CP-3451, 4.6.4 and 4.6.5; TIFF 6.0, section 2).

use crate::pixels::frame::Orientation;

const ORIENTATION: u16 = 0x0112;

/// How a picture with these Exif data stands upright; as it is where they do not say or
/// are broken. The standard wants a SHORT; editors also write the other whole numbers.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    value(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)).map_or(Orientation::default(), of_value)
}

/// The tag's eight values.
fn of_value(value: u32) -> Orientation {
    let (quarter_turns, mirror) = match value {
        2 => (0, true),
        3 => (2, false),
        4 => (2, true),
        5 => (1, true),
        6 => (1, false),
        7 => (3, true),
        8 => (3, false),
        _ => (0, false),
    };
    Orientation { quarter_turns, mirror }
}

/// Numbers in the byte order that the data name at their beginning.
struct Numbers<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Numbers<'_> {
    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

fn value(tiff: &[u8]) -> Option<u32> {
    let big = match tiff.first_chunk()? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let numbers = Numbers { bytes: tiff, big };
    let directory = usize::try_from(numbers.long(4)?).ok()?;
    let count = usize::from(numbers.short(directory)?);
    let entry = (0..count)
        .map_while(|index| directory.checked_add(2 + 12 * index))
        .take_while(|entry| *entry < tiff.len())
        .find(|entry| numbers.short(*entry) == Some(ORIENTATION))?;
    if numbers.long(entry + 4)? != 1 {
        return None;
    }
    // Types of whole numbers: BYTE and SBYTE, SHORT and SSHORT, LONG and SLONG. A value of
    // up to four bytes stands in the entry itself, at its left.
    match numbers.short(entry + 2)? {
        1 | 6 => tiff.get(entry + 8).copied().map(u32::from),
        3 | 8 => numbers.short(entry + 8).map(u32::from),
        4 | 9 => numbers.long(entry + 8),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Exif data with the orientation behind another tag.
    pub(in super::super) fn exif(kind: u16, value: u32, big: bool) -> Vec<u8> {
        let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut bytes = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        bytes.extend(long(8));
        bytes.extend(short(2));
        for (tag, kind, value) in [(0x0100, 4, 1234), (ORIENTATION, kind, value)] {
            bytes.extend(short(tag));
            bytes.extend(short(kind));
            bytes.extend(long(1));
            match kind {
                1 | 6 => bytes.extend([value as u8, 0, 0, 0]),
                3 | 8 => bytes.extend([short(value as u16), [0; 2]].concat()),
                _ => bytes.extend(long(value)),
            }
        }
        bytes
    }

    #[test]
    fn every_type_of_whole_number_in_both_byte_orders_is_read() {
        for kind in [1, 3, 4, 6, 8, 9] {
            for big in [false, true] {
                for value in 1..=8 {
                    let bytes = exif(kind, value, big);
                    assert_eq!(orientation(&bytes), of_value(value), "type {kind}, {big}");
                    let jpeg = [b"Exif\0\0".as_slice(), &bytes].concat();
                    assert_eq!(orientation(&jpeg), of_value(value));
                }
            }
        }
        assert_eq!(orientation(&exif(2, 6, false)), Orientation::default(), "text");
        assert_eq!(orientation(&exif(3, 9, false)), Orientation::default(), "no such value");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), big: bool, at in 0u32..300,
        ) {
            orientation(&bytes);
            let mut exif = exif(3, 6, big);
            exif[4..8].copy_from_slice(&if big { at.to_be_bytes() } else { at.to_le_bytes() });
            exif.extend(bytes);
            orientation(&exif);
        }
    }
}
