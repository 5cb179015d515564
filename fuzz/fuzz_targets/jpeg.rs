//! A camera's compressed frame, from its bytes to the input tensor.
#![no_main]

use std::cell::RefCell;

use expressiond::clock::{Clock, SystemClock};
use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::tensor::{Encoding, InputSpec, TensorBuffer};

const SPEC: InputSpec = InputSpec {
    size: Size::new(64, 64),
    encoding: Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 },
};

/// What comes after a broken frame.
const GOOD: &[u8] = include_bytes!("../../tests/pictures/restart.jpg");

thread_local! {
    /// One decoder for all inputs, as in the daemon: what one frame leaves behind must
    /// not harm the next.
    static DECODER: RefCell<(Preprocessor, TensorBuffer)> =
        RefCell::new((Preprocessor::new(SPEC).expect("a decoder"), TensorBuffer::new(&SPEC)));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut frame = Frame::empty(SystemClock.now());
    frame.format = PixelFormat::Mjpeg;
    frame.data.extend_from_slice(data);
    DECODER.with_borrow_mut(|(preprocessor, tensor)| match preprocessor.prepare(&frame, tensor) {
        Ok(letterbox) => {
            assert!(letterbox.content.width <= 64 && letterbox.content.height <= 64);
        }
        Err(_) => {
            frame.data.clear();
            frame.data.extend_from_slice(GOOD);
            preprocessor.prepare(&frame, tensor).expect("the next frame is decoded");
        }
    });
});
