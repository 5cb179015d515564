//! The reference file equals the defaults, the page lists every key, mistakes are
//! told with their place and exit code 78.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use expressiond::config::Config;
use expressiond::config::keys::flatten;

const REFERENCE: &str = include_str!("../config/expressiond.toml");
const PAGE: &str = include_str!("../docs/ref/config.md");

fn keys(table: &toml::Table) -> BTreeSet<String> {
    flatten(table, "").into_iter().map(|(key, _)| key).collect()
}

fn default_keys() -> BTreeSet<String> {
    keys(&toml::Table::try_from(Config::default()).unwrap())
}

#[test]
fn the_reference_file_is_the_defaults_with_every_key() {
    assert_eq!(toml::from_str::<Config>(REFERENCE).unwrap(), Config::default());
    assert_eq!(keys(&toml::from_str(REFERENCE).unwrap()), default_keys());
}

#[test]
fn the_page_lists_exactly_the_keys_there_are() {
    let listed: BTreeSet<String> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|key| !["camera.controls", "camera.low_light"].contains(key)) // tables, empty by default
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, default_keys());
}

#[test]
fn the_defaults_are_possible() {
    assert_eq!(Config::default().check(), Ok(()));
}

fn check(file: &Path, more: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_expressiond");
    Command::new(program).arg("check-config").arg("--config").arg(file).args(more).output().unwrap()
}

#[test]
fn every_kind_of_mistake_names_its_place_and_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    for (text, more, words) in [
        ("[camera]\nsorce = 'x'\n", vec![], vec!["e.toml:2", "sorce"]),
        ("[camera]\nfps = 'many'\n", vec![], vec!["e.toml:2", "fps"]),
        ("[camera]\n\nfps = 0\n", vec![], vec!["e.toml:3", "camera.fps", "1 to 240"]),
        ("[expression]\nenter = 0.3\n", vec![], vec!["e.toml:2", "expression.enter", "0.5 to 1"]),
        ("[mqtt]\nurl = 'http://x'\n", vec![], vec!["e.toml:2", "mqtt.url"]),
        ("[camera\n", vec![], vec!["e.toml:1"]),
        ("", vec!["--set", "camera.fps=0"], vec!["--set camera.fps", "1 to 240"]),
        ("", vec!["--set", "camera.fps"], vec!["key=value"]),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = check(&file, &more);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{text}{more:?}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{text}{more:?}: {message}");
    }
    let output = check(&folder.path().join("none.toml"), &[]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn layers_are_shown_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    std::fs::write(&file, "[camera]\nname = 'hall'\nfps = 5\n").unwrap();
    std::fs::write(folder.path().join("conf.d/door.toml"), "[camera]\nname = 'door'\n").unwrap();
    let output = check(&file, &["--set", "camera.fps=7"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("camera.name = \"door\"") && text.contains("door.toml:2"), "{text}");
    assert!(text.contains("camera.fps = 7  (--set camera.fps)"), "{text}");
}

#[test]
fn an_instance_reads_the_shared_file_and_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::write(&file, "[camera]\nfps = 7\n").unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    for name in ["door", "garage"] {
        let text = format!("[camera]\nname = '{name}'\n");
        std::fs::write(folder.path().join(format!("conf.d/{name}.toml")), text).unwrap();
    }
    let output = check(&file, &["--instance", "door"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("camera.fps = 7") && text.contains("camera.name = \"door\""), "{text}");
    assert!(!text.contains("garage"), "{text}");
    let output = check(&file, &["--instance", "attic"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("attic.toml"));
}

#[test]
fn groups_can_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::write(&file, "").unwrap();
    let check = |groups: &str| {
        Command::new(env!("CARGO_BIN_EXE_expressiond"))
            .args(["check-config", "--config"])
            .arg(&file)
            .env("EXPRESSIOND__DEVICE__GROUPS", groups)
            .output()
            .unwrap()
    };
    let text = String::from_utf8(check("hall,floor2").stdout).unwrap();
    assert!(text.contains(r#"device.groups = ["hall", "floor2"]"#), "{text}");
    let refused = check("hall,a/b");
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78));
    assert!(message.contains("EXPRESSIOND__DEVICE__GROUPS: device.groups"), "{message}");
}
