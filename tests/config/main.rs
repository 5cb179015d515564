//! The reference file equals the defaults, the page lists every key, mistakes are
//! told with their place and exit code 78.

#[path = "../daemon/mod.rs"]
mod daemon;
mod files;
mod layers;
mod mistakes;
mod variables;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use daemon::running::output;
use expressiond::config::Config;
use expressiond::config::keys::flatten;

const REFERENCE: &str = include_str!("../../config/expressiond.toml");
const PAGE: &str = include_str!("../../docs/ref/config.md");

fn keys(table: &toml::Table) -> BTreeSet<String> {
    flatten(table, "").into_iter().map(|(key, _)| key).collect()
}

fn default_keys() -> BTreeSet<String> {
    keys(&toml::Table::try_from(Config::default()).unwrap())
}

/// The keys in the tables of the page.
fn listed_keys() -> impl Iterator<Item = &'static str> {
    PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next())
}

#[test]
fn the_reference_file_is_the_defaults_with_every_key() {
    assert_eq!(toml::from_str::<Config>(REFERENCE).unwrap(), Config::default());
    assert_eq!(keys(&toml::from_str(REFERENCE).unwrap()), default_keys());
}

#[test]
fn the_page_lists_exactly_the_keys_there_are() {
    let listed: BTreeSet<String> = listed_keys()
        .filter(|key| !["camera.controls", "camera.low_light"].contains(key)) // tables, empty by default
        .filter(|key| !key.starts_with("zone.")) // sections, none by default
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, default_keys());
}

const ZONE: &str = "
[[zone]]
name = 'desk'
kind = 'mask'
points = [[0, 0.25], [1, 0.25], [0.5, 1.0]]
enabled = false
";

#[test]
fn the_page_and_the_reference_file_have_every_key_of_a_zone() {
    let config: Config = toml::from_str(ZONE).unwrap();
    let zone = toml::Table::try_from(&config.zone[0]).unwrap();
    let known: BTreeSet<String> = flatten(&zone, "zone.").into_iter().map(|(key, _)| key).collect();
    let listed: BTreeSet<String> =
        listed_keys().filter(|key| key.starts_with("zone.")).map(str::to_owned).collect();
    assert_eq!(listed, known);
    // The example at the end of the reference file, without its comment signs.
    let example = REFERENCE.split_once("# [[zone]]").unwrap().1.replace("\n# ", "\n");
    let example: Config =
        toml::from_str(&format!("[[zone]]{}", example.replace("\n#\n", "\n"))).unwrap();
    assert_eq!((example.zone.len(), example.check()), (2, Ok(())));
    assert_eq!(keys(&toml::Table::try_from(&example.zone[0]).unwrap()).len(), known.len());
}

#[test]
fn the_defaults_are_possible() {
    assert_eq!(Config::default().check(), Ok(()));
}

/// A reload of the service prints it into the journal.
#[test]
fn what_may_be_a_token_in_an_address_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "");
    let urls = "wss://a.example/mqtt?token=secret, wss://b.example/mqtt?token=secret";
    let (code, told) = check_with(&file, &[], &["--set", &format!("mqtt.url={urls}")]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("wss://b.example/mqtt?...") && !told.contains("secret"), "{told}");
}

/// `e.toml` in `folder`, with this text.
fn settings(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("e.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// Where an emulator of this processor finds its C library (tests/arm/emulate).
const EMULATED_ROOT: &str = "QEMU_LD_PREFIX";

/// `check-config` with nothing but these variables in the environment.
fn check_among(variables: &[(&str, &OsStr)], file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_expressiond"));
    command
        .args(["check-config", "--config"])
        .arg(file)
        .args(more)
        .env_clear()
        .envs(std::env::var_os(EMULATED_ROOT).map(|root| (EMULATED_ROOT, root)))
        .envs(variables.iter().copied());
    output(&mut command)
}

fn check(file: &Path, more: &[&str]) -> Output {
    check_among(&[], file, more)
}

/// Its exit code, and all that it says.
fn check_with(file: &Path, variables: &[(&str, &OsStr)], more: &[&str]) -> (Option<i32>, String) {
    let told = check_among(variables, file, more);
    let text = [told.stdout, told.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (told.status.code(), text.concat())
}
