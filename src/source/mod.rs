//! Where pictures come from: a camera, a Motion-JPEG file, a list of pictures.

pub mod picture;

use std::time::Duration;

use thiserror::Error;

use crate::pixels::frame::Frame;

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
