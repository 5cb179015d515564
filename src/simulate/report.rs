//! What a simulation found (`docs/ref/simulate.md`), for a script and for a person.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::broker::FleetBroker;
use super::interruption::Interruption;
use super::ledger::Ledger;
use super::options::Options;
use crate::mqtt::urls::Listed;
use crate::process;

/// All numbers of one simulation. Each field is a key of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct FleetReport {
    /// Addresses of the broker.
    pub broker: String,
    /// How many were simulated.
    pub devices: usize,
    /// Whether outboxes were on disk; else in memory.
    pub on_disk: bool,
    /// All devices at once, from nothing.
    pub connecting: Spread,
    /// None where the broker stayed.
    pub restart: Option<Restart>,
    /// When devices lost a broker that was expected to stay.
    pub interruptions: Vec<Interruption>,
    /// Devices at each address in the end.
    pub at_each_address: BTreeMap<String, usize>,
    /// Why devices were not connected in the end, and how many for each reason.
    pub troubles: BTreeMap<String, usize>,
    /// Of the whole simulation.
    pub events: Events,
    /// Of events made while the fleet was connected, in milliseconds.
    pub latency_ms: Latency,
    /// One for each part, in order.
    pub laps: Vec<Lap>,
    /// Largest resident memory of this process (all devices and the listener), in MiB.
    pub peak_rss_mb: f64,
    /// Open files of this process with every device connected.
    pub open_files: usize,
}

/// The broker went away and came back.
#[derive(Clone, Debug, Serialize)]
pub struct Restart {
    /// How long it was away, in seconds.
    pub outage_s: f64,
    /// Events in the outboxes when it came back.
    pub waiting: usize,
    /// When devices were connected again, from the moment it listened.
    pub back: Spread,
    /// Seconds from the moment it listened until every event made by then had arrived; none
    /// where they had not within the limit.
    pub caught_up_s: Option<f64>,
}

/// When devices connected, in seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Spread {
    /// Half of them by then.
    pub p50_s: f64,
    /// 95 of 100 by then.
    pub p95_s: f64,
    /// All of them by then.
    pub max_s: f64,
    /// Connections in each tenth of a second.
    pub per_100_ms: Vec<usize>,
}

/// How many events.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Events {
    /// That devices made.
    pub made: usize,
    /// That never arrived.
    pub lost: usize,
    /// Messages beyond one for each event.
    pub duplicates: u64,
    /// That were marked late.
    pub late: u64,
    /// That arrived behind a later one of the same track.
    pub out_of_order: u64,
}

/// Times from making an event to receiving it, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// 95 of 100 were not longer.
    pub p95: f64,
    /// 99 of 100 were not longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A part of the simulation, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Lap {
    /// `connecting`, `steady`, `broker away` or `returning`.
    pub name: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// Events made in a second.
    pub made_per_s: f64,
    /// Messages received in a second.
    pub received_per_s: f64,
    /// Of one processor, in percent; none when the broker's process is not known.
    pub broker_cpu: Option<f64>,
    /// All devices and the listener: of one processor, in percent.
    pub client_cpu: f64,
    /// The broker's largest resident memory so far, in MiB; none when its process is not
    /// known.
    pub broker_peak_rss_mb: Option<f64>,
    #[serde(skip)]
    from: Instant,
    #[serde(skip)]
    to: Instant,
}

impl FleetReport {
    pub(crate) fn of(options: &Options, broker: &FleetBroker) -> Self {
        Self {
            broker: Listed(&broker.brokers).to_string(),
            devices: options.devices,
            on_disk: options.state_dir.is_some(),
            connecting: Spread::default(),
            restart: None,
            interruptions: Vec::new(),
            at_each_address: BTreeMap::new(),
            troubles: BTreeMap::new(),
            events: Events::default(),
            latency_ms: Latency::default(),
            laps: Vec::new(),
            peak_rss_mb: 0.0,
            open_files: 0,
        }
    }

    /// Fills in events, latencies (those of the `steady` laps) and memory.
    pub(super) fn account(&mut self, ledger: &Ledger, steady: &[Lap]) {
        let deliveries = ledger.deliveries();
        self.events = Events {
            made: deliveries.made(),
            lost: deliveries.lost(),
            duplicates: deliveries.duplicates(),
            late: deliveries.late,
            out_of_order: deliveries.out_of_order,
        };
        let mut times: Vec<Duration> =
            steady.iter().flat_map(|lap| deliveries.latencies(lap.from, lap.to)).collect();
        times.sort_unstable();
        let at = |part| percentile(&times, part).as_secs_f64() * 1e3;
        self.latency_ms = Latency { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) };
        self.peak_rss_mb = process::peak_rss_mb("self");
    }
}

impl Spread {
    /// Of the time that each device took.
    pub(crate) fn of(times: &[Duration]) -> Self {
        let mut times = times.to_vec();
        times.sort_unstable();
        let at = |part| percentile(&times, part).as_secs_f64();
        let mut per_100_ms = vec![0; times.last().map_or(0, |last| tenth(*last) + 1)];
        times.iter().for_each(|time| per_100_ms[tenth(*time)] += 1);
        Self { p50_s: at(0.5), p95_s: at(0.95), max_s: at(1.0), per_100_ms }
    }
}

fn tenth(time: Duration) -> usize {
    usize::try_from(time.as_millis() / 100).unwrap_or(usize::MAX)
}

/// Of ascending values; zero when there are none.
fn percentile(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}

/// Measures one lap.
pub(crate) struct Meter {
    from: Instant,
    ledger: Arc<Ledger>,
    made: usize,
    received: u64,
    broker: Option<Duration>,
    client: Duration,
}

impl Meter {
    pub(crate) fn start(broker: &FleetBroker, ledger: &Arc<Ledger>) -> Self {
        let deliveries = ledger.deliveries();
        Self {
            from: Instant::now(),
            ledger: Arc::clone(ledger),
            made: deliveries.made(),
            received: deliveries.received,
            broker: broker.cpu_time(),
            client: process::cpu_time("self"),
        }
    }

    pub(crate) fn stop(self, name: &'static str, broker: &FleetBroker) -> Lap {
        let deliveries = self.ledger.deliveries();
        let seconds = self.from.elapsed().as_secs_f64();
        let percent = |time: Duration| 100.0 * time.as_secs_f64() / seconds;
        Lap {
            name,
            seconds,
            made_per_s: (deliveries.made() - self.made) as f64 / seconds,
            received_per_s: (deliveries.received - self.received) as f64 / seconds,
            broker_cpu: broker
                .cpu_time()
                .zip(self.broker)
                .map(|(now, before)| percent(now.saturating_sub(before))),
            client_cpu: percent(process::cpu_time("self").saturating_sub(self.client)),
            broker_peak_rss_mb: broker.peak_rss_mb(),
            from: self.from,
            to: Instant::now(),
        }
    }
}

impl fmt::Display for FleetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outbox = if self.on_disk { "on disk" } else { "in memory" };
        writeln!(f, "{} devices, outboxes {outbox}, at {}", self.devices, self.broker)?;
        writeln!(f, "connected   {}", self.connecting)?;
        if let Some(restart) = &self.restart {
            writeln!(f, "{restart}")?;
        }
        for interruption in &self.interruptions {
            writeln!(f, "{interruption}")?;
        }
        if self.at_each_address.len() > 1 {
            for (broker, devices) in &self.at_each_address {
                writeln!(f, "at the end  {devices} devices at {broker}")?;
            }
        }
        for (why, devices) in &self.troubles {
            writeln!(f, "at the end  {devices} devices without a connection: {why}")?;
        }
        let events = &self.events;
        writeln!(
            f,
            "events      {} made, {} lost, {} twice, {} late, {} out of order",
            events.made, events.lost, events.duplicates, events.late, events.out_of_order
        )?;
        let Latency { p50, p95, p99, max } = self.latency_ms;
        writeln!(f, "latency     p50 {p50:.1}  p95 {p95:.1}  p99 {p99:.1}  max {max:.1} ms\n")?;
        writeln!(
            f,
            "{:<12} {:>6} {:>9} {:>11} {:>10} {:>11} {:>10}",
            "", "s", "events/s", "received/s", "broker CPU", "broker MiB", "client CPU"
        )?;
        for lap in &self.laps {
            writeln!(f, "{lap}")?;
        }
        write!(
            f,
            "this process at most {:.1} MiB, {} open files",
            self.peak_rss_mb, self.open_files
        )
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { back, waiting, outage_s, caught_up_s } = self;
        let caught_up = caught_up(*caught_up_s);
        writeln!(f, "came back   {back}")?;
        write!(
            f,
            "            {waiting} events waited after {outage_s:.1} s; from its return, {caught_up}"
        )
    }
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, away_s, most_away, caught_up_s } = self;
        let caught_up = caught_up(*caught_up_s);
        write!(
            f,
            "interrupted {from}: {most_away} away at most, all back after {away_s:.1} s, \
             {caught_up}"
        )
    }
}

fn caught_up(after_s: Option<f64>) -> String {
    after_s.map_or("not caught up".to_owned(), |s| format!("caught up after {s:.1} s"))
}

/// A row below the head of the table.
impl fmt::Display for Lap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broker = |value: Option<f64>, unit| {
            value.map_or("-".to_owned(), |value| format!("{value:.1}{unit}"))
        };
        write!(
            f,
            "{:<12} {:>6.1} {:>9.1} {:>11.1} {:>10} {:>11} {:>9.1}%",
            self.name,
            self.seconds,
            self.made_per_s,
            self.received_per_s,
            broker(self.broker_cpu, "%"),
            broker(self.broker_peak_rss_mb, ""),
            self.client_cpu
        )
    }
}

/// A line of numbers and one of bars.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = self.per_100_ms.iter().max().copied().unwrap_or(0);
        let bar = |count: &usize| BARS[(count * 8).div_ceil(most.max(1))];
        let bars: String = self.per_100_ms.iter().map(bar).collect();
        writeln!(
            f,
            "p50 {:.1}  p95 {:.1}  max {:.1} s; at most {most} in 100 ms",
            self.p50_s, self.p95_s, self.max_s
        )?;
        write!(f, "            |{bars}|")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_counts_each_tenth_of_a_second() {
        let times = [50, 130, 170, 999].map(Duration::from_millis);
        let spread = Spread::of(&times);
        assert_eq!(spread.per_100_ms, [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((spread.p50_s, spread.max_s), (0.17, 0.999));
        assert!(spread.to_string().contains("at most 2 in 100 ms"));
        assert!(Spread::of(&[]).per_100_ms.is_empty());
    }

    #[test]
    fn what_never_arrived_was_not_caught_up_with() {
        let restart = |caught_up_s| {
            Restart { outage_s: 4.0, waiting: 9, back: Spread::default(), caught_up_s }.to_string()
        };
        assert!(restart(None).ends_with("from its return, not caught up"), "{}", restart(None));
        let after = restart(Some(3.21));
        assert!(after.ends_with("from its return, caught up after 3.2 s"), "{after}");
    }
}
