//! What may stand as one level of a topic: the names of devices, cameras and groups.

use std::fmt;

/// A name that may stand as one level of a topic: a device or a camera.
///
/// `[a-zA-Z0-9_-]+`, at most 64 characters: what Home Assistant allows in an id,
/// and nothing that MQTT reads as a separator or a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a name cannot be part of a topic; reads as the end of a sentence that begins with the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing.
    #[error("must not be empty")]
    Empty,
    /// It has too many characters.
    #[error("is longer than {LONGEST_NAME} characters")]
    Long,
    /// This character may not stand in a topic.
    #[error("holds {0:?}: only letters, digits, '_' and '-' may stand in a topic")]
    Character(char),
    /// This topic has another meaning.
    #[error("is '{0}', which is a topic with another meaning: choose another name")]
    Reserved(String),
}

const LONGEST_NAME: usize = 64;

/// The levels below a device that are its own.
pub(crate) const AVAILABILITY: &str = "availability";
pub(crate) const STATUS: &str = "status";
pub(crate) const INVENTORY: &str = "inventory";
pub(crate) const COMMAND: &str = "command";

/// Levels below the device that are not cameras.
const RESERVED: [&str; 5] = [AVAILABILITY, STATUS, INVENTORY, COMMAND, DOCTOR];

/// A camera of this name is what `expressiond doctor` speaks for.
pub(crate) const DOCTOR: &str = "doctor";

/// The level beside the devices below which groups have their settings.
pub(crate) const GROUPS: &str = "groups";

/// Whether each level of a topic can be a [`Name`].
///
/// # Errors
///
/// Of the first that cannot.
pub(crate) fn check_topic(topic: &str) -> Result<(), NameError> {
    topic.split('/').try_for_each(|level| Name::new(level).map(drop))
}

impl Name {
    /// # Errors
    ///
    /// What cannot be one level of a topic: see the type.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(found) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character(found));
        }
        if text.len() > LONGEST_NAME {
            return Err(NameError::Long);
        }
        Ok(Self(text))
    }

    /// A camera stands beside the device's own topics and may not be called so.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or it is one of those.
    pub fn camera(text: impl Into<String>) -> Result<Self, NameError> {
        let name = Self::new(text)?;
        if RESERVED.contains(&name.0.as_str()) {
            return Err(NameError::Reserved(name.0));
        }
        Ok(name)
    }

    /// A device stands beside the groups and may not be called so.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or it is that.
    pub fn device(text: impl Into<String>) -> Result<Self, NameError> {
        let name = Self::new(text)?;
        if name.0 == GROUPS {
            return Err(NameError::Reserved(name.0));
        }
        Ok(name)
    }

    /// The name as it stands in topics.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_mqtt_would_misread() {
        for (text, expected) in [
            ("", NameError::Empty),
            ("a+b", NameError::Character('+')),
            ("a#", NameError::Character('#')),
            ("a/b", NameError::Character('/')),
            ("a\0", NameError::Character('\0')),
            ("$SYS", NameError::Character('$')),
            ("küche", NameError::Character('ü')),
        ] {
            assert_eq!(Name::new(text), Err(expected), "{text:?}");
        }
        assert_eq!(Name::new("x".repeat(65)), Err(NameError::Long));
        for level in ["availability", "status", "inventory", "command", "doctor"] {
            assert_eq!(Name::camera(level), Err(NameError::Reserved(level.into())));
        }
        assert_eq!(Name::device("groups"), Err(NameError::Reserved("groups".into())));
    }
}
