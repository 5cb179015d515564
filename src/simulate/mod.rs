//! A fleet in one process against one broker on this machine.
//!
//! Everything between a face and the broker is what boards run: tracker, recorder,
//! publisher with its outbox, discovery, status. Only the camera is missing: faces are
//! [made up](visits). A [listener] hears every event and the [ledger] knows which are
//! owed, so that lost events are counted.
//! `docs/design/fleet.md` has the numbers.

pub mod broker;
mod fleet;
pub mod interruption;
mod ledger;
mod listener;
mod options;
pub mod report;
mod visits;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{Instant, sleep};

use crate::error::{Error, Kind, Result};
use crate::process;
use broker::FleetBroker;
use fleet::Fleet;
use interruption::Watch;
use ledger::Ledger;
use listener::Listener;
use options::LIMIT;
pub use options::{BASE, Options};
use report::{FleetReport, Lap, Meter, Restart, Spread};

/// How often devices that are away are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Connects a fleet, lets it work, takes the broker away and gives it back, and counts.
/// `say` gets a line of progress at the start of each part. When `stop` is ready it ends early,
/// and leaves no session at the broker either.
///
/// # Errors
///
/// Too few open files, a broker that does not start or is not here, a fleet that does
/// not connect, and what `stop` said. Lost events are no error here: the report tells them.
pub async fn run(
    options: &Options,
    mut broker: FleetBroker,
    say: &mut dyn FnMut(&str),
    stop: impl Future<Output = Error>,
) -> Result<FleetReport> {
    allow_files(options)?;
    let ledger = Arc::new(Ledger::default());
    let listener = Listener::start(&broker, Arc::clone(&ledger));
    let report = tokio::select! {
        report = measured(options, &mut broker, &ledger, &listener, say) => report,
        why = stop => Err(why),
    };
    listener.leave().await;
    let report = report?;
    broker.stop().await?;
    Ok(report)
}

async fn measured(
    options: &Options,
    broker: &mut FleetBroker,
    ledger: &Arc<Ledger>,
    listener: &Listener,
    say: &mut dyn FnMut(&str),
) -> Result<FleetReport> {
    broker.start().await?;
    listener.subscribed().await?;
    let mut report = FleetReport::of(options, broker);

    say(&format!("connecting {} devices, all at once", options.devices));
    let meter = Meter::start(broker, ledger);
    let mut fleet = Fleet::start(options, broker, ledger)?;
    report.connecting = Spread::of(&fleet.connected(1, Instant::now()).await?);
    report.laps.push(meter.stop("connecting", broker));
    report.open_files = process::open_files();
    let mut steady = vec![work(options, broker, &fleet, ledger, &mut report, say).await];

    if let Some(outage) = options.outage {
        say(&format!("the broker is away for {} s", outage.as_secs_f32()));
        let meter = Meter::start(broker, ledger);
        broker.stop().await?;
        sleep(outage).await;
        let waiting = fleet.waiting();
        report.laps.push(meter.stop("broker away", broker));
        broker.start().await?;
        let (back, meter) = (Instant::now(), Meter::start(broker, ledger));
        let spread = Spread::of(&fleet.connected(2, back).await?);
        let caught_up = ledger.caught_up(Instant::now(), LIMIT).await;
        let caught_up_s = caught_up.then(|| back.elapsed().as_secs_f64());
        let outage_s = outage.as_secs_f64();
        report.restart = Some(Restart { outage_s, waiting, back: spread, caught_up_s });
        report.laps.push(meter.stop("returning", broker));
        steady.push(work(options, broker, &fleet, ledger, &mut report, say).await);
    }

    say("everybody leaves; waiting for what is on its way");
    fleet.rest().await;
    // What has not come by then is counted as lost.
    ledger.caught_up(Instant::now(), LIMIT).await;
    report.at_each_address = fleet.at_each_address();
    report.troubles = fleet.troubles();
    report.account(ledger, &steady);
    fleet.shutdown().await;
    Ok(report)
}

/// The connected fleet at work, for as long as was asked for, and longer while somebody is
/// away.
async fn work(
    options: &Options,
    broker: &FleetBroker,
    fleet: &Fleet,
    ledger: &Arc<Ledger>,
    report: &mut FleetReport,
    say: &mut dyn FnMut(&str),
) -> Lap {
    say(&format!("measuring for {} s", options.steady.as_secs_f32()));
    let meter = Meter::start(broker, ledger);
    let (begun, mut watch) = (Instant::now(), Watch::default());
    loop {
        let (now, wall) = (begun.elapsed(), SystemTime::now());
        let away = options.devices - fleet.connected_now();
        watch.see((now, wall), away, |until| ledger.deliveries().owed(begun + until));
        let limit = options.steady + if watch.is_open() { LIMIT } else { Duration::ZERO };
        if now >= limit {
            break;
        }
        sleep(LOOK.min(limit - now)).await;
    }
    report.interruptions.extend(watch.interruptions());
    let lap = meter.stop("steady", broker);
    report.laps.push(lap.clone());
    lap
}

/// A connection is an open file, here and at the broker, which inherits our limit; an
/// outbox on disk is another.
fn allow_files(options: &Options) -> Result<()> {
    let each = if options.state_dir.is_some() { 3 } else { 1 };
    let needed = (each * options.devices + 100) as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < needed) {
        let most = limit.maximum.unwrap_or_default();
        return Err(Error::new(
            Kind::Config,
            format!(
                "{} devices need {needed} open files and {most} are allowed here: raise the \
                 hard limit (`ulimit -Hn` as root, nofile in /etc/security/limits.conf, \
                 LimitNOFILE= of a unit) or simulate fewer",
                options.devices
            ),
        ));
    }
    let current = limit.current.map(|now| now.max(needed));
    setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum })
        .map_err(|error| Error::caused(Kind::Unavailable, "cannot raise the open files", error))
}
