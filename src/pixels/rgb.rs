//! A frame as a full-size upright RGB picture: for annotated copies, not for the
//! detector.

use image::RgbImage;

use super::error::PixelError;
use super::frame::Frame;
use super::preprocess::Preprocessor;
use super::tensor::{Encoding, InputSpec, TensorBuffer};

/// The whole picture, turned upright.
pub fn to_rgb(frame: &Frame) -> Result<RgbImage, PixelError> {
    let size = frame.upright_size();
    let encoding = Encoding::UInt8 { scale: 1.0 / 255.0, zero_point: 0 };
    let spec = InputSpec { size, encoding };
    let mut tensor = TensorBuffer::new(&spec);
    Preprocessor::new(spec)?.prepare(frame, &mut tensor)?;
    let TensorBuffer::UInt8(pixels) = tensor else {
        unreachable!("the spec says UInt8");
    };
    RgbImage::from_raw(size.width, size.height, pixels).ok_or(PixelError::Size(size))
}
