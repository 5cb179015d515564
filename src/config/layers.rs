//! Layers of settings and the place each value came from.
//!
//! Later layers win: built-in defaults, the file, `conf.d/*.toml` beside it in
//! order of name (an instance takes only its own), the environment, the command
//! line. Each file is also read alone, because only then can a mistake be told
//! with its line.

use std::path::{Path, PathBuf};

use config::{Config as Merger, Environment, FileFormat};
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Kind, Result};

/// The environment's prefix: `EXPRESSIOND__CAMERA__SOURCE=...`.
pub const ENVIRONMENT_PREFIX: &str = "EXPRESSIOND";

/// One settings file as read.
#[derive(Clone, Debug)]
struct Layer {
    path: PathBuf,
    text: String,
}

/// Everything that settings are made of, before they are merged.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    files: Vec<Layer>,
    environment: Vec<(String, String)>,
    overrides: Vec<(String, String)>,
}

impl Layers {
    /// Reads `file` and the `conf.d` folder beside it. A file that is `required`
    /// must exist; the default one may be absent. Of the folder an `instance`, one
    /// of several daemons on this machine, takes the file of its name, which must
    /// exist: the others belong to the others.
    pub fn read(file: &Path, required: bool, instance: Option<&str>) -> Result<Self> {
        let mut layers = Self::default();
        if file.exists() || required {
            layers.push(file)?;
        }
        let folder = file.parent().unwrap_or(Path::new("")).join("conf.d");
        if let Some(name) = instance {
            layers.push(&folder.join(format!("{name}.toml")))?;
            return Ok(layers);
        }
        let mut parts: Vec<PathBuf> = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => Vec::new(),
        };
        parts.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        parts.sort();
        for path in parts {
            layers.push(&path)?;
        }
        Ok(layers)
    }

    fn push(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::caused(
                Kind::Config,
                format!("cannot read the settings {}", path.display()),
                error,
            )
        })?;
        self.files.push(Layer { path: path.to_owned(), text });
        Ok(())
    }

    /// Adds the variables that carry our prefix.
    pub fn with_environment(mut self, variables: impl Iterator<Item = (String, String)>) -> Self {
        let prefix = format!("{ENVIRONMENT_PREFIX}__");
        self.environment.extend(variables.filter(|(name, _)| name.starts_with(&prefix)));
        self
    }

    /// Adds one value from the command line: a dotted key and a TOML value, or
    /// bare text.
    pub fn with_override(mut self, key: &str, value: impl Into<String>) -> Self {
        self.overrides.push((key.to_owned(), value.into()));
        self
    }

    /// Reads every file alone (for the line of a mistake), then merges all.
    pub fn merge<T: DeserializeOwned>(&self) -> Result<T> {
        for layer in &self.files {
            toml::from_str::<T>(&layer.text).map_err(|error| layer.refuse(&error))?;
        }
        let mut builder = Merger::builder();
        for layer in &self.files {
            builder = builder.add_source(config::File::from_str(&layer.text, FileFormat::Toml));
        }
        let variables = self.environment.iter().cloned().collect();
        builder = builder.add_source(
            Environment::with_prefix(ENVIRONMENT_PREFIX)
                .prefix_separator("__")
                .separator("__")
                .try_parsing(true)
                .list_separator(",")
                .with_list_parse_key("device.groups")
                .source(Some(variables)),
        );
        for (key, value) in &self.overrides {
            builder = builder
                .set_override(key, parse_override(value))
                .map_err(|error| Error::caused(Kind::Config, format!("--set {key}"), error))?;
        }
        let merged = builder.build().and_then(Merger::try_deserialize);
        merged.map_err(|error| {
            // Files were read alone and passed: what is wrong came from the others.
            Error::caused(Kind::Config, "the environment or the command line (--set)", error)
        })
    }

    /// Where `key` (dotted) got its value: "file:line", a variable, an option.
    pub fn origin(&self, key: &str) -> String {
        if self.overrides.iter().any(|(name, _)| name == key) {
            return format!("--set {key}");
        }
        let variable = format!("{ENVIRONMENT_PREFIX}__{}", key.to_uppercase().replace('.', "__"));
        if self.environment.iter().any(|(name, _)| *name == variable) {
            return format!("environment variable {variable}");
        }
        let found =
            self.files.iter().rev().find_map(|layer| {
                Some(format!("{}:{}", layer.path.display(), layer.line_of(key)?))
            });
        found.unwrap_or_else(|| "built-in default".to_owned())
    }

    /// The files that were read, in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|layer| layer.path.as_path())
    }
}

impl Layer {
    fn refuse(&self, error: &toml::de::Error) -> Error {
        let place = match error.span() {
            Some(span) => format!("{}:{}", self.path.display(), self.line_at(span.start)),
            None => self.path.display().to_string(),
        };
        let line = error.span().map(|span| self.line_text(span.start)).unwrap_or_default();
        let message = format!(
            "{place}: {} (in \"{line}\"); docs/ref/config.md lists every key",
            error.message().trim()
        );
        Error::new(Kind::Config, message)
    }

    fn line_at(&self, offset: usize) -> usize {
        let end = offset.min(self.text.len());
        self.text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn line_text(&self, offset: usize) -> &str {
        self.text.lines().nth(self.line_at(offset) - 1).unwrap_or_default().trim()
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        let table = DeTable::parse(&self.text).ok()?;
        let (mut table, mut names) = (table.get_ref(), key.split('.').peekable());
        loop {
            let name = names.next()?;
            let (found, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
            match value.get_ref() {
                DeValue::Table(inner) if names.peek().is_some() => table = inner,
                _ => return Some(self.line_at(found.span().start)),
            }
        }
    }
}

/// A `--set` value is TOML where it can be read so (`2`, `true`, `["a"]`), else text.
fn parse_override(text: &str) -> config::Value {
    let value = toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()));
    from_toml(value)
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
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Toy {
        camera: Camera,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Camera {
        source: String,
        fps: u32,
    }

    fn layers(texts: &[&str]) -> Layers {
        let files = texts.iter().enumerate().map(|(number, text)| Layer {
            path: PathBuf::from(format!("{number}.toml")),
            text: (*text).to_owned(),
        });
        Layers { files: files.collect(), ..Layers::default() }
    }

    #[test]
    fn later_layers_win_and_each_value_knows_its_place() {
        let layers = layers(&["[camera]\nsource = 'a'\nfps = 1\n", "[camera]\nfps = 2\n"])
            .with_environment(
                [("EXPRESSIOND__CAMERA__FPS", "3"), ("OTHER", "4")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into_iter(),
            );
        let toy: Toy = layers.merge().unwrap();
        assert_eq!(toy, Toy { camera: Camera { source: "a".into(), fps: 3 } });
        assert_eq!(layers.origin("camera.source"), "0.toml:2");
        assert_eq!(layers.origin("camera.fps"), "environment variable EXPRESSIOND__CAMERA__FPS");
        let layers = layers.with_override("camera.fps", "4");
        assert_eq!(layers.merge::<Toy>().unwrap().camera.fps, 4);
        assert_eq!(layers.origin("camera.fps"), "--set camera.fps");
        assert_eq!(layers.origin("camera.none"), "built-in default");
    }

    #[test]
    fn mistakes_name_file_line_and_key() {
        for (text, line, word) in [
            ("[camera]\nfsp = 1\n", 2, "fsp"),
            ("[camera]\nsource = 'a'\nfps = 'many'\n", 3, "fps"),
            ("[kamera]\n", 1, "kamera"),
            ("[camera\n", 1, "camera"),
        ] {
            let message = layers(&[text]).merge::<Toy>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("0.toml:{line}: ")), "{message}");
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn unknown_variables_are_mistakes_too() {
        let variable = ("EXPRESSIOND__CAMERA__FSP".to_owned(), "3".to_owned());
        let layers = Layers::default().with_environment([variable].into_iter());
        let message = layers.merge::<Toy>().unwrap_err().to_string();
        assert!(message.contains("fsp") && message.contains("environment"), "{message}");
    }
}
