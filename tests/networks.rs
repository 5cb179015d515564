//! Which smaller network looks closely: one of the same version with the same classes. And what
//! each command says where one is refused.

mod daemon;
mod reference;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use daemon::program::WITHOUT_SETTINGS;
use daemon::{Broker, Running};
use expressiond::detector::Settings;
use expressiond::detector::networks::{Network, Networks};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with copies of the committed models: the main one as `a`, the lite one as
/// `a-close`, whose side-car is changed by `change`.
fn folder(change: impl Fn(&mut Value)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let copy = |from: &str, to: PathBuf| std::fs::copy(models.join(from), to).unwrap();
    copy("self-test.jpg", folder.path().join("self-test.jpg"));
    for (from, to) in [("expression-yolo12n", "a"), ("expression-yolo12n-lite", "a-close")] {
        copy(&format!("{from}.tflite"), folder.path().join(format!("{to}.tflite")));
        let text = std::fs::read_to_string(models.join(format!("{from}.json"))).unwrap();
        let mut card: Value = serde_json::from_str(&text).unwrap();
        card["name"] = json!(to);
        if to == "a-close" {
            change(&mut card);
        }
        std::fs::write(folder.path().join(format!("{to}.json")), card.to_string()).unwrap();
    }
    folder
}

fn load(folder: &TempDir) -> Networks {
    let close = vec!["none-such".to_owned(), "a-close".to_owned()];
    let path = folder.path().join("a.tflite");
    Networks::load(&Settings { path, close, ..Settings::default() }).unwrap()
}

#[test]
fn a_companion_of_the_same_version_looks_closely() {
    let networks = load(&folder(|_| {}));
    assert_eq!(networks.close_info().name, "a-close");
    assert!(networks.input(Network::Close).area() < networks.input(Network::Main).area());
    assert!(networks.refused().is_empty());
}

#[test]
fn one_of_another_version_is_none_and_a_broken_one_is_told() {
    let networks = load(&folder(|card| card["version"] = json!("99.0.0")));
    assert_eq!(networks.close_info().name, "a");
    assert_eq!(networks.input(Network::Close), networks.input(Network::Main));
    assert!(networks.refused().is_empty());

    let broken = folder(|card| card["sha256"] = json!("0".repeat(64)));
    let networks = load(&broken);
    assert_eq!(networks.close_info().name, "a");
    assert!(networks.refused()[0].contains("a-close"), "{:?}", networks.refused());

    let other = folder(|card| {
        card["classes"] = json!(["smiling", "other"]);
        card["thresholds"] = json!({"smiling": 0.5, "other": 0.5});
        card.as_object_mut().unwrap().remove("self_test");
    });
    let networks = load(&other);
    assert_eq!(networks.close_info().name, "a");
    assert!(networks.refused()[0].contains("classes"), "{:?}", networks.refused());
}

const MODEL: &str = "expression-yolo12n";
const SIDE_CAR: &str = "models/expression-yolo12n.json";

/// A checkout with copies of the committed models, in which every command looks for them.
struct Checkout(TempDir);

impl Checkout {
    fn new() -> Self {
        let checkout = Self(tempfile::tempdir().unwrap());
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        std::fs::create_dir(checkout.path("models")).unwrap();
        std::fs::write(checkout.path("Cargo.toml"), "").unwrap();
        let copy = |file: &str| {
            std::fs::copy(models.join(file), checkout.path("models").join(file)).unwrap();
        };
        ["self-test.jpg", "self-test-close.jpg"].iter().for_each(|picture| copy(picture));
        for name in ["", "-close", "-lite"] {
            [".tflite", ".json"].iter().for_each(|end| copy(&format!("{MODEL}{name}{end}")));
        }
        let settings = "[model]\npackages = \"none\"\n[device]\nid = \"d1\"\n\
                        state_dir = \"state\"\n[camera]\nsource = \"models/self-test.jpg\"\n";
        std::fs::write(checkout.path("e.toml"), settings).unwrap();
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Changes one byte of a model.
    fn damage(&self, name: &str) {
        let file = self.path("models").join(format!("{MODEL}{name}.tflite"));
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(file, bytes).unwrap();
    }

    /// With the model of this checkout, which commands without settings must be told: they would
    /// take what a package has brought to this machine.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_expressiond"));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null());
        if WITHOUT_SETTINGS.contains(&arguments[0]) {
            command.arg(format!("--model=models/{MODEL}.tflite"));
        }
        command
    }

    /// A command that must succeed.
    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {message}");
        output
    }

    /// What `model show` says of it.
    fn shown(&self) -> Value {
        let output = self.run(&["model", "show", "--json", "--config", "e.toml"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `doctor` says of the model.
    fn examined(&self) -> Value {
        let output = self.run(&["doctor", "--json", "--config", "e.toml"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == "model").unwrap().clone()
    }
}

/// The words are of the network that was refused, and of the one that does its work.
#[track_caller]
fn tells(text: &str, words: &str) {
    assert!(text.contains("-close.tflite: sha256 is") && text.contains(words), "{text}");
    assert!(!text.contains("runs instead"), "the model itself runs: {text}");
}

#[test]
fn models_in_any_other_folder_are_not_the_programs_own() {
    let checkout = Checkout::new();
    // No package that is installed here has one of this name.
    for end in ["tflite", "json"] {
        let models = checkout.path("models");
        let file = |name: &str| models.join(format!("{name}.{end}"));
        std::fs::rename(file(MODEL), file("nobody")).unwrap();
    }
    let show = ["model", "show", "--config", "e.toml", "--set", "model.name=nobody"];
    let shown = String::from_utf8(checkout.run(&show).stdout).unwrap();
    assert!(shown.contains("models/nobody.tflite"), "{shown}");
    std::fs::remove_file(checkout.path("Cargo.toml")).unwrap();
    let output = checkout.command(&show).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{told}");
    assert!(told.contains("nobody"), "{told}");
}

#[test]
fn a_damaged_close_network_is_told_by_every_command() {
    let checkout = Checkout::new();
    assert_eq!(checkout.examined()["verdict"], "ok", "{}", checkout.examined());
    let close = checkout.shown()["close"].clone();
    assert!(close["id"].as_str().unwrap().starts_with(&format!("{MODEL}-close@")), "{close}");
    assert_eq!(close["refused"], json!([]));

    checkout.damage("-close");
    let shown = checkout.shown();
    let close = &shown["close"];
    let id = close["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("{MODEL}-lite@")), "{close}");
    assert_eq!(shown["refused"], json!([]), "the model was not refused");
    assert!(close["refused"][0].as_str().unwrap().contains("-close.tflite: sha256"), "{close}");
    let words = format!("{id} looks closely instead");
    let found = checkout.examined();
    assert_eq!((&found["verdict"], &found["reason"]), (&json!("warning"), &json!("model_refused")));
    tells(found["message"].as_str().unwrap(), &words);
    for arguments in [&["model", "show"][..], &["model", "verify"]] {
        let output = checkout.run(&[arguments, &["--config", "e.toml"]].concat());
        tells(&String::from_utf8_lossy(&output.stdout), &words);
    }
    for folder in ["set/images", "set/labels"] {
        std::fs::create_dir_all(checkout.path(folder)).unwrap();
    }
    let picture = checkout.path("set/images/a.jpg");
    std::fs::copy(checkout.path("models/self-test.jpg"), picture).unwrap();
    // What it says of the face does not matter here.
    std::fs::write(checkout.path("set/labels/a.txt"), "0 0.5 0.5 0.5 0.5\n").unwrap();
    let yaml = "val: images\nnames: [happy, not_happy]\n";
    std::fs::write(checkout.path("set/data.yaml"), yaml).unwrap();
    for arguments in [
        &["detect", "models/self-test.jpg"][..],
        &["evaluate", "set/data.yaml"],
        &["bench", "--no-still", "--frames=1", "--threads=1,2", "--inputs=mjpeg"],
    ] {
        let told = String::from_utf8(checkout.run(arguments).stderr).unwrap();
        tells(&told, &words);
        assert_eq!(told.matches(&words).count(), 1, "once: {told}");
    }

    checkout.damage("-lite");
    let close = checkout.shown()["close"].clone();
    assert_eq!((&close["id"], close["refused"].as_array().unwrap().len()), (&json!(null), 2));
    let found = checkout.examined();
    tells(found["message"].as_str().unwrap(), "looks closely itself");
}

/// A model of its owner's own: `bench` makes its frames from the picture that the side-car names.
#[test]
fn a_model_is_measured_on_the_picture_of_its_self_test() {
    let checkout = Checkout::new();
    let models = checkout.path("models");
    std::fs::rename(models.join("self-test.jpg"), models.join("face.jpg")).unwrap();
    let file = models.join(format!("{MODEL}.json"));
    let mut card: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    card["self_test"]["picture"] = json!("face.jpg");
    std::fs::write(&file, card.to_string()).unwrap();
    let bench = ["bench", "--no-still", "--frames=1", "--threads=1", "--inputs=mjpeg"];
    checkout.run(&bench);

    card.as_object_mut().unwrap().remove("self_test");
    std::fs::write(&file, card.to_string()).unwrap();
    let output = checkout.command(&bench).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{message}");
    assert!(message.contains("no self-test picture") && message.contains("--source"), "{message}");
    checkout.run(&[&bench[..], &["--source=models/face.jpg"]].concat());
}

#[test]
fn a_daemon_whose_close_network_is_damaged_says_so_in_its_status() {
    let checkout = Checkout::new();
    checkout.damage("-close");
    let broker = Broker::start();
    let url = format!("mqtt.url=mqtt://127.0.0.1:{}", broker.port);
    let log = std::fs::File::create(checkout.path("log")).unwrap();
    let mut command = checkout.command(&["run", "--config", "e.toml", "--set", &url]);
    let _daemon =
        Running(command.args(["--set", "camera.repeat=true"]).stderr(log).spawn().unwrap());
    let mut told = Vec::new();
    while told.len() < 2 {
        let of_ours = |topic: &str| topic.ends_with("/inventory") || topic.ends_with("/status");
        let heard = broker.until(|topic, text| of_ours(topic) && text.contains("sha256 is"));
        let (topic, text) = heard.last().unwrap();
        tells(text, "looks closely instead");
        if !told.contains(topic) {
            told.push(topic.clone());
        }
    }
    tells(&std::fs::read_to_string(checkout.path("log")).unwrap(), "looks closely instead");
}

/// Keys of `--json`: docs/ref/model.md is a contract.
#[test]
fn the_page_names_every_key_of_show_and_verify_and_no_other() {
    const PAGE: &str = include_str!("../docs/ref/model.md");
    let section = |command: &str| {
        let heading = format!("## `expressiond model {command} --json`");
        PAGE.split_once(&heading).expect("the heading is in the page").1
    };
    let checkout = Checkout::new();
    let mut card: Value =
        serde_json::from_slice(&std::fs::read(checkout.path(SIDE_CAR)).unwrap()).unwrap();
    card["groups"] = json!({"cheerful": ["happy"]});
    std::fs::write(checkout.path(SIDE_CAR), card.to_string()).unwrap();
    let mut shown = checkout.shown();
    assert_eq!(shown["model"]["groups"], json!({"cheerful": ["happy"]}));
    // Names of the owner's, and what the side-car's author wrote.
    shown["model"]["groups"] = json!({});
    shown["about"] = json!({});
    reference::names_the_keys(section("show"), &shown);

    let verify = ["model", "verify", "--json", "--config", "e.toml"];
    let verdict = |output: Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
    let mut told = verdict(checkout.run(&verify));
    checkout.damage("");
    let refused = checkout.command(&verify).output().unwrap();
    assert_eq!(refused.status.code(), Some(70));
    let refused = verdict(refused);
    assert_eq!((&refused["accepted"], &refused["close"]), (&json!(false), &Value::Null));
    told["reason"] = refused["reason"].clone();
    assert!(told["reason"].is_string() && refused.get("id").is_none());
    reference::names_the_keys(section("verify"), &told);
}
