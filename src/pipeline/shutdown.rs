//! The end of the program: what is still told, to whom, and how long that may take.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::daemon::{Ending, Program};
use super::signals::StopSignals;
use super::threads::Threads;
use crate::control::command::Command;
use crate::error::{Error, Kind, Result};
use crate::mqtt::urls::Listed;

/// How long the camera's thread may take to end: while a driver answers it is a frame's
/// time. One that hangs is left behind, and its camera is closed with the process.
const CAPTURE_LIMIT: Duration = Duration::from_millis(500);
/// How long the inference thread may take to look at the last picture and to tell what
/// became of the faces, and before a reload the camera's thread to close the camera. With
/// the broker's second that is less than `TimeoutStopSec`, or systemd would kill.
const THREAD_LIMIT: Duration = Duration::from_secs(5);
/// Why there is no picture that was asked for last.
const ENDING: &str = "the daemon ends";
/// How long commands are still read that have arrived: they wait in memory.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(100);

impl Program {
    /// Recorded pictures are at their end: nothing was done where none of them can be read.
    pub(super) fn recording_ended(&self) -> Result<Ending> {
        let frames = self.shared.counters.read();
        if frames.bad == 0 || frames.detected > 0 {
            return Ok(Ending::Finished);
        }
        let words = format!(
            "none of the {} recorded pictures could be read: expressiond detect PICTURE says why",
            frames.bad
        );
        Err(Error::new(Kind::Input, words))
    }

    /// Stops the threads, lets them tell what they know, says goodbye to the broker.
    pub(super) async fn end(&mut self, wanted: Result<Ending>) -> Result<Ending> {
        self.shared.stop.stop();
        let reload = matches!(wanted, Ok(Ending::Reload));
        if !reload {
            self.watcher.service.stopping();
        }
        let (shared, watcher) = (&self.shared, &mut self.watcher);
        let Threads { capture, inference } = &mut self.threads;
        let finish = async {
            if reload {
                // The program that starts again should find the camera closed.
                capture.ended_within(THREAD_LIMIT).await?;
            }
            // Not waiting for a capture thread that waits for a frame.
            shared.mailbox.close();
            let told = inference.ended_within(THREAD_LIMIT).await;
            if shared.orders.send_if_modified(|orders| orders.snapshot.take().is_some()) {
                watcher.refuse_snapshot(ENDING);
            }
            watcher.leave();
            let captured = timeout(CAPTURE_LIMIT, capture.ended());
            let (captured, ()) = tokio::join!(captured, watcher.publisher.shutdown());
            told.and(captured.unwrap_or(Ok(())))
        };
        let ending = tokio::select! {
            ended = finish => wanted.and_then(|wanted| ended.map(|()| wanted)),
            name = self.signals.stop.next() => {
                log::warn!("{name} while ending: stopping at once");
                wanted.map(|_| Ending::Finished)
            }
        };
        self.keep_the_last_words().await;
        ending
    }

    /// Ends everything else, which may wait for the disk. Signals are still heard.
    pub(super) fn leave(self) -> StopSignals {
        self.signals.stop
    }

    /// What was told while the program was ending counts from its next start. The broker has
    /// sent it and does not say it again: without this a camera that its owner closed in that
    /// moment would be open afterwards.
    async fn keep_the_last_words(&mut self) {
        // To the end of the task that hears the broker, which ended with the connection.
        let told = async {
            while let Some(command) = self.control.commands.recv().await {
                if command == (Command::Snapshot {}) {
                    self.watcher.refuse_snapshot(ENDING);
                }
                self.changes.follow(command);
            }
        };
        // Only where a second signal has left the connection as it was does it go on.
        let _ = timeout(LAST_WORDS_LIMIT, told).await;
        let heard = self.control.groups.borrow_and_update().clone();
        self.changes.take_over(heard);
    }

    /// What a person at a terminal wants to know at the end.
    pub(super) fn farewell(&self, gallery: Option<&Path>) {
        let publisher = &self.watcher.publisher;
        let (frames, sent) = (self.shared.counters.read(), publisher.stats());
        log::info!(
            "looked at {} frames ({} broken); {} messages delivered to {}, {} events wait",
            frames.detected,
            frames.bad,
            sent.delivered,
            Listed(publisher.brokers()),
            sent.waiting
        );
        if let Some(folder) = gallery {
            log::info!("annotated pictures of the events: {}", folder.display());
        }
    }
}
