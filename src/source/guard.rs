//! Surviving the v4l crate's panics.
//!
//! It unwraps what drivers tell, such as a card's name that the kernel cut in the
//! middle of a letter (it keeps 31 bytes) or a colour space that is younger than the
//! crate, and its destructors panic when a driver refuses to stop. What a driver tells
//! comes from outside: it must not end a thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::panics::expected;

/// What `work` brings; a panic inside becomes an error.
///
/// Whatever `work` uses of the crate must not be used again after a panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    expected(|| catch_unwind(AssertUnwindSafe(work)))
        .map_err(|_| io::Error::other("its driver tells what the v4l library cannot read"))
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;
    use crate::panics::level;

    #[test]
    fn a_panic_becomes_an_error() {
        let card = "Kü".as_bytes()[..2].to_vec();
        let unwraps = || String::from_utf8(card).unwrap().len();
        assert!(guarded(unwraps).unwrap_err().to_string().contains("v4l library"));
        assert_eq!(guarded(|| 7).unwrap(), 7);
    }

    #[test]
    fn only_what_is_guarded_is_told_in_a_whisper() {
        assert_eq!(guarded(|| guarded(level).and(Ok(level()))).unwrap().unwrap(), Level::Debug);
        assert!(guarded(|| panic!("a rectangle")).is_err());
        assert_eq!(level(), Level::Error);
    }
}
