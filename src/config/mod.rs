//! Settings: layers, checks, and where each value came from.
//!
//! Each section is defined beside the code that it sets; here they are only
//! collected. `config/expressiond.toml` and `docs/ref/config.md` are tested against
//! this.

pub mod digest;
mod file;
pub(crate) mod instance;
pub mod keys;
pub mod layers;
pub mod place;
mod typed;
mod written;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::limits::{self, Impossible};
use crate::{
    annotate, attention, detector, home_assistant, identity, logging, mqtt, preview, source,
    tracks, zones,
};
use layers::Layers;

/// Where packages put the settings.
pub const DEFAULT_FILE: &str = "/etc/expressiond/expressiond.toml";

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Section `[device]`.
    pub device: identity::Settings,
    /// Section `[camera]`.
    pub camera: source::Settings,
    /// Section `[attention]`.
    pub attention: attention::reach::Settings,
    /// Section `[pace]`.
    pub pace: attention::pace::Settings,
    /// Section `[model]`.
    pub model: detector::Settings,
    /// Section `[tracking]`.
    pub tracking: tracks::TrackingSettings,
    /// Section `[expression]`.
    pub expression: tracks::ExpressionSettings,
    /// Section `[mqtt]`.
    pub mqtt: mqtt::Settings,
    /// Section `[home_assistant]`.
    pub home_assistant: home_assistant::Settings,
    /// Section `[snapshots]`.
    pub snapshots: annotate::snapshot::Settings,
    /// Section `[preview]`.
    pub preview: preview::Settings,
    /// Section `[log]`.
    pub log: logging::Settings,
    /// Sections `[[zone]]`. Not written where there is none: `zone = []` would leave no
    /// way to add one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zone: Vec<zones::Settings>,
}

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The settings file; `conf.d/*.toml` beside it is read too. `None` takes
    /// [`DEFAULT_FILE`] if it is there.
    pub file: Option<PathBuf>,
    /// One of several daemons here: of `conf.d` only the file of this name is read.
    pub instance: Option<String>,
    /// Single values, each behind its dotted key; they win over all files.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The settings file.
    pub fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }
}

impl Config {
    /// The sections that the page changes.
    pub fn tunable(&self) -> preview::tunable::Tunable {
        preview::tunable::Tunable {
            camera: self.camera.clone(),
            pace: self.pace.clone(),
            tracking: self.tracking.clone(),
            expression: self.expression.clone(),
            zone: self.zone.clone(),
        }
    }

    /// The same but for the sections that the page changes, which are these.
    #[must_use]
    pub fn with_tunable(self, tunable: preview::tunable::Tunable) -> Self {
        let preview::tunable::Tunable { camera, pace, tracking, expression, zone } = tunable;
        Self { camera, pace, tracking, expression, zone, ..self }
    }

    /// The same but for the sections that the page changes.
    #[must_use]
    pub fn without_tunable(self) -> Self {
        self.with_tunable(preview::tunable::Tunable::default())
    }

    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(&self) -> std::result::Result<(), Impossible> {
        limits::first_of([
            ("device", self.device.check()),
            ("model", self.model.check()),
            ("mqtt", self.mqtt.check()),
            ("home_assistant", self.home_assistant.check()),
            ("preview", self.preview.check()),
        ])?;
        self.tunable().check()
    }
}

/// Reads, layers and checks the settings; with them, where each came from.
///
/// # Errors
///
/// A file that cannot be read or understood, an unknown key, or a value that is impossible, with its
/// place and what it must be.
pub fn load(sources: &Sources) -> Result<(Config, Layers)> {
    load_of(sources, read(sources)?)
}

fn read(sources: &Sources) -> Result<Layers> {
    Layers::read(sources.file(), sources.file.is_some(), sources.instance.as_deref())
}

/// The rest of [`load`] where the files are read.
fn load_of(sources: &Sources, files: Layers) -> Result<(Config, Layers)> {
    let mut layers = files.with_environment(std::env::vars_os());
    for (key, value) in &sources.overrides {
        layers = layers.with_override(key, value);
    }
    let config: Config = layers.merge()?;
    config.check().map_err(|Impossible { key, section, why }| match section {
        Some(number) => layers.mistake_of_section(&key, number, why),
        None => layers.mistake(&key, why),
    })?;
    Ok((config, layers))
}

/// Reads the settings once more, which a start has read already.
///
/// # Errors
///
/// As [`load`]; or they came through a pipe, which has nothing any more: without them masks
/// and the broker would be the defaults.
pub fn load_again(sources: &Sources) -> Result<(Config, Layers)> {
    may_be_read_again(sources)?;
    load(sources)
}

/// As [`load_again`], as if the file at `part`, of `conf.d`, had this `text` (none: there is no
/// such file).
///
/// # Errors
///
/// As [`load_again`].
pub fn load_as_if(sources: &Sources, part: &Path, text: Option<&str>) -> Result<(Config, Layers)> {
    may_be_read_again(sources)?;
    load_of(sources, read(sources)?.with_part(part, text)?)
}

fn may_be_read_again(sources: &Sources) -> Result<()> {
    let file = sources.file();
    if file::is_pipe(file) {
        let why = "it is a pipe, which is read once: end the daemon and start it anew";
        return Err(Error::new(Kind::Config, format!("{}: {why}", file.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
