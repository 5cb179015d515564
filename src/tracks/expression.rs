//! One face's expression over time: smoothed, voted on, with hysteresis.
//!
//! A change is told when three things agree: the smoothed share of the new class is
//! high, most of the last frames show it, and it has been so for a while. A single
//! wrong frame moves none of them far enough; that is the post-processing against
//! false positives.

use std::collections::VecDeque;
use std::time::Duration;

use super::settings::Expression as Settings;

/// What one frame did to the expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// It became clear.
    Started {
        /// The class.
        class: usize,
    },
    /// Another one took its place.
    Changed {
        /// The class before.
        from: usize,
        /// The class now.
        to: usize,
        /// How long the class before lasted.
        lasted: Duration,
    },
    /// It faded.
    Ended {
        /// The class.
        class: usize,
        /// How long it lasted.
        lasted: Duration,
    },
}

/// State of one track's expression.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// Smoothed share per class, summing to 1.
    shares: Vec<f32>,
    votes: VecDeque<usize>,
    updated: Duration,
    /// The class told, and since when.
    current: Option<(usize, Duration)>,
    /// The class that would be told next, and since when it qualifies.
    rising: Option<(usize, Duration)>,
    /// Since when the told class is below `leave`.
    falling: Option<Duration>,
}

impl Expression {
    /// Undecided, from monotonic time `now` on.
    pub(crate) fn new(class_count: usize, now: Duration) -> Self {
        Self {
            shares: vec![0.0; class_count],
            votes: VecDeque::new(),
            updated: now,
            current: None,
            rising: None,
            falling: None,
        }
    }

    /// The class told now, with its smoothed share.
    pub(crate) fn current(&self) -> Option<(usize, f32)> {
        self.current.map(|(class, _)| (class, self.shares[class]))
    }

    /// The class that leads, told or not, with its smoothed share.
    pub(crate) fn leading(&self) -> (usize, f32) {
        let by_share = |a: &(usize, f32), b: &(usize, f32)| a.1.total_cmp(&b.1);
        self.shares.iter().copied().enumerate().max_by(by_share).unwrap_or((0, 0.0))
    }

    /// The smoothed share of a class, 0 to 1.
    pub(crate) fn share(&self, class: usize) -> f32 {
        self.shares[class]
    }

    /// The smoothed share of every class, in the model's order.
    pub(crate) fn shares(&self) -> &[f32] {
        &self.shares
    }

    /// Takes back what was told, so that it will be told again if it still holds.
    pub(crate) fn forget(&mut self) {
        self.current = None;
        self.falling = None;
    }

    /// Takes in the shares that one frame gives the classes.
    pub(crate) fn update(
        &mut self,
        now: Duration,
        shares: impl Iterator<Item = f32>,
        settings: &Settings,
    ) -> Option<Step> {
        self.smooth(now, shares, settings);
        let (class, _) = self.leading();
        let hold = Duration::from_secs_f32(settings.hold_s);
        self.rising = match self.rising {
            _ if !self.qualifies(class, settings) => None,
            Some((rising, since)) if rising == class => Some((rising, since)),
            _ => Some((class, now)),
        };
        if let Some((class, since)) = self.rising
            && self.current.is_none_or(|(current, _)| current != class)
            && now.saturating_sub(since) >= hold
        {
            self.falling = None;
            let before = self.current.replace((class, since));
            return Some(match before {
                None => Step::Started { class },
                Some((from, began)) => {
                    Step::Changed { from, to: class, lasted: since.saturating_sub(began) }
                }
            });
        }
        self.fade(now, hold, settings)
    }

    /// Ends the told expression, because the face is gone.
    pub(crate) fn end(&mut self, now: Duration) -> Option<Step> {
        let (class, since) = self.current.take()?;
        Some(Step::Ended { class, lasted: now.saturating_sub(since) })
    }

    /// Exponential smoothing by elapsed time, so that the frame rate does not matter.
    fn smooth(&mut self, now: Duration, shares: impl Iterator<Item = f32>, settings: &Settings) {
        let dt = now.saturating_sub(self.updated).as_secs_f32();
        let first = self.votes.is_empty();
        let keep = if first || settings.smoothing_s <= 0.0 {
            0.0
        } else {
            (-dt / settings.smoothing_s).exp()
        };
        let (mut best, mut highest) = (0, f32::MIN);
        for (class, (smoothed, share)) in self.shares.iter_mut().zip(shares).enumerate() {
            *smoothed = keep * *smoothed + (1.0 - keep) * share;
            if share > highest {
                (best, highest) = (class, share);
            }
        }
        if self.votes.len() >= settings.votes_of as usize {
            self.votes.pop_front();
        }
        self.votes.push_back(best);
        self.updated = now;
    }

    fn qualifies(&self, class: usize, settings: &Settings) -> bool {
        let votes = self.votes.iter().filter(|vote| **vote == class).count();
        self.shares[class] >= settings.enter && votes >= settings.votes as usize
    }

    /// Ends the told class when it has stayed below `leave` and nothing replaced it.
    fn fade(&mut self, now: Duration, hold: Duration, settings: &Settings) -> Option<Step> {
        let (class, since) = self.current?;
        // one that is being replaced does not end: it will change
        if self.shares[class] >= settings.leave || self.rising.is_some() {
            self.falling = None;
            return None;
        }
        let falling = *self.falling.get_or_insert(now);
        if now.saturating_sub(falling) < hold {
            return None;
        }
        self.falling = None;
        self.current = None;
        Some(Step::Ended { class, lasted: falling.saturating_sub(since) })
    }
}
