//! `expressiond run`: the daemon.

use std::path::PathBuf;

use crate::config::{self, ConfigArgs};
use crate::detector::Detector;
use crate::error::{Error, Kind, Result};
use crate::logging;
use crate::pipeline::daemon::daemon;

/// Watch the camera and publish expression events until stopped.
///
/// A camera or broker that is missing is waited for; a wrong configuration (exit
/// code 78) or a refused model (70) is not. Without mqtt.url a broker is started
/// inside, on 127.0.0.1 only: subscribe with mosquitto_sub -v -t 'expressiond/#'.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Keep an annotated picture of every event in this folder
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let (config, layers) = config::load(&args.config)?;
    logging::start(&config.log);
    for file in layers.files() {
        log::info!("settings: {}", file.display());
    }
    if let Some(folder) = &args.annotate {
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::caused(
                Kind::Output,
                format!("cannot make the folder {}", folder.display()),
                error,
            )
        })?;
    }
    let detector = Detector::load(&config.model)?;
    let info = detector.info();
    log::info!(
        "model: {} ({}), {} threads, XNNPACK {}",
        info.id,
        info.input,
        info.threads,
        if info.xnnpack { "on" } else { "off" }
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused(Kind::Internal, "cannot start the runtime", error))?;
    runtime.block_on(daemon(config, detector, args.annotate.clone()))
}
