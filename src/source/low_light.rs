//! What `[camera.low_light]` asks for while it is dark, and how that is taken back.

use v4l::control::Description;
use v4l::device::Device;

use super::controls::{
    ControlValue, ControlValues, Overruled, apply, default_of, find, known_or_noted, reading,
    resolve, set_known, taken, value_of,
};

/// The values of `[camera.low_light]`, and those that replace them when light returns.
///
/// The latter are those that are tried on the page, else those of `[camera.controls]`, else the
/// driver's defaults. All of `[camera.controls]` comes back: a control that is automatic in the dark
/// alone leaves another value in the one that it decides (`v4l2_ctrl_auto_cluster` in the kernel's
/// V4L2 controls document; what a UVC camera does then is its own). The values that the camera had
/// before would be wrong: after a crash in the dark they are those of `[camera.low_light]`, which
/// the camera keeps while it has power. They stand in only where the driver tells no default that
/// can be.
pub(super) struct LowLight {
    dark: ControlValues,
    /// By the settings.
    settled: ControlValues,
    /// By what is tried.
    light: ControlValues,
}

const LOW_LIGHT: &str = "camera.low_light";

impl LowLight {
    /// Checks the values against what the camera takes, and sets those for light. What its owner
    /// should know is noted.
    ///
    /// # Errors
    ///
    /// In words for the owner: which key, and what the camera takes.
    pub(super) fn prepare(
        device: &Device,
        dark: &ControlValues,
        controls: &ControlValues,
        notes: &mut Vec<String>,
    ) -> Result<Self, String> {
        let dark = dark.clone();
        if dark.is_empty() {
            return Ok(Self::of(dark, ControlValues::new()));
        }
        let Some(known) = known_or_noted(device, LOW_LIGHT, notes) else {
            return Ok(Self::of(ControlValues::new(), ControlValues::new()));
        };
        let has =
            |control: &Description| value_of(control, &reading(control, |id| device.control(id))?);
        let light = without(&known, &dark, controls, has, notes)?;
        // What another control decides in light is as it should be.
        set_known(device, LOW_LIGHT, known, &light)?;
        Ok(Self::of(dark, light))
    }

    fn of(dark: ControlValues, settled: ControlValues) -> Self {
        Self { dark, light: settled.clone(), settled }
    }

    /// From now on light brings back the values of `tried`, where they have any.
    pub(super) fn follow(&mut self, tried: &ControlValues) {
        let back = |name: &String| {
            let value = tried.get(name).or_else(|| self.settled.get(name))?;
            Some((name.clone(), value.clone()))
        };
        self.light = self.dark.keys().chain(self.settled.keys()).filter_map(back).collect();
    }

    /// Whether longer exposures are now in force: of what is asked for, at least one control is
    /// set.
    ///
    /// # Errors
    ///
    /// The control that the camera refuses, or that it tells none now.
    pub(super) fn set(&self, device: &Device, on: bool) -> Result<bool, String> {
        self.set_by(on, |values| apply(device, LOW_LIGHT, values))
    }

    fn set_by(
        &self,
        on: bool,
        apply: impl FnOnce(&ControlValues) -> Result<Overruled, String>,
    ) -> Result<bool, String> {
        let values = if on { &self.dark } else { &self.light };
        let overruled = apply(values)?;
        Ok(on && overruled.len() < values.len())
    }
}

/// The values to go back to; `has` is what a control has at the opening. What has none is left
/// alone when light returns: a camera without it is more than none.
///
/// # Errors
///
/// In words for the owner, a value of `dark` that cannot be.
fn without(
    known: &[Description],
    dark: &ControlValues,
    controls: &ControlValues,
    has: impl Fn(&Description) -> Option<ControlValue>,
    notes: &mut Vec<String>,
) -> Result<ControlValues, String> {
    let mut light = controls.clone();
    for (name, dark) in dark {
        resolve(known, LOW_LIGHT, name, dark)?;
        if light.contains_key(name) {
            continue;
        }
        let control = find(known, LOW_LIGHT, name)?;
        let value = default_of(control).or_else(|| {
            notes.push(format!(
                "{LOW_LIGHT}.{name}: the driver tells no usable default to go back to; give it in \
                 [camera.controls]"
            ));
            has(control).filter(|value| taken(control, value).is_ok())
        });
        light.extend(value.map(|value| (name.clone(), value)));
    }
    Ok(light)
}

#[cfg(test)]
mod tests;
