//! While the daemon runs.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::Device;
use crate::mosquitto::Mosquitto;
use crate::ports::free_port;
use crate::running::{LIMIT, Running};
use crate::support::url;

#[test]
fn a_daemon_that_runs_is_found_and_not_disturbed() {
    let broker = Mosquitto::start();
    let device = Device::new(&url(broker.port), "");
    let repeat = ["--set", "camera.repeat=true", "--set", "camera.fps=5"];
    let mut run = device.command("run", &repeat);
    let mut daemon = Running(run.stderr(Stdio::null()).spawn().unwrap());
    let limit = Instant::now() + LIMIT;
    let report = loop {
        let report = device.examine(&repeat);
        // Announced, and its status is kept: everything has begun.
        let message = report.check("service")["message"].as_str().unwrap().to_owned();
        let announced = report.check("home_assistant")["verdict"] == "ok";
        let found = report.check("camera")["verdict"] == "skipped";
        if found && announced && message.contains("its status topic says") {
            break report;
        }
        assert!(Instant::now() < limit, "{:#}", report.0);
    };
    let process = format!("process {}", daemon.0.id());
    report.is("camera", "skipped", &process);
    report.is("service", "ok", &process);
    report.is("topics", "ok", "d1");
    assert_eq!(report.0["exit_code"], 0, "{:#}", report.0);
    assert!(daemon.0.try_wait().unwrap().is_none(), "it ended");
    // One connection since the start: nobody took its client id.
    let kept = Command::new("mosquitto_sub")
        .args(["-p", &broker.port.to_string(), "-C", "1", "-W", "10"])
        .args(["-t", "expressiond/d1/status"])
        .output()
        .unwrap();
    let status: Value = serde_json::from_slice(&kept.stdout).unwrap();
    assert_eq!(status["mqtt"]["connections"], 1, "{status:#}");
    // And nothing of the visit is left.
    let left = Command::new("mosquitto_sub")
        .args(["-p", &broker.port.to_string(), "-W", "2", "-t", "expressiond/d1/doctor/#"])
        .output()
        .unwrap();
    // 27: nothing came in time (mosquitto_sub(1)). Whoever cannot connect has another.
    assert_eq!(left.status.code(), Some(27), "{left:?}");
    assert!(left.stdout.is_empty(), "{left:?}");
}

/// Six times as old as one that is repeated: whoever left it does not say what is so now.
#[test]
fn a_status_of_long_ago_says_nothing_of_the_daemon_that_runs() {
    let broker = Mosquitto::start();
    let device = Device::new(&url(free_port()), "[pace]\nidle_fps = 1\n");
    let repeat = ["--set", "camera.repeat=true", "--set", "camera.fps=5"];
    let mut run = device.command("run", &repeat);
    let _daemon = Running(run.stderr(Stdio::null()).spawn().unwrap());
    // At the broker where somebody else has left a status.
    let there = format!("mqtt.url={}", url(broker.port));
    let examine = || device.examine(&[&repeat[..], &["--set", &there]].concat());
    let limit = Instant::now() + LIMIT;
    while examine().check("camera")["verdict"] != "skipped" {
        assert!(Instant::now() < limit, "the daemon does not run: {:#}", examine().0);
    }
    // Doctor takes a few seconds itself.
    for (age, told) in [(120, true), (181, false), (86_400, false)] {
        let time = SystemTime::now() - Duration::from_secs(age);
        let time = humantime::format_rfc3339_millis(time).to_string();
        let status = json!({ "time": time, "reasons": [] }).to_string();
        let kept = Command::new("mosquitto_pub")
            .args(["-p", &broker.port.to_string(), "-q", "1", "-r", "-t", "expressiond/d1/status"])
            .args(["-m", &status])
            .status();
        assert!(kept.unwrap().success());
        let report = examine();
        let message = report.check("service")["message"].as_str().unwrap();
        assert_eq!(message.contains("its status topic says that all is well"), told, "{age} s");
    }
}
