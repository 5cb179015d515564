//! What the device can be told over MQTT. `docs/ref/command.schema.json` is the
//! contract; what does not fit it is refused and counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A command is never longer. Read before it is parsed.
pub const LONGEST: usize = 256;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Close the camera and publish nothing until told otherwise, also after a
    /// restart.
    Pause {},
    /// Go on.
    Resume {},
    /// End in order; the service manager starts the daemon again.
    Restart {},
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0} bytes, more than the {LONGEST} that any command has")]
    Long(usize),
    #[error("not a command ({0}); docs/ref/mqtt.md lists them")]
    Unknown(String),
    #[error("retained: a command is for this moment only. Publish it without the retain flag")]
    Retained,
    #[error("too many commands: at most {} in {} s", Rate::MOST, Rate::PERIOD.as_secs())]
    TooMany,
}

impl Command {
    pub fn parse(payload: &[u8]) -> Result<Self, Refused> {
        if payload.len() > LONGEST {
            return Err(Refused::Long(payload.len()));
        }
        serde_json::from_slice(payload).map_err(|error| Refused::Unknown(error.to_string()))
    }
}

/// A bucket of commands that fills over time.
#[derive(Clone, Debug)]
pub struct Rate {
    tokens: f64,
    last: Duration,
}

impl Rate {
    const MOST: u32 = 10;
    const PERIOD: Duration = Duration::from_secs(60);

    pub fn new(now: Duration) -> Self {
        Self { tokens: f64::from(Self::MOST), last: now }
    }

    /// Whether one more is allowed at monotonic time `now`.
    pub fn allow(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.last).div_duration_f64(Self::PERIOD);
        self.last = now;
        self.tokens = f64::from(Self::MOST).min(self.tokens + gained * f64::from(Self::MOST));
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
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
            let payload = format!(r#"{{"command":{name}}}"#);
            let command = Command::parse(payload.as_bytes()).expect("understood");
            assert_eq!(serde_json::to_value(command).expect("JSON")["command"], *name);
        }
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn refuses_what_is_not_a_command() {
        for text in [
            "",
            "pause",
            "\"pause\"",
            "{}",
            "[]",
            r#"{"command":"pause","x":1}"#,
            r#"{"command":"format"}"#,
            r#"{"command":null}"#,
            "\u{0}",
        ] {
            let refused = Command::parse(text.as_bytes());
            assert!(matches!(refused, Err(Refused::Unknown(_))), "{text}: {refused:?}");
        }
        assert_eq!(Command::parse(&[b' '; 257]), Err(Refused::Long(257)));
    }

    #[test]
    fn a_flood_is_stopped_and_a_trickle_is_not() {
        let mut rate = Rate::new(Duration::ZERO);
        let at_once = (0..100).filter(|_| rate.allow(Duration::from_secs(1))).count();
        assert_eq!(at_once, 10);
        assert!(!rate.allow(Duration::from_secs(4)));
        for minute in 1..50 {
            assert!(rate.allow(Duration::from_secs(minute * 60)), "minute {minute}");
        }
    }

    proptest! {
        /// The schema and the parser agree about everything.
        #[test]
        fn accepts_exactly_what_the_schema_does(
            name in "pause|resume|restart|Pause|x|",
            extra in proptest::option::of("[a-z]{1,3}"),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut value = serde_json::json!({ "command": name });
            if let Some(extra) = extra {
                value[extra] = 1.into();
            }
            let accepted = Command::parse(value.to_string().as_bytes()).is_ok();
            let validator = jsonschema::draft202012::new(&schema()).expect("a valid schema");
            prop_assert_eq!(accepted, validator.is_valid(&value), "{}", value);
            // And never falls over.
            let _ = Command::parse(&bytes);
        }
    }
}
