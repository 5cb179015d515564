//! Changes of values in the text of a settings file. What its owner has written beside them
//! stays: comments, order, and the way in which other values are written.

use toml_edit::{DocumentMut, Item, Table};

use crate::preview::tunable::Changes;

const HEAD: &str =
    "# Written by the page (docs/guide/preview.md). Edit it or remove it as you like.\n";

/// `text`, a settings file, with these values; none where it has them already.
///
/// # Errors
///
/// In words: it is no settings file, or has something else in the place of a section.
pub(super) fn with(text: &str, changes: &Changes) -> Result<Option<String>, String> {
    let before: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let wanted = changed(&before, changes)?;
    if wanted == before {
        return Ok(None);
    }
    // What is younger in TOML than the crate that edits it is written anew, without its
    // comments: values come first.
    let kept = edited(text, &wanted, changes)
        .filter(|text| toml::from_str::<toml::Table>(text).is_ok_and(|written| written == wanted));
    match kept {
        Some(edited) if !text.trim().is_empty() => Ok(Some(edited)),
        _ => {
            let lines = toml::to_string(&wanted).map_err(|error| error.to_string())?;
            Ok(Some(format!("{HEAD}{lines}")))
        }
    }
}

/// The values of a file that has those of `before`.
fn changed(before: &toml::Table, changes: &Changes) -> Result<toml::Table, String> {
    let mut table = before.clone();
    for (key, value) in changes {
        let value = toml::Value::try_from(value).map_err(|error| format!("{key}: {error}"))?;
        let (sections, name) = parts(key);
        let mut place = &mut table;
        for section in sections {
            let inner = place.entry(section).or_insert_with(|| toml::Table::new().into());
            place = inner.as_table_mut().ok_or_else(|| format!("{section} is no section"))?;
        }
        place.insert(name.to_owned(), value);
    }
    Ok(table)
}

/// The sections of a dotted key, and the name in the last of them.
fn parts(key: &str) -> (impl Iterator<Item = &str>, &str) {
    let (sections, name) = key.rsplit_once('.').unwrap_or(("", key));
    (sections.split('.').filter(|section| !section.is_empty()), name)
}

/// `text` with the values that `wanted` has for the keys of `changes`; none where that cannot
/// be done in place.
fn edited(text: &str, wanted: &toml::Table, changes: &Changes) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    for key in changes.keys() {
        let (mut place, mut values) = (document.as_item_mut(), wanted);
        let (sections, name) = parts(key);
        for section in sections {
            values = values.get(section)?.as_table()?;
            let inner = place.as_table_like_mut()?.entry(section);
            place = inner.or_insert_with(|| {
                let mut table = Table::new();
                // One that only holds another needs no line of its own.
                table.set_implicit(true);
                Item::Table(table)
            });
        }
        let new = item(name, values.get(name)?)?;
        let table = place.as_table_like_mut()?;
        match table.get_mut(name) {
            Some(old) if old.is_value() == new.is_value() => replace(old, new),
            // No zone instead of some: a line where there were sections.
            _ => {
                table.remove(name);
                table.insert(name, new);
            }
        }
    }
    Some(document.to_string())
}

/// A value as it is written under this name.
fn item(name: &str, value: &toml::Value) -> Option<Item> {
    let alone = toml::Table::from_iter([(name.to_owned(), value.clone())]);
    let mut document: DocumentMut = toml::to_string(&alone).ok()?.parse().ok()?;
    let mut item = document.remove(name)?;
    // Where they stood there says nothing of where they stand here: at the end.
    for section in item.as_array_of_tables_mut().into_iter().flat_map(|all| all.iter_mut()) {
        section.set_position(usize::MAX);
    }
    Some(item)
}

/// With the comments and in the place of the old one.
fn replace(old: &mut Item, mut new: Item) {
    if let (Some(old), Some(new)) = (old.as_value(), new.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
    let sections = old.as_array_of_tables().zip(new.as_array_of_tables_mut());
    for (old, new) in sections.into_iter().flat_map(|(old, new)| old.iter().zip(new.iter_mut())) {
        *new.decor_mut() = old.decor().clone();
        if let Some(place) = old.position() {
            new.set_position(place);
        }
    }
    *old = new;
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn edit(text: &str, value: Value) -> String {
        let changes: Changes = serde_json::from_value(value).expect("an object");
        with(text, &changes).expect("a settings file").expect("changed")
    }

    const OWN: &str = "\
# Written by the page (docs/guide/preview.md). Edit it or remove it as you like.
# As the installer wants it.
[tracking]
start_confidence = 0.5   # the lamp looks like a face

# below the window
[[zone]]
name = \"desk\"
points = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]

# never more than the board can do
[pace]
max_fps = 3.0
";

    #[test]
    fn what_its_owner_wrote_beside_a_value_stays() {
        let text = edit(OWN, json!({ "tracking.start_confidence": 0.6, "tracking.lost_s": 3 }));
        let line = "start_confidence = 0.5   #";
        let wanted = OWN
            .replace(line, "start_confidence = 0.6   #")
            .replace("like a face\n", "like a face\nlost_s = 3\n");
        assert_eq!(text, wanted);
        let other = edit(OWN, json!({ "camera.controls.gain": 3, "camera.mirror": true }));
        for line in OWN.lines() {
            assert!(other.contains(line), "{line} is not in {other}");
        }
        assert!(other.contains("[camera.controls]\ngain = 3\n"), "{other}");
    }

    #[test]
    fn zones_are_replaced_where_they_stand() {
        let zone = |name: &str| json!({ "name": name, "points": [[0, 0], [1, 0], [1, 1]] });
        let text = edit(OWN, json!({ "zone": [zone("sofa"), zone("tv")] }));
        let places = ["# As the", "# below the window\n[[zone]]\nname = \"sofa\"", "[pace]"];
        let places = places.map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}")));
        assert!(places.is_sorted(), "{text}");
        assert!(text.contains("name = \"tv\"") && !text.contains("desk"), "{text}");
        let none = edit(OWN, json!({ "zone": [] }));
        assert!(none.contains("zone = []") && none.contains("# the lamp"), "{none}");
        let again = edit(&none, json!({ "zone": [zone("sofa")] }));
        assert!(again.contains("[[zone]]\nname = \"sofa\"") && !again.contains("zone = []"));
    }

    #[test]
    fn a_file_may_be_written_in_other_ways() {
        for text in [
            "camera = { mirror = false }\n",
            "camera.mirror = false\ncamera.rotate = 90\n",
            "[camera]\nmirror = false\n[camera.controls]\ngain = 1\n",
            "zone = []\n[camera]\nmirror = false",
            // Younger than TOML 1.0.
            "[camera]\nmirror = false\ncontrols = {\n  gain = 1,\n}\n",
        ] {
            let changes = json!({ "camera.mirror": true, "camera.controls.gain": 7 });
            let edited: toml::Table = toml::from_str(&edit(text, changes)).expect("right");
            assert_eq!(edited["camera"]["mirror"].as_bool(), Some(true), "{text}");
            assert_eq!(edited["camera"]["controls"]["gain"].as_integer(), Some(7), "{text}");
        }
        let wrong =
            with("camera = 1\n", &Changes::from_iter([("camera.mirror".into(), true.into())]));
        assert_eq!(wrong, Err("camera is no section".to_owned()));
    }
}
