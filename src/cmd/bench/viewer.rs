//! What it costs that somebody watches the live picture on the page.

use std::fmt;

use serde::Serialize;

use expressiond::clock::cpu_time;
use expressiond::error::{Error, Kind, Result};
use expressiond::pixels::frame::Frame;
use expressiond::preview;

/// Pictures that are measured.
const PICTURES: u32 = 50;

/// For frames of one input.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Viewer {
    pub input: &'static str,
    /// CPU time of one picture in milliseconds: copying the frame, decoding it, packing it.
    pub cpu_ms_per_picture: f64,
    /// Share of one core at the default rate (`preview.max_fps`), 0 to 1.
    pub core: f64,
    /// Bytes of one picture as it is sent.
    pub bytes: usize,
}

impl fmt::Display for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a viewer, {}: {:.1} ms of CPU a picture of {} bytes, {:.1} % of a core at {} a second",
            self.input,
            self.cpu_ms_per_picture,
            self.bytes,
            self.core * 100.0,
            preview::Settings::default().max_fps
        )
    }
}

/// The first viewer; each more costs the sending alone.
pub(crate) fn measure(input: &'static str, frame: &Frame) -> Result<Viewer> {
    let (mut copy, mut bytes) = (frame.clone(), 0);
    let begin = cpu_time();
    for _ in 0..PICTURES {
        copy.clone_from(frame);
        bytes = preview::shown(&copy).map_err(|why| Error::new(Kind::Internal, why))?.len();
    }
    let seconds = (cpu_time() - begin).as_secs_f64() / f64::from(PICTURES);
    let core = seconds * f64::from(preview::Settings::default().max_fps);
    Ok(Viewer { input, cpu_ms_per_picture: seconds * 1e3, core, bytes })
}
