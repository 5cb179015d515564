//! What is answered where settings are tried, saved and taken back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer;
use super::service::{Answer, SILENT_DISK, Service, blocking, silent_disk};
use super::store::{Permit, Refused, Saved, Undone};
use super::trial::Version;
use super::tunable::{self, Changes, Tunable, is_tunable, read_changes};

impl Service {
    pub(super) async fn settings(&self) -> Answer {
        let (values, keys, tried, version) = {
            let trial = self.trial();
            let (values, keys) = trial.values_and_keys();
            (values, keys, trial.tried().clone(), trial.version())
        };
        // Before them: who is told of newer ones only asks once more.
        let offered = self.live.offered.load(Ordering::Relaxed);
        let controls = self.live.controls.borrow().1.clone();
        let store = Arc::clone(&self.store);
        let read = blocking(move || {
            let origins = store.origins(&keys);
            let origins: Value =
                keys.into_iter().zip(origins).map(|(key, from)| (key, json!(from))).collect();
            (origins, store.can_undo())
        });
        let Some((origins, can_undo)) = read.await else {
            return answer::text(StatusCode::GATEWAY_TIMEOUT, SILENT_DISK);
        };
        let answer = json!({
            "about": self.about,
            "offers": tunable::as_written(&tunable::OFFERS),
            "values": values,
            "tried": tried,
            "tuning": version,
            "origins": origins,
            "offered": offered,
            "controls": controls,
            "can_undo": can_undo,
        });
        answer::json(StatusCode::OK, &answer)
    }

    /// An error, here and in what else reads a body, is in words. `known` is what somebody
    /// knows of what is tried.
    pub(super) fn attempt(&self, body: &[u8], known: Option<Version>) -> Result<Answer, String> {
        let changes = read_changes(body, is_tunable)?;
        let mut trial = self.trial();
        if trial.is_beyond(known) {
            return Ok(overtaken());
        }
        let changes = trial.with_masks(changes, known);
        let what_if = trial.attempt(changes)?;
        Ok(of_version(StatusCode::OK, &what_if, trial.version()))
    }

    pub(super) async fn save(
        self: &Arc<Self>,
        body: &[u8],
        known: Option<Version>,
    ) -> Result<Answer, String> {
        let changes = read_changes(body, is_tunable)?;
        let (permit, version) = {
            let mut trial = self.trial();
            if trial.is_beyond(known) {
                return Ok(overtaken());
            }
            (trial.before_save(&changes, known)?, trial.version())
        };
        // What was tried before it was saved is tried still.
        let unsaved = move |refused: &Refused| of_version(StatusCode::CONFLICT, refused, version);
        let service = Arc::clone(self);
        let saved = blocking(move || {
            service.save_now(&changes, &permit).unwrap_or_else(|why| unsaved(&why))
        });
        Ok(saved.await.unwrap_or_else(|| unsaved(&Refused::because(SILENT_DISK))))
    }

    /// Writes, and takes over what is written.
    fn save_now(&self, changes: &Changes, permit: &Permit) -> Result<Answer, Refused> {
        let Saved { file, written } = self.store.save(changes, permit)?;
        let mut trial = self.trial();
        let restarts = trial.keep(changes);
        log::info!("page: settings were saved in {file}");
        let saved = json!({ "file": file, "written": written, "restarts": restarts });
        let answer = of_version(StatusCode::OK, &saved, trial.version());
        Ok(if restarts { trial.start_after(answer) } else { answer })
    }

    pub(super) async fn undo(self: &Arc<Self>, known: Option<Version>) -> Answer {
        if self.trial().is_beyond(known) {
            return overtaken();
        }
        let service = Arc::clone(self);
        let undone = blocking(move || {
            let undone = service.undo_now();
            undone.unwrap_or_else(|refused| answer::json(StatusCode::CONFLICT, &refused))
        });
        undone.await.unwrap_or_else(silent_disk)
    }

    /// Writes what was before, and takes that over.
    fn undo_now(&self) -> Result<Answer, Refused> {
        let (saved, opened) = (self.trial().saved().clone(), self.live.opened.borrow().clone());
        // Its owner may have drawn a mask since, in another file: then what is saved hides
        // nothing yet, and what is taken back would.
        let permit = move |before: &Tunable| {
            saved.refuse_what_uncovers(before)?;
            before.refuse_what_uncovers(&saved)?;
            saved.refuse_another_camera(before, opened.as_ref())
        };
        let Undone { settings, mut restarts } = self.store.undo(&permit)?;
        log::info!("page: the settings saved last were taken back");
        let mut trial = self.trial();
        restarts |= trial.replace(settings);
        let answer = of_version(StatusCode::OK, &json!({ "restarts": restarts }), trial.version());
        Ok(if restarts { trial.start_after(answer) } else { answer })
    }
}

/// Answers a page that does not know what somebody else tries.
fn overtaken() -> Answer {
    let why = "somebody else has tried something meanwhile";
    answer::not_done(StatusCode::PRECONDITION_FAILED, why)
}

/// An object, and the version of what is tried that whoever asked knows by it.
fn of_version(status: StatusCode, value: &impl Serialize, version: Version) -> Answer {
    let mut value = json!(value);
    value["tuning"] = json!(version);
    answer::json(status, &value)
}
