//! One slot between the capture and the inference thread: the newest frame wins.
//!
//! Frames change hands by swapping, so three buffers circulate for ever: one that
//! the source fills, one that waits here, one that the detector reads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a taker finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The caller's buffer now holds the newest frame.
    Frame,
    /// Nothing came within the limit.
    Nothing,
    /// The other side is gone and nothing is left to take.
    Closed,
}

#[derive(Debug)]
struct Slot<T> {
    item: T,
    full: bool,
    closed: bool,
}

/// A mailbox for one item, shared by one putter and one taker.
#[derive(Debug)]
pub struct Mailbox<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

impl<T> Mailbox<T> {
    /// `spare` is the third buffer.
    pub fn new(spare: T) -> Self {
        let slot = Slot { item: spare, full: false, closed: false };
        Self { slot: Mutex::new(slot), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        // Nothing under this lock can panic half-way through a change, so the
        // slot of a thread that died elsewhere is still whole.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves `item` for the taker and gives back a buffer to fill. Replaces a
    /// frame that nobody took. False when closed.
    pub fn put(&self, item: &mut T) -> bool {
        let mut slot = self.lock();
        std::mem::swap(&mut slot.item, item);
        slot.full = true;
        self.changed.notify_all();
        !slot.closed
    }

    /// Like [`put`](Self::put), but waits until the last frame was taken: for
    /// lists of pictures, where each one counts. Asks at least every `piece` whether to go on
    /// waiting. False when closed, or not put.
    pub fn put_when_empty(
        &self,
        item: &mut T,
        piece: Duration,
        goes_on: impl Fn() -> bool,
    ) -> bool {
        let mut slot = self.lock();
        while slot.full && !slot.closed {
            if !goes_on() {
                return false;
            }
            let waited = self.changed.wait_timeout(slot, piece);
            slot = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(slot);
        self.put(item)
    }

    /// Waits at most `limit` for a frame and swaps it into `item`.
    pub fn take(&self, item: &mut T, limit: Duration) -> Taken {
        let (mut slot, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |slot| !slot.full && !slot.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if slot.full {
            std::mem::swap(&mut slot.item, item);
            slot.full = false;
            self.changed.notify_all();
            Taken::Frame
        } else if slot.closed {
            Taken::Closed
        } else {
            Taken::Nothing
        }
    }

    /// Ends the exchange; a frame that waits can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// Closes a mailbox when it goes out of scope, also by a panic.
pub(super) struct ClosesAtEnd<'a, T>(pub(super) &'a Mailbox<T>);

impl<T> Drop for ClosesAtEnd<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn the_newest_wins() {
        let mailbox = Mailbox::new(0);
        let (mut filled, mut taken) = (1, 0);
        assert!(mailbox.put(&mut filled));
        filled = 2;
        assert!(mailbox.put(&mut filled));
        assert_eq!(mailbox.take(&mut taken, LIMIT), Taken::Frame);
        assert_eq!(taken, 2);
        assert_eq!(mailbox.take(&mut taken, Duration::ZERO), Taken::Nothing);
    }

    #[test]
    fn three_buffers_circulate_for_ever() {
        let mailbox = Mailbox::new(vec![0]);
        let (mut filled, mut taken) = (vec![1], vec![2]);
        let mut addresses = std::collections::HashSet::new();
        for _ in 0..10 {
            mailbox.put(&mut filled);
            mailbox.take(&mut taken, LIMIT);
            addresses.extend([filled.as_ptr(), taken.as_ptr()]);
        }
        assert_eq!(addresses.len(), 3);
    }

    #[test]
    fn the_last_frame_survives_closing() {
        let mailbox = Mailbox::new(0);
        let (mut filled, mut taken) = (7, 0);
        mailbox.put(&mut filled);
        mailbox.close();
        assert_eq!(mailbox.take(&mut taken, LIMIT), Taken::Frame);
        assert_eq!(mailbox.take(&mut taken, LIMIT), Taken::Closed);
        assert!(!mailbox.put(&mut filled));
    }

    #[test]
    fn who_waits_for_room_asks_again_and_again_whether_to_go_on() {
        let mailbox = Mailbox::new(0);
        let asked = std::cell::Cell::new(0);
        let goes_on = || asked.replace(asked.get() + 1) < 3;
        assert!(mailbox.put_when_empty(&mut 1, Duration::ZERO, goes_on) && asked.get() == 0);
        assert!(!mailbox.put_when_empty(&mut 2, Duration::ZERO, goes_on));
        assert_eq!(asked.get(), 4);
        let mut taken = 0;
        assert_eq!(mailbox.take(&mut taken, LIMIT), Taken::Frame);
        assert_eq!(taken, 1, "the other one was not put");
    }

    #[test]
    fn put_when_empty_loses_nothing() {
        let mailbox = Mailbox::new(0u32);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for mut number in 1..=100 {
                    mailbox.put_when_empty(&mut number, LIMIT, || true);
                }
                mailbox.close();
            });
            let (mut got, mut item) = (Vec::new(), 0);
            while mailbox.take(&mut item, LIMIT) == Taken::Frame {
                got.push(item);
            }
            assert_eq!(got, (1..=100).collect::<Vec<_>>());
        });
    }
}
