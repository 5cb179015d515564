//! The token that opens the page, of which the settings hold only a hash.
//!
//! It is made by chance and is as long as a key: nobody can try them all, and a plain
//! SHA-256 needs no salt and no slow function, which exist for passwords that people choose.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hexadecimal::hexadecimal;
use crate::random;

const PREFIX: &str = "sha256:";
/// 160 bits.
const BYTES: usize = 20;

/// A secret that was just made: to be shown once.
pub struct Token(String);

impl Token {
    /// From the system's randomness: 40 hexadecimal digits.
    pub fn random() -> Self {
        Self(hexadecimal(&random::bytes::<BYTES>()))
    }

    /// What the settings hold.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a token: enough to recognize it.
#[derive(Clone, Copy, Debug)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads `sha256:` and 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// What it must be.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == 64);
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or(
            "must be what `expressiond preview-token` prints: sha256: and 64 hexadecimal digits",
        )?;
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal, see above");
        }
        Ok(Self(hash))
    }

    /// Whether `token` is the one. Takes the same time whether it is or not, and
    /// wherever it differs.
    pub fn matches(&self, token: &str) -> bool {
        Self::of(token).0.ct_eq(&self.0).into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hexadecimal(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_fits_its_hash() {
        let token = Token::random();
        let kept = TokenHash::parse(&token.hash().to_string()).expect("reads back");
        assert!(kept.matches(&token.to_string()));
        assert!(!kept.matches(&Token::random().to_string()));
        assert!(!kept.matches(""));
        assert!(!kept.matches(&kept.to_string()), "the hash opens nothing");
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in
            ["", "sha256:", "hunter2", &"0".repeat(64), &format!("sha256:{}", "é".repeat(32))]
        {
            assert!(TokenHash::parse(text).is_err(), "{text}");
        }
    }
}
