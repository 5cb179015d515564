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
    use PixelFormat::*;
    padding
        + match format {
            Rgb24 | Bgr24 => 3 * width,
            Rgbx32 | Bgrx32 | Xrgb32 | Xbgr32 => 4 * width,
            Yuyv | Yvyu | Uyvy | Vyuy => 4 * width.div_ceil(2),
            Rgb565 | Rgb565Be | Rgb555 | Grey10 | Grey12 | Grey14 | Grey16 | P010 => 2 * width,
            _ => width,
        }
}

/// How many pixels share a colour sample, across and down.
fn shared(format: PixelFormat) -> (usize, usize) {
    use PixelFormat::*;
    match format {
        Yuyv | Yvyu | Uyvy | Vyuy | Nv16 | Nv61 | Yuv422p => (2, 1),
        Nv12 | Nv21 | P010 | I420 | Yv12 => (2, 2),
        _ => (1, 1),
    }
}

/// Bytes from one row of the second plane to the next, as the kernel's documentation of
/// each format says; 0 where there is none.
fn chroma_stride(format: PixelFormat, width: usize, stride: usize) -> usize {
    use PixelFormat::*;
    match format {
        Nv12 | Nv21 | Nv16 | Nv61 => stride.max(2 * width.div_ceil(2)),
        P010 => stride.max(4 * width.div_ceil(2)),
        Nv24 | Nv42 => 2 * stride,
        I420 | Yv12 | Yuv422p => stride.div_ceil(2),
        _ => 0,
    }
}

/// The sample of a component (0: Y or R, 1: U or G, 2: V or B) at its own `x`, `y`, 0 to
/// 255: one format after the other, as the kernel's documentation draws it.
fn sample(frame: &Frame, component: usize, x: usize, y: usize) -> f64 {
    use PixelFormat::*;
    let (w, h) = (frame.size.width as usize, frame.size.height as usize);
    let (s, c) = (frame.stride, chroma_stride(frame.format, w, frame.stride));
    let rows = h.div_ceil(shared(frame.format).1);
    let byte = |at: usize| f64::from(frame.data[at]);
    let word = |at: usize| u32::from(frame.data[at]) | u32::from(frame.data[at + 1]) << 8;
    let bits = |word: u32, shift: u32, count: u32| {
        (f64::from(word >> shift & ((1 << count) - 1)) * 255.0 / f64::from((1u32 << count) - 1))
            .round()
    };
    let swapped = 3 - component; // V for U and U for V
    match frame.format {
        Rgb24 => byte(y * s + 3 * x + component),
        Bgr24 => byte(y * s + 3 * x + 2 - component),
        Rgbx32 => byte(y * s + 4 * x + component),
        Bgrx32 => byte(y * s + 4 * x + 2 - component),
        Xrgb32 => byte(y * s + 4 * x + 1 + component),
        Xbgr32 => byte(y * s + 4 * x + 3 - component),
        Rgb565 => {
            let (shift, count) = [(11, 5), (5, 6), (0, 5)][component];
            bits(word(y * s + 2 * x), shift, count)
        }
        Rgb565Be => {
            let (shift, count) = [(11, 5), (5, 6), (0, 5)][component];
            bits(word(y * s + 2 * x).swap_bytes() >> 16, shift, count)
        }
        Rgb555 => bits(word(y * s + 2 * x), [10, 5, 0][component], 5),
        Grey => byte(y * s + x),
        Grey10 => f64::from((word(y * s + 2 * x) / 4).min(255)),
        Grey12 => f64::from((word(y * s + 2 * x) / 16).min(255)),
        Grey14 => f64::from((word(y * s + 2 * x) / 64).min(255)),
        Grey16 => f64::from(word(y * s + 2 * x) / 256),
        Yuyv if component == 0 => byte(y * s + 2 * x),
        Yuyv => byte(y * s + 4 * x + 2 * component - 1),
        Yvyu if component == 0 => byte(y * s + 2 * x),
        Yvyu => byte(y * s + 4 * x + 2 * swapped - 1),
        Uyvy if component == 0 => byte(y * s + 2 * x + 1),
        Uyvy => byte(y * s + 4 * x + 2 * (component - 1)),
        Vyuy if component == 0 => byte(y * s + 2 * x + 1),
        Vyuy => byte(y * s + 4 * x + 2 * (swapped - 1)),
        P010 if component == 0 => f64::from(word(y * s + 2 * x) / 256),
        P010 => f64::from(word(s * h + y * c + 4 * x + 2 * (component - 1)) / 256),
        Nv12 | Nv16 | Nv24 if component > 0 => byte(s * h + y * c + 2 * x + component - 1),
        Nv21 | Nv61 | Nv42 if component > 0 => byte(s * h + y * c + 2 * x + swapped - 1),
        I420 | Yuv422p if component > 0 => byte(s * h + (component - 1) * c * rows + y * c + x),
        Yv12 if component > 0 => byte(s * h + (swapped - 1) * c * rows + y * c + x),
        Nv12 | Nv16 | Nv24 | Nv21 | Nv61 | Nv42 | I420 | Yuv422p | Yv12 => byte(y * s + x),
        Mjpeg => unreachable!("not raw"),
    }
}

fn is_grey(format: PixelFormat) -> bool {
    use PixelFormat::*;
    matches!(format, Grey | Grey10 | Grey12 | Grey14 | Grey16)
}

/// The samples of a component, with the component's own resolution.
fn stored(frame: &Frame, component: usize) -> (usize, usize, Vec<f64>) {
    let (w, h) = (frame.size.width as usize, frame.size.height as usize);
    let (across, down) = if component > 0 { shared(frame.format) } else { (1, 1) };
    let (cw, ch) = (w.div_ceil(across), h.div_ceil(down));
    let places = (0..ch).flat_map(|y| (0..cw).map(move |x| (x, y)));
    (cw, ch, places.map(|(x, y)| sample(frame, component, x, y)).collect())
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
    if is_grey(format) {
        return yuv(a, 128.0, 128.0);
    }
    match format {
        PixelFormat::Rgb24 | PixelFormat::Bgr24 => [a, b, c],
        PixelFormat::Rgbx32 | PixelFormat::Bgrx32 => [a, b, c],
        PixelFormat::Xrgb32 | PixelFormat::Xbgr32 => [a, b, c],
        PixelFormat::Rgb565 | PixelFormat::Rgb565Be | PixelFormat::Rgb555 => [a, b, c],
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
    use PixelFormat::*;
    let (w, h) = (size.width as usize, size.height as usize);
    let chroma = chroma_stride(format, w, stride) * h.div_ceil(shared(format).1);
    stride * h + if matches!(format, I420 | Yv12 | Yuv422p) { 2 * chroma } else { chroma }
}

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

/// Where the restart markers stand.
fn restarts() -> Vec<usize> {
    (0..RESTART.len() - 1)
        .filter(|at| RESTART[*at] == 0xFF && (0xD0..=0xD7).contains(&RESTART[at + 1]))
        .collect()
}

/// With `what` before the byte at each of these places, which are in order.
fn with_before(data: &[u8], places: &[usize], what: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    places.iter().rev().for_each(|at| drop(out.splice(at..at, what.iter().copied())));
    out
}

fn without_end(data: &[u8]) -> &[u8] {
    data.strip_suffix(&[0xFF, 0xD9]).expect("an end marker")
}

/// What cameras do to whole pictures: the pixels are those of the clean one.
#[test]
fn a_picture_that_is_whole_is_decoded_whatever_its_camera_adds_or_forgets() {
    let whole = jpeg(&picture(97, 65), turbojpeg::Subsamp::Sub2x1);
    let tables = segments(&whole).iter().find(|(marker, _)| *marker == 0xC4).unwrap().1.start;
    let mut bare = RESTART.to_vec();
    for (_, range) in segments(RESTART).into_iter().rev().filter(|(marker, _)| *marker == 0xC4) {
        bare.drain(range);
    }
    let moved = RESTART.len() - bare.len();
    let bare_marks: Vec<usize> = restarts().iter().map(|at| at - moved).collect();
    let last = whole.len() - 2;
    let separator = b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 31337\r\n\r\n";
    let cases: [(&str, &[u8], Vec<u8>); 15] = [
        ("one byte before each restart", RESTART, with_before(RESTART, &restarts(), &[0x41])),
        ("four before one", RESTART, with_before(RESTART, &restarts()[1..2], &[1, 2, 3, 4])),
        ("a stuffed FF before each", RESTART, with_before(RESTART, &restarts(), &[0xFF, 0, 7])),
        ("no tables, two bytes each", RESTART, with_before(&bare, &bare_marks, &[9, 9])),
        ("before the end marker", &whole, with_before(&whole, &[last], &[0x12, 0x34])),
        ("zeros before the end marker", &whole, with_before(&whole, &[last], &[0; 300])),
        ("a start marker twice", &whole, [&[0xFF, 0xD8], &*whole].concat()),
        ("a start marker between segments", &whole, [&whole[..tables], &*whole].concat()),
        ("bytes before the start marker", &whole, [b"\0\0abc\xFF", &*whole].concat()),
        ("a false start", &whole, [b"\xFF\xD8\xFF\xE0\0\x01", &*whole].concat()),
        ("bytes between segments", &whole, with_before(&whole, &[tables], &[0, 1, 2])),
        ("no end marker", &whole, without_end(&whole).to_vec()),
        ("no end marker, restarts", RESTART, without_end(RESTART).to_vec()),
        ("zeros in place of the end", &whole, [without_end(&whole), &[0; 5000]].concat()),
        ("words in place of the end", &whole, [without_end(&whole), separator].concat()),
    ];
    for (what, clean, sent) in cases {
        let expected = to_rgb(&mjpeg(clean.to_vec(), 97, 65)).unwrap();
        let found = to_rgb(&mjpeg(sent, 97, 65)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(found == expected, "{what}");
    }
}

/// The library tells only its first warning: stray bytes must not hide a lost piece. (A
/// piece lost within an interval, after which the codes fall into step again, hides from
/// the library too: of those, mending may let pass hardly more.)
#[test]
fn stray_bytes_do_not_excuse_what_is_missing() {
    let marks = restarts();
    let stray = with_before(RESTART, &marks[..1], &[1, 2, 3]);
    let frame = |data: Vec<u8>| to_rgb(&mjpeg(data, 97, 65));
    assert!(frame(stray.clone()).is_ok());
    let (mut tried, mut passed, mut unseen) = (0, 0, 0);
    for pair in marks.windows(2) {
        for length in [5, 13, 34] {
            for at in (pair[0] + 2..pair[1] - length).step_by(5) {
                let mut lossy = RESTART.to_vec();
                lossy.drain(at..at + length);
                unseen +=
                    u32::from(turbojpeg::decompress(&lossy, turbojpeg::PixelFormat::RGB).is_ok());
                lossy.splice(marks[0]..marks[0], [1, 2, 3]);
                tried += 1;
                passed += u32::from(frame(lossy).is_ok());
            }
        }
    }
    assert!(tried > 300 && passed <= unseen + tried / 50, "{passed} and {unseen} of {tried}");
    let mut short = stray.clone();
    let end = short.len() - 2;
    short.drain(end - 6..end);
    assert!(frame(short).is_err(), "the last blocks");
}

/// What one picture leaves in the decoder must not change the next.
#[test]
fn one_decoder_takes_clean_and_dirty_pictures_in_turn() {
    let spec = InputSpec { size: Size::new(96, 96), encoding: RGB };
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    let dirty = with_before(RESTART, &restarts(), &[0x41]);
    let other = jpeg(&picture(64, 48), turbojpeg::Subsamp::Sub2x2);
    let pictures = [RESTART, &dirty, &dirty, &other, &RESTART[..900], &dirty, &other];
    for (number, data) in pictures.into_iter().enumerate() {
        let frame = mjpeg(data.to_vec(), 97, 65);
        let mut tensors = [TensorBuffer::new(&spec), TensorBuffer::new(&spec)];
        let one = preprocessor.prepare(&frame, &mut tensors[0]);
        let fresh = Preprocessor::new(spec).unwrap().prepare(&frame, &mut tensors[1]);
        assert_eq!(one.is_ok(), fresh.is_ok(), "picture {number}");
        assert!(one.is_err() || tensors[0] == tensors[1], "picture {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn stray_bytes_between_intervals_are_left_out(
        strays in proptest::collection::vec(proptest::collection::vec(0u8..0xFF, 0..20), 8),
    ) {
        let mut sent = RESTART.to_vec();
        for (at, stray) in restarts().iter().zip(&strays).rev() {
            sent.splice(at..at, stray.iter().copied());
        }
        let expected = to_rgb(&mjpeg(RESTART.to_vec(), 97, 65)).unwrap();
        prop_assert!(to_rgb(&mjpeg(sent, 97, 65)).unwrap() == expected);
    }
}

/// libjpeg-turbo, left alone, goes on within a header that broke off: one bad frame would
/// spoil all that follow.
#[test]
fn a_broken_header_does_not_spoil_the_next_picture() {
    let clean = jpeg(&picture(64, 48), turbojpeg::Subsamp::Sub2x2);
    let spec = InputSpec { size: Size::new(32, 32), encoding: RGB };
    let (mut tensor, mut preprocessor) =
        (TensorBuffer::new(&spec), Preprocessor::new(spec).unwrap());
    for (marker, range) in segments(&clean) {
        for offset in 2..range.len().min(24) {
            let mut broken = clean.clone();
            broken[range.start + offset] ^= 0xFF;
            let _ = preprocessor.prepare(&mjpeg(broken, 64, 48), &mut tensor);
            let next = preprocessor.prepare(&mjpeg(clean.clone(), 64, 48), &mut tensor);
            assert!(next.is_ok(), "after a broken {marker:X} at {offset}: {next:?}");
        }
    }
}

#[test]
fn a_printers_picture_has_its_colours() {
    let (w, h) = (32, 16);
    // What is left of the paper, as Adobe's programs store it: red, with some black ink.
    let image = turbojpeg::Image {
        pixels: [255, 40, 30, 200].repeat(w * h),
        width: w,
        pitch: 4 * w,
        height: h,
        format: turbojpeg::PixelFormat::CMYK,
    };
    let data = turbojpeg::compress(image.as_deref(), 95, turbojpeg::Subsamp::None).unwrap();
    let adobe = data.windows(5).position(|bytes| bytes == b"Adobe").expect("its marker");
    let mean = |data: Vec<u8>| to_rgb(&mjpeg(data, w as u32, h as u32)).unwrap().get_pixel(9, 9).0;
    let red = mean(data.to_vec());
    assert!(red.iter().zip([200, 31, 23]).all(|(a, b)| a.abs_diff(b) <= 6), "{red:?}");
    // Without the marker the four components are ink, and not colours turned into others.
    let mut plain = data.to_vec();
    plain.drain(adobe - 4..adobe + 12);
    let ink = mean(plain);
    assert!(ink[0] < 60, "{ink:?}");
}

/// Three brightness samples to a colour sample: the library has no name for that.
#[test]
fn unusual_sampling_is_decoded() {
    let grey = image::RgbImage::from_pixel(8, 8, image::Rgb([128; 3]));
    let pixels = grey.as_raw().as_slice();
    let format = turbojpeg::PixelFormat::RGB;
    let image = turbojpeg::Image { pixels, width: 8, pitch: 24, height: 8, format };
    let mut data = turbojpeg::compress(image, 100, turbojpeg::Subsamp::None).unwrap().to_vec();
    let header = segments(&data).iter().find(|(marker, _)| *marker == 0xC0).unwrap().1.start;
    let scan = segments(&data).last().map(|(_, range)| range.end).unwrap();
    let scan = scan + 2 + usize::from(u16::from_be_bytes([data[scan + 2], data[scan + 3]]));
    data[header + 7..header + 9].copy_from_slice(&24_u16.to_be_bytes());
    data[header + 11] = 0x31;
    // By annex K's codes: 576 and the end of the block, twice a difference of 0, and no
    // colour: 576 / 8 + 128 is 200. Ones fill the last byte.
    let bits = "11111110100100000010100010100010100000000011111111";
    let bytes = bits.as_bytes().chunks_exact(8);
    data.truncate(scan);
    data.extend(bytes.map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'))));
    data.extend([0xFF, 0xD9]);
    let found = to_rgb(&mjpeg(data, 24, 8)).unwrap();
    let near = |pixel: &image::Rgb<u8>| pixel.0.iter().all(|value| value.abs_diff(200) <= 1);
    assert!(found.pixels().all(near), "{:?}", found.get_pixel(0, 0));
}
