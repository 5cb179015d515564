//! `expressiond simulate`: a fleet in one process, for developers.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use expressiond::error::{Error, Kind, Result};
use expressiond::pipeline::signals::StopSignals;
use expressiond::runtime;
use expressiond::simulate;
use expressiond::simulate::Options;
use expressiond::simulate::broker::FleetBroker;

/// Simulate a fleet against one broker on this machine, and count what it loses.
///
/// Every device is what a board runs, from the tracker to the outbox; only its faces
/// are made up. All connect at once, work, lose their broker, come back and work on.
/// Without --url a Mosquitto is started on a free port. Ends with 1 if an event is
/// lost, and never talks to another machine.
///
///   expressiond simulate --devices 1000
///   expressiond simulate --devices 50 --url mqtt://127.0.0.1:1883
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Devices, each with its own connection
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    devices: u16,
    /// Seconds to measure, before the broker goes away and again after it came back
    #[arg(long, default_value_t = 30.0, value_parser = seconds)]
    seconds: f64,
    /// Seconds that the broker is away; 0: it stays (default: 10, or with --url 0)
    #[arg(long, value_parser = seconds, conflicts_with = "url")]
    outage: Option<f64>,
    /// Seconds between two visits to a device on average; each makes five events
    #[arg(long, default_value_t = 20.0, value_parser = seconds)]
    every: f64,
    /// Let devices that lost the broker come back in step, to see what chance is good for
    #[arg(long)]
    no_jitter: bool,
    /// Keep outboxes below this folder (default: in memory)
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The mosquitto to start (default: the one in PATH or /usr/sbin)
    #[arg(long, value_name = "PROGRAM", conflicts_with = "url")]
    mosquitto: Option<PathBuf>,
    /// A broker that runs already on this machine, or its addresses, separated by commas; it
    /// stays, and so do retained topics below simulation/
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Its process id, to measure it
    #[arg(long, value_name = "PID", requires = "url")]
    broker_pid: Option<u32>,
    /// One JSON object (docs/ref/simulate.md)
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("from 0 to 3600 seconds".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let broker = match &args.url {
        Some(url) => FleetBroker::at(url, args.broker_pid)?,
        None => FleetBroker::own(args.mosquitto.as_deref())?,
    };
    // One that runs already is not ours to take away.
    let outage = args.outage.unwrap_or(if args.url.is_some() { 0.0 } else { 10.0 });
    let options = Options {
        devices: args.devices.into(),
        steady: Duration::from_secs_f64(args.seconds),
        outage: (outage > 0.0).then(|| Duration::from_secs_f64(outage)),
        jitter: !args.no_jitter,
        every: Duration::from_secs_f64(args.every),
        state_dir: args.state_dir.clone(),
    };
    let runtime = runtime::current_thread()?;
    let spinner = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    spinner.enable_steady_tick(Duration::from_millis(200));
    let mut say = |what: &str| spinner.set_message(what.to_owned());
    // Whoever ends it ends the Mosquitto with it, and leaves nothing behind.
    let report = runtime.block_on(async {
        let mut signals = StopSignals::new()?;
        let stop = async {
            let name = signals.next().await;
            Error::new(Kind::Unavailable, format!("{name}: ended before there was a result"))
        };
        simulate::run(&options, broker, &mut say, stop).await
    });
    spinner.finish_and_clear();
    let report = report?;
    if args.json {
        output::json(&report)?;
    } else {
        output::line(&report)?;
    }
    match report.events.lost {
        0 => Ok(()),
        lost => Err(Error::new(Kind::Internal, format!("{lost} events were lost"))),
    }
}
