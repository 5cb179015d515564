//! A raw frame whose driver lies about format, size or row length, from its bytes to
//! the input tensor.
#![no_main]

use expressiond::clock::{Clock, SystemClock};
use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, Orientation, PixelFormat, Range};
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use expressiond::source::formats::FORMATS;

const SPEC: InputSpec = InputSpec {
    size: Size::new(48, 40),
    encoding: Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 },
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((head, pixels)) = data.split_at_checked(8) else { return };
    let number = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let format = FORMATS[usize::from(head[0]) % FORMATS.len()].1;
    let frame = Frame {
        data: pixels.to_vec(),
        format,
        size: Size::new(number(2).into(), number(4).into()),
        stride: number(6).into(),
        range: if head[1] & 8 == 0 { Range::Limited } else { Range::Full },
        orientation: Orientation { quarter_turns: head[1] & 3, mirror: head[1] & 4 != 0 },
        ..Frame::empty(SystemClock.now())
    };
    let mut tensor = TensorBuffer::new(&SPEC);
    let mut preprocessor = Preprocessor::new(SPEC).expect("a decoder");
    if let Ok(letterbox) = preprocessor.prepare(&frame, &mut tensor) {
        // A compressed picture's own header knows its size.
        assert!(format == PixelFormat::Mjpeg || letterbox.picture == frame.upright_size());
    }
});
