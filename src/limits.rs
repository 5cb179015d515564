//! Checks of single values in the settings.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;

/// A key of its section whose value cannot be, and what it must be, in words that follow it.
/// Where two keys do not go together it is one that somebody has set: a default has no place
/// that could be mended.
pub(crate) type Mistake = (&'static str, String);

/// A value that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// In full.
    pub key: String,
    /// Which one it is of several sections that are called so, from 1.
    pub section: Option<usize>,
    /// What it must be, in words that follow the key.
    pub why: String,
}

impl Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.why)
    }
}

/// The first mistake in sections of the settings that were checked, each under its name.
pub(crate) fn first_of<const N: usize>(
    sections: [(&str, Result<(), Mistake>); N],
) -> Result<(), Impossible> {
    sections.into_iter().try_for_each(|(section, checked)| {
        checked.map_err(|(key, why)| Impossible {
            key: format!("{section}.{key}"),
            section: None,
            why,
        })
    })
}

/// Refuses a value that is not from `least` to `most`, as no number is that is none.
pub(crate) fn within<T: PartialOrd + Display>(
    key: &'static str,
    value: T,
    least: T,
    most: T,
) -> Result<(), Mistake> {
    if (&least..=&most).contains(&&value) {
        Ok(())
    } else {
        Err((key, format!("is {value}, it must be from {least} to {most}")))
    }
}

/// A range as settings hold its numbers. Its ends are written for JSON, where 0.1 is no `f32`.
pub(crate) fn narrow(range: &RangeInclusive<f64>) -> RangeInclusive<f32> {
    *range.start() as f32..=*range.end() as f32
}

/// Refuses a certificate without its key, or the other way round. Each is its key in the
/// `section`, and the file that it names.
pub(crate) fn pair(
    section: &str,
    cert: (&'static str, &str),
    key: (&'static str, &str),
) -> Result<(), Mistake> {
    let (set, missing) = match (cert.1.is_empty(), key.1.is_empty()) {
        (false, true) => (cert.0, key.0),
        (true, false) => (key.0, cert.0),
        _ => return Ok(()),
    };
    let why = "is empty: a certificate and its key belong together";
    Err((set, format!("is set, and {section}.{missing} {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_allowed_and_nothing_beyond() {
        assert_eq!(within("fps", 1, 1, 240), Ok(()));
        assert_eq!(within("fps", 240, 1, 240), Ok(()));
        let words = "is 241, it must be from 1 to 240".to_owned();
        assert_eq!(within("fps", 241, 1, 240), Err(("fps", words)));
        assert!(within("motion", f32::NAN, 0.0, 1.0).is_err());
    }
}
