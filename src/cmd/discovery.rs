//! `expressiond discovery`: what Home Assistant would be told.

use super::{ConfigArgs, output};
use expressiond::config;
use expressiond::doctor;
use expressiond::error::Result;
use expressiond::home_assistant::About;
use expressiond::pipeline::plan::announced;

/// Print the device's id, its topics and what Home Assistant is told, without
/// connecting to a broker.
///
///   expressiond discovery                          for a person
///   expressiond discovery --json | jq .cmps        the payload as it is published
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// The payload alone
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let sources = args.config.sources();
    let (config, layers) = config::load(&sources)?;
    let about = announced(&config, &layers, doctor::state_dir(&sources, &config).as_deref())?;
    if args.json { output::json(&about.payload(None)) } else { output::text(table(&about)) }
}

fn table(about: &About) -> String {
    let mut text = format!("device      {}\n", about.topics.device());
    for camera in &about.cameras {
        for (topic, _) in about.topics.written(camera) {
            text += &format!("writes      {topic}\n");
        }
    }
    text += &format!("reads       {}\n", about.topics.command());
    for group in about.topics.groups() {
        text += &format!("reads       {}\n", about.topics.group_settings(group));
    }
    if !about.settings.enabled {
        return text + "discovery   off (home_assistant.enabled)\n";
    }
    text += &format!("reads       {}\n", about.settings.birth_topic);
    text += &format!("discovery   {}\n\n", about.topic());
    let payload = about.payload(None);
    let components = payload["cmps"].as_object().into_iter().flatten();
    for (_, component) in components {
        let field = |name: &str| component[name].as_str().unwrap_or_default().to_owned();
        text += &format!("{:<15}{:<24}{}\n", field("p"), field("name"), field("default_entity_id"));
    }
    text
}
