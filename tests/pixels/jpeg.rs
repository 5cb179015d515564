//! JPEGs of every kind: whole, cut, padded, without their tables, and with what cameras
//! put between.

use expressiond::geometry::Size;
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::rgb::to_rgb;
use expressiond::pixels::tensor::{InputSpec, TensorBuffer};
use proptest::prelude::*;

use super::{RGB, frame, picture, prepared};

/// As the compressor takes it.
fn to_compress(picture: &image::RgbImage) -> turbojpeg::Image<&[u8]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = picture.as_raw().as_slice();
    let format = turbojpeg::PixelFormat::RGB;
    turbojpeg::Image { pixels, width, pitch: 3 * width, height, format }
}

fn jpeg(picture: &image::RgbImage, subsamp: turbojpeg::Subsamp) -> Vec<u8> {
    turbojpeg::compress(to_compress(picture), 95, subsamp).unwrap().to_vec()
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

/// Where the one edge lies between what is black on the left and what is white, in input pixels:
/// in the middle row, or in the middle column from the top.
fn edge(frame: &Frame, input: Size, down: bool) -> f64 {
    let (letterbox, values) = prepared(frame, input);
    let Size { width, height } = letterbox.content;
    let (length, middle) = if down { (height, width / 2) } else { (width, height / 2) };
    let place = |at: u32| if down { (middle, at) } else { (at, middle) };
    let dark = (0..length).map(place).map(|(x, y)| {
        let pixel = (y + letterbox.top) * input.width + x + letterbox.left;
        1.0 - f64::from(values[3 * pixel as usize]) / 255.0
    });
    dark.sum()
}

/// libjpeg gives 289 samples of 2305 pixels at an eighth, the last of which lies nearly all
/// beyond the picture.
#[test]
fn what_a_scaled_jpeg_shows_lies_where_the_picture_has_it() {
    use turbojpeg::Subsamp;
    for (width, height, at) in [(2305, 609, 2203), (1154, 1010, 1101), (641, 479, 601)] {
        for down in [false, true] {
            let (w, h) = if down { (height, width) } else { (width, height) };
            let original = image::RgbImage::from_fn(w, h, |x, y| {
                image::Rgb([if (if down { y } else { x }) < at { 0 } else { 255 }; 3])
            });
            let raw = frame(PixelFormat::Rgb24, Size::new(w, h), original.as_raw().clone());
            let kinds = [Subsamp::None, Subsamp::Sub2x2, Subsamp::Sub4x1, Subsamp::Gray];
            let jpegs = kinds.map(|kind| (kind, mjpeg(jpeg(&original, kind), w, h)));
            for side in [96, 224, 320] {
                let input = Size::new(side, side);
                let wanted = edge(&raw, input, down);
                let shown = f64::from(at * side) / f64::from(width);
                assert!((wanted - shown).abs() < 0.1, "{width} to {side}: {wanted} for {shown}");
                for (kind, frame) in &jpegs {
                    let found = edge(frame, input, down);
                    let off = (found - wanted).abs();
                    assert!(off < 0.2, "{kind:?} {w}x{h} to {side}: {found} for {wanted}");
                }
            }
        }
    }
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
const RESTART: &[u8] = include_bytes!("../pictures/restart.jpg");

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

/// With these bytes in place of the last three of the scan's header: where its spectral
/// selection begins and ends, and its approximation.
fn with_scan_parameters(data: &[u8], parameters: [u8; 3]) -> Vec<u8> {
    let scan = segments(data).last().unwrap().1.end;
    let length = usize::from(u16::from_be_bytes([data[scan + 2], data[scan + 3]]));
    let mut out = data.to_vec();
    out[scan + 2 + length - 3..scan + 2 + length].copy_from_slice(&parameters);
    out
}

fn with_jfif_version(data: &[u8], major: u8) -> Vec<u8> {
    let (marker, range) = segments(data)[0].clone();
    assert!(marker == 0xE0 && data[range.start + 4..].starts_with(b"JFIF"));
    let mut out = data.to_vec();
    out[range.start + 9] = major;
    out
}

/// With a segment before the first one, or in its place.
fn with_segment(data: &[u8], marker: u8, content: &[u8], in_place: bool) -> Vec<u8> {
    let end = if in_place { segments(data)[0].1.end } else { 2 };
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, 0xD8, 0xFF, marker], &length[..], content, &data[end..]].concat()
}

/// Cameras and telephones of which each picture is so, and every viewer shows it.
#[test]
fn what_a_header_states_wrongly_does_not_break_a_whole_picture() {
    let drawn = picture(97, 65);
    let whole = jpeg(&drawn, turbojpeg::Subsamp::Sub2x1);
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_progressive(true).unwrap();
    let progressive = compressor.compress_to_vec(to_compress(&drawn)).unwrap();
    let strays = with_before(RESTART, &restarts(), &[0x41]);
    let cases: [(&str, &[u8], Vec<u8>); 9] = [
        ("a selection that ends where it begins", &whole, with_scan_parameters(&whole, [0, 0, 0])),
        ("another selection", &whole, with_scan_parameters(&whole, [1, 64, 0x10])),
        ("JFIF 2", &whole, with_jfif_version(&whole, 2)),
        ("JFIF 0", &whole, with_jfif_version(&whole, 0)),
        ("JFIF 2, progressive", &progressive, with_jfif_version(&progressive, 2)),
        (
            "an unknown transform of Adobe's",
            &whole,
            with_segment(&whole, 0xEE, b"Adobe\0\x64\0\0\0\0\x07", true),
        ),
        (
            "the first half of a colour profile",
            &whole,
            with_segment(&whole, 0xE2, b"ICC_PROFILE\0\x01\x02profile", false),
        ),
        ("a selection and stray bytes", RESTART, with_scan_parameters(&strays, [0, 0, 0])),
        ("a selection and no end", &whole, with_scan_parameters(without_end(&whole), [0, 0, 0])),
    ];
    for (what, clean, sent) in cases {
        let expected = to_rgb(&mjpeg(clean.to_vec(), 97, 65)).unwrap();
        let found = to_rgb(&mjpeg(sent.clone(), 97, 65));
        assert!(found.unwrap_or_else(|error| panic!("{what}: {error}")) == expected, "{what}");
        // Half of it is none the better for that.
        let end = if sent.ends_with(&[0xFF, 0xD9]) { sent.len() - 2 } else { sent.len() };
        for share in [2, 3, 4] {
            let header = segments(&sent).last().unwrap().1.end + 14;
            let kept = header + (end - header) * (share - 1) / share;
            let cut = [&sent[..kept], &[0xFF, 0xD9]].concat();
            assert!(to_rgb(&mjpeg(cut, 97, 65)).is_err(), "{what}: cut at {kept} of {end}");
        }
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
    let image = to_compress(&grey);
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
