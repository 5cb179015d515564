//! The end of the program: what is still told, to whom, and how long that may take.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::daemon::{Ending, Program};
use super::signals::StopSignals;
use super::threads::{Thread, Threads};
use crate::control::command::Command;
use crate::error::{Error, Kind, Result};
use crate::mqtt::urls::Listed;
use crate::preview::live::Live;

/// How long the camera's thread may take to end: while a driver answers it is a frame's
/// time. One that hangs is left behind, and its camera is closed with the process.
const CAPTURE_LIMIT: Duration = Duration::from_millis(500);
/// How long the inference thread may take to end the run of a network at hand and to tell
/// what became of the faces, and before a reload the camera's thread to close the camera. With
/// the broker's second that is less than `TimeoutStopSec`, or systemd would kill.
const THREAD_LIMIT: Duration = Duration::from_secs(5);
/// Why there is no picture that was asked for last.
const ENDING: &str = "the daemon ends";
/// How long commands are still read that have arrived: they wait in memory.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(100);

/// Waits until no camera is open, for as long as threads may take. Says whether none is.
///
/// # Errors
///
/// The capture thread's panic.
async fn cameras_closed(capture: &mut Thread, live: Option<&Live>) -> Result<bool> {
    let pictures = async {
        match live {
            Some(live) => timeout(THREAD_LIMIT, live.last_turn()).await.is_ok(),
            None => true,
        }
    };
    let (ended, pictures) = tokio::join!(capture.ended_within(THREAD_LIMIT), pictures);
    Ok(ended? && pictures)
}

/// Why the program ends where it would start again. The v4l crate opens devices without
/// `O_CLOEXEC` (open(2)): a camera that nobody could close stays open over execve(2), and the
/// new program would find it used by another one, itself, for ever. Nor can the flag be set on
/// a descriptor of which only the number is known without `unsafe`. The end of the process
/// closes the camera, and the service manager starts the next one.
fn left_open() -> Error {
    let words = "a camera does not answer and cannot be closed: the program ends, and takes the \
                 new settings over when it is started";
    Error::new(Kind::Unavailable, words)
}

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
        let (shared, watcher, changes) = (&self.shared, &mut self.watcher, &self.changes);
        let Threads { capture, inference } = &mut self.threads;
        let finish = async {
            let closed = !reload || cameras_closed(capture, shared.live.as_deref()).await?;
            // Not waiting for a capture thread that waits for a frame.
            shared.mailbox.close();
            let told = inference.ended_within(THREAD_LIMIT).await;
            watcher.publisher.refuse_snapshots(shared.withdraw_request(), ENDING);
            watcher.leave();
            let captured = timeout(CAPTURE_LIMIT, capture.ended());
            // One card: where it hangs, both who write to it wait at the same time.
            let kept = changes.end();
            let (captured, (), ()) = tokio::join!(captured, watcher.publisher.shutdown(), kept);
            told?;
            captured.unwrap_or(Ok(()))?;
            if closed { Ok(()) } else { Err(left_open()) }
        };
        let ending = tokio::select! {
            ended = finish => wanted.and_then(|wanted| ended.map(|()| wanted)),
            name = self.signals.stop.next() => {
                log::warn!("{name} while ending: stopping at once");
                wanted.map(|_| Ending::Finished)
            }
        };
        self.keep_the_last_words().await;
        if reload && ending.is_err() {
            self.watcher.service.stopping();
        }
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
                    self.watcher.publisher.refuse_snapshots(1, ENDING);
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
