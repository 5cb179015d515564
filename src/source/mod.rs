//! Where pictures come from: a camera, a Motion-JPEG file, a list of pictures.

pub(crate) mod controls;
pub mod devices;
mod errno;
mod exif;
pub mod formats;
mod frame_source;
mod given;
mod guard;
mod low_light;
pub(crate) mod media;
pub(crate) mod modes;
pub mod motion_jpeg;
mod negotiate;
pub mod picture;
mod replay;
pub(crate) mod settings;
pub(crate) mod still;
mod timestamps;
mod twins;
mod v4l2;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Clock;
use crate::geometry::Size;
use devices::{Node, State};
pub(crate) use frame_source::remedy_for_broken;
pub use frame_source::{FrameSource, Opened, SourceError};
pub use settings::Settings;
use settings::Target;

/// Opens what `camera.source` names. `needed` are the pixels of the upright picture that
/// the stage behind can use: of a camera's modes, the one is taken that brings them for
/// the least work. A long recording is looked through first; many times a second `wanted` is
/// asked meanwhile whether to go on.
///
/// # Errors
///
/// In words for the owner: what is wrong, and what to do.
pub fn open(
    settings: &Settings,
    needed: Size,
    clock: Arc<dyn Clock>,
    wanted: &dyn Fn() -> bool,
) -> Result<Box<dyn FrameSource>, SourceError> {
    let device = match settings.target() {
        Target::Recorded(path) => {
            return Ok(Box::new(replay::Replay::open(&path, settings, clock, wanted)?));
        }
        Target::Device(path) => {
            if !path.starts_with("/dev") {
                std::fs::metadata(&path).map_err(|error| out_of_reach(&path, &error))?;
            }
            path
        }
        Target::First => find(&devices::list(), None)?,
        Target::Named(part) => find(&devices::list(), Some(&part))?,
    };
    Ok(Box::new(v4l2::Camera::open(&device, settings, needed, clock)?))
}

/// Why there are no pictures at a path.
fn out_of_reach(path: &Path, error: &io::Error) -> SourceError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "no permission: who runs expressiond must be allowed into each folder of this path"
                .into()
        }
        _ => error.to_string(),
    };
    SourceError::Lost(format!("{}: {reason}", path.display()))
}

/// The device that the settings mean, as far as it can be told now, also where it cannot be
/// used: its node, not a link to it. None for recorded pictures, and where nothing is meant.
pub(crate) fn device(settings: &Settings) -> Option<PathBuf> {
    meant_by(settings, None)
}

/// The same, while `opened` is what this daemon reads by these settings: of several cameras that they
/// may mean it is the one that they do.
pub(crate) fn own_device(settings: &Settings, opened: Option<&Opened>) -> Option<PathBuf> {
    match opened {
        Some(Opened::Device { node, .. }) => Some(node.clone()),
        _ => device(settings),
    }
}

/// `own` is a node that this daemon reads: it is busy for others alone.
fn meant_by(settings: &Settings, own: Option<&Path>) -> Option<PathBuf> {
    let listed = |part: Option<&str>| Some(meant(&devices::list(), part, own)?.path.clone());
    match settings.target() {
        Target::Recorded(_) => None,
        Target::Device(path) => Some(devices::real_name(&path)),
        Target::First => listed(None),
        Target::Named(part) => listed(Some(&part)),
    }
}

/// Whether `other` means the camera that this daemon reads by `one`, be it by another of its names, as
/// far as it can be told now. `opened` is what it has open.
pub(crate) fn mean_the_same(one: &Settings, other: &Settings, opened: Option<&Opened>) -> bool {
    let same_node = || {
        let own = own_device(one, opened);
        own.is_some() && meant_by(other, own.as_deref()) == own
    };
    one.source == other.source || same_node()
}

/// The first usable camera of `nodes`, or the first whose name, bus or link contains `part`.
fn find(nodes: &[Node], part: Option<&str>) -> Result<PathBuf, SourceError> {
    let Some(node) = meant(nodes, part, None) else {
        return Err(SourceError::Lost(match part {
            None => "no camera is plugged in".to_owned(),
            Some(part) => none_of_that_name(nodes, part),
        }));
    };
    match node.refusal() {
        None => Ok(node.path.clone()),
        Some(refusal) => Err(refusal),
    }
}

/// What cannot be opened does not tell its bus, by which it may be meant.
fn none_of_that_name(nodes: &[Node], part: &str) -> String {
    let words = format!("no camera's name, bus or link contains '{part}' (camera.source)");
    let closed = nodes.iter().find(|node| node.bus.is_empty());
    match closed.and_then(Node::refusal) {
        Some(why) => format!("{words}, and one could not be asked: {why}"),
        None => words,
    }
}

/// The same, or where none can be used the one that says most. The daemon's `own` can be used.
fn meant<'a>(nodes: &'a [Node], part: Option<&str>, own: Option<&Path>) -> Option<&'a Node> {
    let named = named(nodes, part);
    let is_usable = |node: &Node| node.state == State::Usable || own == Some(&*node.path);
    let usable = named.iter().find(|node| is_usable(node));
    // What may become usable says more than what never will.
    usable.or_else(|| named.iter().min_by_key(|node| node.state == State::NotACamera)).copied()
}

/// The nodes whose name, bus or link is `part`, else those of which one contains it.
fn named<'a>(nodes: &'a [Node], part: Option<&str>) -> Vec<&'a Node> {
    let Some(part) = part else { return nodes.iter().collect() };
    let by = |fits: &dyn Fn(&Node) -> bool| nodes.iter().filter(|node| fits(node)).collect();
    let exact: Vec<&Node> = by(&|node| names(node).any(|name| name == part));
    if !exact.is_empty() {
        return exact;
    }
    // A port that is empty is not another one whose name goes on: 1 is neither 10 nor 1.3.
    by(&|node| names(node).any(|name| name.contains(part) && !(is_port(part) && is_port(&name))))
}

/// What a node is called, in lower case.
fn names(node: &Node) -> impl Iterator<Item = String> {
    let links = devices::links(&node.path);
    let links = links.into_iter().map(|link| link.to_string_lossy().into_owned());
    let names = [node.card.clone(), node.bus.clone()].into_iter().chain(links);
    names.map(|name| name.to_lowercase())
}

/// Whether it is a USB port in full, `usb-0000:00:14.0-1.3`: the controller and the way through the
/// hubs (`usb_make_path`, linux/include/linux/usb.h).
fn is_port(name: &str) -> bool {
    let port = name.strip_prefix("usb-").and_then(|path| path.rsplit_once('-'));
    port.is_some_and(|(_, ports)| {
        ports.split('.').all(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests;
