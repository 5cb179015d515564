//! Every topic that the daemon writes or reads, in one place.
//! `docs/ref/mqtt.md` describes them and is tested against this file.

use super::inventory::INVENTORY_SCHEMA;
use super::payload::SCHEMA_VERSION;
use crate::events;
use crate::mqtt::message::{Class, Labels};
use crate::name::{
    self, AVAILABILITY, COMMAND, DOCTOR, GROUPS, INVENTORY, Name, NameError, STATUS,
};

/// What a camera sees now, below its name.
const STATE: &str = "state";

/// The topics of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    base: String,
    device: Name,
    groups: Vec<Name>,
}

impl Topics {
    /// `base` may have levels of its own (`home/expressiond`).
    ///
    /// # Errors
    ///
    /// A level of `base` that may not stand in a topic.
    pub fn new(base: &str, device: Name) -> Result<Self, NameError> {
        name::check_topic(base)?;
        Ok(Self { base: base.to_owned(), device, groups: Vec::new() })
    }

    /// The device belongs to these groups.
    #[must_use]
    pub fn with_groups(self, groups: Vec<Name>) -> Self {
        Self { groups, ..self }
    }

    /// The device whose topics these are.
    pub fn device(&self) -> &Name {
        &self.device
    }

    /// `online` or `offline`: the process. The last will writes here.
    pub fn availability(&self) -> String {
        self.of_device(AVAILABILITY)
    }

    /// What the device does and why nothing happens.
    pub fn status(&self) -> String {
        self.of_device(STATUS)
    }

    /// Which program, model and settings the device has.
    pub fn inventory(&self) -> String {
        self.of_device(INVENTORY)
    }

    /// Where the device is told what to do.
    pub fn command(&self) -> String {
        self.of_device(COMMAND)
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
        [AVAILABILITY, STATE].map(|leaf| self.of_device(&format!("+/{leaf}")))
    }

    /// The camera of a topic that [`Self::of_any_camera`] matches.
    pub fn camera_of<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let below = topic.strip_prefix(&self.of_device(""))?;
        let (camera, leaf) = below.split_once('/')?;
        [AVAILABILITY, STATE].contains(&leaf).then_some(camera)
    }

    /// `online` or `offline`: one camera.
    pub fn camera_availability(&self, camera: &Name) -> String {
        self.of_camera(camera, AVAILABILITY)
    }

    /// Every event of a camera, in order per track.
    pub fn event(&self, camera: &Name) -> String {
        self.of_camera(camera, "event")
    }

    /// What a camera sees now: the expression and the number of faces.
    pub fn state(&self, camera: &Name) -> String {
        self.of_camera(camera, STATE)
    }

    /// One annotated picture, when its owner asked for it; never kept.
    pub fn snapshot(&self, camera: &Name) -> String {
        self.of_camera(camera, "snapshot")
    }

    /// Where `expressiond doctor` tries whether the device may write: the availability of a
    /// camera that cannot exist.
    pub fn trial(&self) -> String {
        self.of_device(&format!("{DOCTOR}/{AVAILABILITY}"))
    }

    /// Every topic that a device with this camera writes, and its class.
    pub fn written(&self, camera: &Name) -> Vec<(String, Class)> {
        vec![
            (self.availability(), Class::Availability),
            (self.status(), Class::State),
            (self.inventory(), Class::State),
            (self.camera_availability(camera), Class::Availability),
            (self.state(camera), Class::State),
            (self.event(camera), Class::Event),
            (self.snapshot(camera), Class::Snapshot),
        ]
    }

    /// What MQTT 5 tells of each message of this device.
    pub fn labels(&self) -> Labels {
        Labels {
            device: self.device.to_string(),
            event_schema: events::SCHEMA,
            state_schema: SCHEMA_VERSION,
            own_schemas: vec![(self.inventory(), INVENTORY_SCHEMA)],
        }
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
    fn the_inventory_has_the_version_of_its_own_schema() {
        let topics = Topics::new("b", Name::new("d1").expect("valid")).expect("valid");
        let own = topics.labels().own_schemas;
        assert_eq!(own, [("b/d1/inventory".to_owned(), INVENTORY_SCHEMA)]);
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
