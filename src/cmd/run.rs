//! `expressiond run`: the daemon.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::ConfigArgs;
use expressiond::alarm::Alarm;
use expressiond::annotate;
use expressiond::config::{self, Sources};
use expressiond::error::{Error, Kind, Result};
use expressiond::logging;
use expressiond::mqtt::Holding;
use expressiond::panics::log_panics;
use expressiond::pipeline::daemon::{Ending, daemon};
use expressiond::pipeline::heartbeat::feed_while_starting;
use expressiond::pipeline::plan::{self, Plan, Surroundings};
use expressiond::pipeline::signals::Signals;
use expressiond::runtime;
use expressiond::settings_files::SettingsFiles;
use tokio::runtime::Runtime;

/// Watch the camera and publish expression events until stopped.
///
/// A camera or broker that is missing is waited for; a wrong configuration (exit
/// code 78) or a refused model (70) is not. Without mqtt.url a broker is started
/// inside, on 127.0.0.1 only: subscribe with mosquitto_sub -v -t 'expressiond/#'.
/// SIGHUP reads the settings again; wrong ones are refused and the old ones stay.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Keep an annotated picture of every event in this folder
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = runtime::current_thread()?;
    // Before anything else: a SIGHUP that comes while a start or a reload is under way
    // would end the process.
    let signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let ending = work(args, signals, &runtime);
    // Ends the publisher's tasks and with them its lock on the outbox, but waits for no
    // look-up of a name, for no model that is just loaded and for no file that does not come.
    runtime.shutdown_background();
    match ending.map_err(|error| wrong_since(error, std::env::var_os(RELOADED).is_some()))? {
        Ending::Finished => Ok(()),
        Ending::Reload => start_again(),
    }
}

/// Runs the daemon until it ends.
fn work(args: &Args, mut signals: Signals, runtime: &Runtime) -> Result<Ending> {
    let files = args.config.sources();
    let settings_files = Arc::new(SettingsFiles::new(files.clone()));
    let rehearse = {
        let files = files.clone();
        Arc::new(move |held: &Holding| rehearse(&files, held))
    };
    let pictures = args.annotate.clone();
    runtime.block_on(async {
        // The settings may come through a pipe or from a disk that does not answer; the model's
        // self-test takes seconds on a slow board.
        let plan = tokio::task::spawn_blocking(move || prepare(&files, pictures.as_deref()));
        let plan = tokio::select! {
            plan = plan => plan.map_err(|error| {
                Error::caused(Kind::Panic, "a fault of this program while it started", error)
            })??,
            never = feed_while_starting() => never,
            name = signals.stop.next() => {
                log::info!("{name} while starting: stopping");
                return Ok(Ending::Finished);
            }
        };
        introduce(&plan);
        daemon(plan, args.annotate.clone(), rehearse, settings_files, signals).await
    })
}

/// Reads the settings and loads what they ask for.
fn prepare(files: &Sources, pictures: Option<&Path>) -> Result<Plan> {
    // What is wrong with them belongs into the journal as well, where no settings say how.
    let (config, layers) =
        config::load(files).inspect_err(|_| logging::start(&logging::Settings::default()))?;
    logging::start(&config.log);
    log_panics();
    for file in layers.files() {
        log::info!("settings: {}", file.display());
    }
    if let Some(folder) = pictures {
        annotate::make_folder(folder)?;
    }
    Plan::make(config, &layers)
}

/// Tries the settings that the files hold. The model's self-test takes seconds on a slow board:
/// what was written meanwhile is tried as well, since the next start reads it.
fn rehearse(files: &Sources, held: &Holding) -> Result<()> {
    loop {
        let (config, layers) = config::load_again(files)?;
        // First what takes no time: whoever mends his settings step by step waits for none.
        plan::try_after(&config, held)?;
        Plan::make(config.clone(), &layers)?;
        if config::load_again(files)?.0 == config {
            // Passwords and certificates may be others by now, too.
            Surroundings::of(&config)?;
            plan::tell_what_stays(&config, held);
            return Ok(());
        }
        log::info!("the settings have changed while they were tried");
    }
}

/// What wrong settings mean where a reload has tried them just before. With the code of wrong
/// settings the daemon, which ran until then, would not be started any more; in a moment its
/// owner, who is still writing, may have written the rest.
fn wrong_since(error: Error, reloaded: bool) -> Error {
    if !reloaded || error.kind() != Kind::Config {
        return error;
    }
    let words = "the settings were right when the reload tried them, and are not any more; the \
                 next start reads them once more";
    Error::caused(Kind::Unavailable, words, error)
}

/// Which model runs, and which were refused.
fn introduce(plan: &Plan) {
    let info = plan.networks.info();
    for refused in plan.networks.refused() {
        log::error!(message_id = Alarm::ModelRefused.id(); "model refused: {refused}");
    }
    log::info!(
        "model: {} ({}), {} threads, XNNPACK {}",
        info.id,
        info.input,
        info.threads,
        if info.xnnpack { "on" } else { "off" }
    );
}

/// The environment variable that tells a program that a reload has started it. No key of the
/// settings is called so.
const RELOADED: &str = "EXPRESSIOND_RELOADED";

/// Becomes the program anew, in the same process: systemd keeps its main process,
/// and nothing of the old settings can linger in a thread, a socket or the log.
fn start_again() -> Result<()> {
    let mut arguments = std::env::args_os();
    // Not /proc/self/exe: after an upgrade that is the old program, deleted.
    let program = arguments.next().unwrap_or_else(|| "expressiond".into());
    let error = Command::new(program).args(arguments).env(RELOADED, "1").exec();
    Err(Error::caused(Kind::Internal, "cannot start again with the new settings", error))
}
