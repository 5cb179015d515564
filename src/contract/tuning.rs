//! The numbers that can be changed while the daemon runs, and their ranges.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Confidences that can be set.
pub const THRESHOLD: RangeInclusive<f64> = 0.0..=1.0;
/// Frames per second that can be set.
pub const MAX_FPS: RangeInclusive<f64> = 0.1..=240.0;

/// Numbers that are in force instead of the settings file's; none leaves its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// Instead of `tracking.start_confidence`.
    pub threshold: Option<f32>,
    /// Instead of `pace.max_fps`.
    pub max_fps: Option<f32>,
}

impl Tuning {
    /// Without numbers that no command could have set.
    pub(crate) fn possible(self) -> Self {
        Self {
            threshold: self.threshold.filter(|value| THRESHOLD.contains(&f64::from(*value))),
            max_fps: self
                .max_fps
                .filter(|value| (*MAX_FPS.start() as f32..=*MAX_FPS.end() as f32).contains(value)),
        }
    }
}
