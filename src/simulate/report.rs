//! What a simulation found (`docs/ref/simulate.md`), for a script and for a person.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::broker::Broker;
use super::ledger::Ledger;
use super::options::Options;
use crate::process;

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub broker: String,
    pub devices: usize,
    pub on_disk: bool,
    /// All devices at once, from nothing.
    pub connecting: Spread,
    pub restart: Option<Restart>,
    pub events: Events,
    /// Of events made while the fleet was connected.
    pub latency_ms: Latency,
    pub laps: Vec<Lap>,
    /// This process: all devices and the listener.
    pub peak_rss_mb: f64,
}

/// The broker went away and came back.
#[derive(Clone, Debug, Serialize)]
pub struct Restart {
    pub outage_s: f64,
    /// Events in the outboxes when it came back.
    pub waiting: usize,
    /// From the moment it listens again.
    pub back: Spread,
    /// Until every event made by then had arrived.
    pub caught_up_s: f64,
}

/// When devices connected.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Spread {
    pub p50_s: f64,
    pub p95_s: f64,
    pub max_s: f64,
    /// Connections in each tenth of a second.
    pub per_100_ms: Vec<usize>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Events {
    pub made: usize,
    pub lost: usize,
    pub duplicates: u64,
    pub late: u64,
    /// Of the same track.
    pub out_of_order: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// A part of the simulation.
#[derive(Clone, Debug, Serialize)]
pub struct Lap {
    pub name: &'static str,
    pub seconds: f64,
    pub made_per_s: f64,
    pub received_per_s: f64,
    /// Of one processor, in percent; none when the broker's process is not known.
    pub broker_cpu: Option<f64>,
    /// All devices and the listener.
    pub client_cpu: f64,
    pub broker_peak_rss_mb: Option<f64>,
    #[serde(skip)]
    from: Instant,
    #[serde(skip)]
    to: Instant,
}

impl Report {
    pub(super) fn of(options: &Options, broker: &Broker) -> Self {
        Self {
            broker: broker.url.to_string(),
            devices: options.devices,
            on_disk: options.state_dir.is_some(),
            connecting: Spread::default(),
            restart: None,
            events: Events::default(),
            latency_ms: Latency::default(),
            laps: Vec::new(),
            peak_rss_mb: 0.0,
        }
    }

    /// Closes the books; latencies are those of the `steady` laps.
    pub(super) fn account(&mut self, ledger: &Ledger, steady: &[Lap]) {
        let books = ledger.books();
        self.events = Events {
            made: books.made(),
            lost: books.lost(),
            duplicates: books.duplicates(),
            late: books.late,
            out_of_order: books.out_of_order,
        };
        let mut times: Vec<Duration> =
            steady.iter().flat_map(|lap| books.latencies(lap.from, lap.to)).collect();
        times.sort_unstable();
        let at = |part| percentile(&times, part).as_secs_f64() * 1e3;
        self.latency_ms = Latency { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) };
        self.peak_rss_mb = process::peak_rss_mb("self");
    }
}

impl Spread {
    pub fn of(times: &[Duration]) -> Self {
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
pub(super) struct Meter {
    from: Instant,
    ledger: Arc<Ledger>,
    made: usize,
    received: u64,
    broker: Option<Duration>,
    client: Duration,
}

impl Meter {
    pub fn start(broker: &Broker, ledger: &Arc<Ledger>) -> Self {
        let books = ledger.books();
        Self {
            from: Instant::now(),
            ledger: Arc::clone(ledger),
            made: books.made(),
            received: books.received,
            broker: broker.cpu_time(),
            client: process::cpu_time("self"),
        }
    }

    pub fn stop(self, name: &'static str, broker: &Broker) -> Lap {
        let books = self.ledger.books();
        let seconds = self.from.elapsed().as_secs_f64();
        let percent = |time: Duration| 100.0 * time.as_secs_f64() / seconds;
        Lap {
            name,
            seconds,
            made_per_s: (books.made() - self.made) as f64 / seconds,
            received_per_s: (books.received - self.received) as f64 / seconds,
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outbox = if self.on_disk { "on disk" } else { "in memory" };
        writeln!(f, "{} devices, outboxes {outbox}, at {}", self.devices, self.broker)?;
        writeln!(f, "connected   {}", self.connecting)?;
        if let Some(restart) = &self.restart {
            writeln!(f, "came back   {}", restart.back)?;
            writeln!(
                f,
                "            {} events waited after {:.1} s; caught up {:.1} s after its return",
                restart.waiting, restart.outage_s, restart.caught_up_s
            )?;
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
            let broker = |value: Option<f64>, unit| {
                value.map_or("-".to_owned(), |value| format!("{value:.1}{unit}"))
            };
            writeln!(
                f,
                "{:<12} {:>6.1} {:>9.1} {:>11.1} {:>10} {:>11} {:>9.1}%",
                lap.name,
                lap.seconds,
                lap.made_per_s,
                lap.received_per_s,
                broker(lap.broker_cpu, "%"),
                broker(lap.broker_peak_rss_mb, ""),
                lap.client_cpu
            )?;
        }
        write!(f, "this process at most {:.1} MiB", self.peak_rss_mb)
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
}
