//! What the daemon keeps: it cannot be read, or nothing can be written.

use std::process::Command;

use super::{Device, Report};
use crate::certificates::text;
use crate::mosquitto::Mosquitto;
use crate::ports::free_port;
use crate::support::url;

/// Nobody has paused it; it is the file that must be named.
#[test]
fn a_state_that_cannot_be_read_is_named_with_the_way_out() {
    let device = Device::new(&url(free_port()), "");
    let kept = device.file("state").join("runtime.json");
    for broken in ["", "{", "\0\0\0\0", r#"{"paused":"no"}"#] {
        std::fs::write(&kept, broken).unwrap();
        let report = device.examine(&[]);
        report.ends_with(74, "state", &text(&kept));
        report.is("camera", "warning", &text(&kept));
        assert_eq!(report.check("camera")["reason"], "paused");
        for check in ["camera", "state"] {
            let remedy = report.check(check)["remedy"].as_str().unwrap();
            assert!(remedy.contains("send resume") && remedy.contains("remove the file"));
        }
    }
    // One of another kind than a file.
    std::fs::remove_file(&kept).unwrap();
    std::fs::create_dir(&kept).unwrap();
    device.examine(&[]).ends_with(74, "state", &text(&kept));
}

#[test]
fn a_disk_that_takes_nothing_more() {
    let broker = Mosquitto::start();
    let device = Device::new(&url(broker.port), "");
    // Writes fail as on a full disk, without one: no file may become larger than 0 blocks.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" doctor --json --config \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_expressiond")])
        .arg(device.file("e.toml"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    Report::of(output).ends_with(74, "state", "is full");
    let file = device.file("e.toml").display().to_string();
    device.examine(&["--set", &format!("device.state_dir={file}")]).ends_with(
        74,
        "state",
        "cannot write",
    );
}
