//! What the device can be told over MQTT. `docs/ref/command.schema.json` is the
//! contract; what does not fit it is refused and counted.

use std::ops::RangeInclusive;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::object;
use super::switches::{Written, ZoneSwitches, zones};
use crate::attention::pace::MAX_FPS;
use crate::contract::tuning::{self, Tuning};
use crate::token_bucket::TokenBucket;
use crate::tracks::START_CONFIDENCE;
use crate::zones::settings::MOST_ZONES;

/// A command is never longer. Read before it is parsed.
pub const LONGEST: usize = 256;

/// Commands besides `pause` that may come at once, and then in a minute: Home Assistant
/// switches off everything that a device has with a command each, also each zone.
pub(super) const AT_ONCE: u32 = 10 + MOST_ZONES as u32;

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Close the camera and publish nothing until told otherwise, also after a
    /// restart.
    Pause {},
    /// Go on.
    Resume {},
    /// End in order; the service manager starts the daemon again.
    Restart {},
    /// Other numbers until told otherwise, also after a restart.
    Set {
        /// Instead of `tracking.start_confidence`, 0 to 1; none leaves it as it is.
        #[serde(default, deserialize_with = "threshold")]
        threshold: Option<NewValue>,
        /// Instead of `pace.max_fps`, 0.1 to 240; none leaves it as it is.
        #[serde(default, deserialize_with = "max_fps")]
        max_fps: Option<NewValue>,
        /// False holds pictures back; true does so no more.
        #[serde(default, deserialize_with = "snapshots")]
        snapshots: Option<bool>,
        /// Instead of `zone.enabled`; none leaves every zone as it is.
        #[serde(default, deserialize_with = "zones")]
        zones: Option<ZoneSwitches>,
    },
    /// Say for some seconds which device this is.
    Identify {},
    /// Publish the next picture, if the owner lets pictures out.
    Snapshot {},
}

/// What becomes of a number that the settings file gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NewValue {
    /// This number.
    To(f32),
    /// What the settings file says.
    Reset,
}

fn threshold<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NewValue>, D::Error> {
    change(from, "threshold", &START_CONFIDENCE)
}

fn max_fps<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NewValue>, D::Error> {
    change(from, "max_fps", &MAX_FPS)
}

fn change<'de, D: Deserializer<'de>>(
    from: D,
    key: &str,
    range: &RangeInclusive<f64>,
) -> Result<Option<NewValue>, D::Error> {
    let value = match Written::deserialize(from) {
        Ok(Written::Nothing(())) => Ok(NewValue::Reset),
        Ok(Written::Word(word)) if word == "reset" => Ok(NewValue::Reset),
        Ok(Written::Number(number)) => tuning::checked(key, number, range).map(NewValue::To),
        _ => Err(tuning::must_be(key, range)),
    };
    value.map(Some).map_err(|why| D::Error::custom(format!("{why}, null or \"reset\"")))
}

fn snapshots<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match Written::deserialize(from) {
        Ok(Written::Nothing(())) => Ok(Some(true)),
        Ok(Written::Word(word)) if word == "reset" => Ok(Some(true)),
        Ok(Written::Flag(flag)) => Ok(Some(flag)),
        _ => Err(D::Error::custom("snapshots must be true, false, null or \"reset\"")),
    }
}

impl NewValue {
    fn apply(change: Option<Self>, now: Option<f32>) -> Option<f32> {
        match change {
            None => now,
            Some(Self::Reset) => None,
            Some(Self::To(value)) => Some(value),
        }
    }
}

impl Tuning {
    /// With what a `set` command changes.
    #[must_use]
    pub fn changed(self, threshold: Option<NewValue>, max_fps: Option<NewValue>) -> Self {
        Self {
            threshold: NewValue::apply(threshold, self.threshold),
            max_fps: NewValue::apply(max_fps, self.max_fps),
        }
    }
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// So many bytes.
    #[error("{0} bytes, more than the {LONGEST} that any command has")]
    Long(usize),
    /// Why it is none, in words.
    #[error("not a command ({0}); docs/ref/mqtt.md lists them")]
    Unknown(String),
    /// A `set` that sets nothing.
    #[error("set changes nothing: it needs threshold, max_fps, snapshots or zones")]
    Empty,
    /// It names a zone that is not in the settings.
    #[error("there is no zone '{0}' in the settings")]
    NoZone(String),
    /// It stood retained at the broker, on this topic.
    #[error(
        "retained: a command is for this moment only. Remove it (mosquitto_pub -r -n -t {0}), or it \
         comes at every connection, and publish it without the retain flag"
    )]
    Retained(String),
    /// More came than are carried out.
    #[error(
        "too many commands: at most {AT_ONCE} at once, and as many in {} s",
        TokenBucket::PERIOD.as_secs()
    )]
    TooMany,
    /// Those that came before are not carried out yet.
    #[error("{AT_ONCE} commands before it are not carried out yet: send it again")]
    Behind,
}

impl Command {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// It is longer than [`LONGEST`], no command of the schema, or changes nothing.
    pub fn parse(payload: &[u8]) -> Result<Self, CommandError> {
        if payload.len() > LONGEST {
            return Err(CommandError::Long(payload.len()));
        }
        let command = object::read(payload).map_err(CommandError::Unknown)?;
        let nothing = Self::Set { threshold: None, max_fps: None, snapshots: None, zones: None };
        if command == nothing {
            return Err(CommandError::Empty);
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../docs/ref/command.schema.json")).expect("JSON")
    }

    #[test]
    fn understands_each_command_in_the_schema() {
        let schema = schema();
        let names = schema["properties"]["command"]["enum"].as_array().expect("a list");
        for name in names {
            let more = if name == "set" { r#","max_fps":5"# } else { "" };
            let payload = format!(r#"{{"command":{name}{more}}}"#);
            Command::parse(payload.as_bytes()).expect("understood");
        }
        assert_eq!(names.len(), 6);
    }

    /// What a refusal quotes goes into the journal and onto a terminal.
    #[test]
    fn a_sender_is_quoted_on_one_short_line() {
        let long = "x".repeat(100_000);
        let payloads = [r#"{"command":"x\nINFO \u001b[2J"}"#, &format!(r#"{{"{long}":1}}"#)];
        for payload in payloads {
            let words = Command::parse(payload.as_bytes()).expect_err("refused").to_string();
            assert!(!words.contains(char::is_control) && words.len() < 500, "{words}");
        }
    }

    #[test]
    fn numbers_are_set_kept_and_taken_back() {
        let before = Tuning { threshold: None, max_fps: Some(2.0) };
        let after = |text: &str| match Command::parse(text.as_bytes()) {
            Ok(Command::Set { threshold, max_fps, .. }) => Ok(before.changed(threshold, max_fps)),
            other => Err(other),
        };
        let set = r#"{"command":"set","threshold":0.7}"#;
        assert_eq!(after(set), Ok(Tuning { threshold: Some(0.7), ..before }));
        for word in ["null", "\"reset\""] {
            let reset = format!(r#"{{"command":"set","max_fps":{word}}}"#);
            assert_eq!(after(&reset), Ok(Tuning::default()));
        }
        assert_eq!(after(r#"{"command":"set"}"#), Err(Err(CommandError::Empty)));
        let refused = after(r#"{"command":"set","max_fps":0}"#).expect_err("refused");
        let words = refused.expect_err("refused").to_string();
        assert!(words.contains("max_fps must be from 0.1 to 240"), "{words}");
    }

    #[test]
    fn pictures_are_held_back_and_let_out_again() {
        for (word, expected) in
            [("false", false), ("true", true), ("null", true), ("\"reset\"", true)]
        {
            let text = format!(r#"{{"command":"set","snapshots":{word}}}"#);
            let set = Command::Set {
                threshold: None,
                max_fps: None,
                snapshots: Some(expected),
                zones: None,
            };
            assert_eq!(Command::parse(text.as_bytes()), Ok(set), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_command() {
        for text in [
            "",
            "pause",
            "\"pause\"",
            "{}",
            "[]",
            r#"["pause"]"#,
            r#"["set",0.5]"#,
            r#"["set",0.61,3,false,null]"#,
            r#"[{"command":"pause"}]"#,
            r#"{"command":"pause","command":"pause"}"#,
            r#"{"command":"set","max_fps":5,"max_fps":6}"#,
            r#"{"command":"pause","x":1}"#,
            r#"{"command":"format"}"#,
            r#"{"command":null}"#,
            r#"{"command":"pause","threshold":0.5}"#,
            r#"{"command":"set","threshold":1.01}"#,
            r#"{"command":"set","threshold":"0.5"}"#,
            r#"{"command":"set","max_fps":1e9}"#,
            r#"{"command":"set","max_fps":true}"#,
            r#"{"command":"set","snapshots":1}"#,
            "\u{0}",
        ] {
            let refused = Command::parse(text.as_bytes());
            assert!(matches!(refused, Err(CommandError::Unknown(_))), "{text}: {refused:?}");
        }
        assert_eq!(Command::parse(&[b' '; 257]), Err(CommandError::Long(257)));
    }

    /// Numbers in and out of range, and what stands in for one.
    fn number() -> impl Strategy<Value = Value> {
        prop_oneof![
            (0.0..1.2).prop_map(Value::from),
            (-1.0..500.0).prop_map(Value::from),
            prop::sample::select(vec!["x".into(), true.into(), serde_json::json!([])]),
        ]
    }

    /// Mostly what is right for a key, or nearly nothing would be accepted of which all is; now
    /// and then any number.
    fn mostly(
        right: impl Strategy<Value = Value> + 'static,
    ) -> impl Strategy<Value = Option<Value>> {
        let reset = prop::sample::select(vec![Value::Null, "reset".into()]);
        proptest::option::of(prop_oneof![6 => right, 2 => reset, 1 => number()])
    }

    /// What may stand for zones, right and wrong.
    fn switches() -> impl Strategy<Value = Value> {
        let switch = prop_oneof![9 => any::<bool>().prop_map(Value::from), 1 => number()];
        let name = prop_oneof![6 => "[a-z]{1,3}|tv-1", 1 => "a/b|"];
        prop::collection::btree_map(name, switch, 0..3).prop_map(|zones| serde_json::json!(zones))
    }

    proptest! {
        /// The schema and the parser agree about everything.
        #[test]
        fn accepts_exactly_what_the_schema_does(
            name in "set|set|set|pause|resume|restart|set|identify|snapshot|Pause|x|",
            threshold in mostly((0.0..=1.0).prop_map(Value::from)),
            max_fps in mostly((0.1..=240.0).prop_map(Value::from)),
            snapshots in mostly(any::<bool>().prop_map(Value::from)),
            zones in mostly(switches()),
            extra in proptest::option::weighted(0.1, "[a-z]{1,3}"),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut value = serde_json::json!({ "command": name });
            let set = [
                ("threshold", threshold), ("max_fps", max_fps), ("snapshots", snapshots), ("zones", zones),
            ];
            for (key, number) in set {
                if let Some(number) = number {
                    value[key] = number;
                }
            }
            // In the order of the fields.
            let fields = ["command", "threshold", "max_fps", "snapshots", "zones"];
            let list: Value = fields.iter().filter_map(|key| value.get(key).cloned()).collect();
            if let Some(extra) = extra {
                value[extra] = 1.into();
            }
            let validator = jsonschema::draft202012::new(&schema()).expect("a valid schema");
            for value in [value, list] {
                let accepted = Command::parse(value.to_string().as_bytes()).is_ok();
                prop_assert_eq!(accepted, validator.is_valid(&value), "{}", value);
            }
            // And never falls over.
            let _ = Command::parse(&bytes);
        }
    }
}
