//! One settings file: its text, and the line of each of its keys.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Table;
use toml::de::{DeTable, DeValue};

use super::place::Place;
use super::written;
use crate::error::{Error, Kind, Result};

/// One settings file as read.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Layer {
    /// # Errors
    ///
    /// It cannot be read, or is no text, or larger than settings are.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = text_of(path).map_err(|error| unreadable(path, error))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The file at `path`, if it had this text.
    ///
    /// # Errors
    ///
    /// It would be larger than settings are.
    pub(super) fn with_text(path: &Path, text: &str) -> Result<Self> {
        small_enough(text.as_bytes()).map_err(|error| unreadable(path, error))?;
        Ok(Self { path: path.to_owned(), text: text.to_owned() })
    }

    /// Reads one of `conf.d`. Whoever names a pipe with `--config` writes into it; from one in
    /// the folder nothing may ever come.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or it is no file.
    pub(super) fn read_part(path: &Path) -> Result<Self> {
        if is_pipe(path) {
            let why = "it is a pipe or a socket, and only files are read here";
            return Err(unreadable(path, io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
        Self::read(path)
    }

    /// Whether every value of it alone is one of its key; `defaults` are those of `T`.
    ///
    /// # Errors
    ///
    /// The first that is not, with its place.
    pub(super) fn check<T: DeserializeOwned>(&self, defaults: &Table) -> Result<()> {
        let table: Table = toml::from_str(&self.text).map_err(|error| self.refuse(&error))?;
        let mistakes = written::mistakes::<T>(defaults, &table).into_iter();
        let mistakes = mistakes.map(|(key, why)| (self.line_of(&key), why));
        if let Some((line, why)) = mistakes.min_by_key(|(line, _)| *line) {
            let place =
                line.map_or(self.path.display().to_string(), |line| self.place(line).to_string());
            return Err(Error::new(Kind::Config, format!("{place}: {why}")));
        }
        // The sections [[zone]], which have no defaults.
        toml::from_str::<T>(&self.text).map(drop).map_err(|error| self.refuse(&error))
    }

    pub(super) fn place(&self, line: usize) -> Place {
        Place::Line { file: self.path.clone(), line }
    }

    fn refuse(&self, error: &toml::de::Error) -> Error {
        let place = match error.span() {
            Some(span) => self.place(self.line_at(span.start)).to_string(),
            None => self.path.display().to_string(),
        };
        let key = error.span().and_then(|span| self.key_at(span.start));
        let key = key.map(|key| format!(" (in \"{key}\")")).unwrap_or_default();
        let reason = written::in_words(error.message().trim());
        let message = format!("{place}: {reason}{key}; docs/ref/config.md lists every key");
        Error::new(Kind::Config, message)
    }

    fn line_at(&self, offset: usize) -> usize {
        let end = offset.min(self.text.len());
        self.text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// What of the line says which key or section it is about: the value behind it may be a
    /// password that stands under a wrong key, and a mistake goes into the journal, the
    /// inventory and reports.
    fn key_at(&self, offset: usize) -> Option<&str> {
        let line = self.text.lines().nth(self.line_at(offset) - 1)?.trim();
        match line.split_once('=') {
            Some((key, _)) => Some(key.trim()),
            None => line.starts_with('[').then_some(line),
        }
    }

    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        let table = DeTable::parse(&self.text).ok()?;
        let (mut table, mut rest) = (table.get_ref(), key);
        loop {
            // A name may have dots of its own, as a camera's control.
            let behind = |name: &str| match rest.strip_prefix(name)? {
                "" => Some(""),
                more => more.strip_prefix('.'),
            };
            let entries = table.iter();
            let (found, value, more) = entries
                .filter_map(|(name, value)| Some((name, value, behind(name.get_ref())?)))
                .min_by_key(|(.., more)| more.len())?;
            match value.get_ref() {
                DeValue::Table(inner) if !more.is_empty() => (table, rest) = (inner, more),
                _ => return Some(self.line_at(found.span().start)),
            }
        }
    }

    pub(super) fn line_of_section(&self, name: &str, number: usize) -> Option<usize> {
        let table = DeTable::parse(&self.text).ok()?;
        let (_, sections) = table.get_ref().iter().find(|(key, _)| key.get_ref() == name)?;
        let DeValue::Array(sections) = sections.get_ref() else { return None };
        Some(self.line_at(sections.get(number.checked_sub(1)?)?.span().start))
    }
}

/// Bytes of a settings file at most. All keys with their comments have a fiftieth of it; what is
/// larger is another file, or one without an end (`/dev/zero`).
const LARGEST: u64 = 1 << 20;

fn text_of(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    small_enough(&bytes)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn small_enough(text: &[u8]) -> io::Result<()> {
    if text.len() as u64 > LARGEST {
        let why = "it is larger than 1 MiB: is it the right file?";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(())
}

/// Whether something stands at `path`, be it unreadable or a link to nothing.
pub(super) fn is_there(path: &Path) -> bool {
    !path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Whether what stands there can be read once at most.
pub(super) fn is_pipe(path: &Path) -> bool {
    let kind = path.metadata().map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

/// The settings files of a folder, in order of name. What begins with a dot is hidden,
/// as for the shell's `*.toml`: editors and macOS leave such files beside the real ones.
pub(super) fn parts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().extension().is_some_and(|extension| extension == "toml") {
            parts.push(entry.path());
        }
    }
    parts.sort();
    Ok(parts)
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => " (the user that runs this needs to read it)",
        io::ErrorKind::InvalidData => " (settings are text in UTF-8)",
        io::ErrorKind::NotFound if path.is_symlink() => " (it is a link to nothing)",
        _ => "",
    };
    let message = format!("cannot read the settings {}{remedy}", path.display());
    Error::caused(Kind::Config, message, error)
}
