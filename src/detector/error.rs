//! Why a model was refused, or stopped working.

use std::path::PathBuf;

use crate::error::{Error, Kind};
use crate::pixels::PixelError;

/// Why a model was refused, or stopped working.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Any of the others, met while loading.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<ModelError>,
    },
    /// No model has the name that the settings give.
    #[error(
        "none is called {name} in {places}; name one that is there, or a .tflite file: \
         `model.name` or `model.path` in the settings, --model for detect, evaluate and bench"
    )]
    Unknown {
        /// That name.
        name: String,
        /// The folders that were searched.
        places: String,
    },
    /// Every model of the name was refused: the newest first.
    #[error("{}", .0.join("; "))]
    All(Vec<String>),
    /// The file cannot be read.
    #[error(
        "cannot be read: {0}; a .tflite file is wanted: `model.path` in the settings, --model for \
         detect, evaluate and bench"
    )]
    Read(std::io::Error),
    /// The file does not have the mark of a TensorFlow Lite file.
    #[error(
        "not a TensorFlow Lite file (no TFL3 mark): is it the side-car, another format, or cut off?"
    )]
    NotTflite,
    /// The interpreter cannot be made, for the reason given.
    #[error(
        "TensorFlow Lite refuses it: {0}; its own words stand before this in the log: export the \
         model again"
    )]
    Refused(String),
    /// The interpreter failed at an inference of a model that has run before.
    #[error("TensorFlow Lite failed while running it; its own words stand before this in the log")]
    Run,
    /// It works; nobody wants what the looks that are left would find.
    #[error("it is not wanted any more")]
    Unwanted,
    /// The interpreter failed at the first inference.
    #[error(
        "TensorFlow Lite failed while running it: an operation that 2.17 does not know? Its own \
         words stand before this in the log: export the model again"
    )]
    Invoke,
    /// The tensors are not those of a known layout, for the reason given.
    #[error("{0}")]
    Layout(String),
    /// The side-car is missing or wrong.
    #[error("side-car {path}: {reason}; docs/ref/model.md tells what it must hold")]
    SideCar {
        /// The side-car.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is not the one that the side-car describes.
    #[error(
        "sha256 is {found}, its side-car says {expected}: the file was damaged or belongs to \
         another side-car; copy both again"
    )]
    Checksum {
        /// SHA-256 of the file, in hexadecimal.
        found: String,
        /// SHA-256 in the side-car, in hexadecimal.
        expected: String,
    },
    /// A model from a package has no signature: the file that is missing.
    #[error(
        "a model from a package needs a signature, {} is not there; docs/guide/upgrade.md tells \
         how to sign", .0.display()
    )]
    Unsigned(PathBuf),
    /// No known key made the signature.
    #[error(
        "its signature is of none of the {known} public keys in {}: damaged, or signed by somebody \
         unknown here", keys.display()
    )]
    Signature {
        /// The folder of the known keys.
        keys: PathBuf,
        /// How many it holds.
        known: usize,
    },
    /// There is no key to check a signature with.
    #[error(
        "no signature can be checked, since {} {reason}; put an Ed25519 public key in PEM there",
        path.display()
    )]
    Key {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A package's model is not what its folder is named after.
    #[error("it is {found} inside a folder for {expected}: the package was put together wrongly")]
    Misplaced {
        /// Name and version in the side-car.
        found: String,
        /// Name and version of the folder.
        expected: String,
    },
    /// A model from a package has no self-test.
    #[error("a model from a package needs a self-test in its side-car, it has none")]
    NoSelfTest,
    /// It ended the process in which it was tried: how.
    #[error("it takes a process down: tried in one of its own, {0}")]
    Trial(String),
    /// It does not see what its self-test demands: what is missing.
    #[error("self-test failed: {0}; the file loads but does not see: export it again")]
    SelfTest(String),
    /// The picture of the self-test cannot be used: why.
    #[error("self-test: {0}; copy the picture that came with the model beside it")]
    SelfTestPicture(String),
    /// Neither side-car nor metadata name the classes.
    #[error(
        "it names no classes: put a side-car beside it (docs/ref/model.md) or export with metadata"
    )]
    NoClasses,
    /// The frame cannot be read.
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
