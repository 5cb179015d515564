//! What is tried and not yet saved: takes effect at once, and is taken back when nobody
//! watches any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::Response;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::camera_tuning::{CameraTuning, Touched};
use super::live::Live;
use super::tunable::{Changes, MAX_FPS, THRESHOLD, Tunable, ZONE, as_written, control_key};
use super::what_if::WhatIf;
use crate::contract::in_force::InForce;
use crate::contract::tuning::Tuning;
use crate::tracks::grouping::Grouping;

/// What the daemon is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PageOrder {
    /// These numbers count as if the settings file gave them.
    Settle(Tuning),
    /// These settings, and no others that the files may give meanwhile, are in force and saved.
    Saved(Box<Tunable>),
    /// The settings file has changed: start again with it.
    StartAgain,
}

/// Orders a new start where it is dropped: hyper does so with the head of the answer that has it.
struct NewStart(mpsc::UnboundedSender<PageOrder>);

impl Drop for NewStart {
    fn drop(&mut self) {
        // An error means that the daemon is ending.
        let _ = self.0.send(PageOrder::StartAgain);
    }
}

/// Counts what has happened to [`Trial`]. There is one trial, however many pages are open: one
/// that knows an older version of it would take back what somebody else tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Version(u64);

impl Version {
    /// As an entity tag (RFC 9110, 8.8.3). What is none of ours is of no version.
    pub(super) fn read(tag: &str) -> Self {
        Self(tag.trim_matches('"').parse().unwrap_or(u64::MAX))
    }
}

/// The settings as the file gives them, and what is tried instead.
pub(super) struct Trial {
    live: Arc<Live>,
    orders: mpsc::UnboundedSender<PageOrder>,
    told: Grouping,
    saved: Tunable,
    /// The settings that the daemon was started with. Other zones are a trial beside its own
    /// until it starts again, also those that are saved.
    running: Tunable,
    tried: Changes,
    touched: Touched,
}

impl Trial {
    pub(super) fn new(
        live: Arc<Live>,
        orders: mpsc::UnboundedSender<PageOrder>,
        told: Grouping,
        saved: Tunable,
    ) -> Self {
        let (tried, touched) = (Changes::new(), Touched::default());
        let running = saved.clone();
        Self { live, orders, told, saved, running, tried, touched }
    }

    /// What is tried now.
    pub(super) fn tried(&self) -> &Changes {
        &self.tried
    }

    /// Another one than before, if somebody has tried or saved something.
    pub(super) fn version(&self) -> Version {
        Version(self.live.tuned.load(Ordering::Relaxed))
    }

    /// Whether somebody has done so since the version that is `known`.
    pub(super) fn is_beyond(&self, known: Option<Version>) -> bool {
        known.is_some_and(|known| known != self.version())
    }

    fn step(&self) {
        self.live.tuned.fetch_add(1, Ordering::Relaxed);
    }

    /// The settings as the file gives them.
    pub(super) fn saved(&self) -> &Tunable {
        &self.saved
    }

    /// The values of the settings, and every key that the page shows.
    pub(super) fn values_and_keys(&self) -> (Changes, Vec<String>) {
        let mut values = self.saved.values();
        values.insert(ZONE.to_owned(), as_written(&self.saved.zone));
        let mut keys: Vec<String> = values.keys().cloned().collect();
        let controls = self.live.controls.borrow();
        let controls = controls.1.iter().map(|control| control_key(&control.name));
        keys.extend(controls.filter(|key| !values.contains_key(key)));
        (values, keys)
    }

    /// Tries `changes` instead of what was tried before, and says what the last minute
    /// would have been with them.
    ///
    /// # Errors
    ///
    /// In words: a value is impossible, a group or a command has set it, or it would show
    /// what a mask hides.
    pub(super) fn attempt(&mut self, changes: Changes) -> Result<WhatIf, String> {
        let tried = self.permitted(&changes)?;
        let in_force = self.live.status.borrow().as_ref().map(|now| now.in_force.clone());
        in_force.iter().try_for_each(|in_force| refuse_what_is_given(&changes, in_force))?;
        self.tried = changes;
        self.step();
        self.enforce(&tried);
        let history = self.live.history.lock().expect("no panic under this lock").clone();
        let ruled = |settings: &Tunable| match &in_force {
            Some(in_force) => settings.clone().ruled_by(in_force, &self.saved.zone),
            None => settings.clone(),
        };
        Ok(history.what_if(&self.told, &ruled(&self.saved), &ruled(&tried)))
    }

    /// `changes`, and the zones that are tried where these hide something and are not spoken
    /// of by whoever does not say which version they know: what somebody has just drawn a mask
    /// over stays hidden, unless all that is tried is taken back.
    pub(super) fn with_masks(&self, mut changes: Changes, known: Option<Version>) -> Changes {
        let zones = self.tried.get(ZONE).filter(|_| known.is_none() && !changes.is_empty());
        let hide = || self.saved.with(&self.tried).is_ok_and(|tried| tried.has_masks());
        if let Some(zones) = zones
            && !changes.contains_key(ZONE)
            && hide()
        {
            changes.insert(ZONE.to_owned(), zones.clone());
        }
        changes
    }

    /// The settings with `changes`.
    ///
    /// # Errors
    ///
    /// In words: a value is impossible, or it would show what a mask hides.
    fn permitted(&self, changes: &Changes) -> Result<Tunable, String> {
        let tried = self.saved.with(changes)?;
        self.saved.refuse_what_uncovers(&tried).map(|()| tried)
    }

    /// Tries `changes` before they are saved. What it gives is asked about the settings as
    /// they would be in the files: their owner may have drawn a mask there that the daemon
    /// has not read yet.
    ///
    /// # Errors
    ///
    /// As for [`attempt`](Self::attempt).
    pub(super) fn before_save(
        &mut self,
        changes: &Changes,
        known: Option<Version>,
    ) -> Result<impl Fn(&Tunable) -> Result<(), String> + Send + use<>, String> {
        self.attempt(self.with_masks(changes.clone(), known))?;
        let (saved, tried) = (self.saved.clone(), self.saved.with(changes)?);
        Ok(move |written: &Tunable| {
            // Of those that are tried, `attempt` has been asked.
            if written.zone == tried.zone {
                return Ok(());
            }
            let masked = Tunable { zone: written.zone.clone(), ..saved.clone() };
            masked.refuse_what_uncovers(&tried)
        })
    }

    /// `changes` are in the file now; somebody may be trying others since. Events and Home
    /// Assistant hear of other zones with a new start: what is told of them has its entities
    /// then, and nobody is told twice. Whether only a new start takes them over.
    pub(super) fn keep(&mut self, changes: &Changes) -> bool {
        self.step();
        // What they went with may have been taken back meanwhile: then only the files know.
        let Ok(saved) = self.saved.with(changes) else { return true };
        self.saved = saved;
        if self.tried == *changes {
            self.tried.clear();
        }
        let tried = self.permitted(&self.tried).unwrap_or_else(|_| {
            self.tried.clear();
            self.saved.clone()
        });
        self.enforce(&tried);
        self.tell_saved();
        changes.contains_key(ZONE) && self.saved.zone != self.running.zone
    }

    /// The file gives other settings now. Says whether only a new start takes them over: the
    /// zones, or what is no setting of the page's in these sections, such as `camera.source`,
    /// have changed.
    pub(super) fn replace(&mut self, saved: Tunable) -> bool {
        let same_elsewhere = self.saved.zone == saved.zone
            && self.saved.tuned_as(&saved).is_ok_and(|tuned| tuned == saved);
        self.step();
        self.tried.clear();
        // The camera was opened with them, so nobody has set them here.
        let before = std::mem::replace(&mut self.saved, saved.clone());
        self.touch(&before);
        self.enforce(&saved);
        self.tell_saved();
        !same_elsewhere
    }

    /// Nobody watches any more: whoever tried something has left it.
    pub(super) fn leave(&mut self) {
        if !self.tried.is_empty() {
            log::info!("page: nobody watches, what was tried and not saved is taken back");
            self.step();
            self.tried.clear();
            self.enforce(&self.saved.clone());
        }
    }

    /// Tells the daemon what it runs with. The files may give more than the page has taken over:
    /// what their owner wrote there since the start is not in force.
    fn tell_saved(&self) {
        // Where it does not go together, the daemon starts again, or stays with what it has.
        if let Ok(tuned) = self.running.tuned_as(&self.saved) {
            self.order(PageOrder::Saved(Box::new(tuned)));
        }
    }

    /// Starts the daemon again once this answer is on its way: the connection ends with the
    /// start. Nobody who waits for it any more holds that up.
    pub(super) fn start_after<T>(&self, mut answer: Response<T>) -> Response<T> {
        answer.extensions_mut().insert(Arc::new(NewStart(self.orders.clone())));
        answer
    }

    fn order(&self, order: PageOrder) {
        // An error means that the daemon is ending.
        let _ = self.orders.send(order);
    }

    fn enforce(&mut self, tried: &Tunable) {
        self.live.faces.send_replace(Some(tried.faces(&self.running.zone)));
        let camera = self.camera(tried);
        // The camera answers to what is new to it, and to nothing else.
        if self.live.camera.borrow().as_ref() != Some(&camera) {
            self.live.refused.send_replace(None);
            self.live.camera.send_replace(Some(camera));
        }
        self.order(PageOrder::Settle(tried.tuning()));
    }

    /// A control that is tried no more goes back to what it was.
    fn camera(&mut self, tried: &Tunable) -> CameraTuning {
        self.touch(tried);
        tried.camera(&self.saved, self.touched.clone())
    }

    /// Notes what the controls of `settings` go back to.
    fn touch(&mut self, settings: &Tunable) {
        let (opened, offers) = &*self.live.controls.borrow();
        self.touched.note(opened, offers, &settings.camera.controls);
    }
}

/// What a group or a command gives is not fought: the page says whose word counts.
fn refuse_what_is_given(changes: &Changes, in_force: &InForce) -> Result<(), String> {
    let given = [(THRESHOLD, &in_force.threshold), (MAX_FPS, &in_force.max_fps)];
    let given = given.into_iter().find(|(key, given)| {
        changes.get(*key).is_some_and(Value::is_number) && given.imposed().is_some()
    });
    match given {
        Some((key, given)) => Err(format!("{key} is given by {}", given.from)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
