//! One face's expression over time: smoothed, voted on, with hysteresis.
//!
//! A change is told when three things agree: the new class clearly leads the smoothed
//! shares, most of the last frames show it, and it has been so for a while. A single
//! wrong frame moves none of them far enough; that is the post-processing against
//! false positives. What is told is a class, or a group of them.

use std::collections::VecDeque;
use std::time::Duration;

use super::settings::Expression as Settings;

/// How much of a share is as good as nothing. A smoothed share nears 1 without reaching it: in
/// `f32` it stands still within a few 1e-7 of it, and a lead of 1 would never come back.
const SLACK: f32 = 1e-4;

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

/// An end that only the smoothed shares speak for, not the votes, takes so many frames in which
/// what is told is not clear: two frames may be wrong, at however few a second.
const UNCLEAR_FRAMES: u32 = 3;

/// How what is told has ceased to be clear enough to stay.
#[derive(Clone, Copy, Debug)]
struct Falling {
    since: Duration,
    /// In how many frames it was not, one after another.
    frames: u32,
    /// When it could have ended first.
    due: Option<Duration>,
}

/// State of one track's expression.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// For each class what it is told as.
    told_as: Vec<usize>,
    /// Smoothed share per class, summing to 1.
    classes: Vec<f32>,
    /// The same of what is told.
    shares: Vec<f32>,
    /// Shares of one frame of what is told.
    frame: Vec<f32>,
    votes: VecDeque<usize>,
    updated: Duration,
    /// The class told, and since when.
    current: Option<(usize, Duration)>,
    /// What would be told next, and since when it qualifies.
    rising: Option<(usize, Duration)>,
    /// While what is told is not clear enough to stay.
    falling: Option<Falling>,
}

impl Expression {
    /// Undecided, from monotonic time `now` on. `told_as` says for each class as what it is
    /// told, by numbers from 0 on without a gap.
    pub(crate) fn new(told_as: &[usize], now: Duration) -> Self {
        let told = told_as.iter().max().map_or(0, |last| last + 1);
        Self {
            told_as: told_as.to_vec(),
            classes: vec![0.0; told_as.len()],
            shares: vec![0.0; told],
            frame: vec![0.0; told],
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
        largest(&self.shares)
    }

    /// The smoothed share of a class, 0 to 1.
    pub(crate) fn share(&self, class: usize) -> f32 {
        self.shares[class]
    }

    /// The smoothed share of everything that is told (groups, where there are any).
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
        self.shares.fill(0.0);
        self.frame.fill(0.0);
        for ((smoothed, told), share) in self.classes.iter_mut().zip(&self.told_as).zip(shares) {
            *smoothed = keep * *smoothed + (1.0 - keep) * share;
            self.shares[*told] += *smoothed;
            self.frame[*told] += share;
        }
        let best = largest(&self.frame).0;
        if self.votes.len() >= settings.votes_of as usize {
            self.votes.pop_front();
        }
        self.votes.push_back(best);
        self.updated = now;
    }

    fn qualifies(&self, class: usize, settings: &Settings) -> bool {
        self.is_voted(class, settings) && self.is_clear(class, settings.enter)
    }

    fn is_voted(&self, class: usize, settings: &Settings) -> bool {
        let votes = self.votes.iter().filter(|vote| **vote == class).count();
        votes >= settings.votes as usize
    }

    fn stays(&self, class: usize, settings: &Settings) -> bool {
        self.is_clear(class, settings.leave)
    }

    /// At both limits the same is asked, or what noise carries over one of them would come and go.
    fn is_clear(&self, class: usize, lead: f32) -> bool {
        self.leads(class, lead) && self.is_judged(class, lead)
    }

    /// Whether it has this lead before its strongest rival: this part of what both have. Of
    /// two that is its share; of seven, 0.4 against 0.1 each is a lead of 0.8. A lead over
    /// next to nothing is none, so it needs a share as well.
    fn leads(&self, class: usize, lead: f32) -> bool {
        let others = self.shares.iter().enumerate().filter(|(other, _)| *other != class);
        let rival = others.map(|(_, share)| *share).fold(0.0, f32::max);
        let own = self.shares[class];
        own + SLACK >= lead * (own + rival) && own + SLACK >= lead * scale(self.shares.len())
    }

    /// Whether the model says anything: a profile or a covered mouth gives every class
    /// about the same share, and a group of many classes then has a large one. Of a group that
    /// it speaks for, one class stands out, or those outside it have clearly less than
    /// they have when nothing is known: who does not smile may be sad or angry.
    fn is_judged(&self, told: usize, lead: f32) -> bool {
        let count = self.classes.len();
        let (mut strongest, mut outside, mut rest) = (0.0_f32, 0, 0.0);
        for (group, share) in self.told_as.iter().zip(&self.classes) {
            if *group == told {
                strongest = strongest.max(*share);
            } else {
                (outside, rest) = (outside + 1, rest + share);
            }
        }
        let unknown = outside as f32 / count.max(1) as f32;
        // A group of all classes has none outside, and says as little as the model does.
        strongest + SLACK >= lead * scale(count) || rest < left_to_others(lead) * unknown
    }

    /// Ends what is told when it has not been clear enough to stay and nothing replaced it.
    fn fade(&mut self, now: Duration, hold: Duration, settings: &Settings) -> Option<Step> {
        let (class, since) = self.current?;
        if self.stays(class, settings) {
            self.falling = None;
            return None;
        }
        let nothing_yet = Falling { since: now, frames: 0, due: None };
        let mut falling = self.falling.unwrap_or(nothing_yet);
        falling.frames += 1;
        let is_over = now.saturating_sub(falling.since) >= hold
            && (falling.frames >= UNCLEAR_FRAMES || !self.is_voted(class, settings));
        falling.due = falling.due.or(is_over.then_some(now));
        self.falling = Some(falling);
        let due = falling.due?;
        // One that is being replaced does not end: it will change. What begins to rise later does
        // not count, or two others that take turns would keep it told for ever.
        if self.rising.is_some_and(|(_, since)| since <= due) {
            return None;
        }
        self.falling = None;
        self.current = None;
        Some(Step::Ended { class, lasted: falling.since.saturating_sub(since) })
    }
}

/// By how much smaller a share of many classes may be than of two to mean the same. The
/// square root keeps it above the share of each when nothing is known (1 / count), from
/// three classes on, and below what a clear one has: 0.65 of two is 0.35 of seven.
fn scale(count: usize) -> f32 {
    (2.0 / count.max(1) as f32).sqrt().min(1.0)
}

/// How much of what the classes outside a group have when nothing is known they may have beside
/// a group of this lead: 0.58 for 0.65, 0.80 for 0.45. The square keeps both below 1, and so far
/// apart that noise of 15 % does not carry a group from one to the other.
fn left_to_others(lead: f32) -> f32 {
    1.0 - lead * lead
}

/// The first of the largest values, with its number.
fn largest(values: &[f32]) -> (usize, f32) {
    let by_value = |a: &(usize, f32), b: &(usize, f32)| a.1.total_cmp(&b.1);
    values.iter().copied().enumerate().rev().max_by(by_value).unwrap_or((0, 0.0))
}

#[cfg(test)]
mod tests;
