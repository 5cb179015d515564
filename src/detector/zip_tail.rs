//! `metadata.json` of a model that carries a zip archive behind its own bytes, as
//! exports of the common one-output layout do.
//!
//! Follows the archive's directory from its end (APPNOTE.TXT 4.3.12, 4.3.16).
//! Bytes from outside: every offset is checked, sizes are bounded.

use std::collections::BTreeMap;

/// Metadata of a few class names has no business being larger.
const MOST: usize = 1 << 20;
const NAME: &[u8] = b"metadata.json";

/// The class names of the archive behind `model`, in order of their numbers.
pub fn class_names(model: &[u8]) -> Option<Vec<String>> {
    let text = entry(model, NAME)?;
    let metadata: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let names: BTreeMap<u32, String> = match metadata.get("names")? {
        serde_json::Value::Object(names) => names
            .iter()
            .map(|(number, name)| Some((number.parse().ok()?, name.as_str()?.to_owned())))
            .collect::<Option<_>>()?,
        serde_json::Value::Array(names) => names
            .iter()
            .zip(0..)
            .map(|(name, number)| Some((number, name.as_str()?.to_owned())))
            .collect::<Option<_>>()?,
        _ => return None,
    };
    Some(names.into_values().collect())
}

fn entry(file: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    // The end record is the last 22 bytes, or earlier where a comment follows.
    let from = file.len().saturating_sub(22 + usize::from(u16::MAX));
    let end = from + file[from..].windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let directory_size = number(file, end + 12, 4)?;
    // Offsets count from where the archive begins, which is behind the model.
    let start = end.checked_sub(directory_size)?.checked_sub(number(file, end + 16, 4)?)?;
    let mut at = end - directory_size;
    while file.get(at..at + 4)? == b"PK\x01\x02" {
        let (name_length, extra, comment) =
            (number(file, at + 28, 2)?, number(file, at + 30, 2)?, number(file, at + 32, 2)?);
        if file.get(at + 46..at + 46 + name_length)? == name {
            let compressed = number(file, at + 20, 4)?;
            return content(file, start.checked_add(number(file, at + 42, 4)?)?, compressed);
        }
        at += 46 + name_length + extra + comment;
    }
    None
}

/// The bytes of the entry whose local header stands at `at`.
fn content(file: &[u8], at: usize, compressed: usize) -> Option<Vec<u8>> {
    if file.get(at..at.checked_add(4)?)? != b"PK\x03\x04" {
        return None;
    }
    let method = number(file, at + 8, 2)?;
    let data = at + 30 + number(file, at + 26, 2)? + number(file, at + 28, 2)?;
    let bytes = file.get(data..data.checked_add(compressed)?)?;
    match method {
        0 if bytes.len() <= MOST => Some(bytes.to_vec()),
        8 => miniz_oxide::inflate::decompress_to_vec_with_limit(bytes, MOST).ok(),
        _ => None,
    }
}

/// A little-endian number of `width` bytes.
fn number(file: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = file.get(at..at + width)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An archive of one entry behind a model's bytes, as zip tools write it.
    fn archive(json: &[u8], deflated: bool) -> Vec<u8> {
        let data =
            if deflated { miniz_oxide::deflate::compress_to_vec(json, 6) } else { json.to_vec() };
        let method: u16 = if deflated { 8 } else { 0 };
        let le = |value: usize| (value as u32).to_le_bytes();
        let mut file = vec![7; 100];
        let sizes = [le(0), le(data.len()), le(json.len())].concat();
        let name_length = (NAME.len() as u16).to_le_bytes();
        file.extend(b"PK\x03\x04\x14\0\0\0");
        file.extend(method.to_le_bytes());
        file.extend([0; 4]);
        file.extend(&sizes);
        file.extend(name_length);
        file.extend([0, 0]);
        file.extend(NAME);
        file.extend(&data);
        let directory = file.len();
        file.extend(b"PK\x01\x02\x14\0\x14\0\0\0");
        file.extend(method.to_le_bytes());
        file.extend([0; 4]);
        file.extend(&sizes);
        file.extend(name_length);
        file.extend([0; 16]);
        file.extend(NAME);
        let size = file.len() - directory;
        file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        file.extend(le(size));
        file.extend(le(directory - 100));
        file.extend([0, 0]);
        file
    }

    #[test]
    fn names_come_in_order_from_stored_and_deflated_archives() {
        let json = br#"{"task": "detect", "names": {"1": "b", "0": "a", "10": "c"}}"#;
        for deflated in [false, true] {
            let names = class_names(&archive(json, deflated)).unwrap();
            assert_eq!(names, ["a", "b", "c"]);
        }
        assert_eq!(class_names(&archive(br#"{"names": ["x"]}"#, true)).unwrap(), ["x"]);
        assert_eq!(class_names(&[0; 500]), None);
    }

    proptest! {
        #[test]
        fn damaged_archives_never_panic(at in 0usize..400, byte: u8, cut in 0usize..400) {
            let mut file = archive(br#"{"names": {"0": "a"}}"#, true);
            let length = file.len();
            file[at % length] = byte;
            file.truncate(cut.max(1));
            let _ = class_names(&file);
        }
    }
}
