//! Layers of settings and the place each value came from.
//!
//! Later layers win: built-in defaults, the file, `conf.d/*.toml` beside it in
//! order of name (an instance takes only its own), the environment, the command
//! line. Each of them is also read alone, because only then can a mistake be told
//! with its place.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{Config as Merger, FileFormat};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file::{Layer, is_there, parts, unreadable};
use super::keys::{self, ENVIRONMENT_PREFIX};
use super::place::Place;
use super::{instance, typed, written};
use crate::error::{Error, Kind, Result};

/// One value from the environment or the command line.
#[derive(Clone, Debug)]
struct Assignment {
    /// Where it stands, for a message.
    place: Place,
    /// Dotted.
    key: String,
    value: toml::Value,
}

/// The folder of more files beside the settings `file`.
pub fn conf_d(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join("conf.d")
}

/// Everything that settings are made of, before they are merged.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    files: Vec<Layer>,
    /// Variables that begin like ours.
    environment: Vec<(String, OsString)>,
    overrides: Vec<(String, String)>,
}

impl Layers {
    /// Reads `file` and the `conf.d` folder beside it. A file that is `required`
    /// must exist; the default one may be absent. Of the folder an `instance`, one
    /// of several daemons on this machine, takes the file of its name, which must
    /// exist: the others belong to the others.
    ///
    /// # Errors
    ///
    /// Whatever is there and cannot be read: settings that are passed over in silence
    /// would be looked for in vain.
    pub fn read(file: &Path, required: bool, instance: Option<&str>) -> Result<Self> {
        let mut layers = Self::default();
        if required || is_there(file) {
            layers.files.push(Layer::read(file)?);
        }
        let folder = conf_d(file);
        if let Some(name) = instance {
            layers.files.push(Layer::read_part(&instance::file(&folder, name)?)?);
            return Ok(layers);
        }
        if is_there(&folder) {
            for path in parts(&folder).map_err(|error| unreadable(&folder, error))? {
                layers.files.push(Layer::read_part(&path)?);
            }
        }
        Ok(layers)
    }

    /// As if the file at `part`, of the folder, had this `text` (none: there is no such file).
    ///
    /// # Errors
    ///
    /// It would be larger than settings are.
    pub(super) fn with_part(mut self, part: &Path, text: Option<&str>) -> Result<Self> {
        self.files.retain(|layer| layer.path != part);
        if let Some(text) = text {
            let later = |layer: &Layer| layer.path.parent() == part.parent() && *layer.path > *part;
            let at = self.files.iter().position(later).unwrap_or(self.files.len());
            self.files.insert(at, Layer::with_text(part, text)?);
        }
        Ok(self)
    }

    /// Adds the variables that carry our prefix. Others may be anything, also such that
    /// are not UTF-8.
    pub fn with_environment(
        mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        let own = |(name, value): (OsString, OsString)| {
            let name = name.to_string_lossy().into_owned();
            let (prefix, rest) = name.split_at_checked(ENVIRONMENT_PREFIX.len())?;
            let ours = prefix.eq_ignore_ascii_case(ENVIRONMENT_PREFIX) && rest.starts_with('_');
            ours.then_some((name, value))
        };
        self.environment.extend(variables.filter_map(own));
        self
    }

    /// Adds one value from the command line: a dotted key, and text of its type.
    pub fn with_override(mut self, key: &str, value: impl Into<String>) -> Self {
        self.overrides.push((key.to_owned(), value.into()));
        self
    }

    /// Reads every layer alone (for the place of a mistake), then merges all.
    ///
    /// # Errors
    ///
    /// A value that is no such type, or a key that is none, with its place.
    pub fn merge<T: Default + Serialize + DeserializeOwned>(&self) -> Result<T> {
        let defaults = toml::Table::try_from(T::default())
            .map_err(|error| Error::caused(Kind::Internal, "cannot write the defaults", error))?;
        self.files.iter().try_for_each(|layer| layer.check::<T>(&defaults))?;
        let assignments = self.assignments(&defaults)?;
        let mut builder = Merger::builder();
        let groups = self.files.iter().rposition(|layer| layer.line_of(GROUPS).is_some());
        let replaced = assignments.iter().any(|assignment| assignment.key == GROUPS);
        for (number, layer) in self.files.iter().enumerate() {
            let text = if replaced || groups.is_some_and(|last| number < last) {
                Cow::Owned(without_groups(&layer.text)?)
            } else {
                Cow::Borrowed(&*layer.text)
            };
            builder = builder.add_source(config::File::from_str(&text, FileFormat::Toml));
        }
        for Assignment { place, key, value } in assignments {
            let wrong = |reason| Error::new(Kind::Config, format!("{place}: {reason}"));
            let names: Vec<&str> = key.split('.').collect();
            written::check::<T>(&defaults, &names, &value).map_err(wrong)?;
            // A source of its own: overrides of one source are set in no order, and of a table
            // and an entry of it the later one is to win.
            let source = Merger::builder()
                .set_override(&key, from_toml(value))
                .and_then(|builder| builder.build());
            builder = builder.add_source(source.map_err(|error| wrong(error.to_string()))?);
        }
        let merged = builder.build().and_then(Merger::try_deserialize);
        merged.map_err(|error| Error::caused(Kind::Config, "the layers of settings", error))
    }

    /// What the environment and the command line set, in this order.
    fn assignments(&self, defaults: &toml::Table) -> Result<Vec<Assignment>> {
        let mut assignments = Vec::new();
        for (name, value) in &self.environment {
            let place = Place::Variable(name.clone());
            let wrong = |reason: String| Error::new(Kind::Config, format!("{place}: {reason}"));
            let Some(key) = keys::of_variable(name) else {
                // Other programs' variables may begin like ours (Kubernetes sets
                // EXPRESSIOND_PORT where a service is called expressiond).
                match typed::meant(defaults, &name[ENVIRONMENT_PREFIX.len()..]) {
                    None => continue,
                    Some(key) => {
                        let right = keys::variable(&key);
                        return Err(wrong(format!("it must be written {right} to set {key}")));
                    }
                }
            };
            let text = value.to_str().ok_or_else(|| wrong("its value is not UTF-8".to_owned()))?;
            let value = typed::read(defaults, &key, text).map_err(wrong)?;
            assignments.push(Assignment { place, key, value });
        }
        for (key, text) in &self.overrides {
            let place = Place::Option(key.clone());
            let inner = typed::unquoted(text).filter(|_| typed::is_text(defaults, key));
            let value = typed::read(defaults, key, inner.as_deref().unwrap_or(text))
                .map_err(|reason| Error::new(Kind::Config, format!("{place}: {reason}")))?;
            assignments.push(Assignment { place, key: key.clone(), value });
        }
        Ok(assignments)
    }

    /// The keys (dotted) that the environment and the command line set, each once.
    pub fn assigned(&self) -> Vec<String> {
        let variables = self.environment.iter().filter_map(|(name, _)| keys::of_variable(name));
        let options = self.overrides.iter().map(|(key, _)| key.clone());
        let keys: BTreeSet<String> = variables.chain(options).collect();
        keys.into_iter().collect()
    }

    /// Where `key` (dotted) got its value.
    pub fn origin(&self, key: &str) -> Place {
        let assigned = |sets: fn(&str, &str, &str) -> bool| {
            let option = self.overrides.iter().rev().find(|(name, text)| sets(key, name, text));
            let variable = || {
                self.environment.iter().rev().find(|(name, value)| {
                    keys::of_variable(name)
                        .is_some_and(|name| sets(key, &name, &value.to_string_lossy()))
                })
            };
            option
                .map(|(name, _)| Place::Option(name.clone()))
                .or_else(|| variable().map(|(name, _)| Place::Variable(name.clone())))
        };
        let line =
            || self.files.iter().rev().find_map(|layer| Some(layer.place(layer.line_of(key)?)));
        // Of a section that no file has, its keys may still be set.
        let within = |key: &str, name: &str, _: &str| {
            name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        };
        assigned(gives).or_else(line).or_else(|| assigned(within)).unwrap_or(Place::Default)
    }

    /// That a value is wrong: `why` follows its key (dotted), behind its place.
    pub fn mistake(&self, key: &str, why: impl std::fmt::Display) -> Error {
        Error::new(Kind::Config, format!("{}: {key} {why}", self.origin(key)))
    }

    /// That one of several sections `[[name]]` is wrong, the `number`th from 1: `why` follows
    /// its name, behind its place. Sections are set in files alone, and a later file's are all.
    pub fn mistake_of_section(
        &self,
        name: &str,
        number: usize,
        why: impl std::fmt::Display,
    ) -> Error {
        let layer = self.files.iter().rev().find(|layer| layer.line_of(name).is_some());
        let place = layer.and_then(|layer| Some(layer.place(layer.line_of_section(name, number)?)));
        let place = place.unwrap_or_else(|| self.origin(name));
        Error::new(Kind::Config, format!("{place}: {name} {why}"))
    }

    /// The files that were read, in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|layer| layer.path.as_path())
    }
}

/// The one table whose entries belong together: where a later layer has it, it takes the place of
/// the earlier one, or a group could never be taken away again.
const GROUPS: &str = "expression.groups";

fn without_groups(text: &str) -> Result<String> {
    let broken = |error| Error::caused(Kind::Internal, "settings that were read before", error);
    let mut table: toml::Table = toml::from_str(text).map_err(broken)?;
    if let Some(expression) = table.get_mut("expression").and_then(toml::Value::as_table_mut) {
        expression.remove("groups");
    }
    Ok(table.to_string())
}

/// Whether the assignment of `text` to `name` gives `key` its value: by itself, or within a whole
/// table that is set at once.
fn gives(key: &str, name: &str, text: &str) -> bool {
    let Some(rest) = key.strip_prefix(name) else { return false };
    let Some(rest) = rest.strip_prefix('.') else { return rest.is_empty() };
    let Ok(table) = toml::from_str::<toml::Table>(&format!("value = {text}")) else { return false };
    let mut names = std::iter::once("value").chain(rest.split('.'));
    names.try_fold(toml::Value::Table(table), |value, name| value.get(name).cloned()).is_some()
}

fn from_toml(value: toml::Value) -> config::Value {
    let kind = match value {
        toml::Value::String(text) => config::ValueKind::String(text),
        toml::Value::Integer(number) => config::ValueKind::I64(number),
        toml::Value::Float(number) => config::ValueKind::Float(number),
        toml::Value::Boolean(flag) => config::ValueKind::Boolean(flag),
        toml::Value::Datetime(time) => config::ValueKind::String(time.to_string()),
        toml::Value::Array(items) => {
            config::ValueKind::Array(items.into_iter().map(from_toml).collect())
        }
        toml::Value::Table(table) => config::ValueKind::Table(
            table.into_iter().map(|(key, value)| (key, from_toml(value))).collect(),
        ),
    };
    config::Value::new(None, kind)
}

#[cfg(test)]
mod tests;
