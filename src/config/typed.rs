//! Text from the environment and from `--set`, read as the type that its key has.
//!
//! The defaults say which type that is. What the text looks like decides nothing: a
//! device id of `123456e78901` is text, although it could be a number.

use toml::{Table, Value};

use super::keys::flatten;

/// The value of `key` (dotted) that `text` stands for; `defaults` hold every key.
///
/// # Errors
///
/// In words that follow the place: no such key, or what its value must be.
pub(super) fn read(defaults: &Table, key: &str, text: &str) -> Result<Value, String> {
    let value = match kind(defaults, key)? {
        Kind::Like(Value::String(_) | Value::Datetime(_)) => Ok(Value::String(text.to_owned())),
        Kind::Like(Value::Integer(_)) => whole_number(text).map(Value::Integer),
        Kind::Like(Value::Float(_)) => number(text).map(Value::Float),
        Kind::Like(Value::Boolean(_)) => switch(text).map(Value::Boolean),
        Kind::Like(Value::Array(_)) => list(text),
        Kind::Like(Value::Table(section)) => table(section, text),
        Kind::Any => Ok(by_its_look(text)),
    };
    // Without the text: a password may stand under a wrong key.
    value.map_err(|needed| format!("{key} must be {needed}"))
}

/// What the value of `key` (dotted) must be, in words that follow "must be"; none where it is
/// an entry of a table of the owner's.
///
/// # Errors
///
/// In words: there is no such key.
pub(super) fn needed(defaults: &Table, key: &str) -> Result<Option<String>, String> {
    Ok(match kind(defaults, key)? {
        Kind::Any => None,
        Kind::Like(Value::Table(section)) if !section.is_empty() => Some(key_by_key(section)),
        Kind::Like(value) => {
            let words = match value {
                Value::String(_) | Value::Datetime(_) => TEXT,
                Value::Integer(_) => WHOLE_NUMBER,
                Value::Float(_) => NUMBER,
                Value::Boolean(_) => SWITCH,
                Value::Array(_) => LIST,
                Value::Table(_) => TABLE,
            };
            Some(words.to_owned())
        }
    })
}

/// What serde expected, in the same words.
pub(super) fn named(expected: &str) -> &str {
    match expected {
        "a string" | "string" => TEXT,
        "u8" | "u16" | "u32" | "u64" | "usize" => WHOLE_NUMBER,
        "f32" | "f64" => NUMBER,
        "a boolean" => SWITCH,
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    }
}

const TEXT: &str = "text, in quotes";
const WHOLE_NUMBER: &str = "a whole number, 0 or more";
const NUMBER: &str = "a number";
const SWITCH: &str = "true or false";
const LIST: &str = "a list of texts, as in [\"a\", \"b\"]";
const TABLE: &str = "a table, as in { brightness = 5 }";

/// Text that is written as a string of TOML, without its quotes. `--set` reads text so:
/// a value that was quoted for the shell and for TOML must not keep the second quotes.
pub(super) fn unquoted(text: &str) -> Option<String> {
    let quoted = ['"', '\'']
        .iter()
        .any(|quote| text.len() >= 2 && text.starts_with(*quote) && text.ends_with(*quote));
    match toml_value(text) {
        Some(Value::String(inner)) if quoted => Some(inner),
        _ => None,
    }
}

/// Whether the key holds text.
pub(super) fn is_text(defaults: &Table, key: &str) -> bool {
    matches!(kind(defaults, key), Ok(Kind::Like(Value::String(_))))
}

/// The key that is written like `name` but for dots and underscores. Of a table whose keys are
/// the owner's: that table, also where `name` goes on with one of these.
pub(super) fn meant(defaults: &Table, name: &str) -> Option<String> {
    let letters = |key: &str| key.to_lowercase().replace(['.', '_'], "");
    let wanted = letters(name);
    let mut keys = flatten(defaults, "").into_iter();
    let open = || open_tables(defaults, "").into_iter();
    keys.find_map(|(key, _)| (letters(&key) == wanted).then_some(key))
        .or_else(|| open().find(|key| wanted.starts_with(&letters(key))))
}

/// The tables that are empty unless their owner fills them.
fn open_tables(table: &Table, prefix: &str) -> Vec<String> {
    let mut open = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) if inner.is_empty() => open.push(format!("{prefix}{name}")),
            Value::Table(inner) => open.extend(open_tables(inner, &format!("{prefix}{name}."))),
            _ => {}
        }
    }
    open
}

/// A list of sections, which no text stands for.
pub(super) const ZONE: &str = "zone";

/// What a key holds.
enum Kind<'a> {
    /// The same type as its default.
    Like(&'a Value),
    /// An entry of a table whose keys are the owner's (`camera.controls`): a number,
    /// true or false, or text.
    Any,
}

fn kind<'a>(defaults: &'a Table, key: &str) -> Result<Kind<'a>, String> {
    if key.split('.').next() == Some(ZONE) {
        return Err("zones are set in a file only, as [[zone]] sections".to_owned());
    }
    let unknown = |section: &str, table: &Table| {
        let mut names: Vec<&str> = table.keys().map(String::as_str).collect();
        let place = if section.is_empty() {
            names.push("[[zone]]");
            "the sections are".to_owned()
        } else {
            format!("{section} has")
        };
        let meant = meant(defaults, key).map(|key| format!(" ({key} is meant?)"));
        let meant = meant.unwrap_or_default();
        format!("there is no key {key}{meant}; {place} {}", names.join(", "))
    };
    let (mut table, mut section) = (defaults, "");
    loop {
        let rest = key[section.len()..].trim_start_matches('.');
        if table.is_empty() && !rest.is_empty() && !rest.contains('.') {
            return Ok(Kind::Any);
        }
        let name = rest.split('.').next().unwrap_or_default();
        let value = table.get(name).ok_or_else(|| unknown(section, table))?;
        if name.len() == rest.len() {
            return Ok(Kind::Like(value));
        }
        let Value::Table(inner) = value else {
            return Err(unknown(section, table));
        };
        section = &key[..key.len() - rest.len() + name.len()];
        table = inner;
    }
}

fn toml_value(text: &str) -> Option<Value> {
    toml::from_str::<Table>(&format!("value = {text}")).ok()?.remove("value")
}

fn whole_number(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let toml = || toml_value(text).and_then(|value| value.as_integer());
    text.parse().ok().or_else(toml).ok_or_else(|| WHOLE_NUMBER.to_owned())
}

fn number(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let toml = || match toml_value(text)? {
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    };
    text.parse().ok().or_else(toml).ok_or_else(|| NUMBER.to_owned())
}

fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(SWITCH.to_owned()),
    }
}

/// Texts that commas separate, or an array of TOML. Nothing is an empty list. Some lists may
/// be a table of the owner's own instead (`expression.groups`).
fn list(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return inline_table(text, "a table, as in { one = [\"a\"], two = [\"b\", \"c\"] }");
    }
    if text.trim_start().starts_with('[') {
        let texts =
            |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_str));
        return toml_value(text.trim()).filter(texts).ok_or_else(|| LIST.to_owned());
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(items.map(Value::from).collect::<Vec<_>>().into())
}

/// A whole table of the owner's own keys.
fn table(section: &Table, text: &str) -> Result<Value, String> {
    if section.is_empty() {
        return inline_table(text, TABLE);
    }
    Err(key_by_key(section))
}

fn key_by_key(section: &Table) -> String {
    let names: Vec<&str> = section.keys().map(String::as_str).collect();
    format!("set key by key, it is a section with {}", names.join(", "))
}

/// A table as TOML writes one in a line; else what is `needed`.
fn inline_table(text: &str, needed: &str) -> Result<Value, String> {
    let table = toml_value(text.trim()).filter(Value::is_table);
    table.ok_or_else(|| needed.to_owned())
}

/// Here the text's look is all there is. Text that looks like a number needs quotes.
fn by_its_look(text: &str) -> Value {
    let number = || text.trim().parse().ok().map(Value::Integer);
    let flag = || text.trim().parse().ok().map(Value::Boolean);
    number()
        .or_else(flag)
        .or_else(|| unquoted(text).map(Value::String))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn defaults() -> Table {
        toml::from_str(
            "[a]\nname = ''\ncount = 1\nshare = 0.5\nflag = false\nlist = []\n[a.own]\n[b.c]\nd = 0",
        )
        .unwrap()
    }

    fn of(key: &str, text: &str) -> Result<Value, String> {
        read(&defaults(), key, text)
    }

    #[test]
    fn numbers_and_switches_in_the_ways_people_write_them() {
        for text in ["5", " 5 ", "+5", "005", "0x5"] {
            assert_eq!(of("a.count", text), Ok(Value::Integer(5)), "{text}");
        }
        for text in ["1000", "1_000", "1e3", "1000.0", " 1000"] {
            assert_eq!(of("a.share", text), Ok(Value::Float(1000.0)), "{text}");
        }
        for (text, flag) in [("on", true), ("YES", true), ("1", true), ("False", false)] {
            assert_eq!(of("a.flag", text), Ok(Value::Boolean(flag)), "{text}");
        }
        assert_eq!(of("b.c.d", "2"), Ok(Value::Integer(2)));
    }

    #[test]
    fn lists_with_commas_with_brackets_and_empty() {
        let items = |items: &[&str]| Ok(Value::from(items.to_vec()));
        for text in ["x,1e5", " x , 1e5 ", "x,1e5,", "['x', \"1e5\"]"] {
            assert_eq!(of("a.list", text), items(&["x", "1e5"]), "{text}");
        }
        for text in ["", " ", ",", "[]"] {
            assert_eq!(of("a.list", text), items(&[]), "{text}");
        }
    }

    #[test]
    fn a_list_may_be_a_table_instead() {
        let table = of("a.list", " { x = ['1e5'], 'y z' = [] } ").expect("a table");
        assert_eq!(table["x"][0].as_str(), Some("1e5"));
        assert!(of("a.list", "{ x").unwrap_err().contains("a table, as in { one = [\"a\"]"));
    }

    #[test]
    fn an_entry_of_an_open_table_is_a_number_a_switch_or_text() {
        for (text, value) in [
            ("5", Value::Integer(5)),
            ("true", Value::Boolean(true)),
            ("50 Hz", Value::from("50 Hz")),
            ("'5'", Value::from("5")),
            ("1979-05-27", Value::from("1979-05-27")),
        ] {
            assert_eq!(of("a.own.x", text), Ok(value), "{text}");
        }
        assert_eq!(of("a.own", "{ x = 5 }").unwrap()["x"], Value::Integer(5));
    }

    #[test]
    fn what_cannot_be_is_told_in_words() {
        for (key, text, words) in [
            ("a.count", "many", "a.count must be a whole number, 0 or more"),
            ("a.count", "1.5", "a whole number"),
            ("a.count", "99999999999999999999", "a whole number"),
            ("a.share", "much", "a number"),
            ("a.flag", "perhaps", "true or false"),
            ("a.list", "[1, 2]", "a list of texts"),
            ("a.list", "[", "a list of texts"),
            ("a.own", "5", "a table"),
            ("a", "5", "it is a section with count"),
            ("a.cuont", "5", "there is no key a.cuont; a has count"),
            ("a.count.x", "5", "there is no key a.count.x"),
            ("x.y", "5", "there is no key x.y; the sections are a, b"),
            ("b_c_d", "5", "(b.c.d is meant?)"),
            ("a_own_x", "5", "(a.own is meant?)"),
            ("", "5", "there is no key "),
            ("a.own.x.y", "5", "there is no key"),
            ("a.", "5", "there is no key"),
        ] {
            let reason = of(key, text).unwrap_err();
            assert!(reason.contains(words), "{key}={text}: {reason}");
        }
    }

    proptest! {
        /// A key that holds text keeps every text as it is.
        #[test]
        fn text_is_kept_whatever_it_looks_like(
            text in prop_oneof![".*", "[0-9]{1,12}", "[0-9]{6}e[0-9]{5}", "0x[0-9A-F]{2}",
                "[0-9]_[0-9]{3}", "true|false|inf|nan|null|1979-05-27|\\[\\]|\\{\\}"],
        ) {
            prop_assert_eq!(of("a.name", &text), Ok(Value::from(text.as_str())));
        }

        /// Whatever is set, and to whatever, it is read or refused.
        #[test]
        fn any_key_and_text_are_read_without_harm(key in "[abcdxy._]{0,8}", text: String) {
            let _ = of(&key, &text);
        }
    }
}
