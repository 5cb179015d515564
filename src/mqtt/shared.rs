//! What the handle's callers and the client's task share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::queue::Queue;

/// The queue, and who is to be woken when it changes.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// Told whenever the queue may have something new.
    pub wake: Notify,
    /// Told whenever an event went into the outbox.
    pub stored: Notify,
}

impl Shared {
    pub fn new(queue: Queue) -> Self {
        Self { queue: Mutex::new(queue), wake: Notify::new(), stored: Notify::new() }
    }

    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every method leaves the queue whole, so a panic elsewhere spoils nothing.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
