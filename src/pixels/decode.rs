//! From a frame of any format to samples that can be read: compressed pictures are decoded,
//! packed ones unpacked, others are as they should be. Once for all regions of a frame.

use super::error::PixelError;
use super::frame::{Frame, Orientation, PixelFormat};
use super::jpeg::{self, JpegDecoder};
use super::planes::Planes;
use super::unpack::{self, Unpacker};
use crate::geometry::Size;

/// The size of the stored picture of a frame that has all its bytes, as far as can be told
/// without decoding it. Cheap: of a compressed picture only the header is read, which knows
/// the size best; a camera's firmware may send another one than it agreed to.
///
/// # Errors
///
/// What is missing, or a size that is not of 1 to 16384 pixels a side.
pub(crate) fn stored_size(frame: &Frame) -> Result<Size, PixelError> {
    match frame.format {
        PixelFormat::Mjpeg => jpeg::outline(&frame.data).map(|outline| outline.size),
        format if unpack::is_packed(format) => unpack::check(frame).map(|_| frame.size),
        _ => Planes::of(frame).map(|_| frame.size),
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

impl Decoded<'_> {
    /// The size that it was decoded to.
    pub(crate) fn decoded_size(&self) -> Size {
        self.planes.size
    }
}

/// Decodes frames, with buffers that are reused from frame to frame.
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    jpeg: JpegDecoder,
    unpacker: Unpacker,
    /// What the buffers hold of the frame at hand: the layout, and the stored picture's size.
    held: Option<(Planes, Size)>,
}

impl FrameDecoder {
    /// # Errors
    ///
    /// The JPEG library has no memory.
    pub(crate) fn new() -> Result<Self, PixelError> {
        Ok(Self { jpeg: JpegDecoder::new()?, unpacker: Unpacker::default(), held: None })
    }

    /// The size of the upright picture.
    ///
    /// # Errors
    ///
    /// The frame has not all its bytes, or is not of 1 to 16384 pixels a side.
    pub(crate) fn picture(&self, frame: &Frame) -> Result<Size, PixelError> {
        Ok(frame.orientation.upright(stored_size(frame)?))
    }

    /// Another frame comes: what is held is no more of use.
    pub(crate) fn begin(&mut self) {
        self.held = None;
    }

    /// Decodes the frame at hand, the same until [`begin`](Self::begin). A compressed picture
    /// comes out at the smallest of the library's scales at which the upright picture is
    /// still at least of the size `least`; one that already lies in the buffers at that size
    /// or larger is taken from there.
    ///
    /// # Errors
    ///
    /// The frame is no whole picture, or not of 1 to 16384 pixels a side.
    pub(crate) fn decode<'a>(
        &'a mut self,
        frame: &'a Frame,
        least: Size,
    ) -> Result<Decoded<'a>, PixelError> {
        let least = frame.orientation.upright(least);
        let serves = |(planes, size): &(Planes, Size)| {
            let Size { width, height } = planes.size;
            planes.size == *size || (width >= least.width && height >= least.height)
        };
        let (planes, size) = match self.held.take().filter(serves) {
            Some(held) => held,
            None => self.fill(frame, least)?,
        };
        self.held = Some((planes, size));
        Ok(self.lay_out(frame, planes, size))
    }

    /// Brings a frame into the buffers, at the scale that serves `least` of the stored picture.
    fn fill(&mut self, frame: &Frame, least: Size) -> Result<(Planes, Size), PixelError> {
        Ok(match frame.format {
            PixelFormat::Mjpeg => {
                let outline = jpeg::outline(&frame.data)?;
                (self.jpeg.decode(&frame.data, &outline, least)?, outline.size)
            }
            format if unpack::is_packed(format) => (self.unpacker.unpack(frame)?, frame.size),
            _ => (Planes::of(frame)?, frame.size),
        })
    }

    fn lay_out<'a>(&'a self, frame: &'a Frame, planes: Planes, size: Size) -> Decoded<'a> {
        let bytes = match frame.format {
            PixelFormat::Mjpeg => self.jpeg.pixels(),
            format if unpack::is_packed(format) => self.unpacker.bytes(),
            _ => &frame.data,
        };
        Decoded { planes, bytes, size, orientation: frame.orientation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::at;

    fn photograph() -> Frame {
        let data = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg"));
        let (data, size) = (data.expect("in the repository"), Size::new(320, 320));
        Frame { data, size, format: PixelFormat::Mjpeg, ..Frame::empty(at(0)) }
    }

    #[test]
    fn a_frame_is_decoded_again_only_where_more_of_it_is_wanted() {
        let (frame, mut decoder) = (photograph(), FrameDecoder::new().expect("memory"));
        // Whatever would be decoded a second time could not be.
        let broken = Frame { data: vec![0; frame.data.len()], ..frame.clone() };
        let size = |decoded: Result<Decoded<'_>, PixelError>| decoded.map(|it| it.planes.size);
        let (quarter, half, all) = (Size::new(80, 80), Size::new(160, 160), Size::new(320, 320));
        assert_eq!(size(decoder.decode(&frame, Size::new(150, 90))).expect("whole"), half);
        let held = decoder.decode(&broken, Size::new(1, 1)).expect("not decoded again");
        let held = (held.planes, held.bytes.to_vec());
        assert_eq!(size(decoder.decode(&broken, half)).expect("enough"), half);
        assert_eq!(size(decoder.decode(&frame, Size::new(161, 1))).expect("more"), all);
        let larger = Size::new(1000, 1000);
        assert_eq!(size(decoder.decode(&broken, larger)).expect("all there is"), all);
        decoder.begin();
        let anew = decoder.decode(&frame, half).expect("whole");
        assert_eq!((anew.planes, anew.bytes), (held.0, &*held.1));
        decoder.begin();
        assert_eq!(size(decoder.decode(&frame, quarter)).expect("the next frame"), quarter);
        assert!(decoder.decode(&broken, half).is_err(), "finer than what is held");
        assert!(decoder.decode(&broken, quarter).is_err(), "nothing is held any more");
    }
}
