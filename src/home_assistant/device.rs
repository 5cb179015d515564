//! Entities of the device: what the status topic tells, and its controls.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{About, Components, merge};
use crate::attention::pace::MAX_FPS;
use crate::contract::payload::{ReasonCode, STATUS_STALE};
use crate::tracks::START_CONFIDENCE;

/// A value that is not repeated for this long is not known any more.
pub(super) const EXPIRES_AFTER_S: u64 = STATUS_STALE.as_secs();

impl About {
    /// Entities that read the status topic, and the controls.
    pub(super) fn device_components(&self) -> Components {
        let status = self.topics.status();
        let mut components = vec![
            ("reason", reason(&status)),
            ("active", self.active_switch(&status)),
            ("restart", self.button("restart")),
            ("identify", self.button("identify")),
            (
                "threshold",
                self.number(
                    "Threshold",
                    "threshold",
                    &START_CONFIDENCE,
                    json!({ "step": 0.01, "ic": "mdi:tune-variant" }),
                ),
            ),
            (
                "max_fps",
                self.number(
                    "Most frames per second",
                    "max_fps",
                    &MAX_FPS,
                    json!({ "step": 0.1, "unit_of_meas": "fps" }),
                ),
            ),
        ];
        components.extend(measurements(&status));
        // It holds back the live picture, too: where that alone is left, there must be a way back.
        if self.snapshots || self.page.is_some() {
            components.push(("snapshots", self.snapshots_switch(&status)));
        }
        if self.snapshots {
            components.push(("take_snapshot", self.snapshot_button(&status)));
        }
        if self.page.is_some() {
            components.push(("watched", watched(&status)));
        }
        components.into_iter().map(|(key, value)| self.identified(key, value)).collect()
    }

    fn active_switch(&self, status: &str) -> Value {
        json!({
            "p": "switch", "name": "Active", "ic": "mdi:eye",
            "cmd_t": self.topics.command(),
            "pl_on": r#"{"command":"resume"}"#, "pl_off": r#"{"command":"pause"}"#,
            "stat_t": status,
            "val_tpl": "{{ 'off' if value_json.paused else 'on' }}",
            "stat_on": "on", "stat_off": "off",
            "ent_cat": "config",
        })
    }

    /// Narrows what the settings file allows: it is off while a command holds pictures back,
    /// whatever the file says.
    fn snapshots_switch(&self, status: &str) -> Value {
        json!({
            "p": "switch", "name": "Snapshots", "ic": "mdi:camera-lock-open",
            "cmd_t": self.topics.command(),
            "pl_on": r#"{"command":"set","snapshots":true}"#,
            "pl_off": r#"{"command":"set","snapshots":false}"#,
            "stat_t": status,
            "val_tpl": "{{ 'off' if value_json.in_force.snapshots.from == 'command' else 'on' }}",
            "stat_on": "on", "stat_off": "off",
            "ent_cat": "config",
        })
    }

    /// A button of a class that Home Assistant knows. It has no name of ours, so that it is
    /// called what Home Assistant calls the class, in the language of its users
    /// (<https://www.home-assistant.io/integrations/button.mqtt/#name>).
    fn button(&self, command: &str) -> Value {
        json!({
            "p": "button", "dev_cla": command, "cmd_t": self.topics.command(),
            "pl_prs": format!(r#"{{"command":"{command}"}}"#), "ent_cat": "config",
        })
    }

    /// To be pressed only while it would do something.
    fn snapshot_button(&self, status: &str) -> Value {
        let allowed = json!({
            "t": status,
            "val_tpl": "{{ 'online' if value_json.in_force.snapshots.value \
                        and not value_json.paused else 'offline' }}",
        });
        let process = json!({ "t": self.topics.availability() });
        let cameras = self.cameras.iter();
        let there = cameras.map(|camera| json!({ "t": self.topics.camera_availability(camera) }));
        let available: Vec<Value> = [process, allowed].into_iter().chain(there).collect();
        json!({
            "p": "button", "name": "Take snapshot", "ic": "mdi:camera",
            "cmd_t": self.topics.command(), "pl_prs": r#"{"command":"snapshot"}"#,
            "avty": available,
            "avty_mode": "all",
        })
    }

    /// A number that a command sets. It shows what is in force, whoever said so.
    fn number(&self, name: &str, key: &str, range: &RangeInclusive<f64>, more: Value) -> Value {
        let base = json!({
            "p": "number", "name": name, "mode": "box", "ent_cat": "config",
            "min": range.start(), "max": range.end(),
            "cmd_t": self.topics.command(),
            "cmd_tpl": format!(r#"{{"command":"set","{key}":{{{{ value }}}}}}"#),
            "stat_t": self.topics.status(),
            "val_tpl": format!("{{{{ value_json.in_force.{key}.value }}}}"),
        });
        merge(base, more)
    }
}

/// A sensor of the status topic that says how the device does.
fn diagnostic(status: &str, name: &str, template: &str, more: Value) -> Value {
    let base = json!({
        "p": "sensor", "name": name, "stat_t": status, "val_tpl": template,
        "ent_cat": "diagnostic", "exp_aft": EXPIRES_AFTER_S,
    });
    merge(base, more)
}

/// Whether somebody watches the live picture on the device's page.
fn watched(status: &str) -> Value {
    json!({
        "p": "binary_sensor", "name": "Watched", "ic": "mdi:eye-outline", "stat_t": status,
        "val_tpl": "{{ 'ON' if value_json.viewers > 0 else 'OFF' }}",
        "ent_cat": "diagnostic", "exp_aft": EXPIRES_AFTER_S,
    })
}

/// Why nothing happens: the most important reason, all of them as attributes.
fn reason(status: &str) -> Value {
    let mut codes = vec!["ok"];
    codes.extend(ReasonCode::ALL.map(ReasonCode::name));
    diagnostic(
        status,
        "Reason",
        "{{ value_json.reasons[0].code if value_json.reasons else 'ok' }}",
        json!({
            "dev_cla": "enum", "ops": codes,
            "json_attr_t": status,
            "json_attr_tpl": "{{ {'reasons': value_json.reasons} | tojson }}",
        }),
    )
}

/// The status in numbers: key, name, template and what else Home Assistant is told.
fn measurements(status: &str) -> impl Iterator<Item = (&'static str, Value)> {
    let measured = |unit: &str, more: Value| {
        merge(json!({ "stat_cla": "measurement", "unit_of_meas": unit }), more)
    };
    let counted = json!({ "stat_cla": "total_increasing" });
    [
        (
            "frames_per_second",
            "Frames per second",
            "{{ value_json.frames_per_second }}",
            measured("fps", json!({ "sug_dsp_prc": 1 })),
        ),
        (
            "inference_time",
            "Inference time",
            "{{ value_json.inference_ms }}",
            measured("ms", json!({ "dev_cla": "duration", "sug_dsp_prc": 0 })),
        ),
        (
            "temperature",
            "Processor temperature",
            "{{ value_json.temperature_c }}",
            measured("°C", json!({ "dev_cla": "temperature" })),
        ),
        ("frames_broken", "Frames broken", "{{ value_json.frames.bad }}", counted.clone()),
        (
            "events_waiting",
            "Events waiting",
            "{{ value_json.mqtt.waiting }}",
            json!({ "stat_cla": "measurement" }),
        ),
        (
            "events_lost",
            "Events lost",
            "{{ value_json.mqtt.dropped.full + value_json.mqtt.dropped.expired \
             + value_json.mqtt.dropped.oversized }}",
            counted,
        ),
    ]
    .map(|(key, name, template, more)| (key, diagnostic(status, name, template, more)))
    .into_iter()
}
