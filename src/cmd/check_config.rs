//! `expressiond check-config`: is the configuration right, and where does it come from?

use super::{ConfigArgs, output};
use expressiond::config;
use expressiond::config::digest::digest;
use expressiond::config::keys::flatten;
use expressiond::error::{Error, Kind, Result};

/// Check the configuration and show what is in force.
///
/// Prints every value that differs from the built-in default, with its place. A
/// mistake is named with file, line and remedy, and the exit code is 78.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print all values in force, as TOML that can be read back: mqtt.url with what follows ?,
    /// where a cloud's token may stand
    #[arg(long)]
    all: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let (config, layers) = config::load(&args.config.sources())?;
    if args.all {
        let text = toml::to_string_pretty(&to_table(&config)?)
            .map_err(|error| Error::caused(Kind::Internal, "cannot write TOML", error))?;
        return output::text(text);
    }
    let mut text = String::new();
    for file in layers.files() {
        text += &format!("read {}\n", file.display());
    }
    let defaults = flatten(&to_table(&config::Config::default())?, "");
    // Each reload prints this into the journal.
    let mut shown = config.clone();
    shown.mqtt.url = config.mqtt.url.without_queries();
    for (key, value) in flatten(&to_table(&shown)?, "") {
        if !defaults.contains(&(key.clone(), value.clone())) {
            text += &format!("{key} = {value}  ({})\n", layers.origin(&key));
        }
    }
    text += &format!("the configuration is right ({})\n", digest(&config).digest);
    output::text(text)
}

fn to_table(config: &config::Config) -> Result<toml::Table> {
    let table = toml::Table::try_from(config)
        .map_err(|error| Error::caused(Kind::Internal, "cannot write TOML", error))?;
    Ok(shortened(table))
}

/// Settings are f32, TOML's numbers f64: 0.3 would print as 0.30000001192092896.
fn shortened(table: toml::Table) -> toml::Table {
    table.into_iter().map(|(key, value)| (key, shorten(value))).collect()
}

fn shorten(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Float(number) => {
            toml::Value::Float((number as f32).to_string().parse().unwrap_or(number))
        }
        toml::Value::Table(inner) => toml::Value::Table(shortened(inner)),
        toml::Value::Array(values) => toml::Value::Array(values.into_iter().map(shorten).collect()),
        other => other,
    }
}
