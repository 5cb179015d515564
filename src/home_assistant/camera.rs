//! Entities of one camera: what it sees.

use serde_json::{Value, json};

use super::device::EXPIRES_AFTER_S;
use super::{About, Components, merge};
use crate::contract::payload::ReasonCode;
use crate::events::EventType;
use crate::name::Name;
use crate::tracks::vocabulary::{alike, called};

/// The key of the binary sensor for a happy face.
const HAPPY: &str = "happy";

/// A name of any script as a part of an id, which no other name becomes: other bytes than
/// small letters, digits and `_` are written as `-` and two hexadecimal digits.
fn slug(name: &str) -> String {
    let part = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!("-{other:02x}"),
    };
    name.to_lowercase().bytes().map(part).collect()
}

/// The state of the enum sensor while there is no face.
const NO_EXPRESSION: &str = "none";

impl About {
    /// Entities of one camera. With several, each carries its camera's name.
    pub(super) fn camera_components(&self, camera: &Name) -> Components {
        let mut shown = self.state_entities(camera);
        shown.push(("tampering", self.tampering(camera, &self.named(camera, "Tampering"))));
        if self.snapshots {
            shown.push(("snapshot", self.snapshot_entity(camera)));
        }
        let shown = shown.into_iter().map(|(key, value)| (key.to_owned(), value));
        let availability = self.camera_availability(camera);
        let shown = shown
            .chain(self.binary_sensors(camera))
            .map(|(key, value)| (key, merge(value, availability.clone())));
        shown
            .chain([("event".to_owned(), self.event_entity(camera))])
            .map(|(key, value)| self.identified(&format!("{camera}_{key}"), value))
            .collect()
    }

    /// What the camera's state says.
    fn state_entities(&self, camera: &Name) -> Vec<(&'static str, Value)> {
        let state = self.topics.state(camera);
        let [occupied, faces, expression] = self.seen("value_json");
        let confidence = json!({
            "p": "sensor", "stat_cla": "measurement", "unit_of_meas": "%", "ic": "mdi:percent",
            "val_tpl": "{{ none if value_json.confidence is none \
                        else (value_json.confidence * 100) | round(0) }}",
        });
        let last_change = json!({
            "p": "sensor", "dev_cla": "timestamp", "val_tpl": "{{ value_json.time }}",
        });
        let entity = |(key, name, value)| {
            (key, merge(value, json!({ "name": self.named(camera, name), "stat_t": state })))
        };
        [
            ("expression", "Expression", expression),
            ("face", "Face", occupied),
            ("faces", "Faces", faces),
            ("confidence", "Confidence", confidence),
            ("last_change", "Last change", last_change),
        ]
        .map(entity)
        .into()
    }

    /// Whether a face is there, how many, and which expression the shown one has, everywhere or
    /// in a zone: `at` is where a camera's state has it.
    pub(super) fn seen(&self, at: &str) -> [Value; 3] {
        [
            json!({
                "p": "binary_sensor", "dev_cla": "occupancy",
                "val_tpl": format!("{{{{ 'ON' if {at}.faces > 0 else 'OFF' }}}}"),
            }),
            json!({
                "p": "sensor", "stat_cla": "measurement", "ic": "mdi:account-multiple",
                "val_tpl": format!("{{{{ {at}.faces }}}}"),
            }),
            // It may be null.
            json!({
                "p": "sensor", "dev_cla": "enum", "ic": "mdi:emoticon", "ops": self.expressions(),
                "val_tpl": format!("{{{{ {at}.expression or '{NO_EXPRESSION}' }}}}"),
            }),
        ]
    }

    fn snapshot_entity(&self, camera: &Name) -> Value {
        json!({
            "p": "image", "name": self.named(camera, "Snapshot"), "content_type": "image/jpeg",
            "image_topic": self.topics.snapshot(camera),
        })
    }

    /// What happens. Who leaves is told after the camera has closed, and who is there as soon as
    /// it opens: it is there while the process is, whose availability stands above all entities.
    fn event_entity(&self, camera: &Name) -> Value {
        json!({
            "p": "event", "name": self.named(camera, "Event"),
            "evt_typ": EventType::ALL.map(EventType::name),
            "stat_t": self.topics.event(camera),
            // An event with `late: true` waited through an outage and must not
            // trigger an automation now, so its value is left empty. Only late
            // events have the field: without `default(false)` Home Assistant logs
            // a template warning for each of the others.
            "val_tpl": "{% if not value_json.late | default(false) %}{{ value }}{% endif %}",
        })
    }

    /// One for each expression that the owner asks for: whether it is the one that is seen.
    fn binary_sensors(&self, camera: &Name) -> Vec<(String, Value)> {
        let (asked, happy) = (&self.settings.binary_sensors, alike(HAPPY, &self.classes));
        let wanted = |number: usize| {
            let is_asked_for = |name: &String| called(name, &self.classes) == Some(number);
            asked.iter().any(is_asked_for) || asked.is_empty() && happy.contains(&number)
        };
        let sensor = |number: usize| {
            let class = &self.classes[number];
            // Of several that mean it only the first is called so: the key is there once.
            let (key, name, icon) = if happy.first() == Some(&number) {
                (HAPPY.to_owned(), "Happy".to_owned(), "mdi:emoticon-happy")
            } else {
                (format!("is_{}", slug(class)), class.clone(), "mdi:emoticon")
            };
            // A text of JSON is one of Jinja, too: no quote in a class's name ends it.
            let text = Value::from(class.as_str());
            let value = json!({
                "p": "binary_sensor", "name": self.named(camera, &name), "ic": icon,
                "stat_t": self.topics.state(camera),
                "val_tpl": format!("{{{{ 'ON' if value_json.expression == {text} else 'OFF' }}}}"),
            });
            (key, value)
        };
        (0..self.classes.len()).filter(|number| wanted(*number)).map(sensor).collect()
    }

    /// The name of an entity of `camera`.
    pub(super) fn named(&self, camera: &Name, name: &str) -> String {
        if self.cameras.len() == 1 { name.to_owned() } else { format!("{camera} {name}") }
    }

    /// Every state that a sensor for an expression can have.
    fn expressions(&self) -> Vec<String> {
        self.classes.iter().cloned().chain([NO_EXPRESSION.to_owned()]).collect()
    }

    /// What a camera shows is there while the process and the camera are.
    pub(super) fn camera_availability(&self, camera: &Name) -> Value {
        json!({
            "avty": [
                { "t": self.topics.availability() },
                { "t": self.topics.camera_availability(camera) },
            ],
            "avty_mode": "all",
        })
    }

    /// Whether the camera shows what it is meant to show.
    fn tampering(&self, camera: &Name, name: &str) -> Value {
        let codes = ReasonCode::ALL.into_iter().filter(|code| code.is_tampering());
        let codes: Vec<&str> = codes.map(ReasonCode::name).collect();
        json!({
            "p": "binary_sensor", "dev_cla": "problem", "name": name, "ent_cat": "diagnostic",
            "exp_aft": EXPIRES_AFTER_S, "stat_t": self.topics.status(),
            "val_tpl": format!(
                "{{{{ 'ON' if value_json.reasons | selectattr('camera', 'defined') \
                 | selectattr('camera', 'eq', '{camera}') \
                 | selectattr('code', 'in', {codes:?}) | list else 'OFF' }}}}"
            ),
        })
    }
}
