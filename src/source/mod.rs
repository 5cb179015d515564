//! Where pictures come from: a camera, a Motion-JPEG file, a list of pictures.

pub mod controls;
pub mod devices;
mod errno;
pub mod formats;
mod frame_source;
mod guard;
pub mod motion_jpeg;
pub mod negotiate;
pub mod picture;
pub mod replay;
pub mod settings;
pub mod v4l2;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Clock;
use crate::geometry::Size;
use devices::{Node, State};
pub use frame_source::{FrameSource, SourceError};
pub use settings::Settings;

/// Opens what `camera.source` names, in the mode that suits a model of this input size.
pub fn open(
    settings: &Settings,
    model: Size,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn FrameSource>, SourceError> {
    let path = Path::new(&settings.source);
    if settings.is_recorded() {
        return Ok(Box::new(replay::Replay::open(path, settings, clock)?));
    }
    let device = if path.is_absolute() { path.to_owned() } else { find(&settings.source)? };
    Ok(Box::new(v4l2::Camera::open(&device, settings, model, clock)?))
}

/// The first usable camera, or the first whose name, bus or link contains `pattern`.
fn find(pattern: &str) -> Result<PathBuf, SourceError> {
    let wanted = pattern.to_lowercase();
    let nodes = devices::list();
    let named: Vec<&Node> = nodes.iter().filter(|node| answers_to(node, &wanted)).collect();
    if let Some(node) = named.iter().find(|node| node.state == State::Usable) {
        return Ok(node.path.clone());
    }
    // What may become usable says more than what never will.
    let telling = named.iter().min_by_key(|node| node.state == State::NotACamera);
    let Some(node) = telling else {
        return Err(SourceError::Lost(if wanted == "auto" {
            "no camera is plugged in".to_owned()
        } else {
            format!("no camera's name, bus or link contains '{pattern}' (camera.source)")
        }));
    };
    let reason = node.unusable.as_deref().unwrap_or_default();
    let reason = format!("{}: {reason}", node.path.display());
    Err(match node.state {
        State::NotACamera => SourceError::NotACamera(reason),
        _ => SourceError::Lost(reason),
    })
}

fn answers_to(node: &Node, wanted: &str) -> bool {
    let links = devices::links(&node.path);
    let links = links.iter().map(|link| link.to_string_lossy().into_owned());
    let names = [node.card.clone(), node.bus.clone()].into_iter().chain(links);
    wanted == "auto" || names.into_iter().any(|name| name.to_lowercase().contains(wanted))
}
