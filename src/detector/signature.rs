//! Who vouches for a model from a package: an Ed25519 signature (RFC 8032) over its
//! side-car, which in turn holds the checksum of the model. Keys and signatures are
//! those of `openssl genpkey` and `openssl pkeyutl -sign -rawin`: docs/guide/upgrade.md.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ring::signature::{ED25519, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use super::ModelError;
use crate::storage::if_there;

/// A public key of this kind in DER is always these bytes and the 32 of the key
/// (RFC 8410, section 4).
const ED25519_HEADER: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Where the signature of a model stands: the same name, ending in `.sig`.
pub(super) fn path_of(model: &Path) -> PathBuf {
    model.with_extension("sig")
}

/// Whether one of the keys in the folder signed exactly these bytes, the side-car of
/// `model`.
///
/// # Errors
///
/// No signature, none of a key that is known, or a key file that cannot be read: what
/// cannot be checked is not trusted.
pub(super) fn check(model: &Path, side_car: &[u8], keys: &Path) -> Result<(), ModelError> {
    let path = path_of(model);
    let signature = std::fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => ModelError::Unsigned(path),
        _ => ModelError::Read(error),
    })?;
    let known = read_keys(keys)?;
    let fits = |key: &Vec<u8>| UnparsedPublicKey::new(&ED25519, key).verify(side_car, &signature);
    if known.iter().any(|key| fits(key).is_ok()) {
        return Ok(());
    }
    Err(ModelError::Signature { keys: keys.to_owned(), known: known.len() })
}

fn read_keys(folder: &Path) -> Result<Vec<Vec<u8>>, ModelError> {
    let entries = if_there(std::fs::read_dir(folder)).map_err(|error| wrong_key(folder, error))?;
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "pem")).map(read_key).collect()
}

fn read_key(path: PathBuf) -> Result<Vec<u8>, ModelError> {
    let key =
        SubjectPublicKeyInfoDer::from_pem_file(&path).map_err(|error| wrong_key(&path, error))?;
    match key.strip_prefix(&ED25519_HEADER) {
        Some(raw) => Ok(raw.to_owned()),
        None => Err(wrong_key(&path, "is of another kind than Ed25519")),
    }
}

fn wrong_key(path: &Path, reason: impl ToString) -> ModelError {
    ModelError::Key { path: path.to_owned(), reason: reason.to_string() }
}
