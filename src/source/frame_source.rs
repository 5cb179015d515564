//! What every source of pictures does.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::controls::{ControlOffer, ControlValues, Overruled};

use crate::pixels::frame::{Frame, Orientation};

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
    /// What is there is no camera: somebody must name another. It is tried again all
    /// the same, as something else may come under that name.
    #[error("{0}")]
    NotACamera(String),
    /// It was not wanted any more while it was opened.
    #[error("not wanted any more")]
    Unwanted,
}

/// What to do where its pictures come and none can be read; `recorded` says that it is no camera.
pub(crate) const fn remedy_for_broken(recorded: bool) -> &'static str {
    if recorded {
        "other pictures: `expressiond detect PICTURE` says what is wrong with one"
    } else {
        "another cable, USB port or camera.format"
    }
}

/// What a source has open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Opened {
    /// Pictures in files.
    #[default]
    Files,
    /// A camera.
    Device {
        /// Its node: `/dev/video0`, never a link to it.
        node: PathBuf,
        /// Where it is plugged in, which all nodes of one camera share.
        bus: String,
        /// The device's own name.
        card: String,
    },
}

impl Opened {
    /// Whether it is the same camera, as far as `VIDIOC_QUERYCAP` tells
    /// (linux/Documentation/userspace-api/media/v4l/vidioc-querycap.rst): of the same name, in
    /// the same place. Its node may have another number when it comes back.
    pub(crate) fn is_same_camera(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files, Self::Files) => true,
            (Self::Device { bus, card, .. }, Self::Device { bus: place, card: name, .. }) => {
                (bus, card) == (place, name)
            }
            _ => false,
        }
    }
}

/// A source of frames, owned by the capture thread; `next_frame` blocks.
pub trait FrameSource: Send {
    /// Overwrites `frame` with the newest picture, waiting at most `limit` for it.
    ///
    /// # Errors
    ///
    /// See [`SourceError`]: only after a `BadFrame` may it be called again.
    fn next_frame(&mut self, frame: &mut Frame, limit: Duration) -> Result<(), SourceError>;

    /// What is open, in words a log line can hold: "/dev/video0 (UVC camera), MJPG 640x480 at
    /// 30/s".
    fn describe(&self) -> String;

    /// What its owner should know of this opening, each in words: what could not be had as it was
    /// asked for.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// What is open, for a program.
    fn opened(&self) -> Opened {
        Opened::Files
    }

    /// Whether it plays a recording: each picture is to be looked at, however long that takes,
    /// and it may end.
    fn is_recorded(&self) -> bool {
        false
    }

    /// Pictures were not wanted for a while. What is recorded goes on where it was, at its own
    /// rate from now on; a camera has nothing to do.
    fn resume(&mut self) {}

    /// Asks for longer exposures while it is dark, or takes that back. Says whether
    /// that is in force; a source that has no such thing does nothing.
    ///
    /// # Errors
    ///
    /// In words for the owner: what the camera refuses now. It has some of it, perhaps.
    fn set_low_light(&mut self, _on: bool) -> Result<bool, String> {
        Ok(false)
    }

    /// Turns pictures differently from the next one on.
    fn set_orientation(&mut self, _orientation: Orientation) {}

    /// What can be set, in the driver's order; a source that has no such thing offers none.
    fn controls(&self) -> Vec<ControlOffer> {
        Vec::new()
    }

    /// Sets controls by their names, also those of low light, which must be asked for again
    /// where it is dark. It is these values that they go back to. Says which are not set now.
    ///
    /// # Errors
    ///
    /// In words for the owner: which one, and what the camera takes.
    fn set_controls(&mut self, _values: &ControlValues) -> Result<Overruled, String> {
        Ok(Overruled::new())
    }
}
