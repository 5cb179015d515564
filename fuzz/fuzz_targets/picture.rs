//! A picture file: what it is, how EXIF says it stands, and its pixels.
#![no_main]

use expressiond::clock::{Clock, SystemClock};
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::source::picture::recognise;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut frame = Frame::empty(SystemClock.now());
    frame.data.extend_from_slice(data);
    if recognise(&mut frame).is_ok() && frame.format == PixelFormat::Rgb24 {
        assert_eq!(frame.data.len(), 3 * frame.size.area());
    }
});
