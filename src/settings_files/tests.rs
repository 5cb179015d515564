use super::*;
use crate::preview::tunable::Tunable;
use crate::source::controls::ControlValue;

fn changes(value: Value) -> Changes {
    serde_json::from_value(value).expect("an object")
}

fn files(main: &str) -> (tempfile::TempDir, SettingsFiles) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("expressiond.toml");
    fs::write(&file, main).expect("written");
    let overrides = vec![("device.id".to_owned(), "test".to_owned())];
    let sources = Sources { file: Some(file), overrides, ..Sources::default() };
    (folder, SettingsFiles::new(sources))
}

fn save(files: &SettingsFiles, value: Value) -> Result<Saved, Refused> {
    files.save(&changes(value), &|_| Ok(()))
}

fn undo(files: &SettingsFiles) -> Result<Undone, Refused> {
    files.undo(&|_| Ok(()))
}

fn threshold(files: &SettingsFiles) -> f32 {
    files.load().expect("right").0.tracking.start_confidence
}

#[test]
fn what_is_saved_is_in_force_and_can_be_taken_back() {
    let (_folder, files) = files("[tracking]\nstart_confidence = 0.8\n");
    assert!(!files.can_undo());
    save(&files, json!({ "tracking.start_confidence": 0.5 })).expect("saved");
    save(&files, json!({ "camera.controls.gain": 3 })).expect("saved");
    assert_eq!(threshold(&files), 0.5, "the first one stays");
    let text = fs::read_to_string(files.file()).expect("there");
    assert!(text.contains("[camera.controls]\ngain = 3\n"), "{text}");
    let Undone { settings: tunable, restarts, .. } = undo(&files).expect("taken back");
    assert!(!restarts, "the page changes that while it watches");
    assert_eq!((tunable.tracking.start_confidence, tunable.camera.controls.len()), (0.5, 0));
    assert!(!files.can_undo());
    assert!(undo(&files).is_err());
}

#[test]
fn zones_are_saved_as_sections_all_of_them() {
    let (_folder, files) =
        files("[[zone]]\nname = \"desk\"\npoints = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]\n");
    save(&files, json!({ "camera.mirror": true })).expect("saved");
    let sofa = json!({ "name": "sofa", "kind": "mask", "points": [[0, 0], [0.5, 0], [0.5, 1]] });
    save(&files, json!({ "zone": [sofa] })).expect("saved");
    let zones = files.load().expect("right").0.zone;
    assert_eq!((zones.len(), zones[0].name.as_str()), (1, "sofa"));
    let text = fs::read_to_string(files.file()).expect("there");
    assert!(text.contains("[[zone]]\n") && text.contains("mirror = true"), "{text}");
    let origins = files.origins(&["zone".to_owned()]);
    assert!(origins[0].place.contains("90-page.toml:") && !origins[0].fixed, "{origins:?}");
    let none = save(&files, json!({ "zone": [] }));
    assert!(none.is_ok(), "{none:?}");
    assert_eq!(files.load().expect("right").0.zone, []);
    let before = undo(&files).expect("taken back").settings.zone;
    assert_eq!(before[0].name, "sofa");
}

#[test]
fn the_first_undo_removes_the_file() {
    let (_folder, files) = files("");
    save(&files, json!({ "camera.mirror": true })).expect("saved");
    undo(&files).expect("taken back");
    assert!(!files.file().exists());
}

#[test]
fn what_the_page_does_not_change_while_it_watches_needs_a_new_start() {
    let (_folder, files) = files("");
    for (key, value) in [("home_assistant.device_name", "Hall"), ("mqtt.username", "bob")] {
        save(&files, json!({ key: value })).expect("saved");
        assert!(undo(&files).expect("taken back").restarts, "{key}");
    }
}

#[test]
fn what_may_not_be_taken_back_stays() {
    let (_folder, files) = files("");
    save(&files, json!({ "camera.rotate": 180 })).expect("saved");
    let saved = fs::read_to_string(files.file()).expect("there");
    let upright = |before: &Tunable| match before.camera.rotate {
        0 => Err("it would turn".to_owned()),
        _ => Ok(()),
    };
    assert_eq!(files.undo(&upright).expect_err("refused").why, "it would turn");
    assert_eq!(fs::read_to_string(files.file()).expect("there"), saved);
    assert!(files.can_undo(), "for when it may be");
}

#[test]
fn wrong_settings_leave_the_file_as_it_was() {
    let (_folder, files) = files("");
    save(&files, json!({ "camera.rotate": 90 })).expect("saved");
    let before = fs::read_to_string(files.file()).expect("there");
    let refused = save(&files, json!({ "camera.rotate": 45 })).expect_err("wrong");
    assert!(refused.why.contains("camera.rotate"), "{}", refused.why);
    assert_eq!(fs::read_to_string(files.file()).expect("there"), before);
}

#[test]
fn whose_word_counts_is_told() {
    let (folder, mut files) = files("[tracking]\nlost_s = 3.0\n");
    files.sources.overrides.push(("camera.fps".into(), "5".into()));
    let late = folder.path().join("conf.d/99-last.toml");
    fs::create_dir(folder.path().join("conf.d")).expect("made");
    fs::write(late, "[pace]\nmax_fps = 3.0\n").expect("written");
    let keys = ["tracking.lost_s", "camera.fps", "pace.max_fps", "camera.mirror"];
    let origins = files.origins(&keys.map(str::to_owned));
    let fixed: Vec<bool> = origins.iter().map(|origin| origin.fixed).collect();
    assert_eq!(fixed, [false, true, true, false], "{origins:?}");
    assert!(origins[0].place.ends_with("expressiond.toml:2"), "{origins:?}");
}

#[test]
fn where_nothing_can_be_written_the_lines_are_given() {
    let (folder, files) = files("");
    fs::write(folder.path().join("conf.d"), "in the way").expect("written");
    let refused = save(&files, json!({ "camera.mirror": true })).expect_err("no place");
    assert!(refused.lines.contains("[camera]\nmirror = true\n"), "{refused:?}");
    // What the units' sandbox answers: as root, a test is never refused by itself.
    for locked in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied] {
        let refused = unwritable(&files.file(), &locked.into(), Some("mirror = true"));
        assert!(refused.why.contains("how to let it"), "{}", refused.why);
        assert_eq!(refused.lines, "mirror = true");
    }
    let full = unwritable(&files.file(), &io::ErrorKind::StorageFull.into(), None);
    assert!(!full.why.contains("how to let it"), "{}", full.why);
    let (_folder, mut files) = self::files("");
    assert!(!files.is_instance());
    files.sources.instance = Some("door".into());
    assert!(files.is_instance());
    let refused = save(&files, json!({ "camera.mirror": true })).expect_err("not ours");
    assert!(refused.lines.contains("[camera]\nmirror = true\n"), "{}", refused.lines);
}

#[test]
fn what_a_start_would_refuse_is_not_saved() {
    let (_folder, files) = files("[mqtt.tls]\nca_file = \"/absent/ca.pem\"\n");
    let refused = save(&files, json!({ "mqtt.url": "mqtts://broker" })).expect_err("no authority");
    assert!(refused.why.contains("/absent/ca.pem"), "{}", refused.why);
    assert!(!files.file().exists() && !files.can_undo());
}

#[test]
fn what_a_start_would_refuse_is_not_taken_back() {
    let (folder, files) = files("");
    let own = folder.path().join("conf.d/50-own.toml");
    save(&files, json!({ "camera.mirror": true })).expect("saved");
    fs::write(own, "[mqtt]\nusername = \"a\"\npassword_file = \"/absent/password\"\n")
        .expect("written");
    let refused = undo(&files).expect_err("no password");
    assert!(refused.why.contains("/absent/password"), "{}", refused.why);
    assert!(files.file().exists() && files.can_undo());
}

#[test]
fn what_its_owner_did_by_hand_is_not_undone() {
    let (_folder, files) = files("");
    for gain in [1, 2] {
        save(&files, json!({ "camera.controls.gain": gain })).expect("saved");
    }
    let saved = fs::read_to_string(files.file()).expect("there");
    let edited = format!("{saved}# as the installer wants it\n");
    for by_hand in [Some(&*edited), None] {
        write(&files.file(), by_hand).expect("written");
        assert!(!files.can_undo());
        assert!(undo(&files).expect_err("refused").why.contains("by hand"));
        assert_eq!(content(&files.file()).expect("readable").as_deref(), by_hand);
    }
    write(&files.file(), Some(&saved)).expect("written");
    let undone = undo(&files).expect("as it was saved").settings;
    assert_eq!(undone.camera.controls["gain"], ControlValue::Number(1));
}

#[test]
fn saving_what_is_there_already_leaves_the_undo_as_it_is() {
    let (_folder, files) = files("");
    save(&files, json!({ "camera.mirror": true })).expect("saved");
    save(&files, json!({ "camera.mirror": true })).expect("saved");
    save(&files, json!({})).expect("saved");
    undo(&files).expect("taken back");
    assert!(!files.file().exists());
}

/// A power cut would leave it to the next start.
#[test]
fn what_is_not_checked_yet_stands_in_no_file() {
    let (_folder, files) = files("");
    let file = files.file();
    let permit = move |_: &Tunable| Err(format!("{:?}", content(&file).expect("readable")));
    for rotate in [90, 180] {
        let before = content(&files.file()).expect("readable");
        let wanted = changes(json!({ "camera.rotate": rotate }));
        let seen = files.save(&wanted, &permit).expect_err("refused").why;
        assert_eq!(seen, format!("{before:?}"));
        save(&files, json!({ "camera.rotate": rotate })).expect("saved");
    }
}

#[test]
fn what_may_not_be_saved_is_not() {
    let (_folder, files) = files("");
    let permit = |_: &Tunable| Err("it would turn".to_owned());
    let refused = files.save(&changes(json!({ "camera.rotate": 180 })), &permit);
    assert_eq!(refused.expect_err("refused").why, "it would turn");
    assert!(!files.file().exists());
}

#[test]
fn a_token_in_an_address_is_not_shown_and_not_lost() {
    let (_folder, files) = files("[mqtt]\nurl = \"wss://cloud.example/mqtt?token=SECRET\"\n");
    let values = files.values(&["mqtt.url"]).expect("right");
    assert_eq!(values["mqtt.url"], json!("wss://cloud.example/mqtt?..."));
    for url in ["wss://cloud.example/mqtt?...", "wss://a.example/?...,wss://b.example/?t=1"] {
        let refused = save(&files, json!({ "mqtt.url": url })).expect_err(url);
        assert!(refused.why.contains("write that out"), "{}", refused.why);
    }
    save(&files, json!({ "mqtt.username": "me" })).expect("saved");
    let kept = json!(files.load().expect("right").0.mqtt.url);
    assert_eq!(kept, json!("wss://cloud.example/mqtt?token=SECRET"));
}
