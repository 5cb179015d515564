//! The subcommands, one file each, the options that several of them have, and where they
//! put their results (`output`).

pub(crate) mod bench;
pub(crate) mod cameras;
pub(crate) mod check_config;
pub(crate) mod completions;
pub(crate) mod detect;
pub(crate) mod discovery;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod model;
pub(crate) mod output;
pub(crate) mod preview_token;
pub(crate) mod run;
#[cfg(feature = "simulate")]
pub(crate) mod simulate;

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;

use expressiond::attention::Examiner;
use expressiond::config::Sources;
use expressiond::detector::networks::Networks;
use expressiond::detector::{ModelInfo, Settings, THREADS};
use expressiond::error::{Error, Kind, Result};
use expressiond::logging;
use expressiond::tracks::grouping::{Grouping, Groups};

/// The options that every command with settings has.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Settings file; conf.d/*.toml beside it is read too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One of several daemons here: of conf.d only NAME.toml is read
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Set one value, as in --set camera.source=/dev/video2 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    overrides: Vec<(String, String)>,
}

impl ConfigArgs {
    /// Where the settings come from.
    pub(crate) fn sources(&self) -> Sources {
        let Self { config, instance, overrides } = self.clone();
        Sources { file: config, instance, overrides }
    }
}

/// What `--set` may be; whether there is such a key, and what it may be, the settings know.
fn assignment(text: &str) -> std::result::Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("it must be KEY=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// What `--threads` may be: as many as `model.threads`.
pub(crate) fn threads() -> RangedU64ValueParser<usize> {
    let (least, most) = THREADS.into_inner();
    RangedU64ValueParser::new().range(least as u64..=most as u64)
}

/// The networks that these settings ask for.
pub(crate) fn load_networks(settings: &Settings) -> Result<Networks> {
    settings.check().map_err(|(key, why)| Error::new(Kind::Config, format!("{key} {why}")))?;
    Ok(Networks::load(settings)?)
}

/// Says on standard error which models were refused: results are another network's then.
pub(crate) fn tell_refused(networks: &Networks) {
    for refused in networks.refused() {
        logging::tell(format_args!("model refused: {refused}"));
    }
}

/// What looks at single pictures with them; says which models were refused.
pub(crate) fn examiner(settings: &Settings) -> Result<Examiner> {
    let networks = load_networks(settings)?;
    tell_refused(&networks);
    Ok(Examiner::new(networks)?)
}

/// What `--groups` asks for.
pub(crate) fn groups(texts: &[String]) -> Result<Groups> {
    Groups::parse(texts).map_err(wrong_groups)
}

/// The same, of this model.
pub(crate) fn grouping(groups: &Groups, model: &ModelInfo) -> Result<Grouping> {
    Grouping::resolve(groups, &model.classes, &model.groups).map_err(wrong_groups)
}

fn wrong_groups(why: String) -> Error {
    Error::new(Kind::Config, format!("--groups {why}"))
}
