//! Why a model was refused, or stopped working.

use std::path::PathBuf;

use crate::error::{Error, Kind};
use crate::pixels::PixelError;

/// Why a model was refused, or stopped working.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Any of the others, met while loading.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: Box<ModelError> },
    #[error("none is called {name} in {places}; `model.name` or `model.path` says which to take")]
    Unknown { name: String, places: String },
    /// Every model of the name was refused: the newest first.
    #[error("{}", .0.join("; "))]
    All(Vec<String>),
    #[error("cannot be read: {0}; set model.path to a .tflite file")]
    Read(std::io::Error),
    #[error("not a TensorFlow Lite file (no TFL3 mark): is it another format, or cut off?")]
    NotTflite,
    #[error("TensorFlow Lite refuses it: {0}")]
    Refused(String),
    #[error("TensorFlow Lite failed while running it: an operation that 2.17 does not know?")]
    Invoke,
    #[error("{0}")]
    Layout(String),
    #[error("side-car {path}: {reason}; docs/ref/model.md tells what it must hold")]
    SideCar { path: String, reason: String },
    #[error(
        "sha256 is {found}, its side-car says {expected}: the file was damaged or belongs to \
         another side-car; copy both again"
    )]
    Checksum { found: String, expected: String },
    #[error(
        "a model from a package needs a signature, {} is not there; docs/guide/upgrade.md tells \
         how to sign", .0.display()
    )]
    Unsigned(PathBuf),
    #[error(
        "its signature is of none of the {known} public keys in {}: damaged, or signed by somebody \
         unknown here", keys.display()
    )]
    Signature { keys: PathBuf, known: usize },
    #[error(
        "no signature can be checked, since {} {reason}; put an Ed25519 public key in PEM there",
        path.display()
    )]
    Key { path: PathBuf, reason: String },
    #[error("it is {found} inside a folder for {expected}: the package was put together wrongly")]
    Misplaced { found: String, expected: String },
    #[error("a model from a package needs a self-test in its side-car, it has none")]
    NoSelfTest,
    #[error("it takes a process down: tried in one of its own, {0}")]
    Trial(String),
    #[error("self-test failed: {0}; the file loads but does not see: export it again")]
    SelfTest(String),
    #[error("self-test: {0}; copy the picture that came with the model beside it")]
    SelfTestPicture(String),
    #[error(
        "it names no classes: put a side-car beside it (docs/ref/model.md) or export with metadata"
    )]
    NoClasses,
    #[error(transparent)]
    Pixels(#[from] PixelError),
}

impl ModelError {
    pub(super) fn refused(error: tflitec::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Pixels(reason) => Error::new(Kind::Input, reason.to_string()),
            other => Error::new(Kind::Model, format!("model refused: {other}")),
        }
    }
}
