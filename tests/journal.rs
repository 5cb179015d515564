//! `docs/ref/journal.md` and the catalog against the code, and the log of a real run.

#[path = "daemon/program.rs"]
mod program;
mod reference;
#[path = "daemon/running.rs"]
mod running;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expressiond::alarm::Alarm;
use program::program;
use reference::table;
use running::output;

const PAGE: &str = include_str!("../docs/ref/journal.md");
const CATALOG: &str = include_str!("../deploy/systemd/expressiond.catalog");

#[test]
fn every_alarm_is_documented_and_explained() {
    let coded: Vec<_> = Alarm::ALL.iter().map(|alarm| [alarm.name(), alarm.id()]).collect();
    let documented: Vec<_> =
        table(PAGE, "## Alarms").iter().map(|row| [row[0].clone(), row[1].clone()]).collect();
    assert_eq!(documented, coded);
    let explained: Vec<_> = CATALOG.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
    assert_eq!(explained, coded.iter().map(|[_, id]| *id).collect::<Vec<_>>());
    // sd_id128: 32 lower-case digits.
    let digits = |id: &str| id.len() == 32 && id.bytes().all(|b| b"0123456789abcdef".contains(&b));
    assert!(explained.iter().all(|id| digits(id)));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Keys of structured fields: what stands between `log::...!(` and the semicolon before
/// the words.
fn keys(source: &str) -> BTreeSet<String> {
    let macros = ["error", "warn", "info", "debug", "trace", "log"];
    let calls = source.split("log::").skip(1).filter_map(|rest| {
        let (name, arguments) = rest.split_once("!(")?;
        macros.contains(&name).then_some(arguments)
    });
    calls
        .filter_map(|arguments| arguments.split('"').next()?.rsplit_once(';'))
        .flat_map(|(fields, _)| fields.split(','))
        .filter(|field| field.contains([':', '=']) || field.trim() == "exit_code")
        .filter_map(|field| field.split([':', '=']).next())
        .map(|key| key.trim().to_uppercase())
        .collect()
}

/// With `log.level = "error"` nothing less reaches the journal, and monitoring waits for ids.
#[test]
fn every_alarm_is_an_error() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let texts = sources(&folder).into_iter().map(|file| std::fs::read_to_string(file).unwrap());
    let levels: Vec<String> = texts
        .flat_map(|text| {
            let before = |(at, _)| text[..at].rsplit_once("log::").map(|(_, call)| call.to_owned());
            text.match_indices("message_id = ").filter_map(before).collect::<Vec<_>>()
        })
        .map(|call| call.split('(').next().unwrap_or_default().to_owned())
        .collect();
    // Those that the watcher raises share one line.
    assert!(levels.len() >= 5, "{levels:?}");
    assert!(levels.iter().all(|level| level == "error!"), "{levels:?}");
}

#[test]
fn every_field_is_documented() {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let coded: BTreeSet<_> =
        files.iter().flat_map(|file| keys(&std::fs::read_to_string(file).unwrap())).collect();
    let documented: BTreeSet<_> =
        table(PAGE, "## Fields").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, coded);
}

#[test]
fn a_run_tells_its_events_with_fields_and_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("e.toml");
    let state = folder.path().display();
    let text = format!(
        "[device]\nid = \"test\"\nstate_dir = \"{state}\"\n\
         [camera]\nname = \"door\"\nsource = \"tests/demo/frames\"\nfps = 6\n"
    );
    std::fs::write(&settings, text).unwrap();
    let mut run = program(&["run", "--config"]);
    let output = output(run.current_dir(env!("CARGO_MANIFEST_DIR")).arg(&settings));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let events: Vec<&str> = log.lines().filter(|line| line.contains(" event=")).collect();
    assert!(events.iter().all(|line| line.contains(" camera=door track_id=")), "{log}");
    assert!(log.contains("event=face_appeared") && log.contains("event=face_left"), "{log}");
    assert!(
        log.lines()
            .any(|line| line.starts_with("INFO  camera opened") && line.ends_with("camera=door")),
        "{log}"
    );
    let others = log.lines().count() - events.len();
    let frames = std::fs::read_dir("tests/demo/frames").unwrap().count();
    assert!(others < frames / 3, "{others} lines besides events for {frames} frames: {log}");
    assert!(!log.contains("message_id"), "{log}");
}
