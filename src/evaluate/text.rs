//! Text files as editors and programs of all systems write them.

use std::borrow::Cow;

/// The text of a file, its lines ended by `\n` or `\r\n`: UTF-8 with or without a byte order
/// mark, or UTF-16 with one (what Windows' editors and PowerShell write).
///
/// # Errors
///
/// In words: where it stops being text.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let text = characters(bytes)?;
    // Lines of old systems end with a carriage return alone.
    let old = text.contains('\r') && !text.contains('\n');
    Ok(if old { Cow::Owned(text.replace('\r', "\n")) } else { text })
}

fn characters(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units).map_err(|error| error.to_string())?;
        Ok(Cow::Owned(text))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
                let line = bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
                format!("line {line} is not text in UTF-8")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end() {
        for (bytes, lines) in [("a\rb\r", "a\nb\n"), ("a\r\nb\r\n", "a\r\nb\r\n")] {
            assert_eq!(decode(bytes.as_bytes()).unwrap(), lines);
        }
    }

    #[test]
    fn every_byte_order_mark() {
        for bytes in
            [&b"a\nb"[..], b"\xef\xbb\xbfa\nb", b"\xff\xfea\0\n\0b\0", b"\xfe\xff\0a\0\n\0b"]
        {
            assert_eq!(decode(bytes).unwrap(), "a\nb", "{bytes:?}");
        }
        assert_eq!(decode(b"").unwrap(), "");
        assert_eq!(decode(b"a\nb\xfc").unwrap_err(), "line 2 is not text in UTF-8");
        assert!(decode(b"\xff\xfe\0\xd8").is_err());
    }
}
