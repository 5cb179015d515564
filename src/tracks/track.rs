//! One track: a face, or what may be one, from frame to frame, and what is told of it.

use std::time::Duration;

use super::expression::{Expression, Step};
use super::face::Face;
use super::kalman::Motion;
use super::settings::{Expression as ExpressionSettings, Tracking as TrackingSettings};
use crate::geometry::Rect;

/// What may be a face is forgotten when it was looked for in vain for longer than this: a
/// blink of the detector.
pub(super) const TENTATIVE_LOST: Duration = Duration::from_millis(400);
/// A look that does not find a face speaks for so much of the time before it in which the
/// face was not looked for: what is looked at seldom is not lost by one look, nor forgotten.
const SPEAKS_FOR: Duration = TENTATIVE_LOST;

/// Something worth telling about one face.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Number of the track, unique within a [`Tracker`](super::Tracker), from 1.
    pub track: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// Where the face is, or was seen last, in pixels of the frame.
    pub rect: Rect,
    /// The class, or the group, that it is about; before an expression was told, the one
    /// that leads.
    pub class: usize,
    /// Of that class: its smoothed share of belief, 0 to 1.
    pub confidence: f32,
    /// How long what ended lasted; zero for what begins.
    pub lasted: Duration,
}

/// What happened to a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was followed for `tracking.confirm_s`.
    FaceAppeared,
    /// An expression held for `expression.hold_s`.
    ExpressionStarted,
    /// From the class given.
    ExpressionChanged(usize),
    /// Its expression faded, or it left.
    ExpressionEnded,
    /// It was unseen for `tracking.lost_s`.
    FaceLeft,
}

/// A face that is followed, as it stands now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackedFace {
    /// Number of the track, as in [`Change`].
    pub track: u64,
    /// Where it is, in pixels of the frame.
    pub rect: Rect,
    /// The class told, with its smoothed share; none while undecided.
    pub expression: Option<(usize, f32)>,
    /// How long the face has been there.
    pub age: Duration,
    /// How long it has not been seen: meanwhile `rect` is where it should be by now.
    pub unseen: Duration,
}

/// A face that is followed, or what may be one.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) motion: Motion,
    /// Where it was when it was seen last.
    seen: Rect,
    pub(super) expression: Expression,
    pub(super) first: Duration,
    pub(super) last: Duration,
    /// When it was last looked for.
    pub(super) looked: Duration,
    /// For how long it was looked for since then and not found.
    pub(super) unseen: Duration,
    pub(super) hits: u32,
    pub(super) confirmed: bool,
}

impl Track {
    /// Begins at `rect` where something was seen that is told as `told_as` says.
    pub(super) fn new(number: u64, rect: Rect, told_as: &[usize], now: Duration) -> Self {
        Self {
            number,
            motion: Motion::new(rect, now),
            seen: rect,
            expression: Expression::new(told_as, now),
            first: now,
            last: now,
            looked: now,
            unseen: Duration::ZERO,
            hits: 0,
            confirmed: false,
        }
    }

    pub(super) fn see(
        &mut self,
        now: Duration,
        face: &Face,
        tracking: &TrackingSettings,
        settings: &ExpressionSettings,
        out: &mut Vec<Change>,
    ) {
        self.motion.correct(face.rect);
        self.seen = self.motion.rect();
        (self.last, self.looked, self.unseen) = (now, now, Duration::ZERO);
        self.hits += 1;
        let step = self.expression.update(now, face.shares(), settings);
        if !self.confirmed {
            let long = now.saturating_sub(self.first).as_secs_f32() >= tracking.confirm_s;
            self.confirmed = long && self.hits >= tracking.confirm_frames;
            if !self.confirmed {
                // A tentative track may be a curtain, so its expression is not told; it is
                // told anew, with `FaceAppeared` before it, once the face is confirmed.
                self.expression.forget();
                return;
            }
            out.push(self.change(ChangeKind::FaceAppeared, Duration::ZERO));
        }
        if let Some(step) = step {
            out.push(self.step(step));
        }
    }

    /// Takes in that it was looked for at `now` and not found; the frame before was taken
    /// `interval` ago.
    pub(super) fn miss(&mut self, now: Duration, interval: Duration) {
        let pause = now.saturating_sub(self.looked);
        self.unseen += pause.min(interval.max(SPEAKS_FOR));
        self.looked = now;
    }

    /// Durations and places end when the face was last seen, not when its time was up.
    pub(super) fn leave(mut self, out: &mut Vec<Change>) {
        if !self.confirmed {
            return;
        }
        if let Some(step) = self.expression.end(self.last) {
            out.push(self.step(step));
        }
        out.push(self.change(ChangeKind::FaceLeft, self.last.saturating_sub(self.first)));
    }

    fn step(&self, step: Step) -> Change {
        let (kind, class, lasted) = match step {
            Step::Started { class } => (ChangeKind::ExpressionStarted, class, Duration::ZERO),
            Step::Changed { from, to, lasted } => (ChangeKind::ExpressionChanged(from), to, lasted),
            Step::Ended { class, lasted } => (ChangeKind::ExpressionEnded, class, lasted),
        };
        let confidence = self.expression.share(class);
        Change { class, confidence, ..self.change(kind, lasted) }
    }

    fn change(&self, kind: ChangeKind, lasted: Duration) -> Change {
        let (class, confidence) =
            self.expression.current().unwrap_or_else(|| self.expression.leading());
        Change { track: self.number, kind, rect: self.seen, class, confidence, lasted }
    }

    pub(super) fn as_tracked_face(&self, now: Duration) -> TrackedFace {
        TrackedFace {
            track: self.number,
            rect: self.motion.rect(),
            expression: self.expression.current(),
            age: now.saturating_sub(self.first),
            unseen: now.saturating_sub(self.last),
        }
    }
}
