//! Checks of single values in the settings.

use std::fmt::Display;

/// A key of its section whose value cannot be, and what it must be, in words that follow it.
pub(crate) type Mistake = (&'static str, String);

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
