//! What other settings would have made of the last minute: the detections of that minute
//! are kept, and a second tracker looks at them.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::tunable::Tunable;
use crate::detector::Detection;
use crate::tracks::{Change, ChangeKind, Tracker};

/// How far back it goes.
const MINUTE: Duration = Duration::from_secs(60);
/// More looks than a minute has at the highest rate that is of use.
const MOST: usize = 60 * 30;

/// What the detector found in the last minute, look by look.
#[derive(Debug, Default)]
pub(crate) struct History {
    looks: VecDeque<(Duration, Vec<Detection>)>,
}

/// What a tracker makes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// Faces that appeared.
    faces: usize,
    /// Expressions that began or changed.
    expressions: usize,
}

/// The same minute, looked at twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct WhatIf {
    /// How many seconds are known.
    seconds: u64,
    /// As it was before anything was tried.
    before: Outcome,
    /// With what is tried.
    after: Outcome,
}

impl History {
    /// Takes in a look at monotonic time `at`.
    pub(crate) fn looked(&mut self, at: Duration, detections: &[Detection]) {
        self.looks.push_back((at, detections.to_vec()));
        let old = |looks: &VecDeque<(Duration, _)>| {
            looks.len() > MOST
                || looks.front().is_some_and(|(first, _)| at.saturating_sub(*first) > MINUTE)
        };
        while old(&self.looks) {
            self.looks.pop_front();
        }
    }

    /// The minute with two settings.
    pub(crate) fn what_if(&self, classes: usize, before: &Tunable, after: &Tunable) -> WhatIf {
        let span = self.looks.front().zip(self.looks.back());
        let seconds =
            span.map_or(0, |((first, _), (last, _))| last.saturating_sub(*first).as_secs());
        WhatIf {
            seconds,
            before: self.outcome(classes, before),
            after: self.outcome(classes, after),
        }
    }

    fn outcome(&self, classes: usize, with: &Tunable) -> Outcome {
        let mut tracker = Tracker::new(with.tracking.clone(), with.expression.clone(), classes);
        let (mut outcome, mut changes) = (Outcome::default(), Vec::new());
        for (at, detections) in &self.looks {
            tracker.update(*at, detections, &mut changes);
            changes.drain(..).for_each(|change| outcome.count(&change));
        }
        outcome
    }
}

impl Outcome {
    fn count(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::FaceAppeared => self.faces += 1,
            ChangeKind::ExpressionStarted | ChangeKind::ExpressionChanged(_) => {
                self.expressions += 1;
            }
            ChangeKind::ExpressionEnded | ChangeKind::FaceLeft => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    fn face(confidence: f32) -> Detection {
        Detection { rect: Rect::new(10.0, 10.0, 50.0, 50.0), class: 0, confidence }
    }

    #[test]
    fn a_lower_threshold_would_have_seen_the_doubtful_face() {
        let mut history = History::default();
        for look in 0..100u64 {
            history.looked(Duration::from_millis(200 * look), &[face(0.6)]);
        }
        let now = Tunable::default();
        let mut tried = now.clone();
        tried.tracking.start_confidence = 0.5;
        let seen = history.what_if(2, &now, &tried);
        assert_eq!(seen.before, Outcome { faces: 0, expressions: 0 });
        assert_eq!(seen.after, Outcome { faces: 1, expressions: 1 });
        assert_eq!(seen.seconds, 19);
    }

    #[test]
    fn only_the_last_minute_is_kept() {
        let mut history = History::default();
        for look in 0..200 {
            history.looked(Duration::from_secs(look), &[face(0.9)]);
        }
        assert_eq!(history.looks.len(), 61);
        let now = Tunable::default();
        assert_eq!(history.what_if(2, &now, &now).seconds, 60);
        (0..2 * MOST).for_each(|_| history.looked(Duration::from_secs(200), &[]));
        assert_eq!(history.looks.len(), MOST);
    }
}
