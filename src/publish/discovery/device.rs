//! Entities of the device: what the status topic tells, and its controls.

use serde_json::{Value, json};

use super::{About, Components, merge};
use crate::publish::payload::{ReasonCode, STATUS_INTERVAL};

/// A value that is not repeated for this long is not known any more.
const EXPIRES_AFTER_S: u64 = 3 * STATUS_INTERVAL.as_secs();

impl About {
    /// Entities that read the status topic, and the controls.
    pub(super) fn device_components(&self) -> Components {
        let status = self.topics.status();
        let mut reasons = vec!["ok".to_owned()];
        reasons.extend(ReasonCode::ALL.map(|code| code.name().to_owned()));
        let diagnostic = |platform: &str, name: &str, template: &str, more: Value| {
            let base = json!({
                "p": platform, "name": name, "stat_t": status, "val_tpl": template,
                "ent_cat": "diagnostic", "exp_aft": EXPIRES_AFTER_S,
            });
            merge(base, more)
        };
        let measured = |unit: &str| json!({ "stat_cla": "measurement", "unit_of_meas": unit });
        let components = [
            (
                "reason",
                diagnostic(
                    "sensor",
                    "Reason",
                    "{{ value_json.reasons[0].code if value_json.reasons else 'ok' }}",
                    json!({
                        "dev_cla": "enum", "ops": reasons,
                        "json_attr_t": status,
                        "json_attr_tpl": "{{ {'reasons': value_json.reasons} | tojson }}",
                    }),
                ),
            ),
            (
                "frames_per_second",
                diagnostic(
                    "sensor",
                    "Frames per second",
                    "{{ value_json.frames_per_second }}",
                    merge(measured("fps"), json!({ "sug_dsp_prc": 1 })),
                ),
            ),
            (
                "inference_time",
                diagnostic(
                    "sensor",
                    "Inference time",
                    "{{ value_json.inference_ms }}",
                    merge(measured("ms"), json!({ "dev_cla": "duration", "sug_dsp_prc": 0 })),
                ),
            ),
            (
                "temperature",
                diagnostic(
                    "sensor",
                    "Processor temperature",
                    "{{ value_json.temperature_c }}",
                    merge(measured("°C"), json!({ "dev_cla": "temperature" })),
                ),
            ),
            (
                "events_waiting",
                diagnostic(
                    "sensor",
                    "Events waiting",
                    "{{ value_json.mqtt.waiting }}",
                    json!({ "stat_cla": "measurement" }),
                ),
            ),
            (
                "events_lost",
                diagnostic(
                    "sensor",
                    "Events lost",
                    "{{ value_json.mqtt.dropped.full + value_json.mqtt.dropped.expired \
                     + value_json.mqtt.dropped.oversized }}",
                    json!({ "stat_cla": "total_increasing" }),
                ),
            ),
            ("active", self.active_switch(&status)),
            (
                "restart",
                json!({
                    "p": "button", "name": "Restart", "cmd_t": self.topics.command(),
                    "pl_prs": r#"{"command":"restart"}"#,
                    "dev_cla": "restart", "ent_cat": "config",
                }),
            ),
            (
                "identify",
                json!({
                    "p": "button", "name": "Identify", "cmd_t": self.topics.command(),
                    "pl_prs": r#"{"command":"identify"}"#,
                    "dev_cla": "identify", "ent_cat": "config",
                }),
            ),
            (
                "threshold",
                self.number(
                    "Threshold",
                    "threshold",
                    self.settled.threshold,
                    json!({ "min": 0, "max": 1, "step": 0.01, "ic": "mdi:tune-variant" }),
                ),
            ),
            (
                "max_fps",
                self.number(
                    "Most frames per second",
                    "max_fps",
                    self.settled.max_fps,
                    json!({ "min": 0.1, "max": 240, "step": 0.1, "unit_of_meas": "fps" }),
                ),
            ),
        ];
        let mut components = components.to_vec();
        if self.snapshots {
            let button = json!({
                "p": "button", "name": "Take snapshot", "cmd_t": self.topics.command(),
                "pl_prs": r#"{"command":"snapshot"}"#, "ic": "mdi:camera",
            });
            components.push(("take_snapshot", button));
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

    /// A number that a command sets; without one, what the settings file says.
    fn number(&self, name: &str, key: &str, settled: Option<f32>, more: Value) -> Value {
        // As text: a JSON number made of an f32 would show its last binary digits.
        let settled = settled.map_or("none".to_owned(), |number| number.to_string());
        let base = json!({
            "p": "number", "name": name, "mode": "box", "ent_cat": "config",
            "cmd_t": self.topics.command(),
            "cmd_tpl": format!(r#"{{"command":"set","{key}":{{{{ value }}}}}}"#),
            "stat_t": self.topics.status(),
            "val_tpl": format!(
                "{{{{ {settled} if value_json.runtime.{key} is none else value_json.runtime.{key} }}}}"
            ),
        });
        merge(base, more)
    }
}
