//! The numbers that can be changed while the daemon runs, and their ranges.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::attention::pace::{self, MAX_FPS};
use crate::limits::narrow;
use crate::tracks::{START_CONFIDENCE, TrackingSettings};

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
    /// What settings give.
    pub(crate) fn given(tracking: &TrackingSettings, pace: &pace::Settings) -> Self {
        Self { threshold: Some(tracking.start_confidence), max_fps: Some(pace.max_fps) }
    }

    /// Without numbers that no command could have set.
    pub(crate) fn possible(self) -> Self {
        Self {
            threshold: self.threshold.filter(|value| narrow(&START_CONFIDENCE).contains(value)),
            max_fps: self.max_fps.filter(|value| narrow(&MAX_FPS).contains(value)),
        }
    }
}

/// A number that somebody gives for `key`.
///
/// # Errors
///
/// It is outside `range`; in words, to which belongs what may stand instead of a number.
pub(crate) fn checked(key: &str, number: f64, range: &RangeInclusive<f64>) -> Result<f32, String> {
    if range.contains(&number) { Ok(number as f32) } else { Err(must_be(key, range)) }
}

/// What a value of `key` must be.
pub(crate) fn must_be(key: &str, range: &RangeInclusive<f64>) -> String {
    format!("{key} must be from {} to {}", range.start(), range.end())
}
