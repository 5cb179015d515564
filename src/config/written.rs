//! Values as a file or an assignment has them, each tried alone: whether it is one of its key,
//! and what is wrong with it, in the words of [`typed`] wherever it stands.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::keys::flatten;
use super::typed::{self, ZONE};

/// What is wrong in a file's `table`: each time the key whose line it is (dotted), and why, in
/// words that follow its place. The sections `[[zone]]` are not looked into.
pub(super) fn mistakes<T: DeserializeOwned>(
    defaults: &Table,
    table: &Table,
) -> Vec<(String, String)> {
    let mut mistakes = Vec::new();
    collect::<T>((defaults, defaults), table, &[], &mut mistakes);
    mistakes
}

/// Those of the table that stands behind `path`, whose defaults are the second of `defaults`.
fn collect<T: DeserializeOwned>(
    (all, defaults): (&Table, &Table),
    table: &Table,
    path: &[&str],
    mistakes: &mut Vec<(String, String)>,
) {
    for (name, value) in table {
        let names = [path, &[name.as_str()]].concat();
        let key = names.join(".");
        let outcome = match (defaults.get(name), value) {
            _ if key == ZONE && value.is_array() => Ok(()),
            _ if key == ZONE => {
                Err("zone: each zone is a section [[zone]], in double brackets".to_owned())
            }
            (Some(Value::Table(inner)), Value::Table(own)) => {
                collect::<T>((all, inner), own, &names, mistakes);
                Ok(())
            }
            // Where a table is empty its keys are the owner's.
            (None, _) if !defaults.is_empty() => Err(unknown(all, &key, value)),
            _ => check::<T>(all, &names, value),
        };
        mistakes.extend(outcome.err().map(|why| (key, why)));
    }
}

/// That there is no such key; of a section that is none, its first key is named, as an
/// assignment would.
fn unknown(defaults: &Table, key: &str, value: &Value) -> String {
    let within = value.as_table().map(|table| flatten(table, &format!("{key}.")));
    let first = within.and_then(|rows| rows.into_iter().next());
    let named = first.map_or_else(|| key.to_owned(), |(key, _)| key);
    let quoted = || format!("{named} is a single name within its quotes: leave them out");
    typed::needed(defaults, &named).err().unwrap_or_else(quoted)
}

/// Whether `value` is one of the key of these `names`; `defaults` are those of `T`.
///
/// # Errors
///
/// Why not, in words that follow its place.
pub(super) fn check<T: DeserializeOwned>(
    defaults: &Table,
    names: &[&str],
    value: &Value,
) -> Result<(), String> {
    let key = names.join(".");
    // An entry of a table of the owner's may be called as it likes.
    let needed = typed::needed(defaults, &key).ok().flatten();
    let section = names.iter().try_fold(defaults, |table, name| table.get(*name)?.as_table());
    if let (Some(needed), Some(_), false) = (&needed, section, value.is_table()) {
        return Err(format!("{key} must be {needed}"));
    }
    let outcome = alone(names, value).try_into::<T>().map(drop);
    outcome.map_err(|error| refusal(&key, value, needed, error.message().trim()))
}

/// serde's `message` about the value of `key` in words.
fn refusal(key: &str, value: &Value, needed: Option<String>, message: &str) -> String {
    match (needed, value) {
        (Some(_), Value::Integer(number)) if *number > 0 && message.starts_with(OUT_OF_RANGE) => {
            return format!("{key} is {number}, which is too large");
        }
        (Some(needed), _) if message.starts_with("invalid ") => {
            return format!("{key} must be {needed}");
        }
        _ => {}
    }
    let words = in_words(message);
    match words.strip_prefix("it ") {
        Some(words) => format!("{key} {words}"),
        None => format!("{key}: {words}"),
    }
}

/// How serde begins to say that a whole number does not fit its type.
const OUT_OF_RANGE: &str = "invalid value: integer";

/// serde's `message` in words, without what was there in place of another type: it may be a
/// password. What is none of serde's stays as it is.
pub(super) fn in_words(message: &str) -> String {
    let about = |opening| message.strip_prefix(opening)?.split_once(", expected ");
    let wrong = ["invalid type: ", "invalid value: "].iter().any(|it| message.starts_with(it));
    if let Some((name, names)) = about("unknown field ") {
        format!("there is no key {name}; there are {}", names.trim_start_matches("one of "))
    } else if let Some((word, words)) = about("unknown variant ") {
        format!("it is {word}, it must be {words}")
    } else if let Some((_, expected)) = message.rsplit_once(", expected ").filter(|_| wrong) {
        format!("it must be {}", typed::named(expected))
    } else {
        message.to_owned()
    }
}

/// A table that holds nothing but this value.
fn alone(names: &[&str], value: &Value) -> Value {
    names.iter().rev().fold(value.clone(), |value, name| {
        Value::Table(Table::from_iter([((*name).to_owned(), value)]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_told_in_words_and_without_a_value() {
        for (message, words) in [
            ("invalid type: integer `5`, expected a string", "it must be text, in quotes"),
            ("invalid type: string \"a, expected b\", expected f32", "it must be a number"),
            ("invalid type: map, expected a sequence", "it must be a list"),
            ("invalid value: integer `-5`, expected u64", "it must be a whole number, 0 or more"),
            (
                "unknown field `a`, expected one of `b`, `c`",
                "there is no key `a`; there are `b`, `c`",
            ),
            ("unknown variant `a`, expected `b` or `c`", "it is `a`, it must be `b` or `c`"),
            ("invalid key-value, expected `=`", "invalid key-value, expected `=`"),
        ] {
            assert_eq!(in_words(message), words);
        }
    }
}
