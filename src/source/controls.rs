//! A camera's controls (exposure, gain, power-line frequency, ...) by name.
//!
//! Names are those of `v4l2-ctl --list-ctrls`: the driver's in lower case, with
//! underscores (linux/Documentation/userspace-api/media/v4l/control.rst).

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
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

/// Controls that keep what they have since another one decides in their place: in words, by
/// their names.
pub(crate) type Overruled = BTreeMap<String, String>;

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
    /// What it is where nobody sets it: what it was when the camera was opened, or the driver's
    /// default where the settings had set it by then or it cannot be read.
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

/// What the camera offers, on which `set` was set; nothing where it does not tell.
pub(super) fn offers(device: &Device, set: &ControlValues) -> Vec<ControlOffer> {
    let known = list(device).unwrap_or_default();
    let offer =
        |control: &Description| offer(control, &reading(control, |id| device.control(id))?, set);
    known.iter().filter(|control| is_usable(control)).filter_map(offer).collect()
}

/// What a control has; of a menu of numbers the driver's default, since the crate reads none.
pub(super) fn reading(
    control: &Description,
    read: impl FnOnce(u32) -> io::Result<Control>,
) -> Option<Value> {
    if control.typ == Type::IntegerMenu {
        return default_of(control).map(|_| Value::Integer(control.default));
    }
    Some(guarded(|| read(control.id)).ok()?.ok()?.value)
}

/// None for kinds that are not set here, such as text and regions.
fn offer(control: &Description, value: &Value, set: &ControlValues) -> Option<ControlOffer> {
    let value = value_of(control, value)?;
    let range = match control.typ {
        Type::Boolean => ControlRange::Switch,
        Type::Menu | Type::IntegerMenu => {
            let items = control.items.as_deref().unwrap_or_default();
            let entries = items.iter().map(|(index, item)| (*index, item.to_string())).collect();
            ControlRange::Menu { entries }
        }
        _ => {
            let Description { minimum: least, maximum: most, step, .. } = *control;
            ControlRange::Number { least, most, step }
        }
    };
    let name = name_of(&control.name);
    let default = || default_of(control).unwrap_or_else(|| value.clone());
    let value = if set.contains_key(&name) { default() } else { value };
    Some(ControlOffer { name, value, range })
}

/// A control's value in the settings' words; none for kinds that are not set here.
pub(super) fn value_of(control: &Description, value: &Value) -> Option<ControlValue> {
    match (control.typ, value) {
        (Type::Boolean, Value::Boolean(on)) => Some(ControlValue::Switch(*on)),
        (Type::Boolean, Value::Integer(on)) => Some(ControlValue::Switch(*on != 0)),
        (Type::Menu | Type::IntegerMenu | Type::Integer | Type::Integer64, value) => match value {
            Value::Integer(number) => Some(ControlValue::Number(*number)),
            _ => None,
        },
        _ => None,
    }
}

/// None where the driver tells one that the control does not take: uvcvideo passes on what the
/// camera says (`UVC_GET_DEF`), and some say 57343 of 0 to 255, or an entry that is none.
pub(super) fn default_of(control: &Description) -> Option<ControlValue> {
    let default = match control.typ {
        Type::Boolean => ControlValue::Switch(control.default != 0),
        _ => ControlValue::Number(control.default),
    };
    taken(control, &default).is_ok().then_some(default)
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

/// Sets what is wanted of an open camera. Says what it does not take now.
///
/// # Errors
///
/// In words for the owner: which key, and what the camera takes, or that it tells no controls.
pub(super) fn apply(
    device: &Device,
    table: &str,
    wanted: &ControlValues,
) -> Result<Overruled, String> {
    if wanted.is_empty() {
        return Ok(Overruled::new());
    }
    let known = known(device, table)?;
    let overruled = set_known(device, table, known, wanted)?;
    for words in overruled.values() {
        log::info!("{words}");
    }
    Ok(overruled)
}

/// The same while it is opened: a camera that tells no controls is more than none. What is not
/// set is noted. Whether it tells them.
///
/// # Errors
///
/// In words for the owner: which key, and what the camera takes.
pub(super) fn apply_first(
    device: &Device,
    table: &str,
    wanted: &ControlValues,
    notes: &mut Vec<String>,
) -> Result<bool, String> {
    if wanted.is_empty() {
        return Ok(true);
    }
    let Some(known) = known_or_noted(device, table, notes) else { return Ok(false) };
    notes.extend(set_known(device, table, known, wanted)?.into_values());
    Ok(true)
}

/// Sets what is wanted of what is known of a camera's controls.
///
/// # Errors
///
/// As [`apply`].
pub(super) fn set_known(
    device: &Device,
    table: &str,
    known: Vec<Description>,
    wanted: &ControlValues,
) -> Result<Overruled, String> {
    let mut overruled = Overruled::new();
    let refused = settle(&known, table, wanted, |control| device.set_control(control))?;
    if refused.is_empty() {
        return Ok(overruled);
    }
    // What is active changes with what was set.
    let now = list(device).unwrap_or(known);
    for Refused { name, failure } in refused {
        if !is_inactive(&now, &name) {
            return Err(failure);
        }
        overruled.insert(name, format!("{failure}; another control decides that now"));
    }
    Ok(overruled)
}

/// A control that could not be set.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    name: String,
    /// In words, with the key and the driver's reason.
    failure: String,
}

/// Sets what `set` takes, and says what it does not.
///
/// # Errors
///
/// The camera has no such control, or says itself that it takes no such value.
fn settle(
    known: &[Description],
    table: &str,
    wanted: &ControlValues,
    mut set: impl FnMut(Control) -> io::Result<()>,
) -> Result<Vec<Refused>, String> {
    let mut left: Vec<(&String, &ControlValue)> = wanted.iter().collect();
    // A driver refuses some controls until another one is set: an exposure time, until
    // exposure is no longer automatic. Names say nothing of that, so what was refused is
    // tried again as long as the round before has set anything.
    loop {
        let before = left.len();
        let (mut again, mut refused) = (Vec::new(), Vec::new());
        for (name, value) in left {
            if let Err(error) = set(resolve(known, table, name, value)?) {
                again.push((name, value));
                let failure = format!("{table}.{name}: it refuses {value}: {error}");
                refused.push(Refused { name: name.clone(), failure });
            }
        }
        if refused.is_empty() || refused.len() == before {
            return Ok(refused);
        }
        left = again;
    }
}

/// Whether another control decides in its place, as automatic exposure does for the exposure
/// time (`V4L2_CTRL_FLAG_INACTIVE`): drivers may refuse to set it then, and nothing is lost.
fn is_inactive(known: &[Description], name: &str) -> bool {
    let control = known.iter().find(|control| name_of(&control.name) == name);
    control.is_some_and(|control| control.flags.contains(Flags::INACTIVE))
}

/// What the camera has. One control that cannot be asked for hides all others.
///
/// # Errors
///
/// In words for the owner, that `table` cannot be set.
fn known(device: &Device, table: &str) -> Result<Vec<Description>, String> {
    // What fails once may work the next time, on a bus that is busy.
    let told = list(device).or_else(|_| list(device));
    told.map_err(|error| format!("[{table}] is not set: the camera tells no controls: {error}"))
}

/// What the camera has; that it tells none is noted.
pub(super) fn known_or_noted(
    device: &Device,
    table: &str,
    notes: &mut Vec<String>,
) -> Option<Vec<Description>> {
    known(device, table).map_err(|none| notes.push(none)).ok()
}

/// The crate (0.14) panics on a kind of control that is younger than it, as the rectangles of
/// kernel 6.15 (`V4L2_CTRL_TYPE_RECT`, linux/Documentation/userspace-api/media/v4l/
/// vidioc-queryctrl.rst): uvcvideo has one for a camera's region of interest. It gives no
/// way around that control, and asking the kernel past it takes an ioctl, which is `unsafe`.
fn list(device: &Device) -> io::Result<Vec<Description>> {
    let none = [Errno::INVAL, Errno::NOTTY].map(|errno| Some(errno.raw_os_error()));
    guarded(|| device.query_controls()).map_err(too_young).flatten().or_else(|error| {
        if none.contains(&error.raw_os_error()) { Ok(Vec::new()) } else { Err(error) }
    })
}

fn too_young(error: io::Error) -> io::Error {
    io::Error::other(format!("{error}, such as the rectangle controls of kernels from 6.15 on"))
}

pub(super) fn find<'a>(
    known: &'a [Description],
    table: &str,
    name: &str,
) -> Result<&'a Description, String> {
    let usable = || known.iter().filter(|control| is_usable(control));
    usable().find(|control| name_of(&control.name) == name).ok_or_else(|| {
        let names: Vec<String> = usable().map(|control| name_of(&control.name)).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("has no {table}.{name}; it has {names}")
    })
}

/// The driver's number and value for what is wanted, checked against what it says it takes.
pub(super) fn resolve(
    known: &[Description],
    table: &str,
    name: &str,
    wanted: &ControlValue,
) -> Result<Control, String> {
    let control = find(known, table, name)?;
    let value = taken(control, wanted)
        .map_err(|takes| format!("{table}.{name} is {wanted}, it takes {takes}"))?;
    Ok(Control { id: control.id, value })
}

/// The driver's value for what is wanted.
///
/// # Errors
///
/// What the control takes instead.
pub(super) fn taken(control: &Description, wanted: &ControlValue) -> Result<Value, String> {
    let (least, most) = (control.minimum, control.maximum);
    match (control.typ, wanted) {
        (Type::Boolean, ControlValue::Switch(on)) => Ok(Value::Boolean(*on)),
        (Type::Boolean, _) => Err("true or false".into()),
        (Type::Menu | Type::IntegerMenu, wanted) => {
            let items = control.items.as_deref().unwrap_or_default();
            let found = items.iter().find(|(index, item)| match wanted {
                ControlValue::Number(number) => i64::from(*index) == *number,
                ControlValue::Entry(text) => item.to_string() == *text,
                ControlValue::Switch(_) => false,
            });
            found.map(|(index, _)| Value::Integer(i64::from(*index))).ok_or_else(|| {
                let all = items.iter().map(|(index, item)| format!("{index} ({item})"));
                all.collect::<Vec<_>>().join(", ")
            })
        }
        (_, ControlValue::Number(number)) if (least..=most).contains(number) => {
            Ok(Value::Integer(*number))
        }
        (_, ControlValue::Number(_)) => Err(format!("{least} to {most}")),
        _ => Err(format!("a number, {least} to {most}")),
    }
}

#[cfg(test)]
pub(super) mod tests;
