//! What a group of devices is told.
//!
//! Settings of a group are a state, not an order: they stand retained at the broker,
//! and each device of the group keeps what it heard last until it hears something
//! else. So a broker that lost its memory opens no camera, and a device starts with
//! the numbers that it had, before it has a connection.
//! `docs/ref/group-settings.schema.json` is the contract.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::object::{self, Once};
use crate::attention::pace::MAX_FPS;
use crate::contract::tuning::{self, Tuning};
use crate::name::Name;
use crate::tracks::START_CONFIDENCE;

/// Most bytes of settings of a group: all zones that a device may have (16), by names as long as
/// they may be (64), are 1.2 KiB.
const LONGEST: usize = 2048;

/// The settings of one group. A number that is absent leaves the device's own in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupSettings {
    /// Numbers that count instead of the settings file's.
    #[serde(flatten)]
    pub tuning: Tuning,
    /// Close the cameras. `false` opens none that its owner has closed.
    pub paused: bool,
    /// Zones by their names: on or off. A device without such a zone passes it over.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub zones: BTreeMap<String, bool>,
}

/// The settings of each group that has any, by its name.
pub type SettingsByGroup = BTreeMap<String, GroupSettings>;

/// Why settings of a group were refused; what it said before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupSettingsError {
    /// So many bytes.
    #[error("{0} bytes, more than the {LONGEST} that they may have")]
    Long(usize),
    /// What is wrong with them, and where.
    #[error("{0}; docs/ref/group-settings.schema.json says what they may be")]
    Wrong(String),
}

impl GroupSettings {
    /// Reads a payload; an empty one takes everything back.
    ///
    /// # Errors
    ///
    /// It is too long, no object, or says what cannot be: in words.
    pub fn parse(payload: &[u8]) -> Result<Self, GroupSettingsError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Payload {
            threshold: Option<f64>,
            max_fps: Option<f64>,
            paused: Option<bool>,
            zones: Option<Once<Option<bool>>>,
        }
        if payload.is_empty() {
            return Ok(Self::default());
        }
        if payload.len() > LONGEST {
            return Err(GroupSettingsError::Long(payload.len()));
        }
        let payload: Payload = object::read(payload).map_err(GroupSettingsError::Wrong)?;
        Ok(Self {
            tuning: Tuning {
                threshold: number("threshold", payload.threshold, &START_CONFIDENCE)?,
                max_fps: number("max_fps", payload.max_fps, &MAX_FPS)?,
            },
            paused: payload.paused.unwrap_or_default(),
            zones: switches(payload.zones.map(|Once(zones)| zones).unwrap_or_default())?,
        })
    }
}

fn switches(
    zones: BTreeMap<String, Option<bool>>,
) -> Result<BTreeMap<String, bool>, GroupSettingsError> {
    let wrong = |error| GroupSettingsError::Wrong(format!("the name of a zone {error}"));
    zones.keys().try_for_each(|name| Name::new(&**name).map(drop)).map_err(wrong)?;
    Ok(zones.into_iter().filter_map(|(name, on)| Some((name, on?))).collect())
}

fn number(
    key: &str,
    value: Option<f64>,
    range: &RangeInclusive<f64>,
) -> Result<Option<f32>, GroupSettingsError> {
    let wrong = |why| GroupSettingsError::Wrong(format!("{why}, or null"));
    value.map(|number| tuning::checked(key, number, range)).transpose().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::zones::settings::MOST_ZONES;

    fn settings(text: &str) -> GroupSettings {
        GroupSettings::parse(text.as_bytes()).expect("understood")
    }

    #[test]
    fn an_empty_payload_takes_everything_back() {
        assert_eq!(settings(""), GroupSettings::default());
        assert_eq!(settings("{}"), GroupSettings::default());
        assert_eq!(settings(r#"{"threshold":null,"paused":null}"#), GroupSettings::default());
    }

    #[test]
    fn a_group_switches_all_zones_that_a_device_may_have() {
        let name = |number| format!("{number:0>64}");
        let zones: BTreeMap<String, bool> =
            (0..MOST_ZONES).map(|number| (name(number), false)).collect();
        let text = json!({
            "threshold": 0.123_456_789, "max_fps": 0.123_456_789, "paused": false, "zones": zones,
        });
        assert_eq!(settings(&serde_json::to_string_pretty(&text).expect("JSON")).zones, zones);
    }

    #[test]
    fn what_is_refused_says_why() {
        let refused =
            |text: &str| GroupSettings::parse(text.as_bytes()).expect_err(text).to_string();
        assert!(refused(r#"{"threshold":1.5}"#).contains("threshold must be from 0 to 1"));
        assert!(refused(r#"{"fps":1}"#).contains("fps"));
        assert!(refused(r#"{"zones":{"a/b":true}}"#).contains("the name of a zone"));
        assert!(refused(&" ".repeat(2049)).contains("2049 bytes"));
        assert!(refused("[0.5,5,true]").contains("an object"));
        // Which of the two would count is for nobody to guess.
        assert!(refused(r#"{"paused":true,"paused":false}"#).contains("paused"));
        assert!(refused(r#"{"zones":{"tv":true,"tv":false}}"#).contains("\"tv\" is there twice"));
    }

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../docs/ref/group-settings.schema.json"))
            .expect("JSON")
    }

    /// Right and wrong values for any key.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            (0.0..1.2).prop_map(Value::from),
            (-1.0..500.0).prop_map(Value::from),
            prop::sample::select(vec![Value::Null, true.into(), "reset".into(), json!([])]),
            prop::sample::select(vec![
                json!({}),
                json!({"tv": true}),
                json!({"tv": null, "x": false}),
                json!({"a/b": true}),
                json!({"tv": 1}),
            ]),
        ]
    }

    proptest! {
        /// The schema and the parser agree about everything.
        #[test]
        fn accepts_exactly_what_the_schema_does(
            pairs in prop::collection::btree_map("threshold|max_fps|paused|zones|[a-z]{1,3}", value(), 0..4),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let value = json!(pairs);
            let accepted = GroupSettings::parse(value.to_string().as_bytes()).is_ok();
            let validator = jsonschema::draft202012::new(&schema()).expect("a valid schema");
            prop_assert_eq!(accepted, validator.is_valid(&value), "{}", value);
            // And never falls over.
            let _ = GroupSettings::parse(&bytes);
        }
    }
}
