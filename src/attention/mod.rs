//! Which frames are looked at, and how closely: decides for each frame whether to pass
//! it over, to glance at it for motion, or to look for faces; and says whether the
//! picture is one in which faces can be found.

pub(crate) mod darkness;
pub mod pace;
pub mod tamper;

use std::time::Duration;

use crate::detector::{Detection, Detector, ModelError};
use crate::pixels::frame::Frame;
use crate::pixels::scene::Scene;
use darkness::Darkness;
use pace::{Pace, Step};
use tamper::{Tamper, Tampering};

/// What was done with a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sight {
    /// Nothing: it came too soon.
    Passed,
    /// Letterboxed and compared; nothing moved.
    Glanced(Conditions),
    /// Faces were looked for; the network took this long.
    Looked(Conditions, Duration),
}

/// What the picture is like apart from faces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Too dark to find a face.
    pub dark: bool,
    /// Dark for a while: longer exposures are wanted.
    pub low: bool,
    /// Nothing has happened for a while: frames are only glanced at.
    pub idle: bool,
    /// The camera does not show what it is meant to show.
    pub tampering: Option<Tampering>,
}

/// Decides for each frame whether it is looked at, and looks.
#[derive(Debug)]
pub struct Attention {
    /// What looks at a frame.
    pub detector: Detector,
    /// None looks at every frame.
    pace: Option<Pace>,
    /// The picture that was last looked at: slow motion adds up against it.
    scene: Option<Scene>,
    darkness: Darkness,
    tamper: Tamper,
}

impl Attention {
    /// Without a pace every frame is looked at, as recorded pictures want it.
    pub fn new(detector: Detector, pace: Option<Pace>) -> Self {
        let (darkness, tamper) = (Darkness::default(), Tamper::default());
        Self { detector, pace, scene: None, darkness, tamper }
    }

    /// Another limit while running; recorded pictures have none.
    pub fn set_max_fps(&mut self, max_fps: f32) {
        if let Some(pace) = &mut self.pace {
            pace.set_max_fps(max_fps);
        }
    }

    /// For a frame that arrived at `now` on the monotonic clock. `busy` while a face is
    /// followed, `strained` while the board is hot. `out` is replaced only by a look.
    ///
    /// # Errors
    ///
    /// Bytes that are no picture, or a network that fails.
    pub fn see(
        &mut self,
        frame: &Frame,
        now: Duration,
        busy: bool,
        strained: bool,
        out: &mut Vec<Detection>,
    ) -> Result<Sight, ModelError> {
        let step = self.pace.as_mut().map_or(Step::Look, |pace| pace.step(now, strained));
        if step == Step::Pass {
            return Ok(Sight::Passed);
        }
        let prepared = self.detector.prepare(frame)?;
        let scene = self.detector.scene(&prepared);
        let change = self.scene.as_ref().map_or(1.0, |before| scene.change(before));
        let lively = self.pace.as_mut().is_none_or(|pace| pace.saw(now, change, busy));
        let idle = self.pace.as_ref().is_some_and(|pace| pace.is_idle(now));
        let low = self.darkness.saw(now, scene.highlights());
        let tampering = self.tampering(&scene, now);
        let conditions = Conditions { dark: self.darkness.is_dark(), low, idle, tampering };
        if step == Step::Glance && !lively {
            return Ok(Sight::Glanced(conditions));
        }
        let timing = self.detector.look(&prepared, out)?;
        self.scene = Some(scene);
        if let Some(pace) = &mut self.pace {
            pace.looked(now);
        }
        Ok(Sight::Looked(conditions, timing.inference))
    }

    /// Recorded pictures may well stand still or show another place, but one of which
    /// nothing can be seen says so.
    fn tampering(&mut self, scene: &Scene, now: Duration) -> Option<Tampering> {
        let recorded = self.pace.is_none();
        let found = self.tamper.observe(scene, now);
        found.filter(|tampering| !recorded || *tampering == Tampering::Covered)
    }
}
