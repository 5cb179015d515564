//! A camera's controls (exposure, gain, power-line frequency, ...) by name.
//!
//! Names are those of `v4l2-ctl --list-ctrls`: the driver's in lower case, with
//! underscores (linux/Documentation/userspace-api/media/v4l/control.rst).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use v4l::control::{Control, Description, Flags, Type, Value};
use v4l::device::Device;

use super::guard::guarded;

/// What the owner wants a control to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a number without a fraction, true or false, or a menu's entry is needed"
)]
pub enum ControlValue {
    /// On or off.
    Switch(bool),
    /// A number, or a menu's entry by its number.
    Number(i64),
    /// One of a menu's entries.
    Entry(String),
}

/// Values by the controls' names.
pub(crate) type ControlValues = BTreeMap<String, ControlValue>;

impl std::fmt::Display for ControlValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Entry(text) => write!(f, "{text}"),
        }
    }
}

/// A control of the open camera, as somebody may set it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlOffer {
    /// The name in the settings.
    pub name: String,
    /// What it was when the camera was opened.
    pub value: ControlValue,
    /// What it may be.
    #[serde(flatten)]
    pub range: ControlRange,
}

/// What a control may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ControlRange {
    /// On or off.
    Switch,
    /// A number between two others.
    Number {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
        /// From one to the next.
        step: u64,
    },
    /// One of these, by number.
    Menu {
        /// Number and words of each.
        entries: Vec<(u32, String)>,
    },
}

/// What the camera offers; nothing where it does not tell.
pub(super) fn offers(device: &Device) -> Vec<ControlOffer> {
    let known = known(device).unwrap_or_default();
    let offer = |control: &Description| {
        let value = guarded(|| device.control(control.id)).ok()?.ok()?.value;
        offer(control, &value)
    };
    known.iter().filter(|control| is_usable(control)).filter_map(offer).collect()
}

/// None for kinds that are not set here, such as text and regions.
fn offer(control: &Description, value: &Value) -> Option<ControlOffer> {
    let Description { minimum: least, maximum: most, step, .. } = *control;
    let (value, range) = match (control.typ, value) {
        (Type::Boolean, Value::Boolean(on)) => (ControlValue::Switch(*on), ControlRange::Switch),
        (Type::Boolean, Value::Integer(on)) => {
            (ControlValue::Switch(*on != 0), ControlRange::Switch)
        }
        (Type::Menu | Type::IntegerMenu, Value::Integer(number)) => {
            let items = control.items.as_deref().unwrap_or_default();
            let entries = items.iter().map(|(index, item)| (*index, item.to_string())).collect();
            (ControlValue::Number(*number), ControlRange::Menu { entries })
        }
        (Type::Integer | Type::Integer64, Value::Integer(number)) => {
            (ControlValue::Number(*number), ControlRange::Number { least, most, step })
        }
        _ => return None,
    };
    Some(ControlOffer { name: name_of(&control.name), value, range })
}

fn is_usable(control: &Description) -> bool {
    !control.flags.intersects(Flags::DISABLED | Flags::READ_ONLY) && control.typ != Type::CtrlClass
}

/// The name in the settings.
pub(super) fn name_of(driver: &str) -> String {
    let lower =
        driver.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' });
    lower.collect::<String>().split_whitespace().collect::<Vec<_>>().join("_")
}

/// Sets what is wanted.
///
/// # Errors
///
/// In words for the owner: which key, and what the camera takes.
pub(super) fn apply(device: &Device, table: &str, wanted: &ControlValues) -> Result<(), String> {
    if wanted.is_empty() {
        return Ok(());
    }
    let known = known(device)?;
    let mut left: Vec<(&String, &ControlValue)> = wanted.iter().collect();
    // A driver refuses some controls until another one is set: an exposure time, until
    // exposure is no longer automatic. Names say nothing of that, so what was refused is
    // tried again as long as the round before has set anything.
    loop {
        let before = left.len();
        let mut refused = Vec::new();
        let mut failure = None;
        for (name, value) in left {
            if let Err(error) = device.set_control(resolve(&known, table, name, value)?) {
                refused.push((name, value));
                failure = Some(format!("{table}.{name}: it refuses {value}: {error}"));
            }
        }
        match failure {
            None => return Ok(()),
            Some(failure) if refused.len() == before => return Err(failure),
            Some(_) => left = refused,
        }
    }
}

/// The values of `[camera.low_light]`, and those that replace them when light returns.
///
/// The latter are those of `[camera.controls]`, else the driver's defaults. The values that
/// the camera had before would be wrong: after a crash in the dark they are those of
/// `[camera.low_light]`, which the camera keeps while it has power.
pub(super) struct LowLight {
    dark: ControlValues,
    light: ControlValues,
}

const LOW_LIGHT: &str = "camera.low_light";

impl LowLight {
    /// Checks the values against what the camera takes, and sets those for light.
    ///
    /// # Errors
    ///
    /// In words for the owner: which key, and what the camera takes.
    pub(super) fn prepare(
        device: &Device,
        dark: &ControlValues,
        controls: &ControlValues,
    ) -> Result<Self, String> {
        let dark = dark.clone();
        if dark.is_empty() {
            return Ok(Self { light: ControlValues::new(), dark });
        }
        let light = without(&known(device)?, &dark, controls)?;
        apply(device, LOW_LIGHT, &light)?;
        Ok(Self { dark, light })
    }

    /// Whether longer exposures are now asked for.
    ///
    /// # Errors
    ///
    /// The control that the camera refuses.
    pub(super) fn set(&self, device: &Device, on: bool) -> Result<bool, String> {
        let values = if on { &self.dark } else { &self.light };
        apply(device, LOW_LIGHT, values).map(|()| on && !values.is_empty())
    }
}

/// The values to go back to.
fn without(
    known: &[Description],
    dark: &ControlValues,
    controls: &ControlValues,
) -> Result<ControlValues, String> {
    let back = |(name, dark): (&String, &ControlValue)| {
        resolve(known, LOW_LIGHT, name, dark)?;
        let control = find(known, LOW_LIGHT, name)?;
        let default = match control.typ {
            Type::Boolean => ControlValue::Switch(control.default != 0),
            _ => ControlValue::Number(control.default),
        };
        Ok((name.clone(), controls.get(name).cloned().unwrap_or(default)))
    };
    dark.iter().map(back).collect()
}

/// What the camera has. The crate panics on a kind of control that is younger than it.
fn known(device: &Device) -> Result<Vec<Description>, String> {
    match guarded(|| device.query_controls()) {
        Ok(Ok(controls)) => Ok(controls),
        Ok(Err(error)) => Err(format!("tells no controls: {error}; remove [camera.controls]")),
        Err(_) => Err("has controls that cannot be read; remove [camera.controls]".to_owned()),
    }
}

fn find<'a>(known: &'a [Description], table: &str, name: &str) -> Result<&'a Description, String> {
    let usable = || known.iter().filter(|control| is_usable(control));
    usable().find(|control| name_of(&control.name) == name).ok_or_else(|| {
        let names: Vec<String> = usable().map(|control| name_of(&control.name)).collect();
        format!("has no {table}.{name}; it has {}", names.join(", "))
    })
}

/// The driver's number and value for what is wanted, checked against what it says it takes.
fn resolve(
    known: &[Description],
    table: &str,
    name: &str,
    wanted: &ControlValue,
) -> Result<Control, String> {
    let control = find(known, table, name)?;
    let takes = |what: String| format!("{table}.{name} is {wanted}, it takes {what}");
    let value = match (control.typ, wanted) {
        (Type::Boolean, ControlValue::Switch(on)) => Value::Boolean(*on),
        (Type::Boolean, _) => return Err(takes("true or false".into())),
        (Type::Menu | Type::IntegerMenu, wanted) => {
            let items = control.items.as_deref().unwrap_or_default();
            let found = items.iter().find(|(index, item)| match wanted {
                ControlValue::Number(number) => i64::from(*index) == *number,
                ControlValue::Entry(text) => item.to_string() == *text,
                ControlValue::Switch(_) => false,
            });
            let Some((index, _)) = found else {
                let all = items.iter().map(|(index, item)| format!("{index} ({item})"));
                return Err(takes(all.collect::<Vec<_>>().join(", ")));
            };
            Value::Integer(i64::from(*index))
        }
        (_, ControlValue::Number(number)) => {
            let (least, most) = (control.minimum, control.maximum);
            if !(least..=most).contains(number) {
                return Err(takes(format!("{least} to {most}")));
            }
            Value::Integer(*number)
        }
        _ => return Err(takes(format!("a number, {} to {}", control.minimum, control.maximum))),
    };
    Ok(Control { id: control.id, value })
}

#[cfg(test)]
mod tests {
    use v4l::control::MenuItem;

    use super::*;

    fn control(id: u32, name: &str, typ: Type, items: Option<Vec<(u32, MenuItem)>>) -> Description {
        Description {
            id,
            typ,
            name: name.into(),
            minimum: 3,
            maximum: 2047,
            step: 1,
            default: 250,
            flags: Flags::empty(),
            items,
        }
    }

    fn known() -> Vec<Description> {
        let line = MenuItem::Name("50 Hz".into());
        vec![
            control(1, "Exposure Time, Absolute", Type::Integer, None),
            control(2, "Power Line Frequency", Type::Menu, Some(vec![(1, line)])),
            control(3, "White Balance, Automatic", Type::Boolean, None),
        ]
    }

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(name_of("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(name_of("White Balance, Automatic"), "white_balance_automatic");
    }

    #[test]
    fn a_camera_offers_its_own_ranges() {
        let [exposure, line, balance] = &known()[..] else { panic!("three controls") };
        let offered = offer(exposure, &Value::Integer(300)).expect("a number");
        let range = ControlRange::Number { least: 3, most: 2047, step: 1 };
        assert_eq!((offered.value, offered.range), (ControlValue::Number(300), range));
        let offered = offer(line, &Value::Integer(1)).expect("a menu");
        assert_eq!(offered.range, ControlRange::Menu { entries: vec![(1, "50 Hz".into())] });
        let offered = offer(balance, &Value::Integer(1)).expect("a switch");
        assert_eq!(
            (&*offered.name, offered.value),
            ("white_balance_automatic", ControlValue::Switch(true))
        );
        assert_eq!(offer(exposure, &Value::None), None);
        let dead = Description {
            flags: Flags::READ_ONLY,
            ..control(1, "Exposure Time, Absolute", Type::Integer, None)
        };
        assert!(!is_usable(&dead) && is_usable(exposure));
    }

    #[test]
    fn what_is_wanted_becomes_the_drivers_values() {
        let value = |name: &str, wanted| {
            resolve(&known(), "camera.controls", name, &wanted).map(|control| control.value)
        };
        let exposure = value("exposure_time_absolute", ControlValue::Number(300));
        assert_eq!(exposure, Ok(Value::Integer(300)));
        let line = value("power_line_frequency", ControlValue::Entry("50 Hz".into()));
        assert_eq!(line, Ok(Value::Integer(1)));
        assert_eq!(value("power_line_frequency", ControlValue::Number(1)), Ok(Value::Integer(1)));
        let balance = value("white_balance_automatic", ControlValue::Switch(false));
        assert_eq!(balance, Ok(Value::Boolean(false)));
    }

    #[test]
    fn what_cannot_be_names_the_key_and_what_is_taken() {
        let refused = |name: &str, wanted| {
            resolve(&known(), "camera.controls", name, &wanted).map(|_| ()).unwrap_err()
        };
        let error = refused("exposure_time_absolute", ControlValue::Number(5000));
        assert_eq!(error, "camera.controls.exposure_time_absolute is 5000, it takes 3 to 2047");
        let error = refused("power_line_frequency", ControlValue::Entry("55 Hz".into()));
        assert!(error.ends_with("it takes 1 (50 Hz)"), "{error}");
        let error = refused("white_balance_automatic", ControlValue::Number(1));
        assert!(error.ends_with("true or false"), "{error}");
        let error = refused("gain", ControlValue::Number(1));
        assert!(error.contains("power_line_frequency"), "{error}");
    }

    #[test]
    fn low_light_goes_back_to_the_settings_or_the_default() {
        let values = |pairs: &[(&str, ControlValue)]| -> ControlValues {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let exposure = "exposure_time_absolute";
        let balance = "white_balance_automatic";
        let dark = values(&[
            (exposure, ControlValue::Number(1000)),
            (balance, ControlValue::Switch(false)),
        ]);
        let light = without(&known(), &dark, &ControlValues::new()).unwrap();
        assert_eq!(
            light,
            values(&[(exposure, ControlValue::Number(250)), (balance, ControlValue::Switch(true))])
        );
        let settings = values(&[(exposure, ControlValue::Number(300))]);
        let light = without(&known(), &dark, &settings).unwrap();
        assert_eq!(light[exposure], ControlValue::Number(300));
        let impossible = values(&[(exposure, ControlValue::Number(9999))]);
        let error = without(&known(), &impossible, &settings).unwrap_err();
        assert!(error.starts_with("camera.low_light.exposure_time_absolute is 9999"), "{error}");
    }
}
