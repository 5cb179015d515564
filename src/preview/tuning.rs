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
use crate::zones;

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
    /// The zones that the daemon was started with: others are a trial beside them until it
    /// starts again, also those that are saved.
    running: Vec<zones::Settings>,
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
        let running = saved.zone.clone();
        Self { live, orders, told, saved, running, tried, tries: 0, touched }
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
        let tried = self.permitted(&changes)?;
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
    ) -> Result<impl Fn(&Tunable) -> Result<(), String> + Send + use<>, String> {
        self.attempt(changes.clone())?;
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
    /// then, and nobody is told twice.
    pub(super) fn keep(&mut self, changes: &Changes) {
        match self.saved.with(changes) {
            Ok(saved) => self.saved = saved,
            // What they went with was taken back meanwhile: only the files know.
            Err(_) => return self.start_again(),
        }
        if self.tried == *changes {
            self.tried.clear();
        }
        let tried = self.permitted(&self.tried).unwrap_or_else(|_| {
            self.tried.clear();
            self.saved.clone()
        });
        self.enforce(&tried);
        if changes.contains_key(ZONE) {
            self.start_again();
        }
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
        self.live.faces.send_replace(Some(tried.faces(&self.running)));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::preview::Settings;

    fn changes(value: Value) -> Changes {
        serde_json::from_value(value).expect("an object")
    }

    fn tuning() -> (Tuning, mpsc::Receiver<PageOrder>) {
        let (orders, ordered) = mpsc::channel(16);
        let live = Arc::new(Live::new(&Settings::default(), false));
        let told = Grouping::none(&["happy".to_owned(), "not_happy".to_owned()]);
        (Tuning::new(live, orders, told, Tunable::default()), ordered)
    }

    /// The threshold that was ordered last, and whether a new start was.
    fn ordered(orders: &mut mpsc::Receiver<PageOrder>) -> (Option<f32>, bool) {
        let (mut threshold, mut again) = (None, false);
        while let Ok(order) = orders.try_recv() {
            match order {
                PageOrder::Settle(tuning) => threshold = tuning.threshold,
                PageOrder::StartAgain => again = true,
            }
        }
        (threshold, again)
    }

    fn mask() -> Value {
        json!([{ "name": "left", "kind": "mask", "points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]] }])
    }

    #[test]
    fn what_was_written_is_taken_over_whatever_is_tried_meanwhile() {
        let written = changes(json!({ THRESHOLD: 0.5 }));
        let other = changes(json!({ "expression.hold_s": 3.0 }));
        for meanwhile in [Some(&other), None] {
            let (mut tuning, mut orders) = tuning();
            let _permit = tuning.before_save(&written).expect("possible");
            match meanwhile {
                Some(other) => {
                    tuning.attempt(other.clone()).expect("possible");
                }
                None => tuning.leave(),
            }
            tuning.keep(&written);
            assert_eq!(tuning.saved(), &Tunable::default().with(&written).expect("possible"));
            assert_eq!(tuning.tried(), meanwhile.unwrap_or(&Changes::new()));
            assert_eq!(ordered(&mut orders), (Some(0.5), false));
            let faces = tuning.live.faces.borrow().clone().expect("told");
            assert_eq!(faces.expression.hold_s == 3.0, meanwhile.is_some());
        }
    }

    #[test]
    fn what_does_not_go_with_what_was_written_is_tried_no_more() {
        let (mut tuning, _orders) = tuning();
        let written = changes(json!({ ZONE: mask() }));
        let _permit = tuning.before_save(&written).expect("possible");
        tuning.attempt(changes(json!({ "camera.rotate": 180 }))).expect("no mask yet");
        tuning.keep(&written);
        assert!(tuning.tried().is_empty());
        let camera = tuning.live.camera.borrow().clone().expect("told");
        assert_eq!(camera.orientation.quarter_turns, 0);
    }

    #[test]
    fn zones_that_were_saved_hold_until_the_new_start() {
        let (mut tuning, mut orders) = tuning();
        let written = changes(json!({ ZONE: mask() }));
        let _permit = tuning.before_save(&written).expect("possible");
        tuning.keep(&written);
        tuning.attempt(changes(json!({ THRESHOLD: 0.6 }))).expect("possible");
        let faces = tuning.live.faces.borrow().clone().expect("told");
        assert_eq!(faces.zones.expect("beside those of the start")[0].name, "left");
        assert_eq!(ordered(&mut orders), (Some(0.6), true));
    }

    #[test]
    fn a_mask_that_is_only_in_the_files_is_asked_before_a_turn_is_saved() {
        let (mut tuning, _orders) = tuning();
        let masked = |changes: &Changes| {
            let mut written = Tunable::default().with(changes).expect("possible");
            written.zone = serde_json::from_value(mask()).expect("zones");
            written
        };
        let turn = changes(json!({ "camera.rotate": 180 }));
        let permit = tuning.before_save(&turn).expect("no mask is known");
        assert!(permit(&masked(&turn)).expect_err("refused").starts_with("camera.rotate"));
        assert_eq!(permit(&Tunable::default().with(&turn).expect("possible")), Ok(()));
        let gain = changes(json!({ "camera.controls.gain": 3 }));
        assert_eq!(tuning.before_save(&gain).expect("possible")(&masked(&gain)), Ok(()));
        // Drawn in the picture as it is turned now.
        let both = changes(json!({ "camera.rotate": 180, ZONE: mask() }));
        assert_eq!(tuning.before_save(&both).expect("possible")(&masked(&both)), Ok(()));
    }

    #[test]
    fn why_a_camera_refuses_is_told_until_it_is_asked_for_something_else() {
        let (mut tuning, _orders) = tuning();
        let mut attempt = |value: Value| {
            tuning.attempt(changes(value)).expect("possible");
            Arc::clone(&tuning.live)
        };
        let live = attempt(json!({ "camera.controls.gain": 300 }));
        live.refused.send_replace(Some("gain: 255 at most".to_owned()));
        attempt(json!({ "camera.controls.gain": 300, THRESHOLD: 0.6 }));
        assert!(live.refused.borrow().is_some());
        attempt(json!({ "camera.controls.gain": 200 }));
        assert!(live.refused.borrow().is_none());
    }
}
