//! Every topic that the daemon writes or reads, in one place.
//! `docs/ref/mqtt.md` describes them and is tested against this file.

use std::fmt;

use super::message::Class;

/// A name that may stand as one level of a topic: a device or a camera.
///
/// `[a-zA-Z0-9_-]+`, at most 64 characters: what Home Assistant allows in an id,
/// and nothing that MQTT reads as a separator or a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a name cannot be part of a topic; reads as the end of "<key> ...".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("must not be empty")]
    Empty,
    #[error("is longer than {LONGEST_NAME} characters")]
    Long,
    #[error("holds {0:?}: only letters, digits, '_' and '-' may stand in a topic")]
    Character(char),
    #[error("is '{0}', which is a topic with another meaning: choose another name")]
    Reserved(String),
}

const LONGEST_NAME: usize = 64;

/// Levels below the device that are not cameras.
const RESERVED: [&str; 4] = ["availability", "status", "command", DOCTOR];

/// A camera of this name is what `expressiond doctor` speaks for.
pub(super) const DOCTOR: &str = "doctor";

/// The level beside the devices below which groups have their settings.
const GROUPS: &str = "groups";

impl Name {
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(found) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character(found));
        }
        if text.len() > LONGEST_NAME {
            return Err(NameError::Long);
        }
        Ok(Self(text))
    }

    /// A camera stands beside the device's own topics and may not be called so.
    pub fn camera(text: impl Into<String>) -> Result<Self, NameError> {
        let name = Self::new(text)?;
        if RESERVED.contains(&name.0.as_str()) {
            return Err(NameError::Reserved(name.0));
        }
        Ok(name)
    }

    /// A device stands beside the groups and may not be called so.
    pub fn device(text: impl Into<String>) -> Result<Self, NameError> {
        let name = Self::new(text)?;
        if name.0 == GROUPS {
            return Err(NameError::Reserved(name.0));
        }
        Ok(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The topics of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    base: String,
    device: Name,
    groups: Vec<Name>,
}

impl Topics {
    /// `base` may have levels of its own (`home/expressiond`).
    pub fn new(base: &str, device: Name) -> Result<Self, NameError> {
        for level in base.split('/') {
            Name::new(level)?;
        }
        Ok(Self { base: base.to_owned(), device, groups: Vec::new() })
    }

    /// The device belongs to these groups.
    #[must_use]
    pub fn with_groups(self, groups: Vec<Name>) -> Self {
        Self { groups, ..self }
    }

    pub fn device(&self) -> &Name {
        &self.device
    }

    /// `online` or `offline`: the process. The last will writes here.
    pub fn availability(&self) -> String {
        self.of_device("availability")
    }

    /// What the device does and why nothing happens.
    pub fn status(&self) -> String {
        self.of_device("status")
    }

    /// Where the device is told what to do.
    pub fn command(&self) -> String {
        self.of_device("command")
    }

    /// The device's groups, the one whose word counts most last.
    pub fn groups(&self) -> &[Name] {
        &self.groups
    }

    /// Where a group's settings stand, for every device in it.
    pub fn group_settings(&self, group: &Name) -> String {
        format!("{}/{GROUPS}/{group}/settings", self.base)
    }

    /// The group of the device whose settings stand on `topic`.
    pub fn group_of(&self, topic: &str) -> Option<&Name> {
        self.groups.iter().find(|group| self.group_settings(group) == topic)
    }

    /// Retained topics of every camera there is or was, as filters.
    pub fn of_any_camera(&self) -> [String; 2] {
        ["availability", "state"].map(|leaf| self.of_device(&format!("+/{leaf}")))
    }

    /// The camera of a topic that [`Self::of_any_camera`] matches.
    pub fn camera_of<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let below = topic.strip_prefix(&self.of_device(""))?;
        let (camera, leaf) = below.split_once('/')?;
        ["availability", "state"].contains(&leaf).then_some(camera)
    }

    /// `online` or `offline`: one camera.
    pub fn camera_availability(&self, camera: &Name) -> String {
        self.of_camera(camera, "availability")
    }

    /// Every event of a camera, in order per track.
    pub fn event(&self, camera: &Name) -> String {
        self.of_camera(camera, "event")
    }

    /// What a camera sees now: the expression and the number of faces.
    pub fn state(&self, camera: &Name) -> String {
        self.of_camera(camera, "state")
    }

    /// One annotated picture, when its owner asked for it; never kept.
    pub fn snapshot(&self, camera: &Name) -> String {
        self.of_camera(camera, "snapshot")
    }

    /// Every topic that a device with this camera writes, and its class.
    pub fn written(&self, camera: &Name) -> Vec<(String, Class)> {
        vec![
            (self.availability(), Class::Availability),
            (self.status(), Class::State),
            (self.camera_availability(camera), Class::Availability),
            (self.state(camera), Class::State),
            (self.event(camera), Class::Event),
            (self.snapshot(camera), Class::Snapshot),
        ]
    }

    fn of_device(&self, leaf: &str) -> String {
        format!("{}/{}/{leaf}", self.base, self.device)
    }

    fn of_camera(&self, camera: &Name, leaf: &str) -> String {
        format!("{}/{}/{camera}/{leaf}", self.base, self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_mqtt_would_misread() {
        for (text, expected) in [
            ("", NameError::Empty),
            ("a+b", NameError::Character('+')),
            ("a#", NameError::Character('#')),
            ("a/b", NameError::Character('/')),
            ("a\0", NameError::Character('\0')),
            ("$SYS", NameError::Character('$')),
            ("küche", NameError::Character('ü')),
        ] {
            assert_eq!(Name::new(text), Err(expected), "{text:?}");
        }
        assert_eq!(Name::new("x".repeat(65)), Err(NameError::Long));
        assert_eq!(Name::camera("status"), Err(NameError::Reserved("status".into())));
        assert_eq!(Name::device("groups"), Err(NameError::Reserved("groups".into())));
    }

    #[test]
    fn finds_the_camera_in_a_topic() {
        let topics = Topics::new("b", Name::new("d1").expect("valid")).expect("valid");
        assert_eq!(topics.camera_of("b/d1/back/state"), Some("back"));
        for other in ["b/d1/status", "b/d1/back/event", "b/d2/back/state", "b/d1/back/state/x"] {
            assert_eq!(topics.camera_of(other), None, "{other}");
        }
    }

    #[test]
    fn finds_the_group_in_a_topic() {
        let names = ["hall", "floor2"].map(|group| Name::new(group).expect("valid"));
        let topics = Topics::new("b/c", Name::new("d1").expect("valid")).expect("valid");
        let topics = topics.with_groups(names.to_vec());
        assert_eq!(topics.group_of("b/c/groups/floor2/settings"), Some(&names[1]));
        for other in ["b/c/groups/floor3/settings", "b/c/groups/hall/status", "b/c/hall"] {
            assert_eq!(topics.group_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_base_may_have_levels() {
        let device = Name::new("d1").expect("valid");
        let topics = Topics::new("home/expressiond", device.clone()).expect("valid");
        assert_eq!(topics.availability(), "home/expressiond/d1/availability");
        assert!(Topics::new("/home", device.clone()).is_err());
        assert!(Topics::new("home/#", device).is_err());
    }
}
