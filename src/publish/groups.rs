//! What a group of devices is told, and whose word counts.
//!
//! Settings of a group are a state, not an order: they stand retained at the broker,
//! and each device of the group keeps what it heard last until it hears something
//! else. So a broker that lost its memory opens no camera, and a device starts with
//! the numbers that it had, before it has a connection.
//! `docs/ref/group-settings.schema.json` is the contract.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize, Serializer};

use super::command::{LONGEST, MAX_FPS, THRESHOLD};
use super::runtime::{Runtime, Tuning};
use super::topics::Name;

/// A device is in so many groups at most: what arrives at once on a new connection
/// must fit where it waits.
pub const MOST: usize = 8;

/// What one group says; nothing where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    #[serde(flatten)]
    pub tuning: Tuning,
    /// Close the cameras. `false` opens none that its owner has closed.
    pub paused: bool,
}

/// By group.
pub type Heard = BTreeMap<String, Said>;

/// Why settings of a group were refused; what it said before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0} bytes, more than the {LONGEST} that they may have")]
    Long(usize),
    #[error("{0}; docs/ref/group-settings.schema.json says what they may be")]
    Wrong(String),
}

impl Said {
    /// Reads a payload; an empty one takes everything back.
    pub fn parse(payload: &[u8]) -> Result<Self, Refused> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Payload {
            threshold: Option<f64>,
            max_fps: Option<f64>,
            paused: Option<bool>,
        }
        if payload.is_empty() {
            return Ok(Self::default());
        }
        if payload.len() > LONGEST {
            return Err(Refused::Long(payload.len()));
        }
        // An array would do for serde, which reads the fields in their order.
        let value: serde_json::Map<_, _> =
            serde_json::from_slice(payload).map_err(|error| Refused::Wrong(error.to_string()))?;
        let said = serde_json::from_value::<Payload>(value.into())
            .map_err(|error| Refused::Wrong(error.to_string()))?;
        Ok(Self {
            tuning: Tuning {
                threshold: number("threshold", said.threshold, &THRESHOLD)?,
                max_fps: number("max_fps", said.max_fps, &MAX_FPS)?,
            },
            paused: said.paused.unwrap_or_default(),
        })
    }
}

fn number(
    key: &str,
    value: Option<f64>,
    range: &RangeInclusive<f64>,
) -> Result<Option<f32>, Refused> {
    match value {
        Some(number) if !range.contains(&number) => {
            let (least, most) = (range.start(), range.end());
            Err(Refused::Wrong(format!("{key} must be from {least} to {most}, or null")))
        }
        other => Ok(other.map(|number| number as f32)),
    }
}

/// Whose word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The settings file, or its default.
    File,
    Group(String),
    /// A command to this device.
    Command,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Author::File => f.write_str("file"),
            // No name holds a colon.
            Author::Group(group) => write!(f, "group:{group}"),
            Author::Command => f.write_str("command"),
        }
    }
}

impl Serialize for Author {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value and who gave it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Given<T> {
    pub value: T,
    pub from: Author,
}

/// What counts now, of everything that can change while the device runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InForce {
    pub threshold: Given<Option<f32>>,
    pub max_fps: Given<Option<f32>>,
    pub paused: Given<bool>,
    /// Whether pictures may leave the device when somebody asks for one.
    pub snapshots: Given<bool>,
}

impl InForce {
    /// The later one wins: what the settings file says (`settled`), `groups` in the
    /// order in which the device lists them, a command to this device. A pause only
    /// adds up: the camera is open while neither its owner nor any group wants it
    /// closed. Pictures leave only where the file lets them (`snapshots`) and no
    /// command holds them back.
    pub fn of(settled: Tuning, snapshots: bool, groups: &[Name], runtime: &Runtime) -> Self {
        let said: Vec<(&str, &Said)> = groups
            .iter()
            .filter_map(|group| Some((group.as_str(), runtime.groups.get(group.as_str())?)))
            .collect();
        let author = |group: &str| Author::Group(group.to_owned());
        let choose = |number: fn(&Tuning) -> Option<f32>| {
            let by_group = said
                .iter()
                .rev()
                .find_map(|(group, said)| Some((number(&said.tuning)?, author(group))));
            let by_command = number(&runtime.tuning).map(|value| (value, Author::Command));
            match by_command.or(by_group) {
                Some((value, from)) => Given { value: Some(value), from },
                None => Given { value: number(&settled), from: Author::File },
            }
        };
        let closed = said.iter().find(|(_, said)| said.paused);
        let paused = match closed {
            _ if runtime.paused => Given { value: true, from: Author::Command },
            Some((group, _)) => Given { value: true, from: author(group) },
            None => Given { value: false, from: Author::File },
        };
        let snapshots = if snapshots && runtime.snapshots_withheld {
            Given { value: false, from: Author::Command }
        } else {
            Given { value: snapshots, from: Author::File }
        };
        Self {
            threshold: choose(|tuning| tuning.threshold),
            max_fps: choose(|tuning| tuning.max_fps),
            paused,
            snapshots,
        }
    }

    pub fn tuning(&self) -> Tuning {
        Tuning { threshold: self.threshold.value, max_fps: self.max_fps.value }
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, given) in [("threshold", &self.threshold), ("max_fps", &self.max_fps)] {
            if let Some(value) = given.value {
                write!(f, "{name} {value} ({}), ", given.from)?;
            }
        }
        let state = if self.paused.value { "paused" } else { "not paused" };
        write!(f, "{state} ({})", self.paused.from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn said(text: &str) -> Said {
        Said::parse(text.as_bytes()).expect("understood")
    }

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| Name::new(*name).expect("valid")).collect()
    }

    fn heard(pairs: &[(&str, &str)]) -> Heard {
        pairs.iter().map(|(group, text)| ((*group).to_owned(), said(text))).collect()
    }

    const FILE: Tuning = Tuning { threshold: Some(0.7), max_fps: Some(15.0) };

    #[test]
    fn the_later_word_wins_and_its_author_is_named() {
        let groups = names(&["building", "hall"]);
        let mut runtime = Runtime {
            groups: heard(&[
                ("building", r#"{"threshold":0.5,"max_fps":5}"#),
                ("hall", r#"{"threshold":0.6}"#),
                ("another", r#"{"threshold":0.1,"paused":true}"#),
            ]),
            ..Runtime::default()
        };
        let shown = |runtime: &Runtime| InForce::of(FILE, false, &groups, runtime).to_string();
        let five = "max_fps 5 (group:building), not paused (file)";
        assert_eq!(shown(&runtime), format!("threshold 0.6 (group:hall), {five}"));
        runtime.tuning.threshold = Some(0.9);
        assert_eq!(shown(&runtime), format!("threshold 0.9 (command), {five}"));
        runtime.groups.clear();
        let file = "threshold 0.9 (command), max_fps 15 (file), not paused (file)";
        assert_eq!(shown(&runtime), file);
    }

    #[test]
    fn no_group_opens_a_camera_that_its_owner_closed() {
        let groups = names(&["building", "hall"]);
        let paused = |owner: bool, pairs: &[(&str, &str)]| {
            let runtime = Runtime { paused: owner, groups: heard(pairs), ..Runtime::default() };
            let paused = InForce::of(FILE, false, &groups, &runtime).paused;
            (paused.value, paused.from.to_string())
        };
        let word = |author: &str| author.to_owned();
        assert_eq!(paused(false, &[]), (false, word("file")));
        assert_eq!(paused(true, &[("hall", r#"{"paused":false}"#)]), (true, word("command")));
        assert_eq!(paused(false, &[("hall", r#"{"paused":true}"#)]), (true, word("group:hall")));
        let both = [("building", r#"{"paused":true}"#), ("hall", r#"{"paused":false}"#)];
        assert_eq!(paused(false, &both), (true, word("group:building")));
    }

    #[test]
    fn a_command_holds_pictures_back_and_lets_out_none() {
        let snapshots = |allowed: bool, snapshots_withheld: bool| {
            let runtime = Runtime { snapshots_withheld, ..Runtime::default() };
            let snapshots = InForce::of(FILE, allowed, &[], &runtime).snapshots;
            (snapshots.value, snapshots.from)
        };
        assert_eq!(snapshots(true, false), (true, Author::File));
        assert_eq!(snapshots(true, true), (false, Author::Command));
        assert_eq!(snapshots(false, false), (false, Author::File));
        assert_eq!(snapshots(false, true), (false, Author::File));
    }

    #[test]
    fn an_empty_payload_takes_everything_back() {
        assert_eq!(said(""), Said::default());
        assert_eq!(said("{}"), Said::default());
        assert_eq!(said(r#"{"threshold":null,"paused":null}"#), Said::default());
    }

    #[test]
    fn what_is_refused_says_why() {
        let refused = |text: &str| Said::parse(text.as_bytes()).expect_err(text).to_string();
        assert!(refused(r#"{"threshold":1.5}"#).contains("threshold must be from 0 to 1"));
        assert!(refused(r#"{"fps":1}"#).contains("fps"));
        assert!(refused(&" ".repeat(257)).contains("257 bytes"));
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
        ]
    }

    proptest! {
        /// The schema and the parser agree about everything.
        #[test]
        fn accepts_exactly_what_the_schema_does(
            pairs in prop::collection::btree_map("threshold|max_fps|paused|[a-z]{1,3}", value(), 0..4),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let value = json!(pairs);
            let accepted = Said::parse(value.to_string().as_bytes()).is_ok();
            let validator = jsonschema::draft202012::new(&schema()).expect("a valid schema");
            prop_assert_eq!(accepted, validator.is_valid(&value), "{}", value);
            // And never falls over.
            let _ = Said::parse(&bytes);
        }
    }
}
