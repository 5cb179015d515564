//! What is tried and not yet saved: takes effect at once, and is taken back when nobody
//! watches any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::live::Live;
use super::tunable::{CameraTuning, Changes, MAX_FPS, THRESHOLD, Tunable, ZONE, as_written};
use super::what_if::WhatIf;
use crate::contract::in_force::InForce;
use crate::contract::tuning;
use crate::source::controls::ControlValue;
use crate::tracks::grouping::Grouping;

/// What the daemon is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PageOrder {
    /// These numbers count as if the settings file gave them.
    Settle(tuning::Tuning),
    /// The settings file has changed: start again with it.
    StartAgain,
}

/// The settings as the file gives them, and what is tried instead.
pub(super) struct Tuning {
    live: Arc<Live>,
    orders: mpsc::Sender<PageOrder>,
    told: Grouping,
    saved: Tunable,
    tried: Changes,
    /// Counts attempts.
    tries: u64,
    /// Controls that were changed here, as they were before.
    touched: BTreeMap<String, ControlValue>,
}

impl Tuning {
    pub(super) fn new(
        live: Arc<Live>,
        orders: mpsc::Sender<PageOrder>,
        told: Grouping,
        saved: Tunable,
    ) -> Self {
        let (tried, touched) = (Changes::new(), BTreeMap::new());
        Self { live, orders, told, saved, tried, tries: 0, touched }
    }

    /// What is tried now.
    pub(super) fn tried(&self) -> &Changes {
        &self.tried
    }

    /// How often something was tried: more than before, if somebody still does.
    pub(super) fn tries(&self) -> u64 {
        self.tries
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
        let controls = controls.iter().map(|control| format!("camera.controls.{}", control.name));
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
        let tried = self.saved.with(&changes)?;
        self.saved.refuse_what_uncovers(&tried)?;
        let in_force = self.live.status.borrow().as_ref().map(|now| now.in_force.clone());
        in_force.iter().try_for_each(|in_force| refuse_what_is_given(&changes, in_force))?;
        self.tried = changes;
        self.tries += 1;
        self.enforce(&tried);
        let history = self.live.history.lock().expect("no panic under this lock").clone();
        let ruled = |settings: &Tunable| match &in_force {
            Some(in_force) => settings.clone().ruled_by(in_force),
            None => settings.clone(),
        };
        Ok(history.what_if(&self.told, &ruled(&self.saved), &ruled(&tried)))
    }

    /// What is tried is in the file now. Events and Home Assistant hear of other zones with
    /// a new start: what is told of them has its entities then, and nobody is told twice.
    pub(super) fn keep(&mut self) {
        if self.tried.contains_key(ZONE) {
            self.start_again();
        }
        if let Ok(saved) = self.saved.with(&self.tried) {
            self.saved = saved;
        }
        self.tried.clear();
    }

    /// The file gives other settings now. Says whether only a new start takes them over: what
    /// is no setting of the page's in these sections, such as `camera.source`, has changed.
    pub(super) fn replace(&mut self, saved: Tunable) -> bool {
        let values = saved.values();
        let same_elsewhere = self.saved.with(&values).is_ok_and(|mut tuned| {
            // Controls that are in the file no more go back by themselves.
            tuned.camera.controls.clone_from(&saved.camera.controls);
            tuned == saved
        });
        self.tried.clear();
        self.saved = saved.clone();
        self.enforce(&saved);
        !same_elsewhere
    }

    /// Nobody watches any more: whoever tried something has left it.
    pub(super) fn leave(&mut self) {
        if !self.tried.is_empty() {
            log::info!("page: nobody watches, what was tried and not saved is taken back");
            self.tried.clear();
            self.enforce(&self.saved.clone());
        }
    }

    pub(super) fn start_again(&self) {
        self.order(PageOrder::StartAgain);
    }

    fn order(&self, order: PageOrder) {
        if self.orders.try_send(order).is_err() {
            log::warn!("page: the daemon is busy and did not hear {order:?}");
        }
    }

    fn enforce(&mut self, tried: &Tunable) {
        self.live.faces.send_replace(Some(tried.faces(&self.saved)));
        let camera = self.camera(tried);
        self.live.refused.send_replace(None);
        self.live.camera.send_replace(Some(camera));
        self.order(PageOrder::Settle(tried.tuning()));
    }

    /// A control that is tried no more goes back to what it was.
    fn camera(&mut self, tried: &Tunable) -> CameraTuning {
        for control in self.live.controls.borrow().iter() {
            if tried.camera.controls.contains_key(&control.name) {
                self.touched.entry(control.name.clone()).or_insert_with(|| control.value.clone());
            }
        }
        let CameraTuning { orientation, controls } = tried.camera();
        let mut all = self.touched.clone();
        all.extend(controls);
        CameraTuning { orientation, controls: all }
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
