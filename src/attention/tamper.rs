//! Whether a camera still shows what it is meant to show: a lens that is covered, a
//! picture that stands still, a camera that was turned away.
//!
//! Pure: the clock and the small picture of a glance ([`Scene`], 16 x 16 brightnesses)
//! come in, what is wrong comes out. All of it is told from the logarithm of brightness,
//! in which more light or a longer exposure adds the same everywhere and drops out of
//! every difference. `docs/design/cameras.md` has the pictures that the limits were
//! measured on, and what cannot be told: a dark room from a black cover above all.

use std::time::Duration;

use super::darkness::DARK;
use super::lasting::{GAP, Lasting};
use crate::pixels::scene::{CELLS, Cells, SIDE, Scene};

/// What is wrong with the picture, though frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
    /// The same picture again and again, down to the sensor's noise.
    Frozen,
    /// Something lies on the lens or stands right before it: nothing has an edge.
    Covered,
    /// The camera looks elsewhere than before.
    Turned,
}

/// Detail, by [`detail`], below which nothing has an edge. Of 250 photographs of rooms and
/// streets the poorest had 0.09; evenly and unevenly lit cloth with noise at most 0.055.
const FLAT: f32 = 0.06;
/// Detail from which a lens is free again.
const STRUCTURED: f32 = 0.09;
/// A hand that adjusts the camera is gone by then.
const COVERED_FOR: Duration = Duration::from_secs(30);
/// Who takes longer than this from the one to the other is fog, frost or a sunset.
const SUDDEN: Duration = Duration::from_secs(10);

/// A sensor's noise changes some of 9,000 samples in every frame. A video encoder in
/// between (a network camera through ffmpeg) repeats a still picture until its next key
/// frame, ten seconds at most in what cameras ship with.
const FROZEN_FOR: Duration = Duration::from_secs(60);
/// One frame that differs is a decoder's slip.
const ALIVE_FOR: Duration = Duration::from_secs(2);
/// Sizes that a compressed frame of one camera is decoded to: all of it, a half, a quarter and an
/// eighth.
const SCALES: usize = 4;

/// Share of the regions that keep their pattern, by [`likeness`], up to which the view is
/// another one. Two different places share at most this in 95 of 100 pairs; a place in
/// other light, in infrared or with people in it shares more.
const STRANGE: f32 = 0.15;
/// Share from which it is the same view.
const KNOWN: f32 = 0.35;
/// Who stands that close before the camera moves within this time.
const TURNED_FOR: Duration = Duration::from_secs(30);
/// A view that was so long the only one is what the camera is meant to show.
const ACCEPTED_AFTER: Duration = Duration::from_secs(3600);
/// For how long a free lens or a known view must be seen until all is well.
const BACK_FOR: Duration = Duration::from_secs(5);
/// How fast a view follows the light of the day.
const FOLLOWS: Duration = Duration::from_secs(600);
/// Views that are remembered with colour, and in the greys of infrared.
const VIEWS: usize = 4;

/// Watches one camera. All times are on the monotonic clock.
#[derive(Clone, Debug, Default)]
pub struct Tamper {
    /// When the last picture came.
    last: Option<Duration>,
    /// Since the picture changed: the last one of each size that frames were decoded to.
    unchanged: Vec<Scene>,
    frozen: Lasting,
    covered: Lasting,
    turned: Lasting,
    /// Since when detail has been between flat and structured, and whether it went that
    /// way too slowly for a cover.
    fading: Option<Duration>,
    faded: bool,
    views: Vec<View>,
    /// The picture that a strange view began with.
    strange: Option<[f32; CELLS]>,
}

impl Tamper {
    /// Takes the picture of a frame that arrived at `now`, and says what is wrong, if
    /// anything is. Recorded pictures may well stand still or show another place: of what is
    /// told of them only [`Tampering::Covered`] counts.
    pub fn observe(&mut self, scene: &Scene, now: Duration) -> Option<Tampering> {
        let since_last = self.last.replace(now).map(|then| now.saturating_sub(then));
        if since_last.is_some_and(|gap| gap > GAP) {
            self.forget_beginnings();
            // Who unplugs a frozen camera, or frees a lens while it is closed, has mended it.
            (self.frozen, self.covered) = (Lasting::default(), Lasting::default());
        }
        // That is darkness, a reason of its own, covered or not.
        let (dark, detail) = (scene.highlights() < DARK, detail(scene.cells()));
        if let Some(same) = self.is_unchanged(scene) {
            // A black or blank picture has no noise to tell it by.
            let stands_still = same && !dark && detail >= FLAT;
            self.frozen.follow(stands_still, !same, now, FROZEN_FOR, ALIVE_FOR);
        }
        if dark {
            self.covered.since = None;
            self.turned.since = None;
            return self.found();
        }
        self.notice_fading(detail, now);
        let flat = detail < FLAT;
        self.covered.follow(flat && !self.faded, detail >= STRUCTURED, now, COVERED_FOR, BACK_FOR);
        if flat {
            self.turned.since = None;
        } else if !self.covered.on {
            self.compare(scene, now, since_last.unwrap_or_default());
        }
        self.found()
    }

    /// What is wrong by the pictures so far.
    fn found(&self) -> Option<Tampering> {
        [
            (&self.frozen, Tampering::Frozen),
            (&self.covered, Tampering::Covered),
            (&self.turned, Tampering::Turned),
        ]
        .into_iter()
        .find(|(lasting, _)| lasting.on)
        .map(|(_, tampering)| tampering)
    }

    /// Whether the picture is the same as before, to the last bit; none where that cannot be
    /// said: a compressed frame is decoded as finely as it is looked at, and the same bytes give
    /// other brightnesses at another size.
    fn is_unchanged(&mut self, scene: &Scene) -> Option<bool> {
        let of_size = self.unchanged.iter().find(|before| before.decoded() == scene.decoded());
        let same = of_size.map(|before| before == scene);
        if same == Some(false) {
            self.unchanged.clear();
        }
        if same != Some(true) {
            // Only of a camera that goes from size to size.
            if self.unchanged.len() == SCALES {
                self.unchanged.remove(0);
            }
            self.unchanged.push(scene.clone());
        }
        same
    }

    /// Nobody has turned the camera back: what it shows now is what it is meant to show.
    fn accept(&mut self, scene: &Scene, now: Duration) {
        self.turned = Lasting::default();
        self.strange = None;
        self.remember(scene, now);
    }

    /// Pictures are turned or mirrored otherwise from now on: of what was known none says what
    /// they are to show.
    pub fn forget_views(&mut self) {
        self.views.clear();
        self.turned = Lasting::default();
        self.strange = None;
        self.forget_beginnings();
    }

    fn forget_beginnings(&mut self) {
        self.frozen.since = None;
        self.covered.since = None;
        self.turned.since = None;
        self.fading = None;
    }

    fn notice_fading(&mut self, detail: f32, now: Duration) {
        if detail >= STRUCTURED {
            (self.fading, self.faded) = (None, false);
        } else if detail >= FLAT {
            let since = *self.fading.get_or_insert(now);
            self.faded |= now.saturating_sub(since) > SUDDEN;
        }
    }

    /// Compares the picture with the views that are known.
    fn compare(&mut self, scene: &Scene, now: Duration, since_last: Duration) {
        let (pattern, hidden) = (logarithms(scene.cells()), scene.hidden());
        let colourless = scene.is_colourless();
        // Also where it is so like a known view that it is neither that nor a strange one, and
        // where none is known to compare it with, as by the first night's infrared.
        let lasts = self.turned.on
            && self.turned.changed.is_some_and(|then| now.saturating_sub(then) >= ACCEPTED_AFTER);
        let views = self.views.iter_mut().filter(|view| view.colourless == colourless);
        let known = views
            .filter_map(|view| Some((likeness(&view.pattern, &pattern, hidden)?, view)))
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        if lasts && known.as_ref().is_none_or(|(likeness, _)| *likeness < KNOWN) {
            return self.accept(scene, now);
        }
        let Some((likeness_to_known, view)) = known else {
            // The first picture of its kind, or a known one without any edges.
            let is_new = !self.views.iter().any(|view| view.colourless == colourless);
            if is_new && !self.turned.on {
                self.remember(scene, now);
            }
            return;
        };
        if likeness_to_known >= KNOWN {
            view.seen = now;
            let share = since_last.as_secs_f32() / FOLLOWS.as_secs_f32();
            for (old, new) in view.pattern.iter_mut().zip(&pattern) {
                *old += (new - *old) * share.min(1.0);
            }
        }
        let strange = likeness_to_known <= STRANGE;
        if strange && !self.turned.on {
            // Somebody who moves close before the lens is no view.
            let steady = self
                .strange
                .and_then(|begun| likeness(&begun, &pattern, hidden))
                .is_some_and(|same| same >= KNOWN);
            if !steady {
                self.strange = Some(pattern);
                self.turned.since = None;
            }
        }
        let is_back = likeness_to_known >= KNOWN;
        self.turned.follow(strange, is_back, now, TURNED_FOR, BACK_FOR);
    }

    /// Adds a view, in place of the one that was not seen for the longest time.
    fn remember(&mut self, scene: &Scene, now: Duration) {
        let colourless = scene.is_colourless();
        if self.views.iter().filter(|view| view.colourless == colourless).count() >= VIEWS {
            let views = self.views.iter().enumerate();
            let alike = views.filter(|(_, view)| view.colourless == colourless);
            if let Some((oldest, _)) = alike.min_by_key(|(_, view)| view.seen) {
                self.views.swap_remove(oldest);
            }
        }
        self.views.push(View { pattern: logarithms(scene.cells()), colourless, seen: now });
    }
}

/// What a camera has shown for long.
#[derive(Clone, Debug)]
struct View {
    /// Logarithms of brightness.
    pattern: [f32; CELLS],
    /// In infrared things look otherwise.
    colourless: bool,
    /// When it was seen last.
    seen: Duration,
}

/// Logarithms of brightness, with a floor at the noise of a dark cell.
fn logarithms(cells: &[f32; CELLS]) -> [f32; CELLS] {
    cells.map(|cell| (cell.max(0.0) + 0.02).ln())
}

/// How much the sharpest quarter of the picture bends from cell to cell, at least: second
/// differences of the logarithm, which neither an even slope of light nor a corner that a
/// cover leaves free has many of.
fn detail(cells: &[f32; CELLS]) -> f32 {
    let bright = logarithms(cells);
    let bend = |a: usize, b: usize, c: usize| (bright[a] - 2.0 * bright[b] + bright[c]).abs();
    let mut bends = [0.0; 2 * SIDE * (SIDE - 2)];
    let mut slots = bends.iter_mut();
    for line in 0..SIDE {
        for first in 0..SIDE - 2 {
            let (row, column) = (line * SIDE + first, first * SIDE + line);
            let both =
                [bend(row, row + 1, row + 2), bend(column, column + SIDE, column + 2 * SIDE)];
            both.into_iter().zip(&mut slots).for_each(|(bend, slot)| *slot = bend);
        }
    }
    let rank = bends.len() * 3 / 4;
    *bends.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// Cells a side of a region that is compared as one.
const REGION: usize = 4;
/// A region whose logarithms differ by less than this has no pattern to keep.
const PLAIN: f32 = 0.05;
/// A region has kept its pattern when its cells correlate by so much.
const KEPT: f32 = 0.7;
/// With fewer regions that have a pattern nothing can be said.
const REGIONS: usize = 4;

/// The share, 0 to 1, of the regions with a pattern that have kept it. Regions and not the
/// whole picture: somebody who hides most of it leaves the rest as it was. What is `hidden`
/// does not count: a television that is masked may show what it likes.
fn likeness(known: &[f32; CELLS], now: &[f32; CELLS], hidden: &Cells) -> Option<f32> {
    let (mut kept, mut all) = (0, 0);
    for top in (0..SIDE).step_by(REGION) {
        for left in (0..SIDE).step_by(REGION) {
            let cell = |index: usize| (top + index / REGION) * SIDE + left + index % REGION;
            let seen = |index: &usize| !hidden[cell(*index)];
            let count = (0..REGION * REGION).filter(seen).count();
            if 2 * count < REGION * REGION {
                continue;
            }
            // Those of hidden cells are zero, and add nothing to a product.
            let deviations = |of: &[f32; CELLS]| -> [f32; REGION * REGION] {
                let values = (0..REGION * REGION).filter(seen).map(|index| of[cell(index)]);
                let mean = values.sum::<f32>() / count as f32;
                std::array::from_fn(|at| if seen(&at) { of[cell(at)] - mean } else { 0.0 })
            };
            let (a, b) = (deviations(known), deviations(now));
            let product = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / count as f32
            };
            let spread = product(&a, &a).sqrt();
            if spread < PLAIN {
                continue;
            }
            all += 1;
            kept += usize::from(product(&a, &b) > KEPT * spread * product(&b, &b).sqrt());
        }
    }
    (all >= REGIONS).then(|| kept as f32 / all as f32)
}

#[cfg(test)]
mod tests;
