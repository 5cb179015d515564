//! The numbers as Prometheus reads them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::daemon::http::{ask, get, until};
use crate::daemon::ports::free_port;
use crate::{Setup, start};

const DOCUMENT: &str = include_str!("../../docs/ref/metrics.md");
const DASHBOARD: &str = include_str!("../../deploy/monitoring/grafana-dashboard-prometheus.json");

/// What the dashboard for Prometheus asks.
fn queries() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn names(text: &str) -> BTreeSet<String> {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    kinds.map(|(name, _)| name.to_owned()).collect()
}

/// Without a label `device` of its own a target is told by its address alone.
#[test]
fn whoever_is_drawn_alone_is_told_by_its_address_as_well() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let asked: Vec<_> =
        targets.map(|target| (text(&target["legendFormat"]), text(&target["expr"]))).collect();
    let alone = asked.iter().filter(|(legend, _)| legend.contains("{{device}}"));
    for (legend, query) in alone.clone() {
        assert!(legend.contains("{{instance}}"), "{query}: {legend}");
        let grouped = query.split("sum by (").nth(1).and_then(|rest| rest.split(')').next());
        assert!(grouped.is_none_or(|labels| labels.contains("instance")), "{query}");
    }
    assert!(alone.count() > 3, "{asked:?}");
}

/// Also where some devices are scraped and others are told of by the exporter: what promtool tries.
#[test]
fn the_dashboard_sums_the_losses_of_all() {
    let tried = "sum(expressiond:events_lost)";
    assert!(queries().iter().any(|query| query == tried));
    assert!(include_str!("../monitoring/alerts.yaml").contains(&format!("expr: {tried}\n")));
}

#[test]
fn every_metric_is_documented_and_the_device_is_alive_and_ready() {
    let setup = start("");
    let device = &setup.device;
    assert_eq!(get(device.port, "/healthz").text(), "alive\n");
    // Starting, or one of the reasons, until then.
    until("ready", || Some(get(device.port, "/readyz")).filter(|answer| answer.status == 200));
    let answer = get(device.port, "/metrics");
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let documented: BTreeSet<String> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .filter(|name| name.starts_with("expressiond_"))
        .map(str::to_owned)
        .collect();
    let mut shown = names(&answer.text());
    // Where the machine does not tell it, there is none.
    shown.insert("expressiond_temperature_celsius".to_owned());
    assert_eq!(shown, documented);
    let open = ask(
        device.port,
        "GET",
        "/metrics",
        &[("Accept", "application/openmetrics-text; version=1.0.0")],
        "",
    );
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("# EOF\n"));
}

#[test]
fn without_a_broker_it_is_not_ready() {
    let Setup { device, broker, folder: _folder } = start("");
    until("ready", || (get(device.port, "/readyz").status == 200).then_some(()));
    drop(broker);
    let answer =
        until("not ready", || Some(get(device.port, "/readyz")).filter(|a| a.status == 503));
    assert_eq!(answer.text(), "no_broker\n");
    assert_eq!(get(device.port, "/healthz").status, 200);
}

#[test]
#[ignore = "needs promtool: make monitoring-test"]
fn promtool_monitoring_finds_nothing_wrong() {
    let setup = start("");
    let device = &setup.device;
    until("a status", || get(device.port, "/metrics").text().contains("uptime").then_some(()));
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("make monitoring-test brings promtool");
    promtool.stdin.take().unwrap().write_all(&get(device.port, "/metrics").body).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
#[ignore = "needs prometheus: make monitoring-test"]
fn a_real_prometheus_monitoring_scrapes_and_the_alerts_read_it() {
    let setup = start("");
    let (device, folder) = (&setup.device, &setup.folder);
    let port = free_port();
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring/prometheus-rules.yaml");
    let config = folder.path().join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules:?}]\n\
         scrape_configs:\n- job_name: expressiond\n  static_configs:\n  \
         - targets: [\"127.0.0.1:{}\"]\n    labels: {{ device: test }}\n",
        device.port
    );
    std::fs::write(&config, text).unwrap();
    let prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("make monitoring-test brings prometheus");
    let _prometheus = crate::daemon::Running(prometheus);
    until("prometheus", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let api = |path: &str| {
        // Prometheus answers with chunks to HTTP/1.1, so it is asked in what has none.
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(crate::daemon::LIMIT)).ok()?;
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str::<serde_json::Value>(text.split("\r\n\r\n").nth(1)?).ok()
    };
    let value = |query: &str| {
        let answer = api(&format!("query?query={query}"))?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()
    };
    let positive = |query: &str| until(query, || value(query).filter(|value| *value > 0.0));
    positive("expressiond_uptime_seconds");
    positive("expressiond_frame_age_seconds_count");
    positive("expressiond_build_info%7Bversion!=%22%22%7D");
    positive("expressiond_events_total%7Btype=%22face_appeared%22%7D");
    let heat = get(device.port, "/metrics").text().contains("celsius");
    for query in queries() {
        // Not every machine tells its temperature, and nothing may be wrong with this one.
        if (query.contains("celsius") && !heat) || query.contains("_reason") {
            continue;
        }
        let query = query.replace("$__rate_interval", "30s");
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        until(&query, || value(&escaped));
    }
    // Each alert was evaluated and none failed.
    until("all alerts", || {
        let rules = api("rules")?["data"]["groups"][0]["rules"].clone();
        let rules = rules.as_array()?;
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
        rules.iter().all(|rule| rule["health"] == "ok").then_some(())
    });
}
