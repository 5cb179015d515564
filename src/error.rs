//! How a command ends when it cannot go on: a message for a person and an exit
//! code for a script. The codes are a contract: `docs/ref/exit-codes.md`.

use std::error::Error as StdError;
use std::fmt;

/// Why a command ended, in the order of `docs/ref/exit-codes.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Input,
    Unavailable,
    Model,
    /// A thread of the daemon panicked.
    Panic,
    Output,
    Permission,
    Config,
}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Kind::Internal,
        Kind::Input,
        Kind::Unavailable,
        Kind::Model,
        Kind::Panic,
        Kind::Output,
        Kind::Permission,
        Kind::Config,
    ];

    /// The process's exit code, as `sysexits.h` numbers it where it does.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Internal => 1,
            Kind::Input => 65,
            Kind::Unavailable => 69,
            // EX_SOFTWARE: either is a fault inside, and no other number would say more.
            Kind::Model | Kind::Panic => 70,
            Kind::Output => 74,
            Kind::Permission => 77,
            Kind::Config => 78,
        }
    }

    /// The name in `docs/ref/exit-codes.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Internal => "internal",
            Kind::Input => "input",
            Kind::Unavailable => "unavailable",
            Kind::Model => "model",
            Kind::Panic => "panic",
            Kind::Output => "output",
            Kind::Permission => "permission",
            Kind::Config => "config",
        }
    }
}

/// A message that names the thing, the place and the remedy, with its cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Wraps a lower error; its own words follow after a colon.
    pub fn caused(
        kind: Kind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document is the contract: every code in it, no other code in the program.
    #[test]
    fn exit_codes_equal_the_document() {
        let document = include_str!("../docs/ref/exit-codes.md");
        let documented: Vec<(u8, &str)> = document
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('|').map(str::trim).skip(1);
                Some((cells.next()?.parse().ok()?, cells.next()?))
            })
            .filter(|(_, name)| !["ok", "usage"].contains(name))
            .collect();
        let coded: Vec<_> = Kind::ALL.iter().map(|kind| (kind.exit_code(), kind.name())).collect();
        assert_eq!(documented, coded);
    }

    #[test]
    fn a_chain_reads_as_one_sentence() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = Error::caused(Kind::Input, "picture a.jpg", io);
        assert_eq!(error.to_string(), "picture a.jpg: no such file");
    }
}
