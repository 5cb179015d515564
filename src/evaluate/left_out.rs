//! Files of a set that could not be used.

use std::fmt;
use std::path::PathBuf;

use crate::printable::line;

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
        let (file, reason) = (line(&self.file.to_string_lossy()), line(&self.reason));
        // Some reasons begin with the place, which may be the label file and its line.
        if reason.contains(&file) { f.write_str(&reason) } else { write!(f, "{file}: {reason}") }
    }
}
