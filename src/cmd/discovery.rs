//! `expressiond discovery`: what Home Assistant would be told.

use super::{ConfigArgs, output};
use expressiond::config;
use expressiond::doctor;
use expressiond::error::Result;
use expressiond::home_assistant::About;
use expressiond::mqtt::message::Subscriptions;
use expressiond::pipeline::plan::announced;

/// Print the device's id, the topics that a broker's access list must let it write and read,
/// and what Home Assistant is told, without connecting to a broker.
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

/// What a broker's access list must let the device write (docs/ref/mqtt.md, "Rights").
fn writes(about: &About) -> Vec<String> {
    let topics = &about.topics;
    let told = about.cameras.iter().flat_map(|camera| topics.written(camera));
    let mut all: Vec<String> = told.map(|(topic, _)| topic).collect();
    // What an earlier run left of cameras that are gone is removed, and its announcement also
    // where Home Assistant is told nothing any more.
    all.extend(topics.of_any_camera());
    all.extend([topics.trial(), about.topic()]);
    all
}

/// What it must let the device read: what the daemon subscribes to, and `expressiond doctor`.
fn reads(about: &About) -> Vec<String> {
    let Subscriptions { lasting, sweep, .. } = expressiond::control::inbox::subscriptions(about);
    [lasting, sweep, vec![about.topics.status()]].concat()
}

fn table(about: &About) -> String {
    let mut text = format!("device      {}\n", about.topics.device());
    for (right, topics) in [("writes", writes(about)), ("reads", reads(about))] {
        for topic in topics {
            text += &format!("{right:<12}{topic}\n");
        }
    }
    if !about.settings.enabled {
        return text + "discovery   off (home_assistant.enabled)\n";
    }
    text += &format!("discovery   {}\n\n", about.topic());
    let payload = about.payload(None);
    let components = payload["cmps"].as_object().into_iter().flatten();
    for (_, component) in components {
        let field = |name: &str| component[name].as_str().unwrap_or_default().to_owned();
        text += &format!("{:<15}{:<24}{}\n", field("p"), field("name"), field("default_entity_id"));
    }
    text
}
