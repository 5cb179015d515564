//! What exporters write about a model into its own file: a zip archive behind the
//! model's bytes, as TensorFlow Lite's metadata and Ultralytics' exports have it.

use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::Value;
use zip::ZipArchive;

/// Bytes of a description that are read at most. A few class names need a thousandth.
const MOST: u64 = 1 << 20;

/// Names of the archive's entry that describes the model: today's, which is JSON, and
/// those of older exports, which are a Python dictionary as Python prints it.
pub const ENTRIES: [&str; 3] = ["metadata.json", "temp_meta.txt", "meta.txt"];

/// What a file says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// In the order of the class numbers; empty where it names none.
    pub classes: Vec<String>,
    /// Whether non-maximum suppression is inside; unknown to older exporters.
    pub end_to_end: Option<bool>,
}

/// Reads what stands behind a model's bytes; nothing where no description does.
///
/// # Errors
///
/// In words, with the entry's name: a description that cannot be read, that speaks of
/// something else than a detector, or whose class names have gaps.
pub fn read(model: &[u8]) -> Result<Option<Metadata>, String> {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(model)) else {
        return Ok(None);
    };
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let called = |name: &&str| {
        names.iter().find(|path| Path::new(path).file_name() == Some((*name).as_ref()))
    };
    let Some((entry, path)) = ENTRIES.iter().find_map(|name| Some((*name, called(name)?))) else {
        return Ok(None);
    };
    let wrong = |reason: String| format!("{entry} in the file: {reason}");
    let mut bytes = Vec::new();
    archive
        .by_name(path)
        .map_err(|error| error.to_string())
        .and_then(|file| file.take(MOST).read_to_end(&mut bytes).map_err(|e| e.to_string()))
        .map_err(wrong)?;
    describe(entry, &bytes).map(Some).map_err(wrong)
}

/// Reads one entry of the archive, which is called `entry`.
///
/// # Errors
///
/// As those of [`read`], without the entry's name.
pub fn describe(entry: &str, bytes: &[u8]) -> Result<Metadata, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let about: Value = if entry.ends_with(".json") {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        // What Python prints for a dictionary of text, numbers and lists is YAML, too.
        serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?
    };
    if let Some(task) = about.get("task").and_then(Value::as_str).filter(|task| *task != "detect") {
        return Err(format!("it is a model for the task '{task}', this program reads 'detect'"));
    }
    let flag = |value: Option<&Value>| value.and_then(Value::as_bool);
    let own = flag(about.get("end2end"));
    // What the exporter was asked for: suppression put behind a head that has none. That it was
    // not says nothing of a head that has its own.
    let asked = flag(about.get("args").and_then(|args| args.get("nms")));
    let end_to_end = asked.filter(|asked| *asked).or(own);
    let classes = about.get("names").map_or(Ok(Vec::new()), class_names)?;
    Ok(Metadata { classes, end_to_end })
}

/// The classes of a list, or of a map from numbers; without blanks around the names, which no
/// class may have. What looks like a number or a switch is a name.
///
/// # Errors
///
/// In words: it is neither, or has a gap.
pub(crate) fn class_names(names: &Value) -> Result<Vec<String>, String> {
    let name = |name: &Value| match name {
        Value::String(name) => Ok(name.trim().to_owned()),
        Value::Number(_) | Value::Bool(_) => Ok(name.to_string()),
        _ => Err("names holds something that is no name".to_owned()),
    };
    match names {
        Value::Array(names) => names.iter().map(name).collect(),
        Value::Object(names) => {
            let by_number = |number: usize| {
                names.get(&number.to_string()).ok_or_else(|| {
                    format!("names has {} entries, but none for class {number}", names.len())
                })
            };
            (0..names.len()).map(|number| name(by_number(number)?)).collect()
        }
        _ => Err("names is neither a list nor a map".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use zip::CompressionMethod;
    use zip::write::{SimpleFileOptions, ZipWriter};

    /// An archive of one entry behind a model's bytes, as exporters write it.
    fn model(entry: &str, text: &str, method: CompressionMethod) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(entry, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
        [vec![7; 100], archive.finish().unwrap().into_inner()].concat()
    }

    fn of(entry: &str, text: &str) -> Result<Option<Metadata>, String> {
        read(&model(entry, text, CompressionMethod::Deflated))
    }

    fn classes(names: &[&str], end_to_end: Option<bool>) -> Result<Option<Metadata>, String> {
        let classes = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Some(Metadata { classes, end_to_end }))
    }

    #[test]
    fn names_come_in_order_from_stored_and_deflated_archives() {
        let text = r#"{"task": "detect", "names": {"1": "b", "0": "a", "2": "c"}}"#;
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            assert_eq!(
                read(&model("metadata.json", text, method)),
                classes(&["a", "b", "c"], None)
            );
        }
        assert_eq!(of("metadata.json", r#"{"names": ["x", 7]}"#), classes(&["x", "7"], None));
        assert_eq!(of("metadata.json", r#"{"names": [" x\t"]}"#), classes(&["x"], None));
        assert_eq!(read(&[0; 500]), Ok(None));
        assert_eq!(of("labels.txt", "a\nb"), Ok(None));
    }

    #[test]
    fn older_exports_describe_themselves_in_python() {
        let names = classes(&["happy", "it's \u{e9}t\u{e9}"], Some(true));
        let text = "{'description': 'Model', 'date': '2024-01-01T10:00:00.000001', 'stride': 32, \
                    'task': 'detect', 'imgsz': [320, 320], 'args': {'nms': True, 'half': False, \
                    'data': None}, 'names': {0: 'happy', 1: \"it's \u{e9}t\u{e9}\"}}";
        assert_eq!(of("temp_meta.txt", text), names);
        let text = "{'stride': 32, 'names': ['a', 'b']}";
        assert_eq!(of("meta.txt", text), classes(&["a", "b"], None));
    }

    #[test]
    fn whether_suppression_is_inside() {
        for (text, end_to_end) in [
            (r#"{"end2end": true}"#, Some(true)),
            (r#"{"end2end": false}"#, Some(false)),
            (r#"{"end2end": false, "args": {"nms": true}}"#, Some(true)),
            (r#"{"end2end": true, "args": {"nms": false}}"#, Some(true)),
            (r#"{"args": {"nms": false}}"#, None),
            (r#"{"args": {"nms": "yes"}, "end2end": 1}"#, None),
            (r#"{}"#, None),
        ] {
            assert_eq!(of("metadata.json", text), classes(&[], end_to_end), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (entry, text, words) in [
            ("metadata.json", r#"{"names": {"1": "a", "2": "b"}}"#, "none for class 0"),
            ("metadata.json", r#"{"names": {"0": "a", "2": "b"}}"#, "none for class 1"),
            ("metadata.json", r#"{"names": {"0": ["a"]}}"#, "no name"),
            ("metadata.json", r#"{"names": "a"}"#, "neither a list"),
            ("metadata.json", r#"{"task": "segment"}"#, "task 'segment'"),
            ("metadata.json", "{'names': 1}", "line 1"),
            ("temp_meta.txt", "{'names': {0: 'a}", "line 1"),
            ("temp_meta.txt", "{'names': {1: 'a'}}", "none for class 0"),
        ] {
            let reason = of(entry, text).unwrap_err();
            assert!(reason.contains(words) && reason.contains(entry), "{text}: {reason}");
        }
    }

    proptest! {
        #[test]
        fn damaged_archives_never_panic(at in 0usize..400, byte: u8, cut in 0usize..400) {
            let mut file =
                model("metadata.json", r#"{"names": {"0": "a"}}"#, CompressionMethod::Deflated);
            let length = file.len();
            file[at % length] = byte;
            file.truncate(cut.max(1));
            let _ = read(&file);
        }

        #[test]
        fn any_text_is_described_or_refused(text in "[ {}\\[\\]'\":,a01&*!-]{0,60}") {
            let _ = describe("temp_meta.txt", text.as_bytes());
        }
    }
}
