//! The capture thread: keeps a source open and the mailbox fresh.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::counters::Counters;
use super::mailbox::Mailbox;
use super::stop::Stop;
use crate::alarm::Alarm;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::pixels::frame::Frame;
use crate::publish::topics::Name;
use crate::source::{FrameSource, SourceError};

/// How long one read may take before the source is asked whether it still lives.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// A camera that was just plugged in is back within a second; one that is gone
/// for the night costs one open(2) every half minute.
const REOPEN: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));

/// While paused, how soon a resumption is noticed.
const PAUSE_LOOK: Duration = Duration::from_millis(200);

/// What the camera is doing, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureState {
    Opening,
    /// Open; in words: device, format, size, rate.
    Running(String),
    /// Not to be had just now; why, and it is tried again.
    Failed(String),
    /// Closed, because its owner said so.
    Paused,
    /// A list of pictures was played to its end.
    Ended,
}

/// Whether a frame that nobody took is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A camera: the newest frame wins.
    Newest,
    /// Recorded pictures: each one is looked at.
    Every,
}

/// Opens the source, again after each failure.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn FrameSource>, SourceError> + Send>;

/// Everything the capture thread owns or shares.
pub struct Capture {
    pub camera: Name,
    pub open: Opener,
    pub delivery: Delivery,
    pub mailbox: Arc<Mailbox<Frame>>,
    pub counters: Arc<Counters>,
    pub state: watch::Sender<CaptureState>,
    /// While true the camera is closed.
    pub paused: watch::Receiver<bool>,
    pub stop: Arc<Stop>,
    pub clock: Arc<dyn Clock>,
}

impl Capture {
    /// Runs until stopped or until a list of pictures ends; closes the mailbox.
    pub fn run(mut self) {
        let mut backoff = REOPEN;
        let mut frame = Frame::empty(self.clock.now());
        let mut told = String::new();
        while !self.stop.is_stopped() {
            self.counters.beat_capture();
            if *self.paused.borrow() {
                self.state.send_replace(CaptureState::Paused);
                self.stop.wait(PAUSE_LOOK);
                continue;
            }
            self.state.send_replace(CaptureState::Opening);
            let lost = match (self.open)() {
                Ok(mut source) => {
                    let words = source.describe();
                    log::info!(camera:% = self.camera; "camera opened: {words}");
                    told.clear();
                    self.state.send_replace(CaptureState::Running(words));
                    self.read(source.as_mut(), &mut frame, &mut backoff)
                }
                Err(error) => error,
            };
            if matches!(lost, SourceError::End) && !*self.paused.borrow() {
                self.state.send_replace(CaptureState::Ended);
                break;
            }
            if self.stop.is_stopped() || *self.paused.borrow() {
                continue;
            }
            let reason = lost.to_string();
            if reason != told {
                // Once per reason, not at every try: it may stay away all night.
                log::warn!(message_id = Alarm::CameraLost.id(), camera:% = self.camera;
                    "camera lost: {reason}; trying again");
                told.clone_from(&reason);
            }
            self.state.send_replace(CaptureState::Failed(reason));
            if self.stop.wait(backoff.next_delay(0.0)) {
                break;
            }
            self.counters.count_reopened();
        }
        self.mailbox.close();
    }

    /// Reads until the source is lost, ends, or the daemon stops.
    fn read(
        &self,
        source: &mut dyn FrameSource,
        frame: &mut Frame,
        backoff: &mut Backoff,
    ) -> SourceError {
        while !self.stop.is_stopped() && !*self.paused.borrow() {
            self.counters.beat_capture();
            match source.next_frame(frame, READ_LIMIT) {
                Ok(()) => {
                    backoff.reset();
                    self.counters.count_captured();
                    let open = match self.delivery {
                        Delivery::Newest => self.mailbox.put(frame),
                        Delivery::Every => self.mailbox.put_when_empty(frame),
                    };
                    if !open {
                        return SourceError::End;
                    }
                }
                Err(SourceError::BadFrame(reason)) => {
                    self.counters.count_bad();
                    log::debug!("frame dropped: {reason}");
                }
                Err(error) => return error,
            }
        }
        SourceError::End
    }
}
