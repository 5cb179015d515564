//! Entities of one zone: who is in it, and its switch.

use serde_json::{Value, json};

use super::{About, Components, merge};
use crate::name::Name;
use crate::zones::{Kind, Settings};

impl About {
    /// Entities of the zones of one camera in which faces are counted.
    pub(super) fn zone_components(&self, camera: &Name) -> Components {
        let counted = self.zones.iter().filter(|zone| zone.kind == Kind::Count);
        counted.flat_map(|zone| self.counted(camera, &zone.name)).collect()
    }

    fn counted(&self, camera: &Name, zone: &str) -> Components {
        let state = self.topics.state(camera);
        // Names of zones are letters, digits, '_' and '-': nothing that ends the text.
        let value = format!("value_json.zones['{zone}']");
        let [occupied, faces, expression] = self.seen(&value);
        let entities = [
            ("occupied", occupied),
            ("faces", faces),
            ("expression", expression),
            (
                "dwell",
                json!({
                    "p": "sensor", "dev_cla": "duration", "unit_of_meas": "s",
                    "stat_cla": "measurement",
                    "val_tpl": format!("{{{{ {value}.dwell_s }}}}"),
                    "json_attr_t": state,
                    "json_attr_tpl": format!("{{{{ {{'since': {value}.since}} | tojson }}}}"),
                }),
            ),
        ];
        let common = merge(json!({ "stat_t": state }), self.camera_availability(camera));
        let entity = |(key, value): (&str, Value)| {
            let words = if key == "dwell" { "dwell time" } else { key };
            let name = json!({ "name": self.named(camera, &format!("{zone} {words}")) });
            let value = merge(merge(value, name), common.clone());
            self.identified(&format!("{camera}_zone_{zone}_{key}"), value)
        };
        entities.map(entity).into_iter().collect()
    }

    /// A switch for each zone.
    pub(super) fn zone_switches(&self) -> Components {
        let switch = |Settings { name, .. }: &Settings| {
            let say = |on: bool| json!({ "command": "set", "zones": { (name): on } }).to_string();
            let value = json!({
                "p": "switch", "name": format!("Zone {name}"), "ic": "mdi:vector-polygon",
                "cmd_t": self.topics.command(), "pl_on": say(true), "pl_off": say(false),
                "stat_t": self.topics.status(),
                "val_tpl": format!(
                    "{{{{ 'on' if value_json.in_force.zones['{name}'].value else 'off' }}}}"
                ),
                "stat_on": "on", "stat_off": "off", "ent_cat": "config",
            });
            self.identified(&format!("zone_{name}"), value)
        };
        self.zones.iter().map(switch).collect()
    }
}
