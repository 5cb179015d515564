//! `deploy/monitoring` against what is really sent: what Telegraf picks out is there,
//! what the dashboard asks for is stored, what the exporter shows is a number.
//!
//! Telegraf is in no Debian release, so its file is read here as its manual says
//! (<https://docs.influxdata.com/telegraf/v1/data_formats/input/json_v2/>). The rest is
//! run for real by `make monitoring-test`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use expressiond::events::{Event, EventType, SCHEMA};
use expressiond::geometry::{Rect, Size};
use expressiond::mqtt::stats::Stats;
use serde_json::{Value, json};

use crate::contract;
use crate::mosquitto::Mosquitto;
use crate::ports::free_port;
use crate::running::{LIMIT, Running};
use crate::support::{publisher, settings};

const TELEGRAF: &str = include_str!("../../deploy/monitoring/telegraf.conf");
const DASHBOARD: &str = include_str!("../../deploy/monitoring/grafana-dashboard.json");
const EXPORTER: &str = include_str!("../../deploy/monitoring/mqtt-exporter.yaml");
const RULES: &str = include_str!("../../deploy/monitoring/prometheus-rules.yaml");
const OWN_METRICS: &str = include_str!("../../docs/ref/metrics.md");

/// One row of a time-series database.
struct Point {
    measurement: String,
    tags: BTreeMap<String, String>,
    fields: BTreeMap<String, Value>,
    time: SystemTime,
}

impl Point {
    /// As InfluxDB reads it.
    fn line(&self) -> String {
        let tags: String = self.tags.iter().map(|(key, value)| format!(",{key}={value}")).collect();
        let field = |(key, value): (&String, &Value)| match value {
            Value::Number(number) if number.is_f64() => format!("{key}={number}"),
            Value::Number(number) => format!("{key}={number}i"),
            other => format!("{key}={other}"),
        };
        let fields: Vec<_> = self.fields.iter().map(field).collect();
        let since = self.time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        format!("{}{tags} {} {}", self.measurement, fields.join(","), since.as_nanos())
    }
}

/// `entry.a.b` as a list, which may not be there.
fn list<'a>(table: &'a toml::Value, path: &str) -> &'a [toml::Value] {
    let found = path.split('.').try_fold(table, |table, key| table.get(key));
    found.and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(table: &'a toml::Value, key: &str) -> &'a str {
    table[key].as_str().expect("text")
}

/// A path as GJSON reads it, as far as names and numbers.
fn find<'a>(payload: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(payload, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    })
}

/// What Telegraf makes of a message; fails where Telegraf would.
fn collect(topic: &str, payload: &Value) -> Point {
    let config: toml::Value = toml::from_str(TELEGRAF).expect("TOML");
    let levels: Vec<_> = topic.split('/').collect();
    let matches = |filter: &str| {
        let filter: Vec<_> = filter.split('/').collect();
        filter.len() == levels.len() && filter.iter().zip(&levels).all(|(f, l)| f == l || *f == "+")
    };
    let inputs = list(&config, "inputs.mqtt_consumer");
    let input = inputs
        .iter()
        .find(|input| {
            list(input, "topics").iter().any(|filter| matches(filter.as_str().expect("text")))
        })
        .unwrap_or_else(|| panic!("nobody listens to {topic}"));
    let parser = &list(input, "json_v2")[0];
    let names = text(&list(input, "topic_parsing")[0], "tags").split('/');
    let mut tags: BTreeMap<_, _> = names
        .zip(&levels)
        .filter(|(name, _)| *name != "_")
        .map(|(name, level)| (name.to_owned(), (*level).to_owned()))
        .collect();
    for tag in list(parser, "tag") {
        let path = text(tag, "path");
        let value = find(payload, path).unwrap_or_else(|| panic!("no {path} in {payload}"));
        tags.insert(path.to_owned(), value.as_str().expect("text").to_owned());
    }
    let mut fields = BTreeMap::new();
    for field in list(parser, "field") {
        let path = text(field, "path");
        let optional = field.get("optional").and_then(toml::Value::as_bool).unwrap_or_default();
        let Some(value) = find(payload, path) else {
            assert!(optional, "no {path} in {payload}");
            continue;
        };
        let last = path.rsplit('.').next().expect("a name");
        let name = field.get("rename").and_then(toml::Value::as_str).unwrap_or(last);
        let right = match text(field, "type") {
            "int" => value.is_u64() || value.is_i64(),
            "float" => value.is_number() || value.is_null(),
            "bool" => value.is_boolean(),
            "string" => value.is_string(),
            other => panic!("no type {other}"),
        };
        assert!(right, "{path} is {value}");
        if !value.is_null() {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    assert_eq!(text(parser, "timestamp_format"), "2006-01-02T15:04:05Z07:00", "RFC 3339 to Go");
    let time = find(payload, text(parser, "timestamp_path")).and_then(Value::as_str);
    let time = humantime::parse_rfc3339(time.expect("a time")).expect("RFC 3339");
    let measurement = text(parser, "measurement_name").to_owned();
    Point { measurement, tags, fields, time }
}

fn status(number: u64) -> Point {
    let stats = Stats { waiting: 3, ..Stats::default() };
    let payload = serde_json::to_value(contract::status(stats)).expect("JSON");
    collect(&format!("expressiond/d{number}/status"), &payload)
}

fn event(sequence: u64, late: bool) -> Point {
    let event = Event {
        schema: SCHEMA,
        id: uuid::Uuid::now_v7().to_string(),
        event_type: EventType::ExpressionStarted,
        device: "d1".into(),
        camera: "front".into(),
        track: format!("0a1b2c3d-{sequence}"),
        sequence,
        time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        duration_ms: 0,
        class: "happy".into(),
        previous_class: None,
        confidence: 0.9,
        rect: Rect::new(1.0, 2.0, 3.0, 4.0),
        zones: Vec::new(),
        frame: Size::new(640, 480),
        model: "m@1+0".into(),
        late,
    };
    let payload = serde_json::to_value(event).expect("JSON");
    let mut point = collect("expressiond/d1/front/event", &payload);
    // The starlark processor: two faces of one frame stay two rows.
    point.time += Duration::from_nanos(sequence % 1_000_000);
    point
}

#[test]
fn telegraf_finds_what_is_sent() {
    let status = status(1);
    assert_eq!(status.tags["device"], "d1");
    assert_eq!(status.fields["waiting"], 3);
    assert_eq!(status.fields["reason"], "no_face");
    let event = event(7, true);
    assert_eq!((&*event.tags["device"], &*event.tags["camera"]), ("d1", "front"));
    assert_eq!((&event.fields["sequence"], &event.fields["late"]), (&json!(7), &json!(true)));
}

fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let variables = dashboard["templating"]["list"].as_array().expect("a list").iter();
    let variables = variables.filter(|variable| variable["type"] == "query");
    let of_panels = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().expect("a list").iter();
        targets.map(|target| (text(&panel["title"]), text(&target["query"])))
    });
    of_panels.chain(variables.map(|v| (text(&v["name"]), text(&v["query"])))).collect()
}

#[test]
fn the_dashboard_asks_for_what_telegraf_stores() {
    let mut known = BTreeSet::new();
    for point in [status(1), event(1, true)] {
        known.insert(point.measurement);
        known.extend(point.tags.into_keys());
        known.extend(point.fields.into_keys());
    }
    let queries = queries();
    assert!(queries.len() > 10);
    for (title, query) in queries {
        // Every second piece between double quotes is a name; AS makes new ones.
        let names: Vec<_> = query.split('"').skip(1).step_by(2).collect();
        for name in names {
            let made = query.contains(&format!("AS \"{name}\""));
            assert!(made || known.contains(name), "{title}: {name} is stored nowhere");
        }
    }
}

fn metrics() -> Vec<(String, String)> {
    let config: Value = serde_yaml_ng::from_str(EXPORTER).expect("YAML");
    let metrics = config["metrics"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    metrics.map(|metric| (text(&metric["prom_name"]), text(&metric["mqtt_name"]))).collect()
}

#[test]
fn the_exporter_shows_numbers_that_are_sent() {
    let status = serde_json::to_value(contract::status(Stats::default())).expect("JSON");
    let metrics = metrics();
    for (name, path) in &metrics {
        assert!(find(&status, path).is_some_and(Value::is_number), "{name}: no number at {path}");
    }
    for cause in status["mqtt"]["dropped"].as_object().expect("causes").keys() {
        let path = format!("mqtt.dropped.{cause}");
        assert!(metrics.iter().any(|(_, shown)| *shown == path), "{path} is shown nowhere");
    }
    let words = RULES.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    for word in words.filter(|word| word.starts_with("expressiond_")) {
        // What a device shows by itself is tested against that page in tests/preview.
        let by_itself = OWN_METRICS.contains(&format!("| `{word}"));
        let by_exporter = metrics.iter().any(|(name, _)| name == word);
        assert!(by_exporter || by_itself, "{word} is shown nowhere");
    }
}

/// Starts a program of `make monitoring-test`.
fn start(command: &mut Command) -> Running {
    let program = command.get_program().to_owned();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(
        child.unwrap_or_else(|error| panic!("make monitoring-test brings {program:?}: {error}")),
    )
}

/// Asks until the answer is as wanted.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < limit, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs influxd: make monitoring-test"]
fn every_panel_is_answered_by_a_real_influxdb() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (http, rpc) = (free_port(), free_port());
    let below = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "bind-address = \"127.0.0.1:{rpc}\"\nreporting-disabled = true\n\
         [meta]\ndir = {:?}\n[data]\ndir = {:?}\nwal-dir = {:?}\n\
         [http]\nbind-address = \"127.0.0.1:{http}\"\n",
        below("meta"),
        below("data"),
        below("wal")
    );
    std::fs::write(folder.path().join("influxdb.conf"), config).expect("written");
    let _influxd = start(Command::new("influxd").arg("-config").arg(below("influxdb.conf")));
    let port = http.to_string();
    let influx = |execute: &str| {
        let output = Command::new("influx")
            .args(["-port", &port, "-format", "csv", "-database", "expressiond"])
            .args(["-execute", execute])
            .output()
            .expect("make monitoring-test brings influx");
        let answer = String::from_utf8(output.stdout).expect("text");
        output.status.success().then_some(answer)
    };
    until("a database", || influx("CREATE DATABASE expressiond"));
    // The first was upgraded a moment ago.
    let mut before = status(1);
    before.time -= Duration::from_secs(30);
    before.tags.insert("version".into(), "0.0.1".into());
    let states = [before, status(1), status(2)];
    let events = [event(1, false), event(2, true), event(1, false)];
    for point in states.iter().chain(&events) {
        influx(&format!("INSERT {}", point.line())).expect("taken");
    }
    let mut answers = BTreeMap::new();
    for (title, query) in queries() {
        let query = query
            .replace("$timeFilter", "time > now() - 1h")
            .replace("$__interval", "1m")
            .replace("$device", "(d1|d2)");
        let answer = influx(&query).unwrap_or_default();
        assert!(answer.lines().count() > 1, "{title}: {query}: {answer}");
        answers.insert(title, answer);
    }
    let devices = influx(&queries()[0].1).expect("answered");
    assert!(devices.trim_end().ends_with(",2"), "{devices}");
    // A line for each device, of its last status.
    let table = &answers["Devices"];
    assert_eq!(table.matches("expressiond_status,").count(), 2, "{table}");
    assert!(!table.contains("0.0.1"), "{table}");
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "needs prometheus-mqtt-exporter: make monitoring-test"]
async fn a_real_exporter_shows_every_metric() {
    let broker = Mosquitto::start();
    let (publisher, _received) = publisher(settings(broker.port));
    publisher.set_status(&contract::status(publisher.stats())).expect("taken");
    let folder = tempfile::tempdir().expect("temporary folder");
    let config = folder.path().join("mqtt-exporter.yaml");
    let here = EXPORTER.replace("127.0.0.1:1883", &format!("127.0.0.1:{}", broker.port));
    std::fs::write(&config, here).expect("written");
    let port = free_port();
    let _exporter =
        start(Command::new("prometheus-mqtt-exporter").arg("-config").arg(&config).args([
            "-listen-address",
            "127.0.0.1",
            "-listen-port",
            &port.to_string(),
        ]));
    let shown = tokio::task::spawn_blocking(move || {
        until("every metric", || {
            let answer = get(port, "/metrics")?;
            let all = metrics().iter().all(|(name, _)| {
                answer.contains(&format!("{name}{{sensor=\"d1\",topic=\"expressiond/d1/status\"}}"))
            });
            all.then_some(answer)
        })
    });
    let shown = shown.await.expect("shown");
    assert!(shown.contains(
        "expressiond_temperature_celsius{sensor=\"d1\",topic=\"expressiond/d1/status\"} 51.5"
    ));
    publisher.shutdown().await;
}

#[test]
#[ignore = "needs promtool: make monitoring-test"]
fn the_alerts_fire_when_they_should_and_end() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (what, file) in [
        ("check", "deploy/monitoring/prometheus-rules.yaml"),
        ("test", "tests/monitoring/alerts.yaml"),
    ] {
        let output = Command::new("promtool").args([what, "rules"]).arg(root.join(file)).output();
        let output = output.expect("make monitoring-test brings promtool");
        // What a test found it says on either.
        assert!(output.status.success(), "{output:?}");
    }
}
