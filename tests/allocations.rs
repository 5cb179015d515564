//! Once it runs, a frame costs no heap allocation of ours: counted.
//!
//! What is inside TensorFlow Lite and libjpeg-turbo is theirs and not counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use expressiond::clock::{Clock, SystemClock};
use expressiond::detector::Candidate;
use expressiond::detector::nms::suppress;
use expressiond::detector::raw_head::{Level, decode_level};
use expressiond::detector::sample::Values;
use expressiond::detector::tflite::Quantization;
use expressiond::geometry::{Region, Size};
use expressiond::outbox::{Accepted, Entry, Outbox, OutboxSettings};
use expressiond::pipeline::mailbox::{Mailbox, Taken};
use expressiond::pixels::frame::{Frame, PixelFormat};
use expressiond::pixels::preprocess::Preprocessor;
use expressiond::pixels::tensor::{Encoding, InputSpec, TensorBuffer};
use expressiond::source::{Settings, open};

struct Counting;

thread_local! {
    /// Allocations of this thread: the test harness has threads of its own.
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// The bytes of all of them.
    static BYTES: Cell<usize> = const { Cell::new(0) };
    /// The bytes that are not freed; less than none where it has freed another's.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// The most of them at once.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // A thread that is ending has no counter any more, and nothing to measure.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes));
    live(bytes as isize);
}

fn live(more: isize) {
    let _ = LIVE.try_with(|live| live.set(live.get() + more));
    let _ = PEAK.try_with(|peak| peak.set(peak.get().max(LIVE.get())));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        live(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        live(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of `work` on this thread, after it ran twice to grow its buffers.
fn allocations(mut work: impl FnMut()) -> usize {
    work();
    work();
    let before = COUNT.with(Cell::get);
    for _ in 0..10 {
        work();
    }
    COUNT.with(Cell::get) - before
}

/// The most bytes that `work` has allocated on this thread at once.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let done = work();
    (done, (PEAK.get() - before) as usize)
}

#[test]
fn the_peak_is_what_was_there_at_once() {
    let (_, most) = peak(|| (0..10).for_each(|_| drop(std::hint::black_box(vec![1u8; 1000]))));
    assert_eq!(most, 1000);
}

/// The unit's limit has room for an outbox of 100 MB once, not three times.
#[test]
fn an_outbox_is_read_with_little_more_memory_than_it_holds() {
    const EVENTS: usize = 64;
    const EACH: usize = 256 << 10;
    let folder = tempfile::tempdir().unwrap();
    let settings = OutboxSettings { max_bytes: 1 << 30, ..OutboxSettings::default() };
    let open = || Outbox::open(settings.clone(), folder.path(), SystemClock.now()).unwrap();
    let mut outbox = open();
    for number in 0..EVENTS {
        outbox.push(Entry {
            topic: "t".into(),
            track: number.to_string(),
            payload: vec![1; EACH],
            accepted: Accepted::Now(SystemClock.now()),
        });
    }
    drop(outbox);
    let (outbox, most) = peak(open);
    assert_eq!((outbox.len(), outbox.store_errors()), (EVENTS, 0));
    assert!(most < EVENTS * EACH * 5 / 4, "{most} bytes");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1u8; 10]))), 10);
}

#[test]
fn letterboxing_allocates_nothing() {
    let encoding = Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 };
    let spec = InputSpec { size: Size::new(224, 224), encoding };
    let mut tensor = TensorBuffer::new(&spec);
    let size = Size::new(640, 480);
    for format in [
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Nv12,
        PixelFormat::I420,
        PixelFormat::Grey,
        PixelFormat::Rgb24,
        PixelFormat::Bgr24,
        PixelFormat::Bgrx32,
        PixelFormat::Rgb565,
        PixelFormat::Grey12,
        PixelFormat::Nv21,
        PixelFormat::P010,
    ] {
        let mut preprocessor = Preprocessor::new(spec).unwrap();
        let frame = Frame {
            format,
            size,
            data: vec![99; size.area() * 4],
            ..Frame::empty(SystemClock.now())
        };
        let counted = allocations(|| {
            preprocessor.prepare(&frame, &mut tensor).unwrap();
        });
        assert_eq!(counted, 0, "{format:?}");
    }
}

/// Regions that follow a face move and grow from frame to frame.
#[test]
fn another_region_in_each_frame_allocates_nothing() {
    let encoding = Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 };
    let spec = InputSpec { size: Size::new(128, 128), encoding };
    let mut tensor = TensorBuffer::new(&spec);
    let size = Size::new(640, 480);
    let jpeg = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg")).unwrap();
    for (format, data) in
        [(PixelFormat::Yuyv, vec![99; size.area() * 2]), (PixelFormat::Mjpeg, jpeg)]
    {
        let mut preprocessor = Preprocessor::new(spec).unwrap();
        let frame = Frame { format, size, data, ..Frame::empty(SystemClock.now()) };
        let mut number = 0;
        let counted = allocations(|| {
            for side in (60..300).step_by(40) {
                number += 1;
                let centre = ((number % 23 * 9) as f32, (number % 17 * 11) as f32);
                // The self-test's picture is the smaller one.
                let region = Region::around(centre, side, Size::new(320, 320));
                preprocessor.prepare_region(&frame, region, &mut tensor).unwrap();
            }
        });
        assert_eq!(counted, 0, "{format:?}");
    }
}

#[test]
fn decoding_a_jpeg_allocates_nothing_of_ours() {
    let encoding = Encoding::Int8 { scale: 1.0 / 255.0, zero_point: -128 };
    let spec = InputSpec { size: Size::new(224, 224), encoding };
    let mut tensor = TensorBuffer::new(&spec);
    let mut preprocessor = Preprocessor::new(spec).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg");
    let frame = expressiond::source::picture::read(path.as_ref()).unwrap();
    let counted = allocations(|| {
        preprocessor.prepare(&frame, &mut tensor).unwrap();
    });
    assert_eq!(counted, 0);
    // Pictures that are mended first: without an end marker, and with stray bytes.
    let restart = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures/restart.jpg"));
    let restart = restart.unwrap();
    let mark = restart.windows(2).position(|pair| pair == [0xFF, 0xD1]).unwrap();
    let endless = restart[..restart.len() - 2].to_vec();
    let stray = [&restart[..mark], &[1, 2], &restart[mark..]].concat();
    for data in [endless, stray] {
        let frame = Frame { data, ..frame.clone() };
        let counted = allocations(|| {
            preprocessor.prepare(&frame, &mut tensor).unwrap();
        });
        assert_eq!(counted, 0);
    }
}

#[test]
fn decoding_the_head_and_suppression_allocate_nothing() {
    let level = Level { rows: 28, columns: 28, stride: 8, boxes: 0, classes: 1 };
    let boxes: Vec<i8> = (0..28 * 28 * 64).map(|i| (i * 37 % 251) as i8).collect();
    let quantization = Quantization { scale: 0.05, zero_point: 0 };
    for count in [2, 7] {
        let classes: Vec<i8> = (0..28 * 28 * count).map(|i| (i * 91 % 256) as i8).collect();
        let mut candidates: Vec<Candidate> = Vec::new();
        let counted = allocations(|| {
            candidates.clear();
            let (b, c) =
                (Values { data: &boxes, quantization }, Values { data: &classes, quantization });
            decode_level(&level, b, c, (count, 16), 0.9, &mut candidates);
            assert!(!candidates.is_empty());
            suppress(&mut candidates, 0.5);
        });
        assert_eq!(counted, 0, "{count} classes");
    }
}

#[test]
fn capturing_and_handing_over_allocate_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg")).unwrap();
    let file = folder.path().join("film.mjpeg");
    std::fs::write(&file, jpeg.repeat(4)).unwrap();
    let settings = Settings {
        source: file.display().to_string(),
        repeat: true,
        fps: 240,
        ..Settings::default()
    };
    let mut source =
        open(&settings, Size::new(224, 224), std::sync::Arc::new(SystemClock), &|| true).unwrap();
    let now = SystemClock.now();
    let mailbox = Mailbox::new(Frame::empty(now));
    let (mut filled, mut taken) = (Frame::empty(now), Frame::empty(now));
    let mut hand_over = || {
        source.next_frame(&mut filled, Duration::from_secs(1)).unwrap();
        assert!(mailbox.put(&mut filled));
        assert_eq!(mailbox.take(&mut taken, Duration::from_secs(1)), Taken::Frame);
    };
    hand_over(); // the third buffer grows as well
    assert_eq!(allocations(hand_over), 0);
}

/// Where the unit gives 256 MB, a recording of any length can be played.
#[test]
fn a_recording_larger_than_the_memory_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/self-test.jpg")).unwrap();
    let path = folder.path().join("film.mjpeg");
    let mut file = std::fs::File::create(&path).unwrap();
    for begin in [0, 512 << 20] {
        // A hole in front of the second half, which costs no disk.
        file.seek(SeekFrom::Start(begin)).unwrap();
        file.write_all(&jpeg.repeat(300)).unwrap();
    }
    let settings =
        Settings { source: path.display().to_string(), fps: 100_000, ..Settings::default() };
    let before = BYTES.with(Cell::get);
    let mut source =
        open(&settings, Size::new(224, 224), std::sync::Arc::new(SystemClock), &|| true).unwrap();
    let mut frame = Frame::empty(SystemClock.now());
    for number in 0..600 {
        source.next_frame(&mut frame, Duration::from_secs(1)).unwrap();
        assert_eq!(frame.data, jpeg, "picture {number}");
    }
    assert!(source.next_frame(&mut frame, Duration::from_secs(1)).is_err(), "it has no more");
    let taken = BYTES.with(Cell::get) - before;
    assert!(taken < 1 << 20, "{taken} bytes");
}
