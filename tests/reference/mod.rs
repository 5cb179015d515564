//! Tables of the pages below `docs/ref`, which are contracts.

// Each test binary uses a part of this, and in those of the library it is nobody else's.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeSet;

use serde_json::Value;

/// Cells of the rows of the first table under `heading`, without backquotes.
pub fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split_once(heading).expect("the heading is in the page").1;
    let rows = section.lines().skip_while(|line| !line.starts_with('|'));
    let cells = |row: &str| -> Vec<String> {
        row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    rows.take_while(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

/// The first table of `page` has a row for each key of `told` and no other. A row names, in
/// backquotes, every key within its value but those that another row is about, and no key that
/// is not there.
#[track_caller]
pub fn names_the_keys(page: &str, told: &Value) {
    let told = told.as_object().expect("an object");
    let rows = page.lines().skip_while(|line| !line.starts_with("| `"));
    let rows: Vec<(&str, &str)> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|row| row.trim_start_matches("| `").split_once("` |").expect("a key, and its meaning"))
        .collect();
    let known: BTreeSet<&str> = rows.iter().map(|(key, _)| *key).collect();
    assert_eq!(known, told.keys().map(String::as_str).collect());
    // Options, settings and forms are none.
    let is_word = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    };
    for (key, meaning) in rows {
        let named: BTreeSet<&str> = meaning.split('`').skip(1).step_by(2).filter(is_word).collect();
        let (mut keys, mut texts) = (BTreeSet::new(), BTreeSet::new());
        within(&told[key], &known, &mut keys, &mut texts);
        let missing: Vec<_> = keys.difference(&named).collect();
        assert!(missing.is_empty(), "the row of {key} does not name {missing:?}");
        let absent: Vec<_> =
            named.difference(&keys).filter(|word| !texts.contains(*word)).collect();
        assert!(absent.is_empty(), "the row of {key} names {absent:?}, which are not there");
    }
}

/// All keys within `value`, and all texts. What is below one of `elsewhere` is told there.
fn within<'a>(
    value: &'a Value,
    elsewhere: &BTreeSet<&str>,
    keys: &mut BTreeSet<&'a str>,
    texts: &mut BTreeSet<&'a str>,
) {
    match value {
        Value::String(text) => drop(texts.insert(text)),
        Value::Array(items) => items.iter().for_each(|item| within(item, elsewhere, keys, texts)),
        Value::Object(fields) => {
            for (key, inner) in fields {
                keys.insert(key);
                if !elsewhere.contains(key.as_str()) {
                    within(inner, elsewhere, keys, texts);
                }
            }
        }
        _ => {}
    }
}
