//! Texts in which other programs write single bytes as a backslash and a code.

/// The bytes of `text`, where a backslash and the three bytes behind it are the one that `coded`
/// makes of these; what it makes nothing of stays as it is.
pub(crate) fn unescaped(text: &str, coded: impl Fn(&[u8; 3]) -> Option<u8>) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let code = more.split_first_chunk().filter(|_| *first == b'\\');
        let byte = code.and_then(|(code, behind)| Some((coded(code)?, behind)));
        let (byte, behind) = byte.unwrap_or((*first, more));
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

/// The number that digits of this base stand for; none where there is a sign or another letter.
pub(crate) fn number(digits: &[u8], base: u32) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    u8::from_str_radix(text, base).ok()
}
