//! What the handle's callers and the client's task share.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use super::queue::Queue;

/// The queue, and who is to be woken when it changes.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// Told whenever the queue may have something new.
    pub wake: Notify,
    /// Told whenever an event went into the outbox: it may have to be forced to disk.
    pub stored: Notify,
}

impl Shared {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue: Mutex::new(queue), wake: Notify::new(), stored: Notify::new() }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic under the lock may have left the account of events wrong: better a
        // restart, which reads the journal, than going on with it.
        self.queue.lock().expect("nothing panics under the queue's lock")
    }
}
