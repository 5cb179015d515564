//! What Home Assistant needs to show this device without a line of YAML: one
//! retained device-discovery payload.
//!
//! <https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>

mod camera;
mod device;
pub mod size;
mod zone;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::contract::topics::Topics;
use crate::limits::{Mistake, within};
use crate::name::{self, Name};
use crate::tracks::vocabulary::called;
use crate::zones;

/// What Home Assistant says on its birth topic when it has started.
pub(crate) const BIRTH: &[u8] = b"online";

/// Section `[home_assistant]`: what Home Assistant is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether this device announces itself. Default: true.
    pub enabled: bool,
    /// First level of discovery topics, as in Home Assistant's MQTT options.
    /// Default: `homeassistant`.
    pub discovery_prefix: String,
    /// Where Home Assistant says `online` when it has started. Default:
    /// `homeassistant/status`.
    pub birth_topic: String,
    /// Everything is said again a second after that (births of that second are answered
    /// together) and a wait by chance of up to so many seconds, 0 to 300. Default: 5.
    pub birth_jitter_s: u64,
    /// Name of the device in Home Assistant. Default: empty, which takes
    /// `Expression sensor <device id>`.
    pub device_name: String,
    /// Expressions, classes or groups, that have a binary sensor each. Default: empty, which
    /// takes `happy` where it is told.
    pub binary_sensors: Vec<String>,
    /// Area that Home Assistant suggests for it. Default: empty, none.
    pub suggested_area: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            discovery_prefix: "homeassistant".into(),
            birth_topic: "homeassistant/status".into(),
            birth_jitter_s: 5,
            device_name: String::new(),
            binary_sensors: Vec::new(),
            suggested_area: String::new(),
        }
    }
}

impl Settings {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        for (key, topic) in
            [("discovery_prefix", &self.discovery_prefix), ("birth_topic", &self.birth_topic)]
        {
            name::check_topic(topic).map_err(|error| (key, error.to_string()))?;
        }
        within("birth_jitter_s", self.birth_jitter_s, 0, 300)
    }

    /// Whether every binary sensor that the owner asks for has an expression that is told.
    ///
    /// # Errors
    ///
    /// In words that follow `home_assistant.binary_sensors`: which has none.
    pub fn check_sensors(&self, told: &[String]) -> Result<(), String> {
        match self.binary_sensors.iter().find(|name| called(name, told).is_none()) {
            None => Ok(()),
            Some(unknown) => Err(format!("has {unknown}, which is not told: {}", told.join(", "))),
        }
    }
}

/// What is announced.
#[derive(Clone, Debug)]
pub struct About {
    /// How it is announced.
    pub settings: Settings,
    /// The device and its topics.
    pub topics: Topics,
    /// Its cameras, each with entities of its own.
    pub cameras: Vec<Name>,
    /// The expressions that are told: the model's classes, or groups of them.
    pub classes: Vec<String>,
    /// Whether the owner lets pictures out (`snapshots.enabled`).
    pub snapshots: bool,
    /// Its zones (`[[zone]]`).
    pub zones: Vec<zones::Settings>,
    /// The device's page; none while it is off.
    pub page: Option<Page>,
    /// The board that it runs on.
    pub hardware: Hardware,
}

/// The device's page, as Home Assistant is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Where it is; none where only the device itself reaches it.
    pub url: Option<String>,
}

/// What is known of the board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Such as `Raspberry Pi 4 Model B Rev 1.4`; none where it does not tell.
    pub model: Option<String>,
    /// Its serial number; none where it does not tell.
    pub serial: Option<String>,
}

type Components = BTreeMap<String, Value>;

impl About {
    /// `<prefix>/device/<id>/config`.
    pub fn topic(&self) -> String {
        format!("{}/device/{}/config", self.settings.discovery_prefix, self.id())
    }

    fn id(&self) -> String {
        format!("expressiond_{}", self.topics.device())
    }

    /// The payload. `before` is what the broker keeps from an earlier run: its
    /// components that do not exist any more are named once with nothing but their
    /// platform, which makes Home Assistant remove them.
    pub fn payload(&self, before: Option<&[u8]>) -> Value {
        let before = before.map(components_of).unwrap_or_default();
        let cameras = self.cameras.iter();
        let of_cameras = cameras.flat_map(|camera| {
            self.camera_components(camera).into_iter().chain(self.zone_components(camera))
        });
        // The device's before the cameras', whose keys make way.
        let all = self.device_components().into_iter().chain(self.zone_switches());
        let mut components = Components::new();
        for (key, component) in all.chain(of_cameras) {
            components.insert(key_for(key, &component, &components, &before), component);
        }
        for (key, Earlier { platform, .. }) in before {
            components.entry(key).or_insert_with(|| json!({ "p": platform }));
        }
        json!({
            "dev": self.device(),
            "o": {
                "name": "expressiond",
                "sw": env!("CARGO_PKG_VERSION"),
                "url": env!("CARGO_PKG_REPOSITORY"),
            },
            // Of the process; cameras add their own (below).
            "avty": [{ "t": self.topics.availability() }],
            "qos": 1,
            "cmps": components,
        })
    }

    fn device(&self) -> Value {
        let name = if self.settings.device_name.is_empty() {
            format!("Expression sensor {}", self.topics.device())
        } else {
            self.settings.device_name.clone()
        };
        let mut device = json!({
            "ids": [self.id()],
            "name": name,
            "mf": "expressiond",
            "mdl": "Facial expression sensor",
            "sw": env!("CARGO_PKG_VERSION"),
        });
        if !self.settings.suggested_area.is_empty() {
            device["sa"] = json!(self.settings.suggested_area);
        }
        let more = [
            ("hw", self.hardware.model.as_ref()),
            ("sn", self.hardware.serial.as_ref()),
            ("cu", self.page.as_ref().and_then(|page| page.url.as_ref())),
        ];
        for (key, value) in more {
            if let Some(value) = value {
                device[key] = json!(value);
            }
        }
        device
    }

    /// Adds the ids by which Home Assistant knows an entity for ever.
    fn identified(&self, key: &str, component: Value) -> (String, Value) {
        let unique = format!("{}_{key}", self.id());
        let platform = component["p"].as_str().unwrap_or_default();
        // `object_id` stopped working in 2026.4. The long name has no abbreviation
        // in older versions, which ignore it.
        let entity = format!("{platform}.{}", unique.to_lowercase().replace('-', "_"));
        let ids = json!({ "uniq_id": unique, "default_entity_id": entity });
        (key.to_owned(), merge(component, ids))
    }
}

/// `key`, or where something else has it, as the image of a camera called `take` and the
/// button `take_snapshot` do, another. Only the place in the payload changes: the unique
/// ids stay as they are, which Home Assistant keeps apart by platform. To it a component is
/// platform and key: one that got the key of another platform could not be told to remove
/// that one, so whatever was announced `before` keeps its key.
fn key_for(
    key: String,
    component: &Value,
    taken: &Components,
    before: &BTreeMap<String, Earlier>,
) -> String {
    let is_it = |earlier: &Earlier| {
        component["p"] == *earlier.platform && component["uniq_id"] == *earlier.unique
    };
    if let Some((kept, _)) = before.iter().find(|(_, earlier)| is_it(earlier)) {
        return kept.clone();
    }
    let mut free = key;
    while taken.contains_key(&free) || before.contains_key(&free) {
        free.insert_str(0, "camera_");
    }
    free
}

/// Both objects in one; the second wins.
fn merge(first: Value, second: Value) -> Value {
    let (Value::Object(mut all), Value::Object(more)) = (first, second) else {
        unreachable!("components are written as objects above");
    };
    all.extend(more);
    Value::Object(all)
}

/// A component that an earlier run announced.
struct Earlier {
    platform: String,
    /// Its unique id, empty where it has none.
    unique: String,
}

/// Each component of a payload, by its key, that still means something: one with nothing but
/// its platform was removed already.
fn components_of(payload: &[u8]) -> BTreeMap<String, Earlier> {
    let Ok(Value::Object(payload)) = serde_json::from_slice(payload) else {
        return BTreeMap::new();
    };
    let components: Map<String, Value> =
        payload.get("cmps").and_then(Value::as_object).cloned().unwrap_or_default();
    let living = |component: &Value| {
        let component = component.as_object().filter(|component| component.len() > 1)?;
        let text = |field: &str| component.get(field)?.as_str().map(str::to_owned);
        Some(Earlier { platform: text("p")?, unique: text("uniq_id").unwrap_or_default() })
    };
    components.iter().filter_map(|(key, value)| Some((key.clone(), living(value)?))).collect()
}

#[cfg(test)]
mod tests;
