//! Raw formats whose samples do not stand in bytes of their own: two bytes a pixel
//! become one byte for each sample, in one pass over the frame.

use super::error::PixelError;
use super::format::PixelFormat;
use super::frame::Frame;
use super::planes::{Planes, check_sides};
use crate::geometry::Size;

/// Bytes a pixel, in all formats that are read here.
const BYTES: usize = 2;

/// Unpacks frames into a buffer that is reused.
#[derive(Debug, Default)]
pub(super) struct Unpacker {
    bytes: Vec<u8>,
}

/// What the 16 bits of a pixel hold.
#[derive(Clone, Copy)]
enum Bits {
    /// Red, green and blue: by how much each is shifted, and how many bits it has.
    Colours([(u32, u32); 3]),
    /// Brightness of so many bits.
    Grey(u32),
}

/// How pixels of this format are read, if by this module; and whether the high byte
/// comes first.
fn bits(format: PixelFormat) -> Option<(Bits, bool)> {
    let rgb565 = Bits::Colours([(11, 5), (5, 6), (0, 5)]);
    Some(match format {
        PixelFormat::Rgb565 => (rgb565, false),
        PixelFormat::Rgb565Be => (rgb565, true),
        PixelFormat::Rgb555 => (Bits::Colours([(10, 5), (5, 5), (0, 5)]), false),
        PixelFormat::Grey10 => (Bits::Grey(10), false),
        PixelFormat::Grey12 => (Bits::Grey(12), false),
        PixelFormat::Grey14 => (Bits::Grey(14), false),
        _ => return None,
    })
}

/// Whether frames of this format are unpacked first.
pub(super) fn is_packed(format: PixelFormat) -> bool {
    bits(format).is_some()
}

/// Bytes from one row to the next, of a frame that has all its bytes.
///
/// # Errors
///
/// A size outside 1 to 16384, or too few bytes.
pub(super) fn check(frame: &Frame) -> Result<usize, PixelError> {
    let Frame { format, size, stride, .. } = *frame;
    check_sides(size, stride)?;
    let row = BYTES * size.width as usize;
    let stride = stride.max(row);
    let (needed, found) = (stride * (size.height as usize - 1) + row, frame.data.len());
    if found < needed {
        return Err(PixelError::Short { format, size, needed, found });
    }
    Ok(stride)
}

impl Unpacker {
    /// Gives each sample of the frame a byte; returns the layout of [`bytes`](Self::bytes).
    ///
    /// # Errors
    ///
    /// As [`check`]; any bytes of the right number are a picture.
    pub(super) fn unpack(&mut self, frame: &Frame) -> Result<Planes, PixelError> {
        let stride = check(frame)?;
        let Some((bits, high_first)) = bits(frame.format) else {
            unreachable!("the caller asked is_packed()");
        };
        let Size { width, height } = frame.size;
        let (width, height) = (width as usize, height as usize);
        let word = |bytes: &[u8; BYTES]| {
            u32::from(if high_first {
                u16::from_be_bytes(*bytes)
            } else {
                u16::from_le_bytes(*bytes)
            })
        };
        let rows = frame.data.chunks(stride).take(height);
        let rows = rows.map(|row| &row.as_chunks::<BYTES>().0[..width]);
        let format = match bits {
            Bits::Colours(colours) => {
                self.bytes.resize(3 * width * height, 0);
                for (row, out) in rows.zip(self.bytes.chunks_exact_mut(3 * width)) {
                    for (bytes, out) in row.iter().zip(out.as_chunks_mut::<3>().0) {
                        let word = word(bytes);
                        *out = colours.map(|(shift, bits)| stretched(word >> shift, bits));
                    }
                }
                PixelFormat::Rgb24
            }
            Bits::Grey(bits) => {
                self.bytes.resize(width * height, 0);
                for (row, out) in rows.zip(self.bytes.chunks_exact_mut(width)) {
                    for (bytes, out) in row.iter().zip(out) {
                        // More than it should have (a driver that fills all 16) is white.
                        *out = (word(bytes) >> (bits - 8)).min(255) as u8;
                    }
                }
                PixelFormat::Grey
            }
        };
        Planes::describe(format, frame.size, 0, frame.range, frame.matrix)
    }

    /// Those of the frame that was unpacked last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The lowest 5 or 6 bits of a value as 8: all ones stay white.
fn stretched(value: u32, bits: u32) -> u8 {
    let value = value & ((1 << bits) - 1);
    (value << (8 - bits) | value >> (2 * bits - 8)) as u8
}
