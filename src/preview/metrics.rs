//! The numbers at `/metrics`, as Prometheus names them
//! (<https://prometheus.io/docs/practices/naming/>). `docs/ref/metrics.md` lists them.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::contract::payload::{DeviceStatus, ReasonCode};
use crate::events::EventType;

/// What is counted where it happens; the rest is read from the status.
#[derive(Debug)]
pub(super) struct Metrics {
    inference: Histogram,
    age: Histogram,
    events: Family<[(&'static str, &'static str); 1], Counter>,
}

/// Upper bounds in seconds: from a fast desktop to a board under an emulator.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4];

impl Default for Metrics {
    fn default() -> Self {
        let events = Family::<[(&'static str, &'static str); 1], Counter>::default();
        for event in EventType::ALL {
            // So that each is there from the start: a rate needs a zero to begin with.
            drop(events.get_or_create(&[("type", event.name())]));
        }
        Self { inference: Histogram::new(BUCKETS), age: Histogram::new(BUCKETS), events }
    }
}

impl Metrics {
    pub(super) fn looked(&self, inference: Duration, age: Duration) {
        self.inference.observe(inference.as_secs_f64());
        self.age.observe(age.as_secs_f64());
    }

    pub(super) fn told(&self, event: EventType) {
        self.events.get_or_create(&[("type", event.name())]).inc();
    }

    /// All of them in OpenMetrics' text. Without a `status`, before the first, only what
    /// was counted here.
    pub(super) fn render(&self, status: Option<&DeviceStatus>) -> String {
        let mut registry = Registry::with_prefix("expressiond");
        let seconds = || Unit::Seconds;
        let help = "Time of the network for one frame";
        registry.register_with_unit("inference", help, seconds(), self.inference.clone());
        let help = "Age of a frame when its faces were known, from the driver's stamp on";
        registry.register_with_unit("frame_age", help, seconds(), self.age.clone());
        registry.register("events", "Events published", self.events.clone());
        if let Some(status) = status {
            let build = build(&status.version, status.model.as_deref().unwrap_or_default());
            registry.register("build", "What runs", build);
            registry.register_collector(Box::new(OfStatus(Arc::new(status.clone()))));
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }
}

/// What runs.
fn build(version: &str, model: &str) -> Info<[(&'static str, String); 2]> {
    Info::new([("version", escaped(version)), ("model", escaped(model))])
}

/// A label's value as the text format has it
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/#comments-help-text-and-type-information>),
/// which the library writes as it is: a model without a side-car is called after its file, and a
/// file may have any name. A carriage return has no escape, and some readers end a line at it.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace(['\n', '\r'], r"\n")
}

/// What the status topic tells, as numbers.
#[derive(Debug)]
struct OfStatus(Arc<DeviceStatus>);

impl Collector for OfStatus {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let status = &*self.0;
        let (frames, mqtt) = (&status.frames, &status.mqtt);
        let counters = [
            ("frames_captured", "Frames that the source delivered", frames.captured),
            ("frames_bad", "Frames that were broken", frames.bad),
            ("frames_detected", "Frames that were looked at", frames.detected),
            ("frames_rested", "Frames passed over because nothing happened", frames.rested),
            ("camera_reopened", "Times that the source was opened again", frames.reopened),
            ("connections", "Connections to the broker", mqtt.connections),
            ("messages_delivered", "Messages that the broker has", mqtt.delivered),
            ("store_errors", "Writes to the disk that failed", mqtt.store_errors),
            ("commands_refused", "Commands that were refused", mqtt.commands_refused),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let place = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(place)?;
        }
        let dropped = [
            ("full", mqtt.dropped.full),
            ("expired", mqtt.dropped.expired),
            ("oversized", mqtt.dropped.oversized),
        ];
        let dropped = dropped.map(|(cause, count)| ([("cause", cause)], ConstCounter::new(count)));
        family(&mut encoder, "events_dropped", "Events lost", dropped)?;
        let mut gauge = |name: &str, help: &str, unit: Option<Unit>, value: f64| {
            let gauge = ConstGauge::new(value);
            let place =
                encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?;
            gauge.encode(place)
        };
        let of = |yes: bool| f64::from(u8::from(yes));
        let uptime = status.uptime_s as f64;
        gauge("uptime", "Time since the start", Some(Unit::Seconds), uptime)?;
        let rate = f64::from(status.frames_per_second);
        gauge("frames_per_second", "Frames looked at per second", None, rate)?;
        gauge("events_waiting", "Events in the outbox", None, mqtt.waiting as f64)?;
        gauge("broker_connected", "Whether the broker is connected", None, of(mqtt.connected))?;
        gauge("paused", "Whether the camera is closed by its owner", None, of(status.paused))?;
        let viewers = status.viewers as f64;
        gauge("viewers", "How many watch the live picture", None, viewers)?;
        if let Some(degrees) = status.temperature_c {
            let help = "Temperature of the processor";
            gauge("temperature", help, Some(Unit::Celsius), f64::from(degrees))?;
        }
        let reasons = ReasonCode::ALL.map(|code| {
            let given = status.reasons.iter().any(|reason| reason.code == code);
            ([("code", code.name())], ConstGauge::new(i64::from(given)))
        });
        family(&mut encoder, "reason", "Why less happens than could; 1 while it holds", reasons)
    }
}

fn family<L: EncodeLabelSet, M: EncodeMetric, const N: usize>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    members: [(L, M); N],
) -> fmt::Result {
    let Some((_, first)) = members.first() else { return Ok(()) };
    let mut place = encoder.encode_descriptor(name, help, None, first.metric_type())?;
    members.iter().try_for_each(|(labels, member)| member.encode(place.encode_family(labels)?))
}

/// OpenMetrics in the older text format, for what does not ask for OpenMetrics (`curl`,
/// promtool): there a counter's `_total` belongs to its name, and units and the end are
/// not told (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
pub(super) fn classic(open_metrics: &str) -> String {
    let kinds: Vec<(&str, &str)> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let mut text = String::new();
    for line in open_metrics.lines() {
        let comment = line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>());
        match comment.as_deref() {
            None => text.push_str(line),
            Some([what @ ("HELP" | "TYPE"), name, rest]) => {
                let kind = kinds.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
                let (end, old) = match kind {
                    Some("counter") => ("_total", "counter"),
                    Some("info") => ("_info", "gauge"),
                    other => ("", other.unwrap_or("untyped")),
                };
                let rest = if *what == "TYPE" { old } else { rest };
                let _ = write!(text, "# {what} {name}{end} {rest}");
            }
            Some(_) => continue,
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line that cannot be read costs the whole scrape.
    #[test]
    fn a_model_of_any_name_is_one_line() {
        let mut registry = Registry::default();
        registry.register("build", "What runs", build("1.0.0", "a\"b\\c\nd\re@1"));
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string does not fail");
        let line = r#"build_info{version="1.0.0",model="a\"b\\c\nd\ne@1"} 1"#;
        assert!(text.lines().any(|told| told == line), "{text}");
    }

    #[test]
    fn what_happened_is_counted_with_the_names_of_prometheus() {
        let metrics = Metrics::default();
        metrics.looked(Duration::from_millis(30), Duration::from_millis(60));
        metrics.told(EventType::FaceLeft);
        let text = metrics.render(None);
        for line in [
            "expressiond_inference_seconds_bucket{le=\"0.05\"} 1",
            "expressiond_frame_age_seconds_count 1",
            "expressiond_events_total{type=\"face_left\"} 1",
            "expressiond_events_total{type=\"face_appeared\"} 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        let classic = classic(&text);
        assert!(classic.contains("# TYPE expressiond_events_total counter\n"), "{classic}");
        assert!(!classic.contains("EOF") && !classic.contains("UNIT"), "{classic}");
    }
}
