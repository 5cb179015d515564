//! Where pictures come from: a camera, a Motion-JPEG file, a list of pictures.

pub mod controls;
pub mod devices;
pub mod motion_jpeg;
pub mod negotiate;
pub mod picture;
pub mod replay;
pub mod settings;
pub mod v4l2;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Clock;
use crate::geometry::Size;
use crate::pixels::frame::Frame;
pub use settings::Settings;

/// Why a source gave no frame.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The last picture was delivered (a list played once).
    #[error("no more pictures")]
    End,
    /// This frame is lost, the next may be good: count it and go on.
    #[error("{0}")]
    BadFrame(String),
    /// The source must be opened again. Names the thing and the remedy.
    #[error("{0}")]
    Lost(String),
}

/// A source of frames, owned by the capture thread; `next_frame` blocks.
pub trait FrameSource: Send {
    /// Overwrites `frame` with the newest picture, waiting at most `limit` for it.
    fn next_frame(&mut self, frame: &mut Frame, limit: Duration) -> Result<(), SourceError>;

    /// What is open, in words a log line can hold: "/dev/video0 (UVC camera), MJPG 640x480 at 30/s".
    fn describe(&self) -> String;
}

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
    let nodes = devices::list();
    let wanted = pattern.to_lowercase();
    let named = |node: &&devices::Node| {
        let link = node.link.as_deref().unwrap_or(Path::new("")).to_string_lossy().into_owned();
        let names = [node.card.as_str(), node.bus.as_str(), link.as_str()];
        wanted == "auto" || names.iter().any(|name| name.to_lowercase().contains(&wanted))
    };
    let mut candidates = nodes.iter().filter(named).peekable();
    let first = candidates.peek().copied();
    if let Some(node) = candidates.find(|node| node.unusable.is_none()) {
        return Ok(node.path.clone());
    }
    Err(SourceError::Lost(match first {
        None if wanted == "auto" => "no camera is plugged in".to_owned(),
        None => format!("no camera's name, bus or link contains '{pattern}' (camera.source)"),
        Some(node) => {
            let reason = node.unusable.as_deref().unwrap_or_default();
            format!("no usable camera; {}: {reason}", node.path.display())
        }
    }))
}
