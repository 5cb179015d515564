//! The reference file equals the defaults, the page lists every key, mistakes are
//! told with their place and exit code 78.

#[path = "daemon/running.rs"]
mod running;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use expressiond::config::Config;
use expressiond::config::keys::flatten;
use running::output;

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
    let listed: BTreeSet<String> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|key| key.starts_with("zone."))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, known);
    // The example at the end of the reference file, without its comment signs.
    let example = REFERENCE.split_once("# [[zone]]").unwrap().1.replace("\n# ", "\n");
    let example: Config =
        toml::from_str(&format!("[[zone]]{}", example.replace("\n#\n", "\n"))).unwrap();
    assert_eq!((example.zone.len(), example.check()), (2, Ok(())));
    assert_eq!(keys(&toml::Table::try_from(&example.zone[0]).unwrap()).len(), known.len());
}

#[test]
fn zones_are_read_from_files_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::write(&file, ZONE).unwrap();
    let output = check(&file, &["--all"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let config: Config = toml::from_str(&text).unwrap();
    assert_eq!(config.zone, toml::from_str::<Config>(ZONE).unwrap().zone);
    // Those of a later file hold instead.
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let later = ZONE.replace("desk", "door");
    std::fs::write(folder.path().join("conf.d/a.toml"), later).unwrap();
    let text = String::from_utf8(check(&file, &[]).stdout).unwrap();
    assert!(text.contains("door") && !text.contains("desk") && text.contains("a.toml:2"), "{text}");
}

#[test]
fn groups_of_classes_are_a_list_or_a_section() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::write(&file, "[expression.groups]\nsmiling = ['happy']\nother = ['*']\n").unwrap();
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
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let part = folder.path().join("conf.d/a.toml");
    let written = "[expression.groups]\nsmile = ['happy']\nrest = ['*']\n";
    for (text, more, place) in
        [("", &own[..], "--set expression.groups"), (written, &[], "a.toml:3")]
    {
        std::fs::write(&part, text).unwrap();
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
fn the_defaults_are_possible() {
    assert_eq!(Config::default().check(), Ok(()));
}

fn check(file: &Path, more: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_expressiond");
    output(Command::new(program).arg("check-config").arg("--config").arg(file).args(more))
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
        (
            "[log]\n[expression.groups]\nsmile = ['happy', 'Happy']\n",
            vec![],
            vec!["e.toml:2: expression.groups", "put happy into smile twice"],
        ),
        (
            "[expression.groups]\na = ['sad']\nb = ['SAD']\n",
            vec![],
            vec!["e.toml:1", "put sad into both a and b"],
        ),
        ("[expression.groups]\na = []\n", vec![], vec!["e.toml:1", "have a without a class"]),
        ("[expression.groups]\n'a ' = ['sad']\n", vec![], vec!["e.toml:1", "name a , which has"]),
        (
            "[expression.groups]\na = ['*']\nb = ['*']\n",
            vec![],
            vec!["e.toml:1", "put * into both a and b"],
        ),
        (
            "[expression]\ngroups = ['a', 'A']\n",
            vec![],
            vec!["e.toml:2", "name A for the second time"],
        ),
        (
            "[expression]\ngroups = ['None']\n",
            vec![],
            vec!["e.toml:2", "name None, which means that there is no expression"],
        ),
        (
            "",
            vec!["--set", "expression.groups={a=['sad'],b=['sad']}"],
            vec!["--set expression.groups: expression.groups put sad into both"],
        ),
        ("[mqtt]\nurl = 'http://x'\n", vec![], vec!["e.toml:2", "mqtt.url"]),
        ("[camera\n", vec![], vec!["e.toml:1"]),
        (
            "\n[[zone]]\nname = 'a'\npoints = [[0, 0]]\n",
            vec![],
            vec!["e.toml:2", "zone 'a'", "1 corners"],
        ),
        (
            "[[zone]]\nname = 'a'\npoints = [[0, 0, 1]]\n",
            vec![],
            vec!["e.toml:3", "a corner is [x, y]"],
        ),
        ("[[zone]]\nname = 'a'\nkind = 'x'\npoints = []\n", vec![], vec!["e.toml:3", "`count`"]),
        ("[zone]\nname = 'a'\n", vec![], vec!["e.toml:1", "[[zone]], in double brackets"]),
        ("[mqtt]\nclient_id = \"\\u0000\"\n", vec![], vec!["e.toml:2: mqtt.client_id", "U+0000"]),
        ("", vec!["--instance", ""], vec!["--instance \"\"", "a name"]),
        ("", vec!["--instance", "../e"], vec!["--instance \"../e\"", "a name"]),
        ("", vec!["--set", "zone=[]"], vec!["--set zone", "in a file only"]),
        ("", vec!["--set", "camera.fps=0"], vec!["--set camera.fps", "1 to 240"]),
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

/// Where an emulator of this processor finds its C library (tests/arm/emulate).
const EMULATED_ROOT: &str = "QEMU_LD_PREFIX";

/// `check-config` with nothing but this in the environment.
fn check_with(file: &Path, variables: &[(&str, &OsStr)], more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_expressiond"));
    command
        .args(["check-config", "--config"])
        .arg(file)
        .args(more)
        .env_clear()
        .envs(std::env::var_os(EMULATED_ROOT).map(|root| (EMULATED_ROOT, root)))
        .envs(variables.iter().copied());
    let told = output(&mut command);
    let text = [told.stdout, told.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (told.status.code(), text.concat())
}

/// A reload of the service prints it into the journal.
#[test]
fn what_may_be_a_token_in_an_address_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = empty_file(folder.path());
    let urls = "wss://a.example/mqtt?token=secret, wss://b.example/mqtt?token=secret";
    let (code, told) = check_with(&file, &[], &["--set", &format!("mqtt.url={urls}")]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("wss://b.example/mqtt?...") && !told.contains("secret"), "{told}");
}

fn empty_file(folder: &Path) -> PathBuf {
    let file = folder.join("e.toml");
    std::fs::write(&file, "").unwrap();
    file
}

/// Ids and names that look like numbers, dates or switches stay what they are.
#[test]
fn text_from_the_environment_and_the_command_line_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = empty_file(folder.path());
    for (key, variable) in
        [("device.id", "EXPRESSIOND__DEVICE__ID"), ("mqtt.username", "EXPRESSIOND__MQTT__USERNAME")]
    {
        for text in ["007", "007123", "123456e78901", "1_000", "1e5", "0x1F", "true", "inf", "0b1"]
        {
            let wanted = format!("{key} = \"{text}\"");
            let (code, told) = check_with(&file, &[(variable, text.as_ref())], &[]);
            assert!(code == Some(0) && told.contains(&wanted), "{variable}={text}: {told}");
            let (code, told) = check_with(&file, &[], &["--set", &format!("{key}={text}")]);
            assert!(code == Some(0) && told.contains(&wanted), "--set {key}={text}: {told}");
        }
    }
    for text in ["1.0", "1979-05-27", "[a]", "{}", " blank ", "a,b", "#", "\\"] {
        let (code, told) =
            check_with(&file, &[("EXPRESSIOND__MQTT__USERNAME", text.as_ref())], &["--all"]);
        let told: toml::Table = toml::from_str(&told).unwrap();
        assert_eq!((code, told["mqtt"]["username"].as_str()), (Some(0), Some(text)));
    }
    for (text, value) in [("5", "5"), ("\"5\"", "5"), ("3.1.1", "3.1.1")] {
        let (code, told) = check_with(
            &file,
            &[],
            &["--set", &format!("mqtt.version={text}"), "--set", "mqtt.url=mqtt://broker"],
        );
        assert!(code == Some(0) && told.contains(&format!("mqtt.version = \"{value}\"")), "{told}");
    }
}

#[test]
fn what_a_variable_cannot_be_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = empty_file(folder.path());
    for (variable, text, words) in [
        ("EXPRESSIOND__LOG__LEVEL", "INFO", vec!["INFO", "`error`, `warn`, `info`"]),
        ("EXPRESSIOND__CAMERA__FPS", "many", vec!["camera.fps must be a whole number"]),
        ("EXPRESSIOND__CAMERA__FPS", "-5", vec!["camera.fps must be a whole number, 0 or more"]),
        ("EXPRESSIOND__CAMERA__FPS", "0", vec!["camera.fps", "1 to 240"]),
        ("EXPRESSIOND__CAMERA__MIRROR", "perhaps", vec!["true or false"]),
        ("EXPRESSIOND__CAMERA__FSP", "5", vec!["no key camera.fsp", "camera has", "fps"]),
        ("EXPRESSIOND_CAMERA_FPS", "5", vec!["EXPRESSIOND__CAMERA__FPS"]),
        ("EXPRESSIOND__CAMERA_FPS", "5", vec!["no key camera_fps", "camera.fps is meant"]),
        ("EXPRESSIOND_CAMERA__FPS", "5", vec!["EXPRESSIOND__CAMERA__FPS"]),
        ("EXPRESSIOND_CAMERA_CONTROLS", "{}", vec!["EXPRESSIOND__CAMERA__CONTROLS"]),
        ("EXPRESSIOND_CAMERA__CONTROLS__GAIN", "7", vec!["EXPRESSIOND__CAMERA__CONTROLS"]),
        ("expressiond__camera__fps", "5", vec!["EXPRESSIOND__CAMERA__FPS"]),
        ("EXPRESSIOND__CAMERA", "5", vec!["camera must be set key by key", "a section"]),
    ] {
        let (code, told) = check_with(&file, &[(variable, text.as_ref())], &[]);
        assert_eq!(code, Some(78), "{variable}={text}: {told}");
        let all = [&*words, &[variable]].concat();
        assert!(all.iter().all(|word| told.contains(word)), "{variable}={text}: {told}");
        assert_eq!(told.trim().lines().count(), 1, "{told}");
    }
    // no key of ours: what Kubernetes sets for a service called expressiond
    for (variable, text) in [("EXPRESSIOND_PORT", "tcp://10.0.0.1:80"), ("EXPRESSIOND_X_Y", "1")] {
        let (code, told) = check_with(&file, &[(variable, text.as_ref())], &[]);
        assert_eq!(code, Some(0), "{told}");
    }
}

#[test]
fn lists_and_switches_as_people_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::write(&file, "[device]\ngroups = ['attic']\n").unwrap();
    for (variable, text, told) in [
        ("EXPRESSIOND__DEVICE__GROUPS", "", "[]"),
        ("EXPRESSIOND__DEVICE__GROUPS", "007, 1e5", "['007', '1e5']"),
        ("EXPRESSIOND__DEVICE__GROUPS", "[\"hall\"]", "['hall']"),
        ("EXPRESSIOND__CAMERA__MIRROR", "on", "true"),
        ("EXPRESSIOND__CAMERA__MIRROR", "Yes", "true"),
        ("EXPRESSIOND__CAMERA__FPS", " 7 ", "7"),
        ("EXPRESSIOND__PACE__MAX_FPS", "7", "7.0"),
        ("EXPRESSIOND__CAMERA__CONTROLS__GAIN", "7", "7"),
        ("EXPRESSIOND__CAMERA__CONTROLS__POWER_LINE_FREQUENCY", "50 Hz", "'50 Hz'"),
    ] {
        let (code, all) = check_with(&file, &[(variable, text.as_ref())], &["--all"]);
        assert_eq!(code, Some(0), "{variable}={text}: {all}");
        let shown: toml::Value = toml::from_str(&all).unwrap();
        let key = variable.strip_prefix("EXPRESSIOND__").unwrap().to_lowercase();
        let value = key.split("__").fold(&shown, |table, name| &table[name]);
        let told: toml::Table = toml::from_str(&format!("told = {told}")).unwrap();
        assert_eq!(value, &told["told"], "{variable}={text}");
    }
}

/// Nothing but a variable of ours has to be UTF-8, and that one is named.
#[test]
fn variables_and_folders_that_are_not_utf8_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let file = empty_file(folder.path());
    let latin = OsStr::from_bytes(b"b\xfcro");
    for name in ["FOO", "PWD", "HOME", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "LANG"] {
        let (code, told) = check_with(&file, &[(name, latin)], &[]);
        assert_eq!(code, Some(0), "{name}: {told}");
    }
    let (code, told) = check_with(&file, &[("EXPRESSIOND__DEVICE__ID", latin)], &[]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("EXPRESSIOND__DEVICE__ID") && told.contains("not UTF-8"), "{told}");
    let inner = folder.path().join(latin);
    std::fs::create_dir_all(inner.join("conf.d")).unwrap();
    let file = empty_file(&inner);
    std::fs::write(inner.join("conf.d").join(latin).with_extension("toml"), "[camera]\nfps = 9\n")
        .unwrap();
    let (code, told) = check_with(&file, &[], &[]);
    assert!(code == Some(0) && told.contains("camera.fps = 9"), "{told}");
}

/// Settings that are there and cannot be read are never passed over.
#[test]
fn what_is_there_and_cannot_be_read_is_a_mistake() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &[&str]); 8] = [
        (
            "a pipe, into which nobody may ever write",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                let pipe = Command::new("mkfifo").arg(parts.join("a.toml")).status();
                assert!(pipe.unwrap().success());
            },
            &["a.toml", "a pipe or a socket"],
        ),
        (
            "a file without an end",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                symlink("/dev/zero", parts.join("a.toml")).unwrap();
            },
            &["a.toml", "larger than 1 MiB"],
        ),
        ("a file", |parts| std::fs::write(parts, "").unwrap(), &["conf.d", "Not a directory"]),
        (
            "a link to nothing",
            |parts| symlink("none", parts).unwrap(),
            &["conf.d", "link to nothing"],
        ),
        ("links in a circle", |parts| symlink("conf.d", parts).unwrap(), &["conf.d"]),
        (
            "a folder that is called like a file",
            |parts| std::fs::create_dir_all(parts.join("a.toml")).unwrap(),
            &["a.toml", "Is a directory"],
        ),
        (
            "a link to nothing within",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                symlink("none", parts.join("a.toml")).unwrap();
            },
            &["a.toml", "link to nothing"],
        ),
        (
            "a file that is not UTF-8",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                std::fs::write(parts.join("a.toml"), b"[camera]\nname = 'b\xfcro'\n").unwrap();
            },
            &["a.toml", "UTF-8"],
        ),
    ];
    for (what, spoil, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = empty_file(folder.path());
        spoil(&folder.path().join("conf.d"));
        let (code, told) = check_with(&file, &[], &[]);
        assert_eq!(code, Some(78), "{what}: {told}");
        assert!(words.iter().all(|word| told.contains(word)), "{what}: {told}");
    }
}

/// As a shell hands over `<(...)`, and a file that was taken away by a link to nothing.
#[test]
fn settings_may_come_through_a_pipe() {
    let mut checking = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["check-config", "--config", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    checking.stdin.take().unwrap().write_all(b"[camera]\nfps = 9\n").unwrap();
    let told = checking.wait_with_output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && text.contains("camera.fps = 9  (/dev/stdin:2)"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let file = empty_file(folder.path());
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    symlink("/dev/null", folder.path().join("conf.d/a.toml")).unwrap();
    assert_eq!(check_with(&file, &[], &[]).0, Some(0));
}

/// What editors and macOS leave beside a file is no settings.
#[test]
fn hidden_files_are_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let file = empty_file(folder.path());
    let parts = folder.path().join("conf.d");
    std::fs::create_dir(&parts).unwrap();
    std::fs::write(parts.join("._a.toml"), b"\0\x05\x16\x07").unwrap();
    symlink("someone@host.1", parts.join(".#a.toml")).unwrap();
    std::fs::write(parts.join("a.toml"), "\u{feff}[camera]\r\nfps = 9\r\n").unwrap();
    let (code, told) = check_with(&file, &[], &[]);
    assert!(code == Some(0) && told.contains("camera.fps = 9"), "{told}");
}

#[test]
fn a_mistake_in_one_of_several_zones_has_the_line_of_that_zone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let points = "points = [[0, 0], [1, 0], [1, 1]]\n";
    let zone = |name: &str| format!("[[zone]]\nname = '{name}'\n{points}\n");
    for (text, line, words) in [
        (format!("[log]\n\n{}{}", zone("desk"), zone("a b")), 7, "zone number 2: name holds ' '"),
        (format!("{}{}", zone("desk"), zone("desk")), 5, "zone number 2: name is 'desk'"),
        (format!("{}{}", zone("a/b"), zone("desk")), 1, "zone number 1: name holds '/'"),
        ("\n[camera]\nlow_light = { exposure = 0.5 }\n".to_owned(), 3, "without a fraction"),
        ("[camera.controls]\ngain = [1]\n".to_owned(), 2, "without a fraction"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let checked = check(&file, &[]);
        assert_eq!(checked.status.code(), Some(78), "{text}");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(said.contains(&format!("t.toml:{line}: ")) && said.contains(words), "{said}");
    }
}
