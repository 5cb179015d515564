//! What a command and the settings of a group are written as.

use serde::de::DeserializeOwned;

/// Reads an object of JSON, and nothing else: serde takes an array for an object, too, with
/// its values for the fields in their order, so that `["pause"]` would close the camera.
///
/// # Errors
///
/// In words: it is no object, has a field twice, or none that fits.
pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    // Nothing but blanks stands before a value (RFC 8259, 2).
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Err("an object of JSON is needed".to_owned());
    }
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}
