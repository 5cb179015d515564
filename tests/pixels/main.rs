//! What becomes of frames: raw pixels against a slow, obvious reference, JPEGs against the
//! pictures that they were made of.

mod jpeg;
mod raw;
mod reference;

use expressiond::clock::{Clock, SystemClock};
use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::pixels::letterbox::Letterbox;
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::tensor::{Encoding, InputSpec, TensorBuffer};

const RGB: Encoding = Encoding::UInt8 { scale: 1.0 / 255.0, zero_point: 0 };

fn frame(format: PixelFormat, size: Size, data: Vec<u8>) -> Frame {
    Frame { data, format, size, ..Frame::empty(SystemClock.now()) }
}

fn prepared(frame: &Frame, input: Size) -> (Letterbox, Vec<u8>) {
    let spec = InputSpec { size: input, encoding: RGB };
    let mut tensor = TensorBuffer::new(&spec);
    let letterbox = Preprocessor::new(spec).unwrap().prepare(frame, &mut tensor).unwrap();
    let TensorBuffer::UInt8(values) = tensor else { panic!("not the type that was asked for") };
    (letterbox, values)
}

/// A smooth colour picture, so that lossy coding keeps it.
fn picture(w: u32, h: u32) -> image::RgbImage {
    image::RgbImage::from_fn(w, h, |x, y| {
        image::Rgb([(x * 255 / w) as u8, (y * 255 / h) as u8, ((x + y) * 255 / (w + h)) as u8])
    })
}
