//! The settings that the page may change while it watches, by their keys in the settings
//! file, and how far its sliders go.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::camera_tuning::{CameraTuning, Touched};
use crate::attention::pace;
use crate::contract::in_force::{Author, Given, InForce};
use crate::contract::tuning::Tuning;
use crate::limits::{self, Impossible};
use crate::source::{self, Opened};
use crate::tracks::{ExpressionSettings, TrackingSettings};
use crate::zones;

/// Longest text of changes that is read, in bytes: a camera has some thirty controls, and
/// 16 zones of 32 corners.
pub const LONGEST: usize = 16 * 1024;

/// How a setting is offered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Offer {
    /// A number between two others.
    Number {
        /// The least.
        least: f32,
        /// The most.
        most: f32,
        /// From one to the next.
        step: f32,
    },
    /// Degrees.
    Turn,
    /// On or off.
    Switch,
}

const fn number(least: f32, most: f32, step: f32) -> Offer {
    Offer::Number { least, most, step }
}

/// What can be tried, in the order in which the page shows it. The ranges are those in
/// which a slider is of use; the settings file allows more.
pub const OFFERS: [(&str, Offer); 11] = [
    (THRESHOLD, number(0.1, 1.0, 0.01)),
    ("tracking.confirm_s", number(0.0, 5.0, 0.1)),
    ("tracking.lost_s", number(0.1, 20.0, 0.1)),
    ("tracking.smallest_face", number(0.0, 0.5, 0.01)),
    ("expression.enter", number(0.5, 1.0, 0.01)),
    ("expression.leave", number(0.0, 1.0, 0.01)),
    ("expression.hold_s", number(0.0, 5.0, 0.1)),
    ("expression.smoothing_s", number(0.0, 3.0, 0.05)),
    (MAX_FPS, number(0.5, 30.0, 0.5)),
    ("camera.rotate", Offer::Turn),
    ("camera.mirror", Offer::Switch),
];

/// The key of a confidence that commands and groups set, too.
pub const THRESHOLD: &str = "tracking.start_confidence";
/// The key of a rate that commands and groups set, too.
pub const MAX_FPS: &str = "pace.max_fps";
/// The key of all zones together: drawn, not slid.
pub const ZONE: &str = "zone";
const CONTROLS: &str = "camera.controls.";

/// The key of a control of the camera.
pub(super) fn control_key(name: &str) -> String {
    format!("{CONTROLS}{name}")
}

/// The sections of the settings that hold them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunable {
    /// `[camera]`
    pub camera: source::Settings,
    /// `[pace]`
    pub pace: pace::Settings,
    /// `[tracking]`
    pub tracking: TrackingSettings,
    /// `[expression]`
    pub expression: ExpressionSettings,
    /// `[[zone]]`
    pub zone: Vec<zones::Settings>,
}

/// As JSON with numbers as a person writes them: `0.1` is no `f64`'s 0.10000000149, which
/// `serde_json::to_value` makes of an `f32`, and which a slider would show.
pub(super) fn as_written(value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Changed values by their dotted keys.
pub type Changes = Map<String, Value>;

/// What `settings` have under these dotted keys; those that they do not have are left out.
pub fn look_up<'a>(settings: &Value, keys: impl IntoIterator<Item = &'a str>) -> Changes {
    let value = |key: &str| key.split('.').try_fold(settings, |table, name| table.get(name));
    keys.into_iter().filter_map(|key| Some((key.to_owned(), value(key)?.clone()))).collect()
}

/// Whether the page may change this key.
pub fn is_tunable(key: &str) -> bool {
    let control = key.strip_prefix(CONTROLS);
    control.is_some_and(|name| !name.is_empty() && !name.contains('.'))
        || key == ZONE
        || OFFERS.iter().any(|(known, _)| *known == key)
}

/// What a driver calls the controls that move the picture (`V4L2_CID_PAN_ABSOLUTE`,
/// `V4L2_CID_HFLIP` and their like) begins so.
const MOVES: [&str; 6] = ["pan", "tilt", "zoom", "rotate", "horizontal_flip", "vertical_flip"];

/// Whether another value of this key shows another part of the room at the same place.
fn moves_picture(key: &str) -> bool {
    match key.strip_prefix(CONTROLS) {
        Some(control) => MOVES.iter().any(|begin| control.starts_with(begin)),
        None => ["camera.rotate", "camera.mirror"].contains(&key),
    }
}

/// Reads changes from what a page sent; `may_change` says of which keys.
///
/// # Errors
///
/// It is no object of JSON, too long, or changes what may not be changed.
pub fn read_changes(text: &[u8], may_change: fn(&str) -> bool) -> Result<Changes, String> {
    if text.len() > LONGEST {
        return Err(format!("more than {LONGEST} bytes"));
    }
    let changes: Changes = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match changes.keys().find(|key| !may_change(key)) {
        Some(key) => Err(format!("{key} cannot be changed here")),
        None => Ok(changes),
    }
}

impl Tunable {
    /// With some values changed.
    ///
    /// # Errors
    ///
    /// In words: the key, and what its value must be.
    pub fn with(&self, changes: &Changes) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (key, value) in changes {
            let mut place = &mut all;
            for name in key.split('.') {
                let table = place.as_object_mut().ok_or_else(|| format!("there is no {key}"))?;
                place = table.entry(name).or_insert(Value::Null);
            }
            *place = value.clone();
        }
        let changed: Self =
            serde_path_to_error::deserialize(all).map_err(|error| error.to_string())?;
        changed.check().map_err(|impossible| impossible.to_string()).map(|()| changed)
    }

    /// With all that the page changes as `other` has it, and nothing else of that.
    ///
    /// # Errors
    ///
    /// As for [`with`](Self::with).
    pub(super) fn tuned_as(&self, other: &Self) -> Result<Self, String> {
        let mut values = other.values();
        values.insert(ZONE.to_owned(), as_written(&other.zone));
        let mut tuned = self.with(&values)?;
        // Controls that the other does not name go back by themselves.
        tuned.camera.controls.clone_from(&other.camera.controls);
        Ok(tuned)
    }

    /// Whether every value is possible; the first that is not.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        limits::first_of([
            ("camera", self.camera.check()),
            ("pace", self.pace.check()),
            ("tracking", self.tracking.check()),
            ("expression", self.expression.check()),
        ])?;
        zones::settings::check(&self.zone)
    }

    /// The value of each key in [`OFFERS`] and of each control that is set.
    pub fn values(&self) -> Changes {
        let controls = self.camera.controls.keys().map(|name| control_key(name));
        let controls: Vec<String> = controls.collect();
        let offers = OFFERS.iter().map(|(key, _)| *key);
        look_up(&as_written(self), offers.chain(controls.iter().map(String::as_str)))
    }

    /// Whether these settings hide a part of the picture, or would but for a command that
    /// switched that off.
    pub(super) fn has_masks(&self) -> bool {
        self.zone.iter().any(|zone| zone.kind == zones::Kind::Mask)
    }

    /// A mask stays where it is in the picture: with another picture under it, what it hides
    /// would be seen beside it.
    ///
    /// # Errors
    ///
    /// In words: these settings have a mask, and `other` moves the picture.
    pub(super) fn refuse_what_uncovers(&self, other: &Self) -> Result<(), String> {
        if !self.has_masks() {
            return Ok(());
        }
        let (own, others) = (self.values(), other.values());
        let moved = |key: &&String| moves_picture(key) && own.get(*key) != others.get(*key);
        match own.keys().chain(others.keys()).find(moved) {
            Some(key) => Err(format!(
                "{key}: the settings have a mask, and what it hides would come to lie beside it; \
                 delete the mask and save, then move the picture and draw it again"
            )),
            None => Ok(()),
        }
    }

    /// A mask says nothing of the picture of another camera than the one that it was drawn for.
    /// `opened` is what these settings read now. May wait for a driver.
    ///
    /// # Errors
    ///
    /// In words: these settings or `other` have a mask, and they mean two cameras.
    pub(super) fn refuse_another_camera(
        &self,
        other: &Self,
        opened: Option<&Opened>,
    ) -> Result<(), String> {
        let masked = self.has_masks() || other.has_masks();
        if masked && !source::mean_the_same(&self.camera, &other.camera, opened) {
            return Err("camera.source: the settings have a mask, and what it hides would be \
                        seen elsewhere in another camera's picture; delete the mask and save, \
                        then choose the camera and draw it again"
                .to_owned());
        }
        Ok(())
    }

    /// With what a group or a command gives instead, which has the last word on zones as they are
    /// in `saved`, too.
    pub(super) fn ruled_by(mut self, in_force: &InForce, saved: &[zones::Settings]) -> Self {
        if let Some(Some(threshold)) = in_force.threshold.imposed() {
            self.tracking.start_confidence = *threshold;
        }
        if let Some(Some(max_fps)) = in_force.max_fps.imposed() {
            self.pace.max_fps = *max_fps;
        }
        for zone in &mut self.zone {
            let was =
                saved.iter().find(|was| was.name == zone.name).map_or(zone.kind, |was| was.kind);
            let counts = |given: &&Given<bool>| {
                given.from != Author::Command || !zones::lapses(given.value, was, zone.kind)
            };
            let given = in_force.zones.get(&zone.name).filter(counts);
            zone.enabled = *given.and_then(Given::imposed).unwrap_or(&zone.enabled);
        }
        self
    }

    /// The numbers that commands and groups set, too.
    pub(crate) fn tuning(&self) -> Tuning {
        Tuning::given(&self.tracking, &self.pace)
    }

    /// The zones that the daemon was started with are no trial.
    pub(crate) fn faces(&self, running: &[zones::Settings]) -> FaceTuning {
        FaceTuning {
            tracking: self.tracking.clone(),
            expression: self.expression.clone(),
            zones: (self.zone != running).then(|| self.zone.clone()),
        }
    }

    /// Beside what is `saved`.
    pub(super) fn camera(&self, saved: &Self, touched: Touched) -> CameraTuning {
        CameraTuning {
            orientation: self.camera.orientation(),
            controls: self.camera.controls.clone(),
            saved: saved.camera.controls.clone(),
            touched,
        }
    }
}

/// What the inference thread takes over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FaceTuning {
    pub tracking: TrackingSettings,
    pub expression: ExpressionSettings,
    /// Zones beside those of the settings; none while nobody tries others.
    pub zones: Option<Vec<zones::Settings>>,
}

#[cfg(test)]
mod tests;
