//! Every raw format and every orientation equals the reference; bytes that are none are
//! refused.

use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, Matrix, Orientation, PixelFormat, Range};
use expressiond::pixels::letterbox::PAD;
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::rgb::to_rgb;
use expressiond::pixels::tensor::{InputSpec, TensorBuffer};
use proptest::prelude::*;

use super::reference::{colour, is_grey, length, resampled, stored, stride, turned};
use super::{RGB, frame, picture, prepared};

const RAW: [PixelFormat; 28] = [
    PixelFormat::Rgb24,
    PixelFormat::Bgr24,
    PixelFormat::Rgbx32,
    PixelFormat::Bgrx32,
    PixelFormat::Xrgb32,
    PixelFormat::Xbgr32,
    PixelFormat::Rgb565,
    PixelFormat::Rgb565Be,
    PixelFormat::Rgb555,
    PixelFormat::Grey,
    PixelFormat::Grey10,
    PixelFormat::Grey12,
    PixelFormat::Grey14,
    PixelFormat::Grey16,
    PixelFormat::Yuyv,
    PixelFormat::Yvyu,
    PixelFormat::Uyvy,
    PixelFormat::Vyuy,
    PixelFormat::Nv12,
    PixelFormat::Nv21,
    PixelFormat::Nv16,
    PixelFormat::Nv61,
    PixelFormat::Nv24,
    PixelFormat::Nv42,
    PixelFormat::P010,
    PixelFormat::I420,
    PixelFormat::Yv12,
    PixelFormat::Yuv422p,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_format_and_orientation_equals_the_reference(
        format in proptest::sample::select(&RAW[..]),
        w in 1u32..40, h in 1u32..40, iw in 1u32..24, ih in 1u32..24,
        padding in 0usize..9, quarter_turns in 0u8..4, mirror: bool, full: bool, wide: bool, seed: u64,
    ) {
        let size = Size::new(w, h);
        let mut state = seed | 1;
        let stride = stride(format, w as usize, padding);
        let data = (0..length(format, size, stride)).map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        });
        let range = if full { Range::Full } else { Range::Limited };
        let orientation = Orientation { quarter_turns, mirror };
        let matrix = if wide { Matrix::Bt709 } else { Matrix::Bt601 };
        let frame = Frame { range, matrix, stride, orientation, ..frame(format, size, data.collect()) };
        let (letterbox, values) = prepared(&frame, Size::new(iw, ih));
        let upright = letterbox.content;
        let content = orientation.upright(upright);
        let planes = [0, 1, 2].map(|c| stored(&frame, if is_grey(format) { 0 } else { c }));
        for y in 0..ih {
            for x in 0..iw {
                let pixel = &values[((y * iw + x) * 3) as usize..][..3];
                let (cx, cy) = (x.wrapping_sub(letterbox.left), y.wrapping_sub(letterbox.top));
                if cx >= upright.width || cy >= upright.height {
                    prop_assert_eq!(pixel, &[PAD; 3]);
                    continue;
                }
                let (cw, ch) = (content.width as usize, content.height as usize);
                let (sx, sy) = turned(orientation, cw, ch, cx as usize, cy as usize);
                let sampled = [0, 1, 2].map(|c| resampled(&planes[c], cw, ch, sx, sy));
                let wanted = colour(format, range, matrix, sampled);
                for (got, want) in pixel.iter().zip(wanted) {
                    // weights are rounded to 1/256 on both axes, and the colour matrix doubles it
                    prop_assert!((f64::from(*got) - want.clamp(0.0, 255.0)).abs() <= 6.0,
                        "{format:?} at {x},{y}: {pixel:?} for {wanted:?}");
                }
            }
        }
    }

    #[test]
    fn hostile_bytes_are_refused_and_never_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        let spec = InputSpec { size: Size::new(32, 32), encoding: RGB };
        let mut tensor = TensorBuffer::new(&spec);
        let mut preprocessor = Preprocessor::new(spec).unwrap();
        let mut jpeg = vec![0xFF, 0xD8];
        jpeg.extend(&data);
        jpeg.extend([0xFF, 0xD9]);
        prop_assert!(preprocessor.prepare(&frame(PixelFormat::Mjpeg, Size::default(), jpeg), &mut tensor).is_err());
        for format in RAW {
            let short = frame(format, Size::new(640, 480), data.clone());
            prop_assert!(preprocessor.prepare(&short, &mut tensor).is_err());
        }
    }
}

#[test]
fn a_full_size_copy_keeps_every_pixel() {
    let original = picture(50, 31);
    let raw = frame(PixelFormat::Rgb24, Size::new(50, 31), original.as_raw().clone());
    assert_eq!(to_rgb(&raw).unwrap(), original);
}
