//! Where a value of the settings stands.

use std::fmt;
use std::path::PathBuf;

/// Where a value of the settings stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: nobody gave another.
    Default,
    /// In a settings file.
    Line {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
    },
    /// In the environment variable of this name.
    Variable(String),
    /// Behind `--set`, under this key.
    Option(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::Line { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Option(key) => write!(f, "--set {key}"),
        }
    }
}
