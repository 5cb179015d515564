//! The program as tests start it: with this checkout's models, whatever packages have brought
//! to this machine.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::process::Command;

use expressiond::detector::Settings;

/// Where no package has put a model and nobody a key.
const NOWHERE: &str = "/nonexistent";

/// The model that is taken in a checkout where none is named.
pub const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/expression-yolo12n.tflite");

/// Commands that go by no settings.
pub const WITHOUT_SETTINGS: [&str; 3] = ["bench", "detect", "evaluate"];

/// The program with these words, of which the first is a command.
pub fn program(words: &[&str]) -> Command {
    let (name, rest) = words.split_first().expect("a command");
    let mut command = Command::new(env!("CARGO_BIN_EXE_expressiond"));
    apart(&mut command).arg(name);
    if WITHOUT_SETTINGS.contains(name) && !rest.contains(&"--model") {
        command.args(["--model", MODEL]);
    }
    command.args(rest);
    command
}

/// Wherever a command starts the program with settings, it finds no packages of models. That
/// counts more than a file: a test that brings packages of its own does not start it so.
pub fn apart(command: &mut Command) -> &mut Command {
    let places = ["EXPRESSIOND__MODEL__PACKAGES", "EXPRESSIOND__MODEL__KEYS"];
    command.envs(places.map(|place| (place, NOWHERE)))
}

/// For what is tried without the program.
pub fn models() -> Settings {
    Settings { packages: NOWHERE.into(), keys: NOWHERE.into(), ..Settings::default() }
}
