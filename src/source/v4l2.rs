//! A camera through Video4Linux 2 (linux/Documentation/userspace-api/media/v4l).
//!
//! The v4l crate cannot go on after a failed read: its next call queues a buffer that
//! the kernel owns. So every failure ends the stream, and the capture thread opens it
//! again.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use v4l::buffer::{Flags, Metadata, Type};
use v4l::device::Device;
use v4l::format::Quantization;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Format, FourCC};

use super::devices::offers;
use super::negotiate::choose;
use super::{FrameSource, Settings, SourceError, controls};
use crate::clock::{Clock, Moment};
use crate::geometry::Size;
use crate::pixels::frame::{Frame, Orientation, PixelFormat, Range};

/// Buffers in the kernel: enough that the sensor never waits, few enough that the
/// oldest is young.
const BUFFERS: u32 = 4;
/// `POLLIN` (poll(2)).
const POLLIN: i16 = 1;

/// Formats that can be read.
pub const FORMATS: [(&[u8; 4], PixelFormat); 9] = [
    (b"YUYV", PixelFormat::Yuyv),
    (b"NV12", PixelFormat::Nv12),
    (b"YU12", PixelFormat::I420),
    (b"UYVY", PixelFormat::Uyvy),
    (b"GREY", PixelFormat::Grey),
    (b"RGB3", PixelFormat::Rgb24),
    (b"BGR3", PixelFormat::Bgr24),
    (b"MJPG", PixelFormat::Mjpeg),
    (b"JPEG", PixelFormat::Mjpeg),
];

/// An open, streaming camera.
pub struct Camera {
    /// `None` only while being dropped.
    stream: Option<Stream<'static>>,
    format: PixelFormat,
    size: Size,
    stride: usize,
    range: Range,
    orientation: Orientation,
    words: String,
    clock: Arc<dyn Clock>,
}

impl Camera {
    pub fn open(
        path: &Path,
        settings: &Settings,
        model: Size,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        let lost = |what: &str, error: &io::Error| {
            SourceError::Lost(format!("{}: {what}: {}", path.display(), explain(error)))
        };
        let device = Device::with_path(path).map_err(|error| lost("cannot be opened", &error))?;
        let caps = device.query_caps().map_err(|error| lost("is no camera", &error))?;
        let refused = |reason| SourceError::Lost(format!("{}: {reason}", path.display()));
        let choice = choose(&offers(&device), settings, model).map_err(refused)?;
        let fourcc = FourCC::new(&choice.fourcc);
        let wish = Format::new(choice.size.width, choice.size.height, fourcc);
        let given = device.set_format(&wish).map_err(|error| lost("refuses the format", &error))?;
        let rate = device.set_params(&Parameters::with_fps(choice.fps));
        controls::apply(&device, &settings.controls).map_err(refused)?;
        let mut stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(|error| lost("gives no buffers", &error))?;
        stream.set_timeout(Duration::from_secs(2));
        // Another program may have changed the format before the buffers were ours.
        let now = device.format().map_err(|error| lost("tells no format", &error))?;
        let same = (now.width, now.height, now.fourcc) == (given.width, given.height, given.fourcc);
        let format = known(now.fourcc).filter(|_| same).ok_or_else(|| {
            let reason = format!("gives {} instead of {fourcc}", now.fourcc);
            SourceError::Lost(format!("{}: {reason}; set camera.format", path.display()))
        })?;
        let size = Size::new(now.width, now.height);
        let fps = rate.map_or(0.0, |rate| {
            f64::from(rate.interval.denominator) / f64::from(rate.interval.numerator.max(1))
        });
        let words =
            format!("{} ({}), {} {size} at {fps:.0}/s", path.display(), caps.card, now.fourcc);
        Ok(Self {
            stream: Some(stream),
            format,
            size,
            stride: if format == PixelFormat::Mjpeg { 0 } else { now.stride as usize },
            range: match now.quantization {
                Quantization::FullRange => Range::Full,
                _ if format == PixelFormat::Grey => Range::Full,
                _ => Range::Limited,
            },
            orientation: settings.orientation(),
            words,
            clock,
        })
    }

    /// The driver's time of the frame where it is on our clock, else now.
    fn captured(&self, meta: &Metadata) -> Moment {
        let now = self.clock.now();
        if !meta.flags.contains(Flags::TIMESTAMP_MONOTONIC) {
            return now;
        }
        let seconds = u64::try_from(meta.timestamp.sec).unwrap_or(0);
        let micros = u64::try_from(meta.timestamp.usec).unwrap_or(0);
        let monotonic = Duration::from_secs(seconds) + Duration::from_micros(micros);
        let age = now.monotonic.saturating_sub(monotonic);
        Moment { monotonic, wall: now.wall.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH) }
    }
}

impl FrameSource for Camera {
    fn next_frame(&mut self, frame: &mut Frame, limit: Duration) -> Result<(), SourceError> {
        let Some(stream) = &mut self.stream else { return Err(SourceError::End) };
        stream.set_timeout(limit);
        let handle = stream.handle();
        let (mut meta, mut waiting) = (Metadata::default(), true);
        // Buffers come first in, first out: pass over those that a newer one follows.
        for _ in 0..=BUFFERS {
            if !waiting {
                break;
            }
            let (bytes, of) = stream.next().map_err(|error| {
                SourceError::Lost(format!("{}: {}", self.words, explain(&error)))
            })?;
            meta = *of;
            let used = (meta.bytesused as usize).min(bytes.len());
            frame.data.clear();
            frame.data.extend_from_slice(&bytes[..used]);
            waiting = handle.poll(POLLIN, 0).is_ok_and(|ready| ready > 0);
        }
        frame.format = self.format;
        frame.size = self.size;
        frame.stride = self.stride;
        frame.range = self.range;
        frame.orientation = self.orientation;
        frame.captured = self.captured(&meta);
        frame.sequence = u64::from(meta.sequence);
        if meta.flags.contains(Flags::ERROR) {
            return Err(SourceError::BadFrame(format!("{}: flagged by the driver", self.words)));
        }
        if frame.data.is_empty() {
            return Err(SourceError::BadFrame(format!("{}: an empty frame", self.words)));
        }
        Ok(())
    }

    fn describe(&self) -> String {
        self.words.clone()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let stream = self.stream.take();
        // The crate's destructor panics when the driver refuses to stop, as a camera
        // does that was just unplugged; the kernel cleans up at close all the same.
        if catch_unwind(AssertUnwindSafe(|| drop(stream))).is_err() {
            log::debug!("{}: the driver refused to stop streaming", self.words);
        }
    }
}

/// How a format's four letters are read, if they can be.
pub fn known(fourcc: FourCC) -> Option<PixelFormat> {
    FORMATS.iter().find(|(letters, _)| fourcc.repr == **letters).map(|(_, format)| *format)
}

/// An error of the kernel in an owner's words, with the remedy where there is one.
pub fn explain(error: &io::Error) -> String {
    use rustix::io::Errno;
    let known = [
        (Errno::BUSY, "another program uses it; close that one"),
        (Errno::ACCESS, "no permission; add the user to the group video"),
        (Errno::PERM, "no permission; the service needs DeviceAllow=char-video4linux"),
        (Errno::NODEV, "it was unplugged"),
        (Errno::NOENT, "it is not there; is it plugged in?"),
        (Errno::IO, "the driver reports an input/output error"),
    ];
    if error.kind() == io::ErrorKind::TimedOut {
        return "it delivers no frames".to_owned();
    }
    let code = error.raw_os_error();
    let found = known.iter().find(|(errno, _)| Some(errno.raw_os_error()) == code);
    found.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}
