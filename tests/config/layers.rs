//! The file, the folder beside it and the command line: which of them holds is shown.

use expressiond::config::Config;

use super::daemon::page::layer;
use super::{ZONE, check, check_with, settings};

#[test]
fn zones_are_read_from_files_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), ZONE);
    let output = check(&file, &["--all"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let config: Config = toml::from_str(&text).unwrap();
    assert_eq!(config.zone, toml::from_str::<Config>(ZONE).unwrap().zone);
    // Those of a later file hold instead.
    layer(folder.path(), "a.toml", &ZONE.replace("desk", "door"));
    let text = String::from_utf8(check(&file, &[]).stdout).unwrap();
    assert!(text.contains("door") && !text.contains("desk") && text.contains("a.toml:2"), "{text}");
}

#[test]
fn groups_of_classes_are_a_list_or_a_section() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "[expression.groups]\nsmiling = ['happy']\nother = ['*']\n");
    let shown = |more: &[&str]| String::from_utf8(check(&file, more).stdout).unwrap();
    assert!(shown(&[]).contains("expression.groups.smiling = [\"happy\"]"), "{}", shown(&[]));
    let list = shown(&["--set", "expression.groups=happy,not_happy"]);
    assert!(list.contains("expression.groups = [\"happy\", \"not_happy\"]"), "{list}");
    let own = r#"{ Tense = ["anger", "fear"], other = ["*"] }"#;
    std::fs::write(&file, "[expression]\ngroups = ['happy']\n").unwrap();
    let place = "--set expression.groups";
    let set = shown(&["--set", &format!("expression.groups={own}")]);
    let (code, variable) =
        check_with(&file, &[("EXPRESSIOND__EXPRESSION__GROUPS", own.as_ref())], &[]);
    assert_eq!(code, Some(0), "{variable}");
    for (told, place) in [(set, place), (variable, "variable EXPRESSIOND__EXPRESSION__GROUPS")] {
        let line = "expression.groups.Tense = [\"anger\", \"fear\"]";
        assert!(told.contains(line) && told.contains(place), "{told}");
    }
    // A later layer has its own groups, not those of an earlier one as well.
    std::fs::write(&file, "[expression.groups]\ntense = ['anger']\nother = ['*']\n").unwrap();
    let own = ["--set", r#"expression.groups={ smile = ["happy"], rest = ["*"] }"#];
    let written = "[expression.groups]\nsmile = ['happy']\nrest = ['*']\n";
    for (text, more, place) in
        [("", &own[..], "--set expression.groups"), (written, &[], "a.toml:3")]
    {
        layer(folder.path(), "a.toml", text);
        let told = shown(more);
        let rest = told.lines().find(|line| line.contains("groups.rest")).unwrap_or(&told);
        assert!(rest.contains(place) && !told.contains("groups.other"), "{told}");
    }
    std::fs::remove_dir_all(folder.path().join("conf.d")).unwrap();
    std::fs::write(&file, "[expression]\ngroups = 'happy'\n").unwrap();
    let refused = check(&file, &[]);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(
        message.contains("e.toml:2") && message.contains("list of names of groups"),
        "{message}"
    );
}

#[test]
fn layers_are_shown_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "[camera]\nname = 'hall'\nfps = 5\n");
    layer(folder.path(), "door.toml", "[camera]\nname = 'door'\n");
    let output = check(&file, &["--set", "camera.fps=7"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("camera.name = \"door\"") && text.contains("door.toml:2"), "{text}");
    assert!(text.contains("camera.fps = 7  (--set camera.fps)"), "{text}");
}

#[test]
fn an_instance_reads_the_shared_file_and_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "[camera]\nfps = 7\n");
    for name in ["door", "garage"] {
        layer(folder.path(), &format!("{name}.toml"), &format!("[camera]\nname = '{name}'\n"));
    }
    let output = check(&file, &["--instance", "door"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("camera.fps = 7") && text.contains("camera.name = \"door\""), "{text}");
    assert!(!text.contains("garage"), "{text}");
    let output = check(&file, &["--instance", "attic"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("attic.toml"));
}
