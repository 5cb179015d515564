//! Files of a set that could not be used.

use std::fmt;
use std::path::PathBuf;

/// A file of a set that could not be used, and why. Told as one sentence with the place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct LeftOut {
    /// The file.
    #[serde(serialize_with = "crate::paths::as_text")]
    pub file: PathBuf,
    /// Why it could not be used.
    pub reason: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, reason } = self;
        // Some reasons begin with the place, which may be the label file and its line.
        if reason.contains(&*file.to_string_lossy()) {
            f.write_str(reason)
        } else {
            write!(f, "{}: {reason}", file.display())
        }
    }
}
