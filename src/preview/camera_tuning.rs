//! What the camera is to do differently while somebody tries it.

use crate::pixels::frame::Orientation;
use crate::source::Opened;
use crate::source::controls::{ControlOffer, ControlValues};

/// What the capture thread takes over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CameraTuning {
    pub orientation: Orientation,
    pub controls: ControlValues,
    /// Those of them that are saved.
    pub saved: ControlValues,
    /// Those that are tried no more go back to these.
    pub touched: Touched,
}

/// Controls that were changed on the page, as they were before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Touched {
    /// Of this camera: another one need not have them, or have such values.
    of: Opened,
    values: ControlValues,
}

impl CameraTuning {
    /// What is set on the camera that is open.
    pub(crate) fn controls_for(&self, opened: &Opened) -> ControlValues {
        self.touched.below(&self.controls, opened)
    }

    /// What is set on it before it is closed.
    pub(crate) fn controls_to_leave(&self, opened: &Opened) -> ControlValues {
        self.touched.below(&self.saved, opened)
    }
}

impl Touched {
    /// `set`, and what else was touched as it was before, if `opened` is the camera it is of.
    fn below(&self, set: &ControlValues, opened: &Opened) -> ControlValues {
        let is_its = self.of.is_same_camera(opened);
        let mut all = if is_its { self.values.clone() } else { ControlValues::new() };
        all.extend(set.clone());
        all
    }

    /// Notes what a control of the open camera is where nobody sets it, before it is set for the
    /// first time.
    pub(super) fn note(&mut self, opened: &Opened, offers: &[ControlOffer], set: &ControlValues) {
        if !self.of.is_same_camera(opened) {
            *self = Self { of: opened.clone(), values: ControlValues::new() };
        }
        for control in offers.iter().filter(|control| set.contains_key(&control.name)) {
            self.values.entry(control.name.clone()).or_insert_with(|| control.value.clone());
        }
    }
}
