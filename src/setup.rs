//! What the page's settings do to files: a file of the page's own in `conf.d`, checked
//! before it stays, with the one before it kept for undo.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::config::layers::Layers;
use crate::config::{self, Config, DEFAULT_FILE, Sources};
use crate::doctor;
use crate::preview::tunable::Changes;
use crate::preview::{Origin, Permit, Refused, Saved, SettingsStore, Undone};
use crate::storage;

/// Late in the order of `conf.d`, with room behind it for whoever must have the last word.
const FILE: &str = "90-page.toml";
/// Hidden, so that it is no layer of its own.
const BEFORE: &str = ".90-page.toml.before";
const HEAD: &str =
    "# Written by the page (docs/guide/preview.md). Edit it or remove it as you like.\n";

/// The settings files of one daemon.
#[derive(Clone, Debug)]
pub struct SettingsFiles {
    sources: Sources,
}

impl SettingsFiles {
    /// Of the daemon that was started with these.
    pub fn new(sources: Sources) -> Self {
        Self { sources }
    }

    fn folder(&self) -> PathBuf {
        let file = self.sources.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        file.parent().unwrap_or(Path::new("")).join("conf.d")
    }

    fn file(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    fn load(&self) -> Result<(Config, Layers), Refused> {
        config::load(&self.sources).map_err(|error| refused(error.to_string()))
    }

    /// The page's file holds `text` (none: there is no file) afterwards, if the settings
    /// are right with it and `permit` has nothing against them.
    fn replace(&self, text: Option<&str>, permit: &Permit) -> Result<Config, Refused> {
        let file = self.file();
        let before = content(&file).map_err(|error| unwritable(&file, &error, text))?;
        let failed = |error: io::Error| unwritable(&file, &error, text);
        fs::create_dir_all(self.folder()).map_err(failed)?;
        write(&file, text).map_err(failed)?;
        let config = self.load().and_then(|(config, _)| {
            permit(&config.tunable()).map_err(refused)?;
            Ok(config)
        });
        if config.is_err() {
            write(&file, before.as_deref()).map_err(failed)?;
        }
        config
    }
}

fn refused(why: String) -> Refused {
    Refused { why, lines: String::new() }
}

fn unwritable(file: &Path, error: &io::Error, text: Option<&str>) -> Refused {
    let mut why = format!("{} cannot be written: {error}", file.display());
    // What the units' ProtectSystem=strict and DynamicUser= do to whatever is below /etc.
    let locked = [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied];
    if locked.contains(&error.kind()) {
        why += "; as it is installed, the service may not write there: docs/guide/preview.md, \
                \"Tune\", says how to let it";
    }
    Refused { why, lines: text.unwrap_or_default().to_owned() }
}

fn content(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(file: &Path, text: Option<&str>) -> io::Result<()> {
    match text {
        Some(text) => storage::replace(file, text.as_bytes(), storage::READABLE),
        None => match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => storage::sync_folder_of(file),
        },
    }
}

/// `text`, a settings file, with these values.
fn with(text: &str, changes: &Changes) -> Result<String, String> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    for (key, value) in changes {
        let value = toml::Value::try_from(value).map_err(|error| format!("{key}: {error}"))?;
        let (sections, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut place = &mut table;
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            let inner = place.entry(section).or_insert_with(|| toml::Table::new().into());
            place = inner.as_table_mut().ok_or_else(|| format!("{section} is no section"))?;
        }
        place.insert(name.to_owned(), value);
    }
    let lines = toml::to_string(&table).map_err(|error| error.to_string())?;
    Ok(format!("{HEAD}{lines}"))
}

impl SettingsStore for SettingsFiles {
    fn origins(&self, keys: &[String]) -> Vec<Origin> {
        let ours = self.file();
        let layers = self.load().map(|(_, layers)| layers).unwrap_or_default();
        let origin = |key: &String| {
            let place = layers.origin(key);
            let file = place.rsplit_once(':').map(|(file, _)| Path::new(file));
            let later = file.is_some_and(|file| {
                file.parent() == ours.parent() && file.file_name() > ours.file_name()
            });
            let outside = ["--set ", "environment variable "];
            let fixed = later || outside.iter().any(|begin| place.starts_with(begin));
            Origin { place, fixed }
        };
        keys.iter().map(origin).collect()
    }

    fn save(&self, changes: &Changes) -> Result<Saved, Refused> {
        let file = self.file();
        let before = content(&file).map_err(|error| unwritable(&file, &error, None))?;
        let text = with(before.as_deref().unwrap_or_default(), changes).map_err(refused)?;
        if let Some(name) = &self.sources.instance {
            let why = format!(
                "an instance reads of conf.d only {name}.toml, which is its owner's: copy these \
                 lines there"
            );
            return Err(Refused { why, lines: text });
        }
        // What may be tried was asked before.
        self.replace(Some(&text), &|_| Ok(()))?;
        let kept = self.folder().join(BEFORE);
        // Without it there is no undo, and the settings are saved all the same.
        if let Err(error) = write(&kept, Some(&before.unwrap_or_default())) {
            log::warn!("page: no undo, {} cannot be written: {error}", kept.display());
        }
        Ok(Saved { file: file.display().to_string() })
    }

    fn can_undo(&self) -> bool {
        self.folder().join(BEFORE).exists()
    }

    fn undo(&self, permit: &Permit) -> Result<Undone, Refused> {
        let kept = self.folder().join(BEFORE);
        let before = content(&kept).map_err(|error| unwritable(&kept, &error, None))?;
        let before = before.ok_or_else(|| refused("there is nothing to take back".to_owned()))?;
        let saved = self.load().map(|(config, _)| config.without_tunable());
        let config = self.replace((!before.is_empty()).then_some(&before), permit)?;
        write(&kept, None).map_err(|error| unwritable(&kept, &error, None))?;
        let settings = config.tunable();
        // Where what was saved could not even be read, nobody knows.
        let restarts = saved.map_or(true, |saved| saved != config.without_tunable());
        Ok(Undone { settings, restarts })
    }

    fn values(&self, keys: &[&str]) -> Changes {
        let Ok((config, _)) = self.load() else { return Changes::new() };
        let all = serde_json::to_value(config).unwrap_or_default();
        let value =
            |key: &str| key.split('.').try_fold(&all, |table, name| table.get(name)).cloned();
        keys.iter().filter_map(|key| Some(((*key).to_owned(), value(key)?))).collect()
    }

    fn test_broker(&self, changes: &Changes) -> Vec<Value> {
        let mut sources = self.sources.clone();
        let text = |(key, value): (&String, &Value)| {
            // Quoted, or text that looks quoted would lose its quotes.
            Some(format!("{key}={}", toml::Value::from(value.as_str()?)))
        };
        sources.overrides.extend(changes.iter().filter_map(text));
        let found = config::load(&sources).and_then(|(config, _)| doctor::try_broker(&config));
        match found {
            Ok(findings) => findings.iter().map(|finding| json!(finding)).collect(),
            Err(error) => {
                let check = doctor::finding::Check::Settings.name();
                vec![json!({ "check": check, "verdict": "problem", "message": error.to_string() })]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preview::tunable::Tunable;

    fn changes(value: Value) -> Changes {
        serde_json::from_value(value).expect("an object")
    }

    fn files(main: &str) -> (tempfile::TempDir, SettingsFiles) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("expressiond.toml");
        fs::write(&file, main).expect("written");
        let sources = Sources { file: Some(file), ..Sources::default() };
        (folder, SettingsFiles::new(sources))
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
        files.save(&changes(json!({ "tracking.start_confidence": 0.5 }))).expect("saved");
        files.save(&changes(json!({ "camera.controls.gain": 3 }))).expect("saved");
        assert_eq!(threshold(&files), 0.5, "the first one stays");
        let text = fs::read_to_string(files.file()).expect("there");
        assert!(text.contains("[camera.controls]\ngain = 3\n"), "{text}");
        let Undone { settings: tunable, restarts } = undo(&files).expect("taken back");
        assert!(!restarts, "the page changes that while it watches");
        assert_eq!((tunable.tracking.start_confidence, tunable.camera.controls.len()), (0.5, 0));
        assert!(!files.can_undo());
        assert!(undo(&files).is_err());
    }

    #[test]
    fn zones_are_saved_as_sections_all_of_them() {
        let (_folder, files) =
            files("[[zone]]\nname = \"desk\"\npoints = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]\n");
        files.save(&changes(json!({ "camera.mirror": true }))).expect("saved");
        let sofa =
            json!({ "name": "sofa", "kind": "mask", "points": [[0, 0], [0.5, 0], [0.5, 1]] });
        files.save(&changes(json!({ "zone": [sofa] }))).expect("saved");
        let zones = files.load().expect("right").0.zone;
        assert_eq!((zones.len(), zones[0].name.as_str()), (1, "sofa"));
        let text = fs::read_to_string(files.file()).expect("there");
        assert!(text.contains("[[zone]]\n") && text.contains("mirror = true"), "{text}");
        let origins = files.origins(&["zone".to_owned()]);
        assert!(origins[0].place.contains("90-page.toml:") && !origins[0].fixed, "{origins:?}");
        let none = files.save(&changes(json!({ "zone": [] })));
        assert!(none.is_ok(), "{none:?}");
        assert_eq!(files.load().expect("right").0.zone, []);
        let before = undo(&files).expect("taken back").settings.zone;
        assert_eq!(before[0].name, "sofa");
    }

    #[test]
    fn the_first_undo_removes_the_file() {
        let (_folder, files) = files("");
        files.save(&changes(json!({ "camera.mirror": true }))).expect("saved");
        undo(&files).expect("taken back");
        assert!(!files.file().exists());
    }

    #[test]
    fn what_the_page_does_not_change_while_it_watches_needs_a_new_start() {
        let (_folder, files) = files("");
        for (key, value) in [("home_assistant.device_name", "Hall"), ("mqtt.username", "bob")] {
            files.save(&changes(json!({ key: value }))).expect("saved");
            assert!(undo(&files).expect("taken back").restarts, "{key}");
        }
    }

    #[test]
    fn what_may_not_be_taken_back_stays() {
        let (_folder, files) = files("");
        files.save(&changes(json!({ "camera.rotate": 180 }))).expect("saved");
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
        files.save(&changes(json!({ "camera.rotate": 90 }))).expect("saved");
        let before = fs::read_to_string(files.file()).expect("there");
        let refused = files.save(&changes(json!({ "camera.rotate": 45 }))).expect_err("wrong");
        assert!(refused.why.contains("camera.rotate"), "{}", refused.why);
        assert_eq!(fs::read_to_string(files.file()).expect("there"), before);
    }

    #[test]
    fn whose_word_counts_is_told() {
        let (folder, mut files) = files("[tracking]\nlost_s = 3.0\n");
        files.sources.overrides.push("camera.fps=5".into());
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
        let refused = files.save(&changes(json!({ "camera.mirror": true }))).expect_err("no place");
        assert!(refused.lines.is_empty() || refused.lines.contains("mirror = true"));
        // What the units' sandbox answers: as root, a test is never refused by itself.
        for locked in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied] {
            let refused = unwritable(&files.file(), &locked.into(), Some("mirror = true"));
            assert!(refused.why.contains("how to let it"), "{}", refused.why);
            assert_eq!(refused.lines, "mirror = true");
        }
        let full = unwritable(&files.file(), &io::ErrorKind::StorageFull.into(), None);
        assert!(!full.why.contains("how to let it"), "{}", full.why);
        let (_folder, mut files) = self::files("");
        files.sources.instance = Some("door".into());
        let refused = files.save(&changes(json!({ "camera.mirror": true }))).expect_err("not ours");
        assert!(refused.lines.contains("[camera]\nmirror = true\n"), "{}", refused.lines);
    }
}
