//! The pieces of a picture, one after the other: those in which something moved first, and
//! all of them within a period.

use std::time::Duration;

use super::look::Inputs;
use super::motion::Watched;
use super::tiles::tiles;
use crate::geometry::{Region, Size};
use crate::zones::Masks;

/// The pieces and when they were looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    /// What the pieces were made for.
    made_for: Option<(Size, f32)>,
    masks: Masks,
    regions: Vec<Region>,
    tiles: Vec<Watched>,
    /// Until when the schedule was carried out.
    carried_out: Option<Duration>,
}

/// A piece in which something moves is looked at again after this time at the earliest.
const AGAIN: Duration = Duration::from_millis(400);

impl Sweep {
    /// Pieces of which nothing is to be seen are left out from now on.
    pub(super) fn set_masks(&mut self, masks: &Masks) {
        if self.masks != *masks {
            self.masks.clone_from(masks);
            self.forget();
        }
    }

    /// Makes the pieces for another picture size or smallest face, in pixels.
    pub(super) fn fit(&mut self, picture: Size, face: f32, inputs: Inputs) {
        if self.made_for.replace((picture, face)) == Some((picture, face)) {
            return;
        }
        tiles(picture, face, inputs, &mut self.regions);
        self.regions.retain(|region| !self.masks.hide(*region, picture));
        self.tiles.clear();
        self.tiles.resize(self.regions.len(), Watched::default());
        self.carried_out = None;
    }

    /// No piece was looked at yet: the picture is another one.
    pub(super) fn forget(&mut self) {
        self.made_for = None;
    }

    /// By `now` something moved in this region that has been moving since `since`: of the pieces
    /// of each size the one in whose middle it lies most shows it. Its neighbours may show a
    /// part of it, and a resting room has no looks for them.
    pub(super) fn moved(&mut self, region: Region, since: Duration, now: Duration) {
        let mut first = 0;
        for pieces in self.regions.chunk_by(|a, b| a.size() == b.size()) {
            let off = |(_, piece): &(usize, &Region)| distance(region, **piece);
            let middle = pieces.iter().enumerate().min_by(|a, b| off(a).total_cmp(&off(b)));
            if let Some((index, _)) = middle {
                self.tiles[first + index].moved(since, now);
            }
            first += pieces.len();
        }
    }

    /// The piece that the schedule asks for, with a period for all of them. To be asked
    /// again until there is none: frames may come slower than pieces are due.
    pub(super) fn due(&mut self, now: Duration, period: Duration) -> Option<Region> {
        let count = u32::try_from(self.tiles.len()).ok().filter(|count| *count > 0)?;
        // After a pause what was missed is not caught up beyond one round.
        let since = self.carried_out.unwrap_or(now.saturating_sub(period / count));
        let since = since.max(now.saturating_sub(period));
        let next = since + period / count;
        if next > now {
            self.carried_out = Some(since);
            return None;
        }
        self.carried_out = Some(next);
        let oldest = self.tiles.iter().enumerate().min_by_key(|(_, tile)| tile.last_look())?.0;
        Some(self.look(oldest, now))
    }

    /// The piece in which something moves, or that was never looked at; of several the one
    /// that has waited longest. What goes on moving in one place waits longer each time, in
    /// the end for its turn by the schedule.
    pub(super) fn restless(&mut self, now: Duration) -> Option<Region> {
        let waits = |tile: &Watched| tile.last_look().is_none() || tile.is_restless(now, AGAIN);
        let waiting = self.tiles.iter().enumerate().filter(|(_, tile)| waits(tile));
        let index = waiting.min_by_key(|(_, tile)| tile.last_look())?.0;
        Some(self.look(index, now))
    }

    /// The pieces that were given out at `now` could not be seen.
    pub(super) fn forgo(&mut self, now: Duration) {
        self.tiles.iter_mut().for_each(|tile| tile.forgo(now));
    }

    fn look(&mut self, index: usize, now: Duration) -> Region {
        self.tiles[index].look(now);
        self.regions[index]
    }
}

/// From the middle of one to that of the other, in pixels.
fn distance(a: Region, b: Region) -> f32 {
    let ((ax, ay), (bx, by)) = (a.rect().centre(), b.rect().centre());
    (ax - bx).hypot(ay - by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_size_one_piece_shows_what_moves() {
        let inputs = Inputs::sized(Size::new(288, 192), Size::new(128, 128));
        let mut sweep = Sweep::default();
        sweep.fit(Size::new(1920, 1080), 24.0, inputs);
        let at = Duration::from_secs;
        let mut all: Vec<Region> = std::iter::from_fn(|| sweep.restless(at(1))).collect();
        all.dedup_by_key(|piece| piece.size());
        assert_eq!(all.len(), 2, "all are looked at once, in two sizes");
        let cell = Region { left: 960, top: 405, width: 60, height: 34 };
        sweep.moved(cell, at(5), at(5));
        let shown: Vec<Region> = std::iter::from_fn(|| sweep.restless(at(6))).collect();
        assert_eq!(shown.len(), 2);
        for piece in shown {
            assert_eq!(cell.rect().share_in(&piece.rect()), 1.0, "{piece:?}");
        }
    }
}
