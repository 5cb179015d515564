//! What the page's settings do to files: a file of the page's own in `conf.d`, checked as a
//! start checks it before it is written, with the one before it kept for undo.

mod edit;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::layers::{Layers, conf_d};
use crate::config::place::Place;
use crate::config::{self, Config, Sources};
use crate::doctor;
use crate::hexadecimal::hexadecimal;
use crate::pipeline::plan::Surroundings;
use crate::preview::tunable::{Changes, look_up};
use crate::preview::{Origin, Permit, Refused, Saved, SettingsStore, Undone};
use crate::storage;

/// Late in the order of `conf.d`, with room behind it for whoever must have the last word.
const FILE: &str = "90-page.toml";
/// What the page's file was before the last save. Hidden, so that it is no layer of its own.
const BEFORE: &str = ".90-page.toml.before";

/// The settings files of one daemon.
#[derive(Debug)]
pub struct SettingsFiles {
    sources: Sources,
    /// One save or undo after the other: each builds on what the one before has written.
    writing: Mutex<()>,
}

impl SettingsFiles {
    /// Of the daemon that was started with these.
    pub fn new(sources: Sources) -> Self {
        Self { sources, writing: Mutex::default() }
    }

    fn folder(&self) -> PathBuf {
        conf_d(self.sources.file())
    }

    fn file(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    fn kept(&self) -> PathBuf {
        self.folder().join(BEFORE)
    }

    fn load(&self) -> Result<(Config, Layers), Refused> {
        config::load_again(&self.sources).map_err(|error| Refused::because(error.to_string()))
    }

    /// The settings with `text` in the page's file (none: there is no file), if a start would
    /// take them, and `permit` has nothing against them. The model is not tried, which takes
    /// seconds: nothing that the page changes can make it unfit.
    fn fit(&self, text: Option<&str>, permit: &Permit) -> Result<Config, Refused> {
        let loaded = config::load_as_if(&self.sources, &self.file(), text);
        let (config, _) = loaded.map_err(|error| Refused::because(error.to_string()))?;
        permit(&config.tunable()).map_err(Refused::because)?;
        Surroundings::of(&config).map_err(|error| Refused::because(error.to_string()))?;
        Ok(config)
    }

    /// The page's file holds `text` (none: there is no file) afterwards, if the settings
    /// are [`fit`](Self::fit) with it. Nothing else ever stands there: a power cut would leave a
    /// daemon that does not start.
    fn replace(&self, text: Option<&str>, permit: &Permit) -> Result<Config, Refused> {
        let config = self.fit(text, permit)?;
        let file = self.file();
        let failed = |error: io::Error| unwritable(&file, &error, text);
        let before = content(&file).map_err(failed)?;
        fs::create_dir_all(self.folder()).map_err(failed)?;
        if let Err(error) = write(&file, text) {
            // The disk may have left either file.
            write(&file, before.as_deref()).map_err(failed)?;
            return Err(failed(error));
        }
        Ok(config)
    }

    /// The page's file as it was before the last save. None where it is no longer what was
    /// saved: its owner has edited or removed it, and an undo would lose that.
    fn before(&self) -> io::Result<Option<String>> {
        let (kept, now) = (content(&self.kept())?, content(&self.file())?);
        Ok(kept.zip(now).and_then(|(kept, now)| kept.strip_prefix(&mark(&now)).map(str::to_owned)))
    }
}

/// The line before what is kept: after it, `saved` was saved.
fn mark(saved: &str) -> String {
    let hash = hexadecimal(&Sha256::digest(saved));
    format!("# Undone, as long as {FILE} has the SHA-256 {hash}:\n")
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

/// Refuses an address of which the part that is not shown was left as it was shown.
fn written_out(changes: &Changes) -> Result<(), Refused> {
    let url = changes.get("mqtt.url").and_then(Value::as_str);
    if url.is_some_and(|url| url.contains("?...")) {
        let why = "mqtt.url: ?... stands for what is not shown here, a cloud's token perhaps: \
                   write that out";
        return Err(Refused::because(why));
    }
    Ok(())
}

fn content(file: &Path) -> io::Result<Option<String>> {
    storage::if_there(fs::read_to_string(file))
}

fn write(file: &Path, text: Option<&str>) -> io::Result<()> {
    match text {
        Some(text) => storage::replace(file, text.as_bytes(), storage::READABLE),
        None => {
            storage::remove_if_there(file)?;
            storage::sync_folder_of(file)
        }
    }
}

impl SettingsStore for SettingsFiles {
    fn origins(&self, keys: &[String]) -> Vec<Origin> {
        let ours = self.file();
        let layers = self.load().map(|(_, layers)| layers).unwrap_or_default();
        let origin = |key: &String| {
            let place = layers.origin(key);
            let fixed = match &place {
                Place::Default => false,
                Place::Line { file, .. } => {
                    file.parent() == ours.parent() && file.file_name() > ours.file_name()
                }
                Place::Variable(_) | Place::Option(_) => true,
            };
            Origin { is_default: place == Place::Default, place: place.to_string(), fixed }
        };
        keys.iter().map(origin).collect()
    }

    fn save(&self, changes: &Changes, permit: &Permit) -> Result<Saved, Refused> {
        let _turn = self.writing.lock().expect("no panic under this lock");
        written_out(changes)?;
        let file = self.file();
        let saved = |written| Saved { file: file.display().to_string(), written };
        // An instance does not read the page's file.
        let before = match self.sources.instance {
            Some(_) => None,
            None => content(&file).map_err(|error| {
                // What cannot be read has no values that the lines could stand beside.
                let lines = edit::with("", changes).unwrap_or_default();
                unwritable(&file, &error, lines.as_deref())
            })?,
        };
        let text =
            edit::with(before.as_deref().unwrap_or_default(), changes).map_err(Refused::because)?;
        let Some(text) = text else {
            // Written once more, it would be kept as what was before, and that would be lost.
            self.fit(before.as_deref(), permit)?;
            return Ok(saved(false));
        };
        if let Some(name) = &self.sources.instance {
            let why = format!(
                "an instance reads of conf.d only {name}.toml, which is its owner's: copy these \
                 lines there"
            );
            return Err(Refused { why, lines: text });
        }
        self.replace(Some(&text), permit)?;
        let kept = self.kept();
        // Without it there is no undo, and the settings are saved all the same.
        if let Err(error) = write(&kept, Some(&(mark(&text) + &before.unwrap_or_default()))) {
            log::warn!("page: no undo, {} cannot be written: {error}", kept.display());
        }
        Ok(saved(true))
    }

    fn can_undo(&self) -> bool {
        matches!(self.before(), Ok(Some(_)))
    }

    fn undo(&self, permit: &Permit) -> Result<Undone, Refused> {
        let _turn = self.writing.lock().expect("no panic under this lock");
        let kept = self.kept();
        let before = self.before().map_err(|error| unwritable(&kept, &error, None))?;
        let before = before.ok_or_else(|| {
            let file = self.file();
            let file = file.display();
            Refused::because(format!(
                "there is nothing to take back, or {file} was changed by hand since"
            ))
        })?;
        let saved = self.load().map(|(config, _)| config.without_tunable());
        let config = self.replace((!before.is_empty()).then_some(&before), permit)?;
        // What stays of it fits the file no more.
        if let Err(error) = write(&kept, None) {
            log::warn!("page: {} cannot be removed: {error}", kept.display());
        }
        let settings = config.tunable();
        // Where what was saved could not even be read, nobody knows.
        let restarts = saved.map_or(true, |saved| saved != config.without_tunable());
        Ok(Undone { settings, restarts })
    }

    fn values(&self, keys: &[&str]) -> Result<Changes, Refused> {
        let (mut config, _) = self.load()?;
        // A cloud's token may stand there. The page sends nothing back that nobody has changed.
        config.mqtt.url = config.mqtt.url.without_queries();
        let all = serde_json::to_value(config).unwrap_or_default();
        Ok(look_up(&all, keys.iter().copied()))
    }

    fn is_instance(&self) -> bool {
        self.sources.instance.is_some()
    }

    fn test_broker(&self, changes: &Changes) -> Vec<Value> {
        let mut sources = self.sources.clone();
        let text = |(key, value): (&String, &Value)| {
            // Quoted, or text that looks quoted would lose its quotes.
            Some((key.clone(), toml::Value::from(value.as_str()?).to_string()))
        };
        sources.overrides.extend(changes.iter().filter_map(text));
        let known = self.load().ok().and_then(|(config, _)| config.mqtt.url.brokers().ok());
        let known = known.unwrap_or_default();
        let found = config::load_again(&sources)
            .and_then(|(config, _)| doctor::try_broker(&config, &known));
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
mod tests;
