//! `expressiond discovery`: what Home Assistant would be told.

use std::io::Write;

use crate::config::{self, Config, ConfigArgs};
use crate::detector::Detector;
use crate::error::{Error, Kind, Result};
use crate::publish::discovery::About;
use crate::publish::identity::MACHINE_ID;
use crate::publish::topics::{Name, Topics};

/// Print the device's id, its topics and what Home Assistant is told, without
/// connecting to a broker.
///
///   expressiond discovery                          for a person
///   expressiond discovery --json | jq .cmps        the payload as it is published
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// The payload alone
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let (config, _layers) = config::load(&args.config)?;
    let detector = Detector::load(&config.model)?;
    let about = about(&config, device(&config)?, detector.info().classes.clone())?;
    let text = if args.json { format!("{:#}\n", about.payload(None)) } else { table(&about) };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Error::caused(Kind::Output, "cannot write", error))
}

/// The id of this device, as the settings and the machine say.
fn device(config: &Config) -> Result<Name> {
    let state_dir = config.device.state_dir(|name| std::env::var(name).ok());
    config
        .device
        .resolve(MACHINE_ID.as_ref(), state_dir.as_deref())
        .map_err(|error| Error::caused(Kind::Config, "device.id", error))
}

/// What `device` announces with these settings and a model of `classes`.
fn about(config: &Config, device: Name, classes: Vec<String>) -> Result<About> {
    let wrong =
        |key: &str, why: &dyn std::fmt::Display| Error::new(Kind::Config, format!("{key} {why}"));
    let topics = Topics::new(&config.mqtt.base_topic, device)
        .map_err(|error| wrong("mqtt.base_topic", &error))?;
    let camera =
        Name::camera(&*config.camera.name).map_err(|error| wrong("camera.name", &error))?;
    Ok(About { settings: config.home_assistant.clone(), topics, cameras: vec![camera], classes })
}

fn table(about: &About) -> String {
    let mut text = format!("device      {}\n", about.topics.device());
    for camera in &about.cameras {
        for (topic, _) in about.topics.written(camera) {
            text += &format!("writes      {topic}\n");
        }
    }
    text += &format!("reads       {}\n", about.topics.command());
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
