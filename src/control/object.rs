//! What a command and the settings of a group are written as.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::printable;

/// Characters of what is said about a payload at most: it may quote all of it.
const MOST_WORDS: usize = 300;

/// Reads an object of JSON, and nothing else: serde takes an array for an object, too, with
/// its values for the fields in their order, so that `["pause"]` would close the camera.
///
/// # Errors
///
/// In words: it is no object, has a field twice, or none that fits.
pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    // Nothing but blanks stands before a value (RFC 8259, 2).
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Err("an object of JSON is needed".to_owned());
    }
    // It quotes the sender, who may end a line of the journal or command a terminal with that.
    serde_json::from_slice(payload).map_err(|error| {
        let words: String = error.to_string().chars().take(MOST_WORDS).collect();
        printable::line(&words)
    })
}

/// An object whose keys are anybody's to choose. Each is there once: of two, serde's maps take
/// the later one.
pub(super) struct Once<T>(pub BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Once<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Keys(PhantomData))
    }
}

struct Keys<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Keys<T> {
    type Value = Once<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Once<T>, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((key, value)) = pairs.next_entry::<String, T>()? {
            if all.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{key:?} is there twice")));
            }
            all.insert(key, value);
        }
        Ok(Once(all))
    }
}
