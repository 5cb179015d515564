//! What `docs/ref/config.md` says in words of each key, its range and its default, is what the
//! program takes.

use expressiond::config::keys::flatten;
use expressiond::config::{self, Config, Sources};
use toml::Value;

const PAGE: &str = include_str!("../docs/ref/config.md");

/// Ranges that end at another key's value.
const BY_ANOTHER_KEY: [&str; 2] = ["expression.leave", "expression.votes"];
/// Numbers in the words of lists, and of what is no number of its own.
const IN_LISTS: [&str; 1] = ["mqtt.tls.alpn"];
/// Zero has a meaning of its own below the range.
const OR_ZERO: [&str; 3] = ["camera.width", "camera.height", "pace.idle_fps"];
/// What must hold beside it, so that its own range is what is tried.
const BESIDE: [(&str, &str); 1] = [("expression.votes_of", "expression.votes=1")];
/// What stands there in words only.
const DEFAULT_IN_WORDS: [&str; 1] = ["model.close"];

/// Each key of the page with its words and what it is by default.
fn rows() -> Vec<(&'static str, &'static str, Value)> {
    let defaults = flatten(&toml::Table::try_from(Config::default()).unwrap(), "");
    let row = |line: &'static str| {
        let (key, words) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (_, value) = defaults.iter().find(|(known, _)| known == key)?;
        Some((key, words, value.clone()))
    };
    PAGE.lines().filter_map(row).collect()
}

/// The number that begins here, which may have blanks between its digits.
fn number(text: &str) -> Option<f64> {
    let is_part = |c: char| c.is_ascii_digit() || ['.', ' '].contains(&c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text[..end].replace(' ', "").trim_end_matches('.').parse().ok()
}

/// The first `N to M` in these words.
fn range(words: &str) -> Option<(f64, f64)> {
    let words = words.replace("0 (none) to", "0 to");
    words.match_indices(" to ").find_map(|(place, to)| {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let begin = words[..place].rfind(|c| !is_part(c)).map_or(0, |before| before + 1);
        Some((number(&words[begin..place])?, number(&words[place + to.len()..])?))
    })
}

/// Whether the program takes this value.
fn takes(key: &str, value: f64) -> bool {
    let beside = BESIDE.iter().filter(|(of, _)| *of == key);
    let beside = beside.map(|(_, other)| other.split_once('=').unwrap());
    let beside = beside.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::write(&file, "").unwrap();
    let overrides = beside.chain([(key.to_owned(), value.to_string())]).collect();
    config::load(&Sources { file: Some(file), instance: None, overrides }).is_ok()
}

#[test]
fn what_is_within_a_range_of_the_page_is_taken_and_nothing_beyond() {
    let mut tried = 0;
    for (key, words, default) in rows() {
        let Some((least, most)) = range(words) else { continue };
        if IN_LISTS.contains(&key) {
            continue;
        }
        let step = if default.is_integer() { 1.0 } else { 0.5 };
        let below = if least > 0.0 && step < 1.0 { least / 2.0 } else { least - step };
        for (value, taken) in [(least, true), (most, true), (most + step, false), (below, false)] {
            let taken = taken || OR_ZERO.contains(&key) && value == 0.0;
            assert_eq!(takes(key, value), taken, "{key} = {value}: {words}");
        }
        for key in OR_ZERO.iter().filter(|known| **known == key) {
            assert!(takes(key, 0.0) && !takes(key, -1.0), "{key}");
        }
        tried += 1;
    }
    assert!(tried > 30, "{tried} ranges were found");
}

#[test]
fn every_number_has_a_range_or_another_key_as_its_end() {
    let bare: Vec<&str> = rows()
        .into_iter()
        .filter(|(_, words, default)| {
            (default.is_integer() || default.is_float()) && range(words).is_none()
        })
        .map(|(key, ..)| key)
        .filter(|key| !BY_ANOTHER_KEY.contains(key))
        .collect();
    // One of few values, or without an end.
    let known = [
        "camera.rotate",
        "mqtt.event_qos",
        "mqtt.state_qos",
        "mqtt.outbox.max_age_s",
        "mqtt.outbox.late_after_s",
    ];
    assert_eq!(bare, known);
}

#[test]
fn the_defaults_of_the_page_are_those_of_the_program() {
    for (key, words, default) in rows() {
        if DEFAULT_IN_WORDS.contains(&key) {
            continue;
        }
        let (_, told) = words.split_once("Default").unwrap_or_else(|| panic!("{key}: {words}"));
        let told = told.trim_start_matches([':', ' ']);
        let is_so = match &default {
            Value::Integer(value) => number(told) == Some(*value as f64),
            // As a person writes it: 0.1 is no `f32`'s 0.10000000149.
            Value::Float(value) => number(told).is_some_and(|told| told as f32 == *value as f32),
            Value::Boolean(value) => told.starts_with(&value.to_string()),
            Value::String(value) if value.is_empty() => told.starts_with("empty"),
            Value::String(value) => told.replace('"', "").starts_with(&format!("`{value}`")),
            Value::Array(values) => {
                values.is_empty() && ["none", "empty"].iter().any(|word| told.starts_with(word))
            }
            _ => told.starts_with("none"),
        };
        assert!(is_so, "{key} is {default} and not {told}");
    }
}
