//! One switch that ends or pauses the threads, and waits that end with it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Asked by every loop, waited on instead of sleeping.
#[derive(Debug, Default)]
pub struct Stop {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    stopped: bool,
    paused: bool,
}

impl Stop {
    pub fn stop(&self) {
        self.wanted().stopped = true;
        self.changed.notify_all();
    }

    pub fn is_stopped(&self) -> bool {
        self.wanted().stopped
    }

    /// Asks the capture thread to close the camera, or to open it again.
    pub fn pause(&self, paused: bool) {
        self.wanted().paused = paused;
        self.changed.notify_all();
    }

    pub fn is_paused(&self) -> bool {
        self.wanted().paused
    }

    /// Waits for `time` or until stopped; true if stopped.
    pub fn wait(&self, time: Duration) -> bool {
        self.wait_while(time, |wanted| !wanted.stopped).stopped
    }

    /// Waits for `time` or until stopped or not paused any more.
    pub fn wait_while_paused(&self, time: Duration) {
        self.wait_while(time, |wanted| wanted.paused && !wanted.stopped);
    }

    fn wait_while(&self, time: Duration, condition: impl Fn(Wanted) -> bool) -> Wanted {
        let outcome =
            self.changed.wait_timeout_while(self.wanted(), time, |wanted| condition(*wanted));
        *outcome.unwrap_or_else(PoisonError::into_inner).0
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
