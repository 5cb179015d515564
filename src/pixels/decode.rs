//! From a frame of any format to samples that can be read: compressed pictures are decoded,
//! packed ones unpacked, others are as they should be. Once for all regions of a frame.

use super::error::PixelError;
use super::frame::{Frame, Orientation, PixelFormat};
use super::jpeg::{self, JpegDecoder};
use super::planes::Planes;
use super::unpack::{self, Unpacker};
use crate::geometry::Size;

/// Whether a frame has all its bytes, as far as can be told without decoding it. Cheap:
/// of a compressed picture only the header is read.
///
/// # Errors
///
/// What is missing.
pub(crate) fn check(frame: &Frame) -> Result<(), PixelError> {
    match frame.format {
        PixelFormat::Mjpeg => jpeg::outline(&frame.data).map(drop),
        format if unpack::is_packed(format) => unpack::check(frame).map(drop),
        _ => Planes::of(frame).map(drop),
    }
}

/// A picture whose samples can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoded<'a> {
    /// Where the samples lie in `bytes`. A compressed picture may be smaller there.
    pub(super) planes: Planes,
    pub(super) bytes: &'a [u8],
    /// Of the stored picture at its full size.
    pub(super) size: Size,
    /// How it is turned to stand upright.
    pub(super) orientation: Orientation,
}

/// Decodes frames, with buffers that are reused from frame to frame.
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    jpeg: JpegDecoder,
    unpacker: Unpacker,
}

impl FrameDecoder {
    /// # Errors
    ///
    /// The JPEG library has no memory.
    pub(crate) fn new() -> Result<Self, PixelError> {
        Ok(Self { jpeg: JpegDecoder::new()?, unpacker: Unpacker::default() })
    }

    /// The size of the upright picture. A compressed picture's own header knows it best.
    ///
    /// # Errors
    ///
    /// The frame has not all its bytes, or is not of 1 to 16384 pixels a side.
    pub(crate) fn picture(&self, frame: &Frame) -> Result<Size, PixelError> {
        let stored = match frame.format {
            PixelFormat::Mjpeg => jpeg::outline(&frame.data)?.size,
            _ => {
                check(frame)?;
                frame.size
            }
        };
        Ok(frame.orientation.upright(stored))
    }

    /// Decodes a frame. A compressed picture comes out at the smallest of the library's
    /// scales at which the upright picture is still at least of the size `least`.
    ///
    /// # Errors
    ///
    /// The frame is no whole picture, or not of 1 to 16384 pixels a side.
    pub(crate) fn decode<'a>(
        &'a mut self,
        frame: &'a Frame,
        least: Size,
    ) -> Result<Decoded<'a>, PixelError> {
        let orientation = frame.orientation;
        let (size, (planes, bytes)) = match frame.format {
            PixelFormat::Mjpeg => {
                let outline = jpeg::outline(&frame.data)?;
                let least = orientation.upright(least);
                (outline.size, self.jpeg.decode(&frame.data, &outline, least)?)
            }
            format if unpack::is_packed(format) => (frame.size, self.unpacker.unpack(frame)?),
            _ => (frame.size, (Planes::of(frame)?, frame.data.as_slice())),
        };
        Ok(Decoded { planes, bytes, size, orientation })
    }
}
