//! A region of a picture, in the detector's input: the same as the piece cut out.

use expressiond::clock::{Clock, SystemClock};
use expressiond::geometry::{Rect, Region, Size};
use expressiond::pixels::frame::{Frame, Orientation, PixelFormat};
use expressiond::pixels::letterbox::Letterbox;
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::rgb::to_rgb;
use expressiond::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use proptest::prelude::*;

fn frame_of(format: PixelFormat, size: Size, data: Vec<u8>) -> Frame {
    Frame { data, format, size, ..Frame::empty(SystemClock.now()) }
}

/// What a region looks like by the definition: the picture is cut first, at full size and
/// upright, and then letterboxed.
fn cut(frame: &Frame, region: Region, input: Size) -> Vec<u8> {
    let picture = to_rgb(frame).unwrap();
    let Region { left, top, width, height } = region;
    let cut = image::imageops::crop_imm(&picture, left, top, width, height).to_image();
    let cut = frame_of(PixelFormat::Rgb24, region.size(), cut.into_raw());
    prepared_region(&cut, Region::whole(region.size()), input).1
}

fn prepared_region(frame: &Frame, region: Region, input: Size) -> (Letterbox, Vec<u8>) {
    let spec =
        InputSpec { size: input, encoding: Encoding::UInt8 { scale: 1.0 / 255.0, zero_point: 0 } };
    let mut tensor = TensorBuffer::new(&spec);
    let letterbox =
        Preprocessor::new(spec).unwrap().prepare_region(frame, region, &mut tensor).unwrap();
    let TensorBuffer::UInt8(values) = tensor else { panic!("the spec says UInt8") };
    (letterbox, values)
}

proptest! {
    /// Any region of any picture, however it is turned, equals the same piece cut out of
    /// the upright picture. Where it is enlarged, the outermost pixels may differ: there a
    /// region has neighbours that the piece has lost.
    #[test]
    fn a_region_equals_the_piece_cut_out(
        width in 8u32..90, height in 8u32..90, turns in 0u8..4, mirror: bool,
        left in 0u32..80, top in 0u32..80, w in 1u32..90, h in 1u32..90,
        seed: u32, input in 4u32..40,
    ) {
        let size = Size::new(width, height);
        let mut state = seed;
        let noise = (0..size.area() * 3).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let orientation = Orientation { quarter_turns: turns, mirror };
        let frame = Frame { orientation, ..frame_of(PixelFormat::Rgb24, size, noise.collect()) };
        let upright = frame.upright_size();
        let (left, top) = (left.min(upright.width - 1), top.min(upright.height - 1));
        let region = Region {
            left, top, width: w.min(upright.width - left), height: h.min(upright.height - top),
        };
        let input = Size::new(input, input);
        let (letterbox, found) = prepared_region(&frame, region, input);
        let expected = cut(&frame, region, input);
        let whole = letterbox.to_picture(Rect::new(0.0, 0.0, input.width as f32, input.height as f32));
        prop_assert!((whole.x - region.left as f32).abs() < 0.01 && (whole.y - region.top as f32).abs() < 0.01);
        prop_assert!((whole.width - region.width as f32).abs() < 0.01);
        let enlarged = letterbox.content.width > region.width || letterbox.content.height > region.height;
        let border = (0.5 / region.width.min(region.height) as f32 * input.width as f32).ceil() as u32;
        for y in 0..input.height {
            for x in 0..input.width {
                let inside = |at: u32, first: u32, length: u32| {
                    at >= first + border && at + border < first + length
                };
                let Letterbox { content, left, top, .. } = letterbox;
                if enlarged && !(inside(x, left, content.width) && inside(y, top, content.height)) {
                    continue;
                }
                let at = ((y * input.width + x) * 3) as usize;
                for part in at..at + 3 {
                    let (a, b) = (i16::from(found[part]), i16::from(expected[part]));
                    prop_assert!((a - b).abs() <= 2, "{a} for {b} at {x},{y} of {region:?}");
                }
            }
        }
    }
}

/// A region of a compressed picture is decoded no finer than it is shown, and as fine as
/// that: both ways show the same, to what JPEG's own smoothing leaves.
#[test]
fn a_region_of_a_jpeg_is_the_same_piece() {
    let size = Size::new(640, 360);
    // Smooth, so that lossy coding keeps it.
    let picture = image::RgbImage::from_fn(size.width, size.height, |x, y| {
        image::Rgb([(x * 255 / 640) as u8, (y * 255 / 360) as u8, ((x + y) / 4) as u8])
    });
    let image = turbojpeg::Image {
        pixels: picture.as_raw().as_slice(),
        width: 640,
        pitch: 3 * 640,
        height: 360,
        format: turbojpeg::PixelFormat::RGB,
    };
    let image = turbojpeg::compress(image, 95, turbojpeg::Subsamp::Sub2x2).unwrap();
    let frame = frame_of(PixelFormat::Mjpeg, size, image.to_vec());
    for (region, input) in [
        (Region { left: 200, top: 40, width: 128, height: 128 }, Size::new(128, 128)),
        (Region { left: 0, top: 0, width: 640, height: 360 }, Size::new(160, 160)),
        (Region { left: 321, top: 7, width: 301, height: 299 }, Size::new(128, 128)),
        (Region { left: 500, top: 300, width: 60, height: 60 }, Size::new(128, 128)),
    ] {
        let (letterbox, found) = prepared_region(&frame, region, input);
        let expected = cut(&frame, region, input);
        let all = found.len() as f64;
        let difference: u64 =
            found.iter().zip(&expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!((difference as f64) / all < 3.0, "{} for {letterbox:?}", difference as f64 / all);
    }
}
