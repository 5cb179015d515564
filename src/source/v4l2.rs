//! A camera through Video4Linux 2 (linux/Documentation/userspace-api/media/v4l).
//!
//! The v4l crate cannot go on after a failed read: its next call queues a buffer that
//! the kernel owns. So every failure ends the stream, and the capture thread opens it
//! again.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use v4l::buffer::{Flags, Metadata, Type};
use v4l::device::Device;
use v4l::fraction::Fraction;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Format, FourCC};

use super::controls::{self, ControlOffer, ControlValues, Overruled};
use super::devices::{describe, real_name, told};
use super::errno::explain;
use super::formats::{matrix, range};
use super::frame_source::{FrameSource, Opened, SourceError};
use super::given::{holds, mode, read_as};
use super::guard::guarded;
use super::low_light::LowLight;
use super::modes::Interval;
use super::negotiate::{Request, choose};
use super::settings::Settings;
use super::timestamps::Timestamps;
use crate::clock::Clock;
use crate::geometry::Size;
use crate::pixels::decode;
use crate::pixels::frame::{Frame, Orientation, PixelFormat};

/// Buffers in the kernel: enough that the sensor never waits, few enough that the
/// oldest is young.
const BUFFERS: u32 = 4;
/// `POLLIN` (poll(2)).
const POLLIN: i16 = 1;
const CONTROLS: &str = "camera.controls";
/// How often the driver is asked whether the format still holds.
const FORMAT_CHECK: Duration = Duration::from_secs(2);

/// An open, streaming camera.
pub(super) struct Camera {
    /// `None` only while being dropped.
    io: Option<(Device, Stream<'static>)>,
    given: Format,
    format: PixelFormat,
    orientation: Orientation,
    /// Those of the settings.
    controls: ControlValues,
    /// Whether it told its controls when those were set.
    tells_controls: bool,
    low_light: LowLight,
    words: String,
    notes: Vec<String>,
    opened: Opened,
    clock: Arc<dyn Clock>,
    timestamps: Timestamps,
    /// On the monotonic clock.
    since: Duration,
    format_checked: Duration,
    /// Whether a frame has come that was taken after the opening.
    fresh: bool,
    loopback: bool,
}

impl Camera {
    /// Opens a device and starts it, in the mode that brings `needed` pixels of the upright
    /// picture for the least work.
    ///
    /// # Errors
    ///
    /// In words for the owner: which device, what is wrong, what to do.
    pub(super) fn open(
        path: &Path,
        settings: &Settings,
        needed: Size,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        guarded(|| Self::negotiate(path, settings, needed, clock))
            .unwrap_or_else(|error| Err(SourceError::Lost(format!("{}: {error}", path.display()))))
    }

    fn negotiate(
        path: &Path,
        settings: &Settings,
        needed: Size,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        let since = clock.now().monotonic;
        let lost = |what: &str, error: &io::Error| {
            SourceError::Lost(format!("{}: {what}: {}", path.display(), explain(error)))
        };
        let refused = |reason: String| SourceError::Lost(format!("{}: {reason}", path.display()));
        let device = Device::with_path(path).map_err(|error| lost("cannot be opened", &error))?;
        let node = describe(&device, path).map_err(|error| no_video_device(path, &error))?;
        if let Some(refusal) = node.refusal() {
            return Err(refusal);
        }
        let choice = choose(&node.formats, &Request::of(settings, needed)).map_err(refused)?;
        let fourcc = FourCC::new(&choice.fourcc);
        let asked = Format::new(choice.size.width, choice.size.height, fourcc);
        let given =
            device.set_format(&asked).map_err(|error| lost("refuses the format", &error))?;
        let interval = Fraction::new(choice.interval.numerator, choice.interval.denominator);
        let rate = device.set_params(&Parameters::new(interval));
        let mut notes = Vec::new();
        let tells_controls =
            controls::apply_first(&device, CONTROLS, &settings.controls, &mut notes)
                .map_err(refused)?;
        let (dark, light) = (&settings.low_light, &settings.controls);
        let low_light = LowLight::prepare(&device, dark, light, &mut notes).map_err(refused)?;
        let stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(|error| lost("gives no buffers", &error))?;
        // Another program may have changed the format before the buffers were ours.
        let now = device.format().map_err(|error| lost("tells no format", &error))?;
        let pinned = settings.fourcc().is_some();
        let format = read_as(&now, &given, &asked, pinned, &mut notes).map_err(refused)?;
        // A rate that cannot be set is not told, either.
        let rate = rate.map_or(String::new(), |given| at_rate(given.interval.into()));
        let words = format!("{} ({}), {}{rate}", path.display(), node.card, mode(&now));
        let loopback = node.is_loopback();
        // Of several cameras it says which.
        let notes = notes.iter().map(|note| format!("{}: {note}", path.display())).collect();
        Ok(Self {
            io: Some((device, stream)),
            given: now,
            format,
            orientation: settings.orientation(),
            controls: settings.controls.clone(),
            tells_controls,
            low_light,
            words,
            notes,
            opened: Opened::Device { node: real_name(path), bus: node.bus, card: node.card },
            clock,
            timestamps: Timestamps::default(),
            since,
            format_checked: since,
            fresh: false,
            loopback,
        })
    }

    /// The newest frame that waits, or the next one to come, into `data`.
    fn read(&mut self, data: &mut Vec<u8>, limit: Duration) -> io::Result<Metadata> {
        let (_, stream) = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let end = self.clock.now().monotonic + limit;
        let handle = stream.handle();
        let mut meta = Metadata::default();
        // Whether the next frame has come only since the one before was read.
        let mut awaited = false;
        // Buffers come first in, first out: pass over those that a newer one follows.
        for more in (0..=BUFFERS).rev() {
            stream.set_timeout(end.saturating_sub(self.clock.now().monotonic));
            let (bytes, of) = stream.next()?;
            meta = *of;
            let old = !self.fresh && is_old(stamp(&meta), self.since, self.loopback, awaited);
            let waits = handle.poll(POLLIN, 0).is_ok_and(|ready| ready > 0);
            awaited = !waits;
            if more == 0 || !(old || waits) {
                let used = (meta.bytesused as usize).min(bytes.len());
                data.clear();
                data.extend_from_slice(&bytes[..used]);
                break;
            }
        }
        self.fresh = true;
        Ok(meta)
    }

    /// # Errors
    ///
    /// When another program has changed the format: the bytes would be read wrongly.
    fn check_format(&mut self) -> Result<(), SourceError> {
        let now = self.clock.now().monotonic;
        if now.saturating_sub(self.format_checked) < FORMAT_CHECK {
            return Ok(());
        }
        self.format_checked = now;
        let Some((device, _)) = &self.io else { return Ok(()) };
        holds(&self.given, || device.format())
            .map_err(|reason| SourceError::Lost(format!("{}: {reason}", self.words)))
    }
}

impl FrameSource for Camera {
    fn next_frame(&mut self, frame: &mut Frame, limit: Duration) -> Result<(), SourceError> {
        let meta = self
            .read(&mut frame.data, limit)
            .map_err(|error| SourceError::Lost(format!("{}: {}", self.words, explain(&error))))?;
        self.check_format()?;
        frame.format = self.format;
        frame.size = Size::new(self.given.width, self.given.height);
        let packed = self.format == PixelFormat::Mjpeg;
        frame.stride = if packed { 0 } else { self.given.stride as usize };
        frame.range = range(&self.given);
        frame.matrix = matrix(&self.given);
        frame.orientation = self.orientation;
        frame.captured = self.timestamps.taken(stamp(&meta), self.clock.now());
        // The buffer may have held a recording's picture.
        frame.lag = Duration::ZERO;
        frame.sequence = u64::from(meta.sequence);
        let bad = |reason: &dyn Display| SourceError::BadFrame(format!("{}: {reason}", self.words));
        if meta.flags.contains(Flags::ERROR) {
            return Err(bad(&"flagged by the driver"));
        }
        // Checked here and not only where frames are decoded, since most are never decoded:
        // a camera that sends nothing whole is opened again all the same.
        frame.size = decode::stored_size(frame).map_err(|reason| bad(&reason))?;
        Ok(())
    }

    fn describe(&self) -> String {
        self.words.clone()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn opened(&self) -> Opened {
        self.opened.clone()
    }

    fn set_low_light(&mut self, on: bool) -> Result<bool, String> {
        let Some((device, _)) = &self.io else { return Ok(false) };
        self.low_light.set(device, on).map_err(|reason| format!("{}: {reason}", self.words))
    }

    fn set_orientation(&mut self, orientation: Orientation) {
        self.orientation = orientation;
    }

    fn controls(&self) -> Vec<ControlOffer> {
        let offers = |(device, _): &(Device, _)| controls::offers(device, &self.controls);
        self.io.as_ref().map(offers).unwrap_or_default()
    }

    fn set_controls(&mut self, values: &ControlValues) -> Result<Overruled, String> {
        // One that told none offers nothing to try, and its owner knows.
        let Some((device, _)) = self.io.as_ref().filter(|_| self.tells_controls) else {
            return Ok(Overruled::new());
        };
        let overruled = controls::apply(device, CONTROLS, values)?;
        self.low_light.follow(values);
        Ok(overruled)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let io = self.io.take();
        // The crate's destructors panic when the driver refuses to stop, as a camera
        // does that was just unplugged; the kernel cleans up at close all the same.
        if guarded(|| drop(io)).is_err() {
            log::debug!("{}: the driver refused to stop streaming", self.words);
        }
    }
}

/// Whether a frame may be of before the opening at `since`, as far as its time tells: a loopback
/// device keeps the last picture of its writer for the next reader, with the writer's time where
/// that has one of its own, as GStreamer has (`V4L2_BUF_FLAG_TIMESTAMP_COPY`,
/// linux/Documentation/userspace-api/media/v4l/buffer.rst). Then nothing tells; and where the
/// times of an older module begin at zero, all frames look old. What came while it was awaited
/// is new in any case, so that costs one frame.
fn is_old(stamp: Option<Duration>, since: Duration, loopback: bool, awaited: bool) -> bool {
    !awaited && stamp.map_or(loopback, |taken| taken < since)
}

/// The rate of such pictures, behind a camera's mode; nothing where it cannot be.
fn at_rate(interval: Interval) -> String {
    if interval.is_possible() { format!(" at {}/s", told(interval.fps())) } else { String::new() }
}

/// When the driver took the frame, if it says so by our clock.
fn stamp(meta: &Metadata) -> Option<Duration> {
    let seconds = u64::try_from(meta.timestamp.sec).ok()?;
    let micros = u64::try_from(meta.timestamp.usec).ok()?;
    let monotonic = meta.flags.contains(Flags::TIMESTAMP_MONOTONIC);
    monotonic.then(|| Duration::from_secs(seconds) + Duration::from_micros(micros))
}

fn no_video_device(path: &Path, error: &io::Error) -> SourceError {
    let reason = format!("{}: is no video device: {}", path.display(), explain(error));
    if error.raw_os_error() == Some(Errno::NOTTY.raw_os_error()) {
        SourceError::NotACamera(reason)
    } else {
        SourceError::Lost(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many frames of a camera that is opened at 100 s are passed over. Given are the times
    /// by its driver and whether they were awaited, as they are read.
    fn passed_over(loopback: bool, frames: &[(Option<u64>, bool)]) -> usize {
        let since = Duration::from_secs(100);
        let is_old = |(seconds, awaited): &&(Option<u64>, bool)| {
            is_old(seconds.map(Duration::from_secs), since, loopback, *awaited)
        };
        frames.iter().take_while(is_old).count()
    }

    #[test]
    fn a_loopback_devices_picture_of_yesterday_is_passed_over_and_others_are_not() {
        let [kept, next] = [false, true];
        let told = [(Some(20), kept), (Some(101), next)];
        assert_eq!(passed_over(true, &told), 1, "by the kernel's time");
        let writers = [(None, kept), (None, next), (None, next)];
        assert_eq!(passed_over(true, &writers), 1, "by the time of GStreamer, which tells nothing");
        let from_zero = [(Some(3), kept), (Some(4), next), (Some(5), next)];
        assert_eq!(passed_over(true, &from_zero), 1, "of an older module");
        let several = [(Some(20), kept), (Some(21), kept), (Some(101), next)];
        assert_eq!(passed_over(true, &several), 2, "all that waited");
        assert_eq!(passed_over(true, &[(Some(100), kept)]), 0, "of now");
        assert_eq!(passed_over(false, &writers), 0, "a camera keeps none");
    }

    #[test]
    fn rates_that_are_no_whole_numbers_are_told_as_they_are() {
        let words = [30.0, 30_000.0 / 1001.0, 7.5, 0.5].map(|fps| told(fps).to_string());
        assert_eq!(words, ["30", "30", "7.5", "0.5"]);
    }
}
