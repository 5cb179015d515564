//! A frame as a full-size upright RGB picture: for annotated copies, not for the
//! detector.

use image::RgbImage;

use super::decode::stored_size;
use super::error::PixelError;
use super::frame::Frame;
use super::preprocess::Preprocessor;
use super::tensor::{Encoding, InputSpec, TensorBuffer};

/// The whole picture, turned upright.
///
/// # Errors
///
/// Its bytes are no picture of its format.
pub fn to_rgb(frame: &Frame) -> Result<RgbImage, PixelError> {
    let size = frame.orientation.upright(stored_size(frame)?);
    let encoding = Encoding::UInt8 { scale: 1.0 / 255.0, zero_point: 0 };
    let spec = InputSpec { size, encoding };
    let mut tensor = TensorBuffer::new(&spec);
    Preprocessor::new(spec)?.prepare(frame, &mut tensor)?;
    let TensorBuffer::UInt8(pixels) = tensor else {
        unreachable!("the spec says UInt8");
    };
    RgbImage::from_raw(size.width, size.height, pixels).ok_or(PixelError::Size(size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::at;
    use crate::geometry::Size;
    use crate::pixels::frame::PixelFormat;

    /// What is drawn or blackened in shares of the picture must not meet a letterbox's bars.
    #[test]
    fn a_jpeg_has_its_own_size_whatever_the_driver_said() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg");
        let mut frame = Frame::empty(at(0));
        frame.data = std::fs::read(file).expect("in the repository");
        frame.format = PixelFormat::Mjpeg;
        let own = to_rgb(&Frame { size: Size::new(320, 320), ..frame.clone() }).expect("whole");
        let agreed = to_rgb(&Frame { size: Size::new(640, 480), ..frame }).expect("whole");
        assert_eq!(agreed.dimensions(), (320, 320));
        assert!(agreed == own);
    }
}
