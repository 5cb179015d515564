//! `expressiond doctor` as its users run it: with a real Mosquitto that refuses in
//! every way there is, with wrong settings, without a camera, on a disk that is full;
//! and its page and schema against what it prints.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use expressiond::contract::payload::ReasonCode;
use expressiond::doctor::finding::{Check, SCHEMA_VERSION, Verdict};
use expressiond::error::Kind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificates::{Authority, Issued, text};
use crate::fake::{accept, acknowledge, listen, packet, publish_id};
use crate::mosquitto::Mosquitto;
use crate::ports::free_port;
use crate::program::program;
use crate::reference::table;
use crate::running::{LIMIT, Running, output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_expressiond");
const PAGE: &str = include_str!("../../docs/ref/doctor.md");
const SCHEMA: &str = include_str!("../../docs/ref/doctor.schema.json");

/// Settings with a folder of their own, a face to look at, and a broker at `url`.
struct Device {
    folder: TempDir,
}

impl Device {
    fn new(url: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let own = format!(
            "[device]\nid = \"d1\"\nstate_dir = \"{}\"\n\
             [camera]\nsource = \"models/self-test.jpg\"\n[mqtt]\nurl = \"{url}\"\n{more}",
            state.display()
        );
        std::fs::write(folder.path().join("e.toml"), own).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut program = program(&[command, "--config"]);
        program.current_dir(env!("CARGO_MANIFEST_DIR"));
        program.arg(self.file("e.toml")).args(more).stdin(Stdio::null());
        program
    }

    fn examine(&self, more: &[&str]) -> Report {
        Report::of(output(&mut self.command("doctor", &[&["--json"], more].concat())))
    }
}

struct Report(Value);

impl Report {
    /// Checks what holds for every report.
    fn of(output: Output) -> Self {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).expect(&words);
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {report:#}");
        let checks = report["checks"].as_array().unwrap();
        let order: Vec<_> = checks.iter().map(|check| check["check"].clone()).collect();
        assert_eq!(order, Check::ALL.map(|check| json!(check.name())));
        let code = report["exit_code"].as_i64().unwrap();
        assert_eq!(output.status.code().map(i64::from), Some(code), "{words}");
        assert_eq!(code == 0, report["verdict"] != "problem", "{report:#}");
        Self(report)
    }

    fn check(&self, name: &str) -> &Value {
        let checks = self.0["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).unwrap()
    }

    /// The first problem is this one, with these words, and decides the exit code.
    #[track_caller]
    fn ends_with(&self, code: i64, check: &str, words: &str) {
        let checks = self.0["checks"].as_array().unwrap();
        let first = checks.iter().find(|check| check["verdict"] == "problem");
        let first = first.unwrap_or_else(|| panic!("no problem in {:#}", self.0));
        assert_eq!(first["check"], check, "{:#}", self.0);
        assert!(first["message"].as_str().unwrap().contains(words), "{first:#}");
        assert!(first["remedy"].is_string(), "{first:#}");
        assert_eq!(self.0["exit_code"], code, "{:#}", self.0);
    }

    #[track_caller]
    fn is(&self, check: &str, verdict: &str, words: &str) {
        let found = self.check(check);
        assert_eq!(found["verdict"], verdict, "{:#}", self.0);
        assert!(found["message"].as_str().unwrap().contains(words), "{found:#}");
    }
}

fn plain_url(port: u16) -> String {
    format!("mqtt://127.0.0.1:{port}")
}

/// What only the loaded model shows to be wrong: `doctor` says what the daemon would say.
#[test]
fn groups_and_sensors_that_the_model_does_not_tell_are_named_with_their_line() {
    for (more, words) in [
        ("[expression]\ngroups = [\"cheerful\"]\n", "expression.groups name cheerful"),
        (
            "[home_assistant]\nbinary_sensors = [\"sad\"]\n",
            "home_assistant.binary_sensors has sad, which is not told: happy, not_happy",
        ),
    ] {
        let words = format!("e.toml:9: {words}");
        let device = Device::new(&plain_url(free_port()), more);
        device.examine(&[]).ends_with(78, "model", &words);
        let output = device.command("discovery", &[]).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{message}");
        assert!(message.contains(&words), "{message}");
    }
}

#[test]
fn a_device_that_is_well_is_told_so() {
    let broker = Mosquitto::start();
    let report = Device::new(&plain_url(broker.port), "").examine(&[]);
    assert_eq!(report.0["device"], "d1");
    for (check, words) in [
        ("settings", "e.toml"),
        ("library", ", XNNPACK runs"),
        ("model", "self-test passed"),
        ("camera", "faces in the picture: 1"),
        ("state", "can be written"),
        ("broker", "answers"),
        ("login", "anonymous"),
        ("topics", "expressiond/d1/command"),
    ] {
        report.is(check, "ok", words);
    }
    report.is("tls", "skipped", "does not ask");
    report.is("home_assistant", "warning", "homeassistant/device/expressiond_d1/config");
    assert_eq!(report.0["exit_code"], 0);
}

/// The daemon cannot send it, so the access list is not what keeps it from that.
#[test]
fn an_announcement_that_is_larger_than_a_packet_names_the_key() {
    let broker = Mosquitto::start();
    let device = Device::new(&plain_url(broker.port), "max_packet_bytes = 4096\n");
    let report = device.examine(&[]);
    report.is("home_assistant", "warning", "mqtt.max_packet_bytes = 4096");
    let check = report.check("home_assistant");
    let number = |text: &Value| -> Option<usize> {
        let text = text.as_str()?;
        text.split(' ').find_map(|word| word.trim_matches(',').parse().ok())
    };
    let needed = number(&check["message"]).expect("the bytes that it needs");
    assert_eq!(number(&check["remedy"]), Some(needed), "{check:#}");
    assert!(needed > 4096, "{check:#}");
    // With so many it is sent.
    let enough = format!("max_packet_bytes = {needed}\n");
    let report = Device::new(&plain_url(broker.port), &enough).examine(&[]);
    report.is("home_assistant", "warning", "homeassistant/device/expressiond_d1/config");
}

#[test]
fn people_and_scripts_get_lines() {
    let device = Device::new(&plain_url(free_port()), "");
    let output = device.command("doctor", &[]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let is_of = |(line, check): (&str, Check)| line[9..].starts_with(check.name());
    assert!(lines.lines().zip(Check::ALL).all(is_of), "{lines}");
    assert!(lines.lines().nth(7).unwrap().starts_with("problem  broker "), "{lines}");
    assert!(lines.contains("; do: start the broker"), "{lines}");
    assert!(!lines.contains('\u{1b}'), "{lines}");
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expressiond: broker: "));
}

#[test]
fn wrong_settings_are_named_with_their_line() {
    let device = Device::new("mqtt://127.0.0.1", "nonsense = 1\n");
    let report = device.examine(&[]);
    report.ends_with(78, "settings", "e.toml:8");
    report.is("broker", "skipped", "settings must be right");
    assert_eq!(report.0["device"], Value::Null);
}

#[test]
fn a_broker_that_is_not_there() {
    let port = free_port();
    let device = Device::new(&plain_url(port), "");
    device.examine(&[]).ends_with(69, "broker", "nothing listens there");
    let unknown = device.examine(&["--set", "mqtt.url=mqtt://nowhere.invalid"]);
    unknown.ends_with(69, "broker", "nowhere.invalid is not known");
    let broker = Mosquitto::start();
    let dead = plain_url(port);
    let several = format!(
        "mqtt.url={dead},{},{}",
        plain_url(broker.port),
        dead.replace("127.0.0.1", "localhost")
    );
    let report = device.examine(&["--set", &several]);
    report.is("broker", "warning", &format!("{} answers", plain_url(broker.port)));
    report.is("broker", "warning", &format!("{dead} could not: {dead}: nothing listens there"));
    report.is("login", "ok", "anonymous");
    assert_eq!(report.0["exit_code"], 0);
    let none = format!("mqtt.url={dead},mqtt://nowhere.invalid");
    let report = device.examine(&["--set", &none]);
    report.ends_with(69, "broker", "mqtt://nowhere.invalid:1883 could not: the name");
    let inside = device.examine(&["--set", "mqtt.url="]);
    inside.is("broker", "warning", "inside the daemon");
}

#[test]
fn a_missing_camera_and_a_refused_model() {
    let broker = Mosquitto::start();
    let device = Device::new(&plain_url(broker.port), "");
    let report = device.examine(&["--set", "camera.source=/dev/video-none"]);
    report.ends_with(69, "camera", "is it plugged in?");
    assert_eq!(report.check("camera")["reason"], "no_camera");
    report.is("permissions", "skipped", "no video device");

    let broken = device.file("m.tflite");
    std::fs::write(&broken, "nonsense").unwrap();
    let report = device.examine(&["--set", &format!("model.path={}", text(&broken))]);
    report.ends_with(70, "model", "not a TensorFlow Lite file");
    assert_eq!(report.check("model")["reason"], "model_refused");
    report.is("camera", "skipped", "without a model");
    report.is("topics", "ok", "d1");
}

/// No cable and no USB port mends a picture.
#[test]
fn a_recording_of_which_no_picture_can_be_read() {
    let broker = Mosquitto::start();
    let device = Device::new(&plain_url(broker.port), "");
    let picture = device.file("x.jpg");
    std::fs::write(&picture, "no picture").unwrap();
    let report = device.examine(&["--set", &format!("camera.source={}", text(&picture))]);
    report.ends_with(69, "camera", "x.jpg: neither JPEG nor PNG");
    let remedy = report.check("camera")["remedy"].clone();
    assert!(remedy.as_str().unwrap().contains("expressiond detect"), "{remedy}");
}

#[test]
fn an_owner_who_has_paused_it_finds_the_camera_closed() {
    let broker = Mosquitto::start();
    let device = Device::new(&plain_url(broker.port), "");
    std::fs::write(device.file("state").join("runtime.json"), r#"{"paused":true}"#).unwrap();
    let report = device.examine(&[]);
    report.is("camera", "warning", "paused");
    assert_eq!(report.check("camera")["reason"], "paused");
}

/// Nobody has paused it; it is the file that must be named.
#[test]
fn a_state_that_cannot_be_read_is_named_with_the_way_out() {
    let device = Device::new(&plain_url(free_port()), "");
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
fn a_password_that_is_wrong_or_missing() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    passwords(&users, &["d1"]);
    let lines = format!("allow_anonymous false\npassword_file {}\n", text(&users));
    let broker = Mosquitto::with(&lines);
    let device = Device::new(&plain_url(broker.port), "username = \"d1\"\npassword_file = \"p\"\n");
    let with_password = |password: &str| {
        std::fs::write(device.file("secret"), password).unwrap();
        let file = format!("mqtt.password_file={}", text(&device.file("secret")));
        device.examine(&["--set", &file])
    };
    with_password("wrong").ends_with(77, "login", "user or password are not accepted");
    with_password(PASSWORD).is("login", "ok", "user d1");
    // Whatever the umask of these tests; what is written again keeps its mode.
    std::fs::set_permissions(device.file("secret"), Permissions::from_mode(0o644)).unwrap();
    with_password(PASSWORD).is("credentials", "warning", "everybody");
    let absent = device.examine(&["--set", "mqtt.password_file=/absent/password"]);
    absent.ends_with(78, "credentials", "/absent/password");
    absent.is("broker", "ok", "answers");
}

/// What ends the daemon at its start is a problem, also where the broker is away.
#[test]
fn certificates_that_the_daemon_could_not_use() {
    let authority = Authority::new("Our CA");
    let (one, other) = (authority.issue("one", "DNS:one"), authority.issue("other", "DNS:other"));
    let old = authority.issue_version_1("old");
    let nonsense = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(nonsense.path(), "nonsense").unwrap();
    let page = |cert: &Path, key: &Path| {
        let more = format!(
            "[preview]\nlisten = \"127.0.0.1:18787\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
            text(cert),
            text(key)
        );
        Device::new(&plain_url(free_port()), &more)
    };
    let absent = Path::new("/absent/page");
    for (cert, key, words) in [
        (absent, &*one.key, "preview.cert_file: cannot read /absent/page"),
        (&one.cert, absent, "preview.key_file: cannot read /absent/page"),
        (nonsense.path(), &one.key, "preview.cert_file: cannot use"),
        (&one.cert, nonsense.path(), "preview.key_file: cannot use"),
        (&one.cert, &other.key, "it does not fit preview.cert_file"),
        (&old.cert, &old.key, "version 1"),
    ] {
        let device = page(cert, key);
        device.examine(&[]).ends_with(78, "credentials", words);
        let told = output(&mut device.command("run", &[]));
        assert_eq!(told.status.code(), Some(78), "{told:?}");
    }
    let report = page(&one.cert, &one.key).examine(&[]);
    report.is("credentials", "ok", "preview.cert_file, preview.key_file");
    report.ends_with(69, "broker", "nothing listens there");

    let tls = format!("[mqtt.tls]\nca_file = \"{}\"\n", text(nonsense.path()));
    let device = Device::new(&format!("mqtts://127.0.0.1:{}", free_port()), &tls);
    device.examine(&[]).ends_with(78, "credentials", "mqtt.tls.ca_file: cannot use");
}

/// What the daemon is refused for, in the daemon's words.
#[test]
fn a_broker_that_lacks_what_the_daemon_needs() {
    for (line, words) in [
        ("retain_available false", "the broker keeps no retained messages"),
        ("max_qos 0", "QoS 0 only"),
    ] {
        let broker = Mosquitto::with(&format!("allow_anonymous true\n{line}\n"));
        let device = Device::new(&plain_url(broker.port), "");
        let report = device.examine(&[]);
        report.ends_with(69, "login", words);
        report.is("broker", "ok", "answers");
        // 3.1.1 has no words for it: the daemon is cut off, and so is doctor.
        let old = device.examine(&["--set", "mqtt.version=3.1.1"]);
        old.ends_with(69, "broker", "the broker cut the connection");
    }
}

/// Wildcard Subscription Available 0: over a filter with one, such a broker ends the connection
/// (MQTT 5, 3.2.2.3.11).
#[test]
fn a_broker_that_takes_no_wildcards() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut peer = accept(&listening);
        // Whoever only looks whether somebody answers says nothing.
        let connect = loop {
            match packet(&mut peer) {
                Some((_, connect)) => break connect,
                None => peer = accept(&listening),
            }
        };
        // A retained will, as the daemon's (3.1.2.3), but an empty one: whoever is interrupted
        // leaves no camera behind.
        assert_eq!(connect[7] & 0x24, 0x24, "{:#x}", connect[7]);
        assert!(!String::from_utf8_lossy(&connect).contains("offline"));
        peer.write_all(&[0x20, 5, 0, 0, 2, 0x28, 0]).unwrap();
        while let Some((first, body)) = packet(&mut peer) {
            if first >> 4 == 8 {
                assert!(!body.contains(&b'+'), "a wildcard");
                peer.write_all(&[0x90, 4, body[0], body[1], 0, 0]).unwrap();
            }
            // What is published comes back at QoS 0, which has no id.
            if let Some(id) = publish_id(first, &body) {
                acknowledge(&mut peer, id);
                let (topic, rest) = body.split_at(2 + usize::from(body[1]));
                let back = [topic, &rest[2..]].concat();
                assert!(back.len() < 128, "its length has one byte");
                peer.write_all(&[&[0x30, back.len() as u8], &back[..]].concat()).unwrap();
            }
        }
    });
    let report = Device::new(&plain_url(port), "").examine(&[]);
    broker.join().expect("no assertion of the broker failed");
    report.is("login", "ok", "");
    report.is("topics", "ok", "may write its topics");
}

/// Access that is tied to the client id: doctor's begins with the daemon's.
#[test]
fn a_broker_that_goes_by_client_ids() {
    let with = |prefix: &str| {
        Mosquitto::with(&format!("allow_anonymous true\nclientid_prefixes {prefix}\n"))
    };
    let broker = with("expressiond-");
    Device::new(&plain_url(broker.port), "").examine(&[]).is("topics", "ok", "d1");
    let broker = with("sensor-");
    let device = Device::new(&plain_url(broker.port), "");
    let report = device.examine(&[]);
    report.ends_with(77, "login", "client id expressiond-d1-doctor");
    let named = device.examine(&["--set", "mqtt.client_id=sensor-hall"]);
    named.is("topics", "ok", "d1");
}

const PASSWORD: &str = "of-the-test";

fn passwords(users: &Path, names: &[&str]) {
    std::fs::write(users, "").unwrap();
    for name in names {
        let made = Command::new("mosquitto_passwd")
            .args(["-b", &text(users), name, PASSWORD])
            .status()
            .expect("mosquitto_passwd comes with mosquitto");
        assert!(made.success());
    }
}

#[test]
fn an_access_list_that_denies_is_seen_although_the_broker_keeps_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (users, own) = (folder.path().join("users"), folder.path().join("acl"));
    passwords(&users, &["d1"]);
    std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
    let login = format!(
        "username = \"d1\"\npassword_file = \"{}\"\n",
        text(&folder.path().join("password"))
    );
    let with_list = |list: &Path| {
        let lines = format!(
            "allow_anonymous false\npassword_file {}\nacl_file {}\n",
            text(&users),
            text(list)
        );
        let broker = Mosquitto::with(&lines);
        Device::new(&plain_url(broker.port), &login).examine(&[])
    };
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mosquitto/fleet.acl");
    with_list(&fleet).is("topics", "ok", "d1");
    std::fs::write(&own, "user d1\ntopic read #\n").unwrap();
    with_list(&own).ends_with(77, "topics", "did not come back");
    std::fs::write(&own, "user d1\ntopic write #\n").unwrap();
    with_list(&own).ends_with(77, "topics", "did not come back");
}

#[test]
fn certificates_that_do_not_convince() {
    let (ours, stranger) = (Authority::new("Our CA"), Authority::new("Somebody"));
    let good = ours.issue("broker", "DNS:localhost");
    let old = ours.issue_until("old", "DNS:localhost", "200201000000Z");
    let elsewhere = ours.issue("elsewhere", "DNS:elsewhere.example");
    let serve = |cert: &Issued| {
        Mosquitto::with(&format!(
            "cafile {}\ncertfile {}\nkeyfile {}\nallow_anonymous true\n",
            text(&ours.ca()),
            text(&cert.cert),
            text(&cert.key)
        ))
    };
    let examine = |broker: &Mosquitto, ca: &Authority| {
        let tls = format!("[mqtt.tls]\nca_file = \"{}\"\n", text(&ca.ca()));
        Device::new(&format!("mqtts://localhost:{}", broker.port), &tls).examine(&[])
    };
    let broker = serve(&good);
    examine(&broker, &ours).is("tls", "ok", "for localhost");
    examine(&broker, &ours).is("topics", "ok", "d1");
    examine(&broker, &stranger).ends_with(78, "tls", "check mqtt.tls.ca_file");
    examine(&serve(&old), &ours).ends_with(78, "tls", "has expired");
    examine(&serve(&elsewhere), &ours).ends_with(78, "tls", "another name than mqtt.url");
    // One that speaks no TLS.
    let plain = Mosquitto::start();
    let report = examine(&plain, &ours);
    assert_eq!(report.0["verdict"], "problem", "{:#}", report.0);
}

#[test]
fn a_disk_that_takes_nothing_more() {
    let broker = Mosquitto::start();
    let device = Device::new(&plain_url(broker.port), "");
    // Writes fail as on a full disk, without one: no file may become larger than 0 blocks.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" doctor --json --config \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, PROGRAM])
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

#[test]
fn a_daemon_that_runs_is_found_and_not_disturbed() {
    let broker = Mosquitto::start();
    let device = Device::new(&plain_url(broker.port), "");
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
    let device = Device::new(&plain_url(free_port()), "[pace]\nidle_fps = 1\n");
    let repeat = ["--set", "camera.repeat=true", "--set", "camera.fps=5"];
    let mut run = device.command("run", &repeat);
    let _daemon = Running(run.stderr(Stdio::null()).spawn().unwrap());
    // At the broker where somebody else has left a status.
    let there = format!("mqtt.url={}", plain_url(broker.port));
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

#[test]
fn the_page_and_the_schema_name_what_there_is() {
    let documented: Vec<_> =
        table(PAGE, "## Checks").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, Check::ALL.map(Check::name));
    let verdicts: Vec<_> =
        table(PAGE, "each with a verdict").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(verdicts, Verdict::ALL.map(Verdict::name));
    for code in table(PAGE, "## Checks").iter().filter_map(|row| row[3].parse::<u8>().ok()) {
        assert!(Kind::ALL.iter().any(|kind| kind.exit_code() == code), "{code}");
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA_VERSION);
    let item = &schema["properties"]["checks"]["items"]["properties"];
    assert_eq!(item["check"]["enum"], json!(Check::ALL));
    assert_eq!(schema["$defs"]["verdict"]["enum"], json!(Verdict::ALL));
    let mut reasons = vec![Value::Null];
    reasons.extend(ReasonCode::ALL.map(|code| json!(code)));
    assert_eq!(item["reason"]["enum"], Value::Array(reasons));
    let mut codes = vec![0];
    codes.extend(Kind::ALL.map(Kind::exit_code));
    // A refused model and a panic end with one code.
    codes.dedup();
    assert_eq!(schema["properties"]["exit_code"]["enum"], json!(codes));
}
