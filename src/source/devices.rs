//! Which cameras there are, what they offer, and why one cannot be used.

use std::path::{Path, PathBuf};

use serde::Serialize;
use v4l::capability::Flags;
use v4l::context::enum_devices;
use v4l::device::Device;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;

use super::v4l2::{explain, known};

/// One `/dev/video*` node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    pub path: PathBuf,
    /// A name that stays when numbers move (`/dev/v4l/by-id`).
    pub link: Option<PathBuf>,
    pub driver: String,
    pub card: String,
    pub bus: String,
    pub formats: Vec<Offer>,
    /// Why it cannot be used, and what to do; none where it can.
    pub unusable: Option<String>,
}

/// A pixel format with its sizes.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    pub fourcc: String,
    pub description: String,
    /// Whether this program reads it.
    pub readable: bool,
    pub sizes: Vec<Mode>,
}

/// A size and its highest rate.
#[derive(Clone, Debug, Serialize)]
pub struct Mode {
    pub width: u32,
    pub height: u32,
    /// Frames per second; none where the driver does not tell.
    pub fps: Option<f64>,
}

/// Drivers of camera receivers on boards: they deliver what the sensor sees, not
/// pictures.
const RECEIVERS: [&str; 3] = ["unicam", "rp1-cfe", "bcm2835-unicam"];
const BRIDGE: &str = "a CSI camera's receiver gives raw sensor data; bring it through libcamera and v4l2loopback: docs/guide/cameras.md";

/// All nodes, in order of their numbers.
pub fn list() -> Vec<Node> {
    let mut nodes = enum_devices();
    nodes.sort_by_key(v4l::context::Node::index);
    nodes.iter().map(|node| examine(node.path())).collect()
}

fn examine(path: &Path) -> Node {
    let mut node = Node {
        path: path.to_owned(),
        link: stable_link(path),
        driver: String::new(),
        card: String::new(),
        bus: String::new(),
        formats: Vec::new(),
        unusable: None,
    };
    let device = match Device::with_path(path) {
        Ok(device) => device,
        Err(error) => {
            node.unusable = Some(explain(&error));
            return node;
        }
    };
    match device.query_caps() {
        Ok(caps) => {
            (node.driver, node.card, node.bus) = (caps.driver, caps.card, caps.bus);
            node.formats = offers(&device);
            node.unusable = judge(&node, caps.capabilities);
        }
        Err(error) => node.unusable = Some(explain(&error)),
    }
    node
}

fn judge(node: &Node, capabilities: Flags) -> Option<String> {
    if RECEIVERS.contains(&node.driver.as_str()) {
        return Some(BRIDGE.to_owned());
    }
    if !capabilities.contains(Flags::VIDEO_CAPTURE) {
        let kind = if capabilities.contains(Flags::META_CAPTURE) {
            "carries a camera's metadata; use its other node"
        } else if capabilities.contains(Flags::VIDEO_CAPTURE_MPLANE) {
            "a multi-planar device (a codec or scaler), not a camera"
        } else if capabilities.intersects(Flags::VIDEO_OUTPUT | Flags::VIDEO_OVERLAY) {
            "takes pictures, it gives none; if it is v4l2loopback, its writer is not running"
        } else {
            "no video capture device"
        };
        return Some(kind.to_owned());
    }
    if !capabilities.contains(Flags::STREAMING) {
        return Some("its driver does not stream".to_owned());
    }
    if node.formats.iter().any(|offer| offer.readable) {
        return None;
    }
    let bayer = |offer: &Offer| offer.description.contains("Bayer");
    if !node.formats.is_empty() && node.formats.iter().all(bayer) {
        return Some(BRIDGE.to_owned());
    }
    Some("offers no pixel format that can be read".to_owned())
}

pub(super) fn offers(device: &Device) -> Vec<Offer> {
    let formats = device.enum_formats().unwrap_or_default();
    let offer = |format: v4l::format::Description| Offer {
        fourcc: format.fourcc.to_string(),
        description: format.description.clone(),
        readable: known(format.fourcc).is_some(),
        sizes: modes(device, format.fourcc),
    };
    formats.into_iter().map(offer).collect()
}

fn modes(device: &Device, fourcc: v4l::FourCC) -> Vec<Mode> {
    let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
    let mode = |(width, height)| {
        let rates = device.enum_frameintervals(fourcc, width, height).unwrap_or_default();
        let fps = rates.iter().map(|rate| {
            let interval = match &rate.interval {
                FrameIntervalEnum::Discrete(interval) => interval,
                FrameIntervalEnum::Stepwise(range) => &range.min,
            };
            f64::from(interval.denominator) / f64::from(interval.numerator.max(1))
        });
        Mode { width, height, fps: fps.max_by(f64::total_cmp) }
    };
    sizes.into_iter().flat_map(|size| sizes_in(size.size)).map(mode).collect()
}

/// Of a driver that takes any size in a range: the usual ones, and the largest.
fn sizes_in(sizes: FrameSizeEnum) -> Vec<(u32, u32)> {
    let range = match sizes {
        FrameSizeEnum::Discrete(size) => return vec![(size.width, size.height)],
        FrameSizeEnum::Stepwise(range) => range,
    };
    let largest = (range.max_width, range.max_height);
    let fits = |(width, height): &(u32, u32)| {
        let on = |value: u32, least: u32, most: u32, step: u32| {
            (least..=most).contains(&value) && (value - least).is_multiple_of(step.max(1))
        };
        (*width, *height) != largest
            && on(*width, range.min_width, range.max_width, range.step_width)
            && on(*height, range.min_height, range.max_height, range.step_height)
    };
    USUAL_SIZES.into_iter().filter(fits).chain([largest]).collect()
}

const USUAL_SIZES: [(u32, u32); 4] = [(320, 240), (640, 480), (1280, 720), (1920, 1080)];

/// The link below `/dev/v4l/by-id` that leads to this node.
fn stable_link(path: &Path) -> Option<PathBuf> {
    let links = std::fs::read_dir("/dev/v4l/by-id").ok()?;
    links
        .flatten()
        .map(|entry| entry.path())
        .find(|link| std::fs::canonicalize(link).is_ok_and(|target| target == path))
}
