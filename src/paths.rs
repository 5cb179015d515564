//! Paths in JSON.

use std::path::Path;

use serde::Serializer;

/// Writes a path as text. Linux allows any bytes in a file's name and JSON does not: what
/// is not UTF-8 becomes U+FFFD, where serde's own way would be an error in place of the
/// whole output.
///
/// # Errors
///
/// Those of the serializer.
pub fn as_text<S: Serializer>(path: &impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.as_ref().display())
}
