//! Keeps the outbox on the disk: decides when, and lets a thread of its own wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::shared::Shared;
use crate::clock::Clock;
use crate::storage::{Worker, sync_folder_of};

/// What the work on the outbox is called: of all that waits for the thread, the last counts.
const JOB: &str = "outbox";

/// The thread of an outbox that is kept on disk.
pub(super) struct Storing {
    worker: Worker,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

impl Storing {
    /// # Errors
    ///
    /// The system has no room for another thread.
    pub(super) fn start(shared: Arc<Shared>, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        Ok(Self { worker: Worker::start("outbox")?, shared, clock })
    }

    /// Does what is due, when it is due.
    pub(super) async fn run(&self) -> ! {
        loop {
            let due = self.shared.queue().outbox().chore_due();
            let now = self.clock.now_with_sleep().monotonic;
            match due {
                None => self.shared.stored.notified().await,
                Some(due) if due > now => tokio::select! {
                    () = sleep(due - now) => {}
                    () = self.shared.stored.notified() => {}
                },
                Some(_) => self.work(now).await,
            }
        }
    }

    /// Makes what waits safe before the process ends, as far as the disk answers in time.
    pub(super) async fn end(self) {
        let shared = Arc::clone(&self.shared);
        // After what `run` has begun, in the place of what it tries again.
        self.worker.submit(JOB, move || {
            work(Duration::MAX, &shared);
        });
        self.worker.end().await;
    }

    /// Does what is due at `now`, on the other thread, however often it takes.
    async fn work(&self, now: Duration) {
        let (going_on, outcome) = oneshot::channel::<()>();
        let shared = Arc::clone(&self.shared);
        self.worker.insist(JOB, move || {
            let _going_on = &going_on;
            work(now, &shared)
        });
        // Nothing is ever sent: this ends when the job is gone, done or superseded.
        let _ = outcome.await;
    }
}

/// Does what is due at `now`: waits for the disk, and takes the lock only in between. False when
/// that failed.
fn work(now: Duration, shared: &Shared) -> bool {
    let before = shared.queue().outbox().store_errors();
    let Some(chore) = shared.queue().outbox().chore(now) else { return true };
    let outcome = chore.run();
    let installed = shared.queue().outbox().finish(outcome);
    if let Some((path, last)) = installed {
        let outcome = sync_folder_of(&path);
        shared.queue().outbox().settle(outcome, last);
    }
    shared.queue().outbox().store_errors() == before
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::clock::SystemClock;
    use crate::mqtt::queue::Queue;
    use crate::mqtt::settings::Settings;
    use crate::outbox::Outbox;

    fn storing(folder: &std::path::Path, sync_after_s: u64) -> Storing {
        let mut settings = Settings::default();
        settings.outbox.sync_after_s = sync_after_s;
        let outbox = Outbox::open(settings.outbox.clone(), folder, SystemClock.now_with_sleep())
            .expect("opens");
        let shared = Arc::new(Shared::new(Queue::new(&settings, outbox)));
        Storing::start(shared, Arc::new(SystemClock)).expect("a thread")
    }

    fn push(storing: &Storing) {
        let now = storing.clock.now_with_sleep();
        let pushed = storing.shared.queue().push_event("t".into(), "1".into(), vec![1], now);
        pushed.expect("taken");
        storing.shared.stored.notify_one();
    }

    /// Safe means that a power cut cannot take it away any more.
    fn is_safe(storing: &Storing) -> bool {
        storing.shared.queue().outbox().chore_due().is_none()
    }

    #[tokio::test]
    async fn the_end_forces_to_disk_what_was_not_due_yet() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let storing = storing(folder.path(), 3600);
        push(&storing);
        assert!(!is_safe(&storing));
        let shared = Arc::clone(&storing.shared);
        storing.end().await;
        assert!(shared.queue().outbox().chore_due().is_none());
    }

    #[tokio::test]
    async fn what_is_due_is_done_while_it_runs() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let storing = storing(folder.path(), 0);
        let waiting = async {
            for _ in 0..3 {
                push(&storing);
                while !is_safe(&storing) {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        };
        tokio::select! {
            never = storing.run() => never,
            outcome = timeout(Duration::from_secs(60), waiting) => outcome.expect("in time"),
        }
    }
}
