//! Settings: layers, checks, and where each value came from.
//!
//! Each section is defined beside the code that it sets; here they are only
//! collected. `config/expressiond.toml` and `docs/ref/config.md` are tested against
//! this.

pub mod layers;
mod typed;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::{detector, logging, pipeline, publish, source, tracks};
use layers::Layers;

/// Where packages put the settings.
pub const DEFAULT_FILE: &str = "/etc/expressiond/expressiond.toml";

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub device: publish::identity::Settings,
    pub camera: source::Settings,
    pub pace: pipeline::pace::Settings,
    pub model: detector::Settings,
    pub tracking: tracks::TrackingSettings,
    pub expression: tracks::ExpressionSettings,
    pub mqtt: publish::Settings,
    pub home_assistant: publish::discovery::Settings,
    pub snapshots: pipeline::snapshot::Settings,
    pub log: logging::Settings,
}

/// The options that every command with settings has.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Settings file; conf.d/*.toml beside it is read too
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One of several daemons here: of conf.d only NAME.toml is read
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Set one value, as in --set camera.source=/dev/video2 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

impl Config {
    /// The key of an impossible value, in full, and what it must be.
    pub fn check(&self) -> std::result::Result<(), (String, String)> {
        let sections = [
            ("device", self.device.check()),
            ("camera", self.camera.check()),
            ("pace", self.pace.check()),
            ("model", self.model.check()),
            ("tracking", self.tracking.check()),
            ("expression", self.expression.check()),
            ("mqtt", self.mqtt.check()),
            ("home_assistant", self.home_assistant.check()),
        ];
        for (section, result) in sections {
            result.map_err(|(key, why)| {
                // some sections name their keys in full
                let full = key.strip_prefix(section).and_then(|key| key.strip_prefix('.'));
                (format!("{section}.{}", full.unwrap_or(key)), why)
            })?;
        }
        Ok(())
    }
}

/// Reads, layers and checks the settings; with them, where each came from.
pub fn load(args: &ConfigArgs) -> Result<(Config, Layers)> {
    let file = args.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    let mut layers = Layers::read(file, args.config.is_some(), args.instance.as_deref())?
        .with_environment(std::env::vars_os());
    for text in &args.overrides {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            Error::new(Kind::Config, format!("--set {text}: it must be of the form key=value"))
        })?;
        layers = layers.with_override(key, value);
    }
    let config: Config = layers.merge()?;
    config.check().map_err(|(key, why)| {
        Error::new(Kind::Config, format!("{}: {key} {why}", layers.origin(&key)))
    })?;
    Ok((config, layers))
}
