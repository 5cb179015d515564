//! Every pixel format and every orientation against a slow, obvious reference;
//! JPEGs whole, cut, padded and without their tables.

use expressiond::clock::{Clock, SystemClock};
use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, Matrix, Orientation, PixelFormat, Range};
use expressiond::pixels::letterbox::{Letterbox, PAD};
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::rgb::to_rgb;
use expressiond::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use proptest::prelude::*;

const RGB: Encoding = Encoding::UInt8 { scale: 1.0 / 255.0, zero_point: 0 };
const RAW: [PixelFormat; 7] = [
    PixelFormat::Rgb24,
    PixelFormat::Bgr24,
    PixelFormat::Grey,
    PixelFormat::Yuyv,
    PixelFormat::Uyvy,
    PixelFormat::Nv12,
    PixelFormat::I420,
];

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

/// Bytes from one row of the first plane to the next.
fn stride(format: PixelFormat, width: usize, padding: usize) -> usize {
    padding
        + match format {
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => 3 * width,
            PixelFormat::Yuyv | PixelFormat::Uyvy => 4 * width.div_ceil(2),
            _ => width,
        }
}

/// The samples of a component (0: Y or R, 1: U or G, 2: V or B), with the component's
/// own resolution.
fn stored(frame: &Frame, component: usize) -> (usize, usize, Vec<f64>) {
    let (w, h) = (frame.size.width as usize, frame.size.height as usize);
    let (hw, hh) = (w.div_ceil(2), h.div_ceil(2));
    let (s, chroma) = (frame.stride, component > 0);
    let at: Box<dyn Fn(usize, usize) -> usize> = match frame.format {
        PixelFormat::Rgb24 => Box::new(move |x, y| y * s + 3 * x + component),
        PixelFormat::Bgr24 => Box::new(move |x, y| y * s + 3 * x + 2 - component),
        PixelFormat::Grey => Box::new(move |x, y| y * s + x),
        PixelFormat::Yuyv if !chroma => Box::new(move |x, y| y * s + 2 * x),
        PixelFormat::Yuyv => Box::new(move |x, y| y * s + 4 * x + 2 * component - 1),
        PixelFormat::Uyvy if !chroma => Box::new(move |x, y| y * s + 2 * x + 1),
        PixelFormat::Uyvy => Box::new(move |x, y| y * s + 4 * x + 2 * (component - 1)),
        PixelFormat::Nv12 if chroma => {
            Box::new(move |x, y| s * h + y * s.max(2 * hw) + 2 * x + component - 1)
        }
        PixelFormat::I420 if chroma => {
            let half = s.div_ceil(2);
            Box::new(move |x, y| s * h + (component - 1) * half * hh + y * half + x)
        }
        _ => Box::new(move |x, y| y * s + x),
    };
    let (cw, ch) = match frame.format {
        PixelFormat::Yuyv | PixelFormat::Uyvy if chroma => (hw, h),
        PixelFormat::Nv12 | PixelFormat::I420 if chroma => (hw, hh),
        _ => (w, h),
    };
    let values = (0..ch).flat_map(|y| (0..cw).map(move |x| (x, y)));
    (cw, ch, values.map(|(x, y)| f64::from(frame.data[at(x, y)])).collect())
}

/// The value of a plane at output pixel `x`, `y` of `ow` x `oh`: the mean of the
/// covered area when shrinking, linear between centres when enlarging.
fn resampled(plane: &(usize, usize, Vec<f64>), ow: usize, oh: usize, x: usize, y: usize) -> f64 {
    let axis = |inputs: usize, outputs: usize, i: usize| -> Vec<(usize, f64)> {
        let ratio = inputs as f64 / outputs as f64;
        if ratio <= 1.0 {
            let c = ((i as f64 + 0.5) * ratio - 0.5).clamp(0.0, (inputs - 1) as f64);
            let (low, share) = (c.floor() as usize, c.fract());
            return vec![(low, 1.0 - share), ((low + 1).min(inputs - 1), share)];
        }
        let (a, b) = (i as f64 * ratio, (i + 1) as f64 * ratio);
        let covered = |k: usize| (b.min(k as f64 + 1.0) - a.max(k as f64)).max(0.0) / ratio;
        (0..inputs).map(|k| (k, covered(k))).filter(|(_, weight)| *weight > 0.0).collect()
    };
    let (w, h, values) = plane;
    let columns = axis(*w, ow, x);
    let rows = axis(*h, oh, y);
    rows.iter().flat_map(|(r, a)| columns.iter().map(move |(c, b)| values[r * w + c] * a * b)).sum()
}

/// As the two recommendations define it: brightness is so much of red and of blue.
fn colour(format: PixelFormat, range: Range, matrix: Matrix, [a, b, c]: [f64; 3]) -> [f64; 3] {
    let (red, blue) = match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let yuv = |y: f64, u: f64, v: f64| {
        let (y, s) = match range {
            Range::Full => (y, 1.0),
            Range::Limited => ((y - 16.0) * 255.0 / 219.0, 255.0 / 224.0),
        };
        let (u, v) = ((u - 128.0) * s, (v - 128.0) * s);
        let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
        [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
    };
    match format {
        PixelFormat::Rgb24 | PixelFormat::Bgr24 => [a, b, c],
        PixelFormat::Grey => yuv(a, 128.0, 128.0),
        _ => yuv(a, b, c),
    }
}

/// Where an upright content pixel comes from in the stored content of `w` x `h`.
fn turned(o: Orientation, w: usize, h: usize, x: usize, y: usize) -> (usize, usize) {
    let upright_width = if o.quarter_turns % 2 == 1 { h } else { w };
    let x = if o.mirror { upright_width - 1 - x } else { x };
    match o.quarter_turns {
        0 => (x, y),
        1 => (y, h - 1 - x),
        2 => (w - 1 - x, h - 1 - y),
        _ => (w - 1 - y, x),
    }
}

fn length(format: PixelFormat, size: Size, stride: usize) -> usize {
    let (w, h) = (size.width as usize, size.height as usize);
    let (hw, hh) = (w.div_ceil(2), h.div_ceil(2));
    match format {
        PixelFormat::Nv12 => stride * h + stride.max(2 * hw) * hh,
        PixelFormat::I420 => stride * h + 2 * stride.div_ceil(2) * hh,
        PixelFormat::Mjpeg => unreachable!("not raw"),
        _ => stride * h,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
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
        let planes = [0, 1, 2].map(|c| stored(&frame, if format == PixelFormat::Grey { 0 } else { c }));
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

/// A smooth colour picture, so that lossy coding keeps it.
fn picture(w: u32, h: u32) -> image::RgbImage {
    image::RgbImage::from_fn(w, h, |x, y| {
        image::Rgb([(x * 255 / w) as u8, (y * 255 / h) as u8, ((x + y) * 255 / (w + h)) as u8])
    })
}

fn jpeg(picture: &image::RgbImage, subsamp: turbojpeg::Subsamp) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = picture.as_raw().as_slice();
    let format = turbojpeg::PixelFormat::RGB;
    let image = turbojpeg::Image { pixels, width, pitch: 3 * width, height, format };
    turbojpeg::compress(image, 95, subsamp).unwrap().to_vec()
}

fn mjpeg(data: Vec<u8>, w: u32, h: u32) -> Frame {
    frame(PixelFormat::Mjpeg, Size::new(w, h), data)
}

#[test]
fn jpegs_of_every_subsampling_and_odd_sizes_come_out_right() {
    use turbojpeg::Subsamp;
    for subsamp in
        [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1]
    {
        for (w, h) in [(64, 48), (641, 479), (97, 65)] {
            let original = picture(w, h);
            let frame = mjpeg(jpeg(&original, subsamp), w, h);
            let (letterbox, values) = prepared(&frame, Size::new(32, 32));
            let small = letterbox.content;
            for y in 0..small.height {
                for x in 0..small.width {
                    let source =
                        |v: u32, from: u32, to: u32| ((2 * v + 1) * from / (2 * to)).min(from - 1);
                    let want =
                        original.get_pixel(source(x, w, small.width), source(y, h, small.height));
                    let at = (((y + letterbox.top) * 32 + x + letterbox.left) * 3) as usize;
                    for (got, want) in values[at..at + 3].iter().zip(want.0) {
                        assert!(
                            got.abs_diff(want) <= 14,
                            "{subsamp:?} {w}x{h} at {x},{y}: {got} for {want}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_full_size_copy_keeps_every_pixel() {
    let original = picture(50, 31);
    let raw = frame(PixelFormat::Rgb24, Size::new(50, 31), original.as_raw().clone());
    assert_eq!(to_rgb(&raw).unwrap(), original);
}

fn segments(data: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), 2);
    while data[at] == 0xFF && data[at + 1] != 0xDA {
        let length = usize::from(u16::from_be_bytes([data[at + 2], data[at + 3]])) + 2;
        found.push((data[at + 1], at..at + length));
        at += length;
    }
    found
}

#[test]
fn missing_huffman_tables_are_the_standard_ones() {
    let whole = jpeg(&picture(64, 48), turbojpeg::Subsamp::Sub2x1);
    let mut bare = whole.clone();
    for (_, range) in segments(&whole).into_iter().rev().filter(|(marker, _)| *marker == 0xC4) {
        bare.drain(range);
    }
    assert!(bare.len() < whole.len());
    let input = Size::new(32, 32);
    assert_eq!(prepared(&mjpeg(bare, 64, 48), input), prepared(&mjpeg(whole, 64, 48), input));
}

#[test]
fn bytes_behind_the_end_are_ignored() {
    let whole = jpeg(&picture(64, 48), turbojpeg::Subsamp::Sub2x2);
    let mut padded = whole.clone();
    padded.extend([0; 1000]);
    let input = Size::new(32, 32);
    assert_eq!(prepared(&mjpeg(padded, 64, 48), input), prepared(&mjpeg(whole, 64, 48), input));
}

#[test]
fn a_cut_jpeg_is_an_error_wherever_it_is_cut() {
    let whole = jpeg(&picture(160, 120), turbojpeg::Subsamp::Sub2x1);
    let spec = InputSpec { size: Size::new(96, 96), encoding: RGB };
    let mut tensor = TensorBuffer::new(&spec);
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    for length in (0..whole.len() - 2).step_by(7) {
        let cut = whole[..length].to_vec();
        assert!(preprocessor.prepare(&mjpeg(cut.clone(), 160, 120), &mut tensor).is_err());
        // and with an end marker that a lazy driver put there
        let ended = [cut, vec![0xFF, 0xD9]].concat();
        let result = preprocessor.prepare(&mjpeg(ended, 160, 120), &mut tensor);
        assert!(result.is_err(), "cut at {length} of {}", whole.len());
    }
}

/// Of the picture that the model's self-test uses (public domain): 97x65, a restart
/// marker behind every row of blocks, as cameras set them.
const RESTART: &[u8] = include_bytes!("pictures/restart.jpg");

#[test]
fn restart_markers_are_followed_and_what_is_lost_between_them_is_noticed() {
    let marks: Vec<usize> = (0..RESTART.len() - 1)
        .filter(|at| RESTART[*at] == 0xFF && (0xD0..=0xD7).contains(&RESTART[at + 1]))
        .collect();
    assert!(marks.len() >= 4, "{} restart markers", marks.len());
    let other = image::load_from_memory(RESTART).unwrap().into_rgb8();
    let ours = to_rgb(&mjpeg(RESTART.to_vec(), 97, 65)).unwrap();
    assert_eq!(ours.dimensions(), (97, 65));
    // decoders enlarge colour differently: compare the mean
    let differences =
        ours.as_raw().iter().zip(other.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b)));
    let mean = differences.sum::<u64>() as f64 / ours.as_raw().len() as f64;
    assert!(mean < 3.0, "{mean}");
    // the blocks between two markers are gone, the markers are not
    let lossy = [&RESTART[..marks[1] + 2], &RESTART[marks[2]..]].concat();
    let spec = InputSpec { size: Size::new(96, 96), encoding: RGB };
    let mut tensor = TensorBuffer::new(&spec);
    let result = Preprocessor::new(spec).unwrap().prepare(&mjpeg(lossy, 97, 65), &mut tensor);
    assert!(result.is_err(), "a grey stripe");
}
