//! What moves and since when: what begins to move is looked at at once, what goes on moving
//! in one place (a curtain, a screen, a hand) after waits that grow.

use std::time::Duration;

use crate::pixels::scene::CELLS;

/// A cell that has not moved for so long begins anew when it does.
const STILL: Duration = Duration::from_secs(2);

/// Since when something moves in each cell of a [`Scene`](crate::pixels::scene::Scene).
#[derive(Clone, Debug)]
pub(super) struct Movements {
    cells: [Option<Movement>; CELLS],
}

#[derive(Clone, Copy, Debug)]
struct Movement {
    since: Duration,
    last: Duration,
}

impl Default for Movements {
    fn default() -> Self {
        Self { cells: [None; CELLS] }
    }
}

impl Movements {
    /// Something moved in a cell by `now`; returned is since when it has.
    pub(super) fn moved(&mut self, cell: usize, now: Duration) -> Duration {
        let goes_on = |one: &Movement| now.saturating_sub(one.last) <= STILL;
        let since = self.cells[cell].filter(goes_on).map_or(now, |one| one.since);
        self.cells[cell] = Some(Movement { since, last: now });
        since
    }
}

/// A part of the picture: when it was looked at, and what has moved in it since then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watched {
    looked: Option<Duration>,
    /// Since when that moves which began last of all that moved after the look.
    moving: Option<Duration>,
}

impl Watched {
    /// When it was looked at.
    pub(super) fn last_look(&self) -> Option<Duration> {
        self.looked
    }

    /// It is looked at.
    pub(super) fn look(&mut self, now: Duration) {
        (self.looked, self.moving) = (Some(now), None);
    }

    /// What was looked at at `now` could not be seen: it waits for the next look as if it had
    /// never had one.
    pub(super) fn forgo(&mut self, now: Duration) {
        self.looked.take_if(|then| *then == now);
    }

    /// By `now` something moved in it that has been moving since `since`.
    pub(super) fn moved(&mut self, since: Duration, now: Duration) {
        // What the frame shows that was looked at was looked at.
        if self.looked != Some(now) {
            self.moving = self.moving.max(Some(since));
        }
    }

    /// Whether so much time has passed since the last look.
    pub(super) fn has_waited(&self, now: Duration, pause: Duration) -> bool {
        self.looked.is_none_or(|then| now.saturating_sub(then) >= pause)
    }

    /// Whether something moved since the last look and has waited: as long as it had been
    /// moving by then, but at least `least`.
    pub(super) fn is_restless(&self, now: Duration, least: Duration) -> bool {
        let Some(since) = self.moving else { return false };
        let known = self.looked.map_or(Duration::ZERO, |then| then.saturating_sub(since));
        self.has_waited(now, known.max(least))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGAIN: Duration = Duration::from_millis(400);

    fn at(millis: u32) -> Duration {
        Duration::from_millis(millis.into())
    }

    /// The looks, in milliseconds, of a part that is looked at whenever it may be. `cells` say
    /// which cells of it move at a time.
    fn looks(until: u32, cells: impl Fn(u32) -> Vec<usize>) -> Vec<u32> {
        let (mut movements, mut part) = (Movements::default(), Watched::default());
        part.look(Duration::ZERO);
        let mut looks = Vec::new();
        for now in (100..until).step_by(100) {
            for cell in cells(now) {
                part.moved(movements.moved(cell, at(now)), at(now));
            }
            if part.is_restless(at(now), AGAIN) {
                part.look(at(now));
                looks.push(now);
            }
        }
        looks
    }

    #[test]
    fn what_goes_on_moving_is_looked_at_after_growing_waits() {
        let looks = looks(40_000, |now| if now < 1000 { vec![] } else { vec![7] });
        assert_eq!(looks, [1000, 1400, 1800, 2600, 4200, 7400, 13_800, 26_600]);
    }

    #[test]
    fn what_begins_beside_it_is_looked_at_at_once() {
        let begins = 33_000;
        let looks = looks(begins + 1000, |now| if now < begins { vec![7] } else { vec![7, 8] });
        assert!(looks.contains(&begins), "{looks:?}");
    }

    #[test]
    fn what_rested_begins_anew_and_a_short_rest_is_none() {
        let looks = looks(20_000, |now| {
            let moves = now < 8000 && (now / 1000) % 2 == 0 || now > 16_000;
            if moves { vec![7] } else { vec![] }
        });
        assert!(looks.iter().filter(|now| **now < 16_000).count() <= 6, "{looks:?}");
        let anew: Vec<_> = looks.into_iter().filter(|now| *now > 16_000).collect();
        assert_eq!(anew[..3], [16_100, 16_500, 16_900]);
    }

    #[test]
    fn what_the_frame_shows_that_is_looked_at_needs_no_other_look() {
        let mut part = Watched::default();
        part.look(at(100));
        part.moved(at(100), at(100));
        assert!(!part.is_restless(at(10_000), AGAIN));
    }

    proptest! {
        /// Whatever moved before, what begins to move waits no longer than `AGAIN`, and what
        /// goes on no longer than it has been moving.
        #[test]
        fn nothing_that_moves_is_forgotten(seeds in prop::collection::vec(0u32..40, 60..300)) {
            let (mut movements, mut part) = (Movements::default(), Watched::default());
            part.look(Duration::ZERO);
            let mut waiting: Option<(Duration, bool)> = None;
            for (seed, step) in seeds.into_iter().zip(1..) {
                let now = at(step * 250);
                if let Some(cell) = (seed < 20).then_some(seed as usize / 5) {
                    let since = movements.moved(cell, now);
                    part.moved(since, now);
                    let (first, new) = waiting.unwrap_or((now, false));
                    waiting = Some((first, new || since == now));
                }
                let restless = part.is_restless(now, AGAIN);
                if let Some((first, new)) = waiting {
                    let longest = if new { AGAIN } else { first };
                    prop_assert!(restless || now - first < longest, "{now:?} {waiting:?}");
                }
                if restless {
                    part.look(now);
                    waiting = None;
                }
            }
        }
    }
}
