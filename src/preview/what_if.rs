//! What other settings would have made of the last minute: the detections of that minute
//! are kept, and a second tracker looks at them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::tunable::Tunable;
use crate::attention::Findings;
use crate::geometry::Rect;
use crate::tracks::grouping::Grouping;
use crate::tracks::{Change, ChangeKind, Filter, Tracker};
use crate::zones::Zones;

/// How far back it goes.
const MINUTE: Duration = Duration::from_secs(60);
/// More looks than a minute has at the highest rate that is of use.
const MOST: usize = 60 * 30;

/// What the detector found in the last minute, look by look.
///
/// Clones share the detections, so one is made in microseconds: whoever asks what would have
/// been looks at a clone, and the thread that looks at frames does not wait for that.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    looks: VecDeque<Look>,
}

#[derive(Clone, Debug)]
struct Look {
    at: Duration,
    findings: Arc<Findings>,
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
    pub(crate) fn looked(&mut self, at: Duration, findings: &Findings) {
        self.looks.push_back(Look { at, findings: Arc::new(findings.clone()) });
        let old = |looks: &VecDeque<Look>| {
            looks.len() > MOST
                || looks.front().is_some_and(|first| at.saturating_sub(first.at) > MINUTE)
        };
        while old(&self.looks) {
            self.looks.pop_front();
        }
    }

    /// The minute with two settings.
    pub(crate) fn what_if(&self, told: &Grouping, before: &Tunable, after: &Tunable) -> WhatIf {
        let span = self.looks.front().zip(self.looks.back());
        let seconds = span.map_or(0, |(first, last)| last.at.saturating_sub(first.at).as_secs());
        WhatIf { seconds, before: self.outcome(told, before), after: self.outcome(told, after) }
    }

    fn outcome(&self, told: &Grouping, with: &Tunable) -> Outcome {
        let (tracking, expression) = (with.tracking.clone(), with.expression.clone());
        let classes = told.of_class().len();
        let mut tracker = Tracker::new(tracking, expression, classes).telling(told);
        let zones = Zones::new(&with.zone);
        let (mut outcome, mut changes) = (Outcome::default(), Vec::new());
        for Look { at, findings } in &self.looks {
            let filter = Filter {
                looked: |face: &Rect| findings.covers(face),
                admission: |face: &Rect| with.tracking.admission(face, findings.picture, &zones),
            };
            tracker.update_where(*at, &findings.detections, &filter, &mut changes);
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
    use crate::attention::look::Inputs;
    use crate::detector::Detection;
    use crate::geometry::Size;
    use crate::tracks::grouping::Groups;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn two() -> Grouping {
        Grouping::none(&words("happy not_happy"))
    }

    /// A face of a tenth of the picture's height.
    fn face(confidence: f32) -> Findings {
        let face = Detection { rect: Rect::new(10.0, 10.0, 50.0, 50.0), class: 0, confidence };
        Findings::of_all(vec![face], Size::new(640, 500))
    }

    /// Twenty seconds of looks at it.
    fn looks_at_a_face(confidence: f32) -> History {
        let mut history = History::default();
        for look in 0..100u64 {
            history.looked(Duration::from_millis(200 * look), &face(confidence));
        }
        history
    }

    #[test]
    fn a_lower_threshold_would_have_seen_the_doubtful_face() {
        let history = looks_at_a_face(0.6);
        let now = Tunable::default();
        let mut tried = now.clone();
        tried.tracking.start_confidence = 0.5;
        let seen = history.what_if(&two(), &now, &tried);
        assert_eq!(seen.before, Outcome { faces: 0, expressions: 0 });
        assert_eq!(seen.after, Outcome { faces: 1, expressions: 1 });
        assert_eq!(seen.seconds, 19);
    }

    /// More classes than are told: those behind them are faces as well.
    #[test]
    fn a_group_of_six_classes_is_told_of_each() {
        let groups = Groups::Named(words("happy not_happy"));
        let seven = words("neutral happy sad surprise fear disgust anger");
        let told = Grouping::resolve(&groups, &seven, &Default::default()).unwrap();
        let mut history = History::default();
        for look in 0..100u64 {
            let mut seen = face(0.9);
            seen.detections[0].class = if look < 50 { 1 } else { 2 + look as usize % 5 };
            history.looked(Duration::from_millis(200 * look), &seen);
        }
        let now = Tunable::default();
        let seen = history.what_if(&told, &now, &now);
        assert_eq!(seen.before, Outcome { faces: 1, expressions: 2 });
    }

    /// Its turn comes once a second; in between somebody else is looked at.
    #[test]
    fn a_face_that_was_not_looked_at_was_not_missed() {
        let inputs = Inputs::sized(Size::new(288, 192), Size::new(128, 128));
        let mut history = History::default();
        for frame in 0..100u64 {
            let mut seen = face(0.9);
            let mut place = seen.detections[0].rect;
            if frame % 5 > 0 {
                seen.detections.clear();
                place.x += 300.0;
            }
            seen.looks = vec![inputs.face(&place, seen.picture)];
            history.looked(Duration::from_millis(200 * frame), &seen);
        }
        let now = Tunable::default();
        assert_eq!(history.what_if(&two(), &now, &now).before.faces, 1);
    }

    #[test]
    fn a_smallest_face_would_have_passed_over_the_one_far_away() {
        let history = looks_at_a_face(0.9);
        let now = Tunable::default();
        let mut tried = now.clone();
        tried.tracking.smallest_face = 0.11;
        let seen = history.what_if(&two(), &now, &tried);
        assert_eq!((seen.before.faces, seen.after.faces), (1, 0));
    }

    #[test]
    fn behind_a_mask_nobody_would_have_been_seen() {
        let history = looks_at_a_face(0.9);
        let now = Tunable::default();
        let mut tried = now.clone();
        let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
        let kind = crate::zones::Kind::Mask;
        let mask = crate::zones::Settings { name: "tv".into(), kind, points: left, enabled: true };
        tried.zone = vec![mask];
        let seen = history.what_if(&two(), &now, &tried);
        assert_eq!((seen.before.faces, seen.after.faces), (1, 0));
    }

    #[test]
    fn only_the_last_minute_is_kept() {
        let mut history = History::default();
        for look in 0..200 {
            history.looked(Duration::from_secs(look), &face(0.9));
        }
        assert_eq!(history.looks.len(), 61);
        let now = Tunable::default();
        assert_eq!(history.what_if(&two(), &now, &now).seconds, 60);
        (0..2 * MOST).for_each(|_| history.looked(Duration::from_secs(200), &Findings::default()));
        assert_eq!(history.looks.len(), MOST);
    }
}
