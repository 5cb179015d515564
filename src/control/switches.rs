//! What a command says of zones.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::object::Once;
use crate::name::Name;

/// What may stand where something is set.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    Nothing(()),
    Flag(bool),
    Number(f64),
    Word(String),
}

/// What becomes of zones that the settings file enables or not.
#[derive(Clone, Debug, PartialEq)]
pub enum ZoneSwitches {
    /// All as the settings file says.
    Reset,
    /// Those named, at least one, on or off; none: as the settings file says.
    Each(BTreeMap<String, Option<bool>>),
}

impl ZoneSwitches {
    /// The names of the zones that are changed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let named = match self {
            Self::Reset => None,
            Self::Each(zones) => Some(zones.keys().map(String::as_str)),
        };
        named.into_iter().flatten()
    }

    /// Changes what was set by earlier commands.
    pub fn apply(self, set: &mut BTreeMap<String, bool>) {
        match self {
            Self::Reset => set.clear(),
            Self::Each(zones) => {
                for (name, switch) in zones {
                    match switch {
                        Some(on) => set.insert(name, on),
                        None => set.remove(&name),
                    };
                }
            }
        }
    }
}

/// What stands for zones in a command.
pub(super) fn zones<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ZoneSwitches>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum All {
        Nothing(()),
        Word(String),
        Each(Once<Written>),
    }
    let words = || {
        D::Error::custom(
            "zones must name at least one zone, each once, with true, false, null or \"reset\", \
             or be null or \"reset\"",
        )
    };
    let switch = |(name, written): (String, Written)| {
        Name::new(&*name).ok()?;
        match written {
            Written::Flag(on) => Some((name, Some(on))),
            Written::Nothing(()) => Some((name, None)),
            Written::Word(word) if word == "reset" => Some((name, None)),
            Written::Word(_) | Written::Number(_) => None,
        }
    };
    match All::deserialize(from) {
        Ok(All::Nothing(())) => Ok(Some(ZoneSwitches::Reset)),
        Ok(All::Word(word)) if word == "reset" => Ok(Some(ZoneSwitches::Reset)),
        Ok(All::Each(Once(zones))) if !zones.is_empty() => {
            let zones: Option<BTreeMap<_, _>> = zones.into_iter().map(switch).collect();
            zones.map(|zones| Some(ZoneSwitches::Each(zones))).ok_or_else(words)
        }
        _ => Err(words()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::command::Command;

    #[test]
    fn zones_are_switched_one_by_one_and_taken_back() {
        let mut set = BTreeMap::from([("desk".to_owned(), false), ("tv".to_owned(), false)]);
        let mut after = |zones: &str| {
            let text = format!(r#"{{"command":"set","zones":{zones}}}"#);
            let Ok(Command::Set { zones: Some(zones), .. }) = Command::parse(text.as_bytes())
            else {
                panic!("{text} is not understood")
            };
            zones.apply(&mut set);
            set.iter().map(|(name, on)| format!("{name} {on}")).collect::<Vec<_>>()
        };
        assert_eq!(after(r#"{"desk":true,"sofa":false}"#), ["desk true", "sofa false", "tv false"]);
        assert_eq!(after(r#"{"desk":null,"tv":"reset"}"#), ["sofa false"]);
        assert!(after("null").is_empty());
        let twice = [r#"{"desk":true,"desk":false}"#, r#"{"desk":true,"tv":true,"desk":true}"#];
        let wrong = ["{}", "[]", "true", r#"{"a/b":true}"#, r#"{"desk":1}"#, r#"{"":true}"#];
        for wrong in wrong.iter().chain(&twice) {
            let text = format!(r#"{{"command":"set","zones":{wrong}}}"#);
            let refused = Command::parse(text.as_bytes()).expect_err(wrong).to_string();
            assert!(refused.contains("zones must name"), "{wrong}: {refused}");
        }
    }
}
