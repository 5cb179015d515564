//! Which cameras there are, what they offer, and why one cannot be used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::Serialize;
use v4l::capability::Flags;
use v4l::device::Device;
use v4l::fraction::Fraction;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;

use super::errno::explain;
use super::formats::{known, letters};
use super::frame_source::SourceError;
use super::guard::guarded;
use super::modes::{Interval, Mode, Offer, Rates, SizeRange};
use super::negotiate::nothing_readable;
use super::twins::{BY_ID, BY_PATH, Plugged, is_by_id, steady};
use crate::geometry::Size;

/// One `/dev/video*` node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// `/dev/video0`.
    pub path: PathBuf,
    /// A name that stays when numbers move: below `/dev/v4l/by-id`, else by-path.
    pub link: Option<PathBuf>,
    /// What to know of that name: why it is not the one by-id. None where there is nothing.
    pub link_note: Option<String>,
    /// The driver's name, such as `uvcvideo`.
    pub driver: String,
    /// The device's own name.
    pub card: String,
    /// Where it is plugged in, such as `usb-0000:01:00.0-1.3`.
    pub bus: String,
    /// What it lists.
    pub formats: Vec<Offer>,
    /// Whether it can be used.
    pub state: State,
    /// Why it cannot be used, and what to do; none where it can.
    pub unusable: Option<String>,
}

impl Node {
    /// Whether its pictures are another program's, whose times they may carry, and of which the
    /// last is kept for the next reader.
    pub(super) fn is_loopback(&self) -> bool {
        self.driver == LOOPBACK
    }

    /// Why it cannot be used, for who wants its pictures.
    pub(super) fn refusal(&self) -> Option<SourceError> {
        let reason = format!("{}: {}", self.path.display(), self.unusable.as_ref()?);
        Some(match self.state {
            State::NotACamera => SourceError::NotACamera(reason),
            _ => SourceError::Lost(reason),
        })
    }
}

/// Whether a node can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody streams from it, and there is a format that is read here.
    Usable,
    /// It is a camera, and not to be had just now: no permission, no writer.
    Unavailable,
    /// It is a camera, and somebody streams from it: perhaps this daemon.
    Busy,
    /// A codec, metadata, an output, a camera's receiver, a format that is not read.
    NotACamera,
}

/// Drivers of camera receivers on boards: they deliver what the sensor sees, not
/// pictures.
const RECEIVERS: [&str; 3] = ["unicam", "rp1-cfe", "bcm2835-unicam"];
/// What boards have besides: codecs and image processors, which give back the pictures
/// that they are given.
const PROCESSORS: [&str; 5] = ["bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc-dec", "rpivid"];
const CLASS: &str = "/sys/class/video4linux";
const LOOPBACK: &str = "v4l2 loopback";
const NO_WRITER: &str = "its writer is not running (v4l2loopback)";
const NO_FORMATS: &str = "lists no formats just now; plug it in again";
const BRIDGE: &str = "a CSI camera's receiver gives raw sensor data; bring it through libcamera and v4l2loopback: docs/guide/cameras.md";

/// All nodes, in order of their numbers.
pub fn list() -> Vec<Node> {
    let mut nodes: Vec<Node> = paths().iter().map(|path| examine(path)).collect();
    let plugged = |node: &Node| Plugged {
        card: node.card.clone(),
        bus: node.bus.clone(),
        links: links(&node.path),
        is_camera: node.state != State::NotACamera,
    };
    let all: Vec<Plugged> = nodes.iter().map(plugged).collect();
    for (at, node) in nodes.iter_mut().enumerate() {
        (node.link, node.link_note) = steady(&all, at);
    }
    nodes
}

/// Why `source`, a link by a camera's own name, may lead to another camera after a restart;
/// none where it cannot, and where it is no such link.
pub(crate) fn doubt(source: &Path) -> Option<String> {
    if !is_by_id(source) {
        return None;
    }
    let path = real_name(source);
    list().into_iter().find(|node| node.path == path)?.link_note
}

/// The node of this name in [`list`], none where the list has none: nothing else is opened.
pub fn find(path: &Path) -> Option<Node> {
    paths().iter().find(|known| *known == path).map(|known| examine(known))
}

/// Nodes of video devices, in order of their numbers.
pub(crate) fn paths() -> Vec<PathBuf> {
    let mut numbers: Vec<u32> = fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("video")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.iter().map(|number| format!("/dev/video{number}").into()).collect()
}

fn examine(path: &Path) -> Node {
    let look = || {
        let device = Device::with_path(path)?;
        let mut node = describe(&device, path)?;
        if node.state == State::Usable && is_busy(&device) {
            node.state = State::Busy;
            node.unusable = Some(explain(&Errno::BUSY.into()));
        }
        Ok(node)
    };
    guarded(look).flatten().unwrap_or_else(|error| Node {
        state: State::Unavailable,
        unusable: Some(explain(&error)),
        ..unknown(path)
    })
}

/// What is known of a node that cannot be opened: the kernel's name for it, by which a
/// pattern finds it all the same.
fn unknown(path: &Path) -> Node {
    let name = path
        .file_name()
        .and_then(|name| fs::read_to_string(Path::new(CLASS).join(name).join("name")).ok());
    Node {
        path: path.to_owned(),
        link: links(path).into_iter().next(),
        link_note: None,
        driver: String::new(),
        card: name.unwrap_or_default().trim().to_owned(),
        bus: String::new(),
        formats: Vec::new(),
        state: State::Usable,
        unusable: None,
    }
}

/// What an open device says of itself, and what that means.
///
/// # Errors
///
/// The kernel's, when it is no video device or gone.
pub(super) fn describe(device: &Device, path: &Path) -> io::Result<Node> {
    let caps = device.query_caps()?;
    let formats = offers(device);
    let mut node =
        Node { driver: caps.driver, card: caps.card, bus: caps.bus, formats, ..unknown(path) };
    let verdict = judge(&node, caps.capabilities, has_subdevices(path));
    (node.state, node.unusable) = match verdict {
        Ok(()) => (State::Usable, None),
        Err((state, reason)) => (state, Some(reason)),
    };
    Ok(node)
}

fn judge(node: &Node, capabilities: Flags, has_subdevices: bool) -> Result<(), (State, String)> {
    let not_a_camera = |reason: &str| Err((State::NotACamera, reason.to_owned()));
    let not_now = |reason: &str| Err((State::Unavailable, reason.to_owned()));
    if RECEIVERS.contains(&node.driver.as_str()) {
        return not_a_camera(BRIDGE);
    }
    if PROCESSORS.contains(&node.driver.as_str()) {
        return not_a_camera("a codec or image processor of the board, not a camera");
    }
    if !capabilities.contains(Flags::VIDEO_CAPTURE) {
        if node.is_loopback() {
            return not_now(NO_WRITER);
        }
        return not_a_camera(if capabilities.contains(Flags::META_CAPTURE) {
            "carries a camera's metadata; use its other node"
        } else if capabilities.intersects(Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE) {
            "a codec or scaler, not a camera"
        } else if capabilities.contains(Flags::VIDEO_CAPTURE_MPLANE) {
            "a multi-planar receiver or decoder; if a camera is behind it, bring it through \
             libcamera and v4l2loopback: docs/guide/cameras.md"
        } else if capabilities.intersects(Flags::VIDEO_OUTPUT | Flags::VIDEO_OVERLAY) {
            "takes pictures, it gives none"
        } else {
            "no video capture device"
        });
    }
    let bayer = |offer: &Offer| offer.description.contains("Bayer");
    if has_subdevices || (!node.formats.is_empty() && node.formats.iter().all(bayer)) {
        return not_a_camera(BRIDGE);
    }
    if !capabilities.contains(Flags::STREAMING) {
        return not_a_camera("its driver does not stream");
    }
    // A loopback device without `exclusive_caps` claims to be a camera also without a writer, whose
    // formats are all that it has. A camera has some: it could not be asked.
    if node.formats.is_empty() {
        return not_now(if node.is_loopback() { NO_WRITER } else { NO_FORMATS });
    }
    if !node.formats.iter().any(|offer| offer.readable) {
        return not_a_camera(&nothing_readable(&node.formats));
    }
    Ok(())
}

/// The node's own name, where `path` is a link to it.
pub(super) fn real_name(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether the device behind a node has subdevices that programs set up: then it is one
/// end of a pipeline that libcamera knows to configure, and gives nothing by itself.
/// (What `V4L2_CAP_IO_MC` says, a flag that the v4l crate drops.)
fn has_subdevices(path: &Path) -> bool {
    let class = Path::new(CLASS);
    let device = |name: &std::ffi::OsStr| fs::canonicalize(class.join(name).join("device")).ok();
    let Some(own) = real_name(path).file_name().and_then(device) else { return false };
    let names = fs::read_dir(class).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("v4l-subdev"))
        .any(|name| device(&name).as_ref() == Some(&own))
}

/// Whether somebody streams from it: then a driver refuses even the format that it has.
fn is_busy(device: &Device) -> bool {
    let same = device.format().and_then(|format| device.set_format(&format));
    same.is_err_and(|error| error.raw_os_error() == Some(Errno::BUSY.raw_os_error()))
}

/// A rate as it is told, to a tenth: 30, 7.5.
pub fn told(fps: f64) -> f64 {
    (fps * 10.0).round() / 10.0
}

fn offers(device: &Device) -> Vec<Offer> {
    let formats = device.enum_formats().unwrap_or_default();
    let offer = |format: v4l::format::Description| {
        let (sizes, range) = sizes(device, format.fourcc);
        Offer {
            fourcc: letters(format.fourcc),
            description: format.description.clone(),
            readable: known(format.fourcc).is_some(),
            sizes,
            range,
        }
    };
    formats.into_iter().map(offer).collect()
}

/// The sizes of a format, and the limits of a driver that takes any size within them.
fn sizes(device: &Device, fourcc: v4l::FourCC) -> (Vec<Mode>, Option<SizeRange>) {
    let (mut modes, mut range) = (Vec::new(), None);
    for listed in device.enum_framesizes(fourcc).unwrap_or_default() {
        let sizes = match listed.size {
            FrameSizeEnum::Discrete(size) => vec![Size::new(size.width, size.height)],
            FrameSizeEnum::Stepwise(limits) => {
                let limits = SizeRange {
                    least: Size::new(limits.min_width, limits.min_height),
                    most: Size::new(limits.max_width, limits.max_height),
                    step: Size::new(limits.step_width, limits.step_height),
                };
                range = Some(limits);
                some_of(&limits)
            }
        };
        modes.extend(sizes.into_iter().map(|Size { width, height }| {
            Mode::new(width, height, rates(device, fourcc, width, height))
        }));
    }
    (modes, range)
}

impl From<Fraction> for Interval {
    fn from(Fraction { numerator, denominator }: Fraction) -> Self {
        Self { numerator, denominator }
    }
}

fn rates(device: &Device, fourcc: v4l::FourCC, width: u32, height: u32) -> Rates {
    let interval = |of: &Fraction| {
        let interval = Interval::from(*of);
        interval.is_possible().then_some(interval)
    };
    let mut listed = Vec::new();
    for rate in device.enum_frameintervals(fourcc, width, height).unwrap_or_default() {
        match &rate.interval {
            FrameIntervalEnum::Discrete(one) => listed.extend(interval(one)),
            FrameIntervalEnum::Stepwise(range) => {
                if let Some((fastest, slowest)) = interval(&range.min).zip(interval(&range.max)) {
                    return Rates::Between { slowest, fastest };
                }
            }
        }
    }
    if listed.is_empty() { Rates::Unknown } else { Rates::Listed(listed) }
}

/// Of a driver that takes any size in a range: the usual ones, and the largest.
fn some_of(range: &SizeRange) -> Vec<Size> {
    let usual = [(320, 240), (640, 360), (640, 480), (1280, 720), (1920, 1080)];
    let usual = usual.map(|(width, height)| Size::new(width, height));
    let fits = |size: &Size| *size != range.most && range.contains(*size);
    usual.into_iter().filter(fits).chain([range.most]).collect()
}

/// The links that lead to this node, those by the camera's own name first. A port has several
/// names by now (`usb-0:1.3`, `usbv2-0:1.3`): the order is that of every start.
pub(super) fn links(path: &Path) -> Vec<PathBuf> {
    let entries = [BY_ID, BY_PATH].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
    let mut links: Vec<PathBuf> = entries
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|link| fs::canonicalize(link).is_ok_and(|target| target == path))
        .collect();
    links.sort();
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(driver: &str, formats: &[(&str, bool)]) -> Node {
        let offer = |(description, readable): &(&str, bool)| Offer {
            fourcc: "XXXX".into(),
            description: (*description).into(),
            readable: *readable,
            sizes: Vec::new(),
            range: None,
        };
        let formats = formats.iter().map(offer).collect();
        Node { driver: driver.into(), formats, ..unknown(Path::new("/dev/video99")) }
    }

    /// The capabilities are those that these drivers report.
    #[test]
    fn what_is_no_camera_is_told_from_what_is_not_ready() {
        let camera = Flags::VIDEO_CAPTURE | Flags::STREAMING;
        let colour = [("YUYV 4:2:2", true)];
        let bayer = [("10-bit Bayer GRGR", false)];
        let says = |driver: &str, formats: &[(&str, bool)], capabilities, subdevices| {
            judge(&node(driver, formats), capabilities, subdevices)
        };
        assert_eq!(says("uvcvideo", &colour, camera, false), Ok(()));
        for (driver, formats, capabilities, subdevices, words) in [
            ("uvcvideo", &[][..], Flags::META_CAPTURE | Flags::STREAMING, false, "metadata"),
            ("unicam", &bayer, camera, false, "CSI"),
            ("rp1-cfe", &colour, camera, true, "CSI"),
            ("some-isi", &bayer, camera, false, "CSI"),
            ("vimc", &colour, camera, true, "CSI"),
            ("bcm2835-isp", &colour, camera, false, "image processor"),
            ("some-codec", &colour, Flags::VIDEO_M2M_MPLANE, false, "codec"),
            ("some-isp", &colour, Flags::VIDEO_CAPTURE_MPLANE, false, "multi-planar"),
            ("some-output", &[], Flags::VIDEO_OUTPUT, false, "gives none"),
            ("some-radio", &[], Flags::RADIO, false, "no video capture"),
            ("old", &colour, Flags::VIDEO_CAPTURE, false, "does not stream"),
            ("uvcvideo", &[("H.264", false)], camera, false, "no pixel format"),
            ("uvcvideo", &[("H.264", false)], camera, false, "offers only XXXX"),
            ("uvcvideo", &[("H.264", false)], camera, false, "ffmpeg"),
        ] {
            let (state, reason) = says(driver, formats, capabilities, subdevices).unwrap_err();
            assert_eq!(state, State::NotACamera, "{driver}");
            assert!(reason.contains(words), "{driver}: {reason}");
        }
        // With `exclusive_caps` and without; and a camera that goes while it is asked.
        for (driver, capabilities, words) in [
            (LOOPBACK, Flags::VIDEO_OUTPUT, "writer"),
            (LOOPBACK, camera | Flags::VIDEO_OUTPUT, "writer"),
            ("uvcvideo", camera, "just now"),
        ] {
            let (state, reason) = says(driver, &[], capabilities, false).unwrap_err();
            assert_eq!(state, State::Unavailable, "{driver}");
            assert!(reason.contains(words), "{driver}: {reason}");
        }
    }
}
