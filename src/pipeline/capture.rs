//! The capture thread: keeps a source open and the mailbox fresh.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::camera_log::CameraLog;
use super::frame_health::{FrameHealth, Stage};
use super::heartbeat::{READ_LIMIT, START_LIMIT};
use super::mailbox::ClosesAtEnd;
use super::shared::Shared;
use super::state::{CaptureState, Open};
use super::suspend::SuspendMonitor;
use crate::backoff::Backoff;
use crate::contract::payload::ReasonCode;
use crate::name::Name;
use crate::pixels::frame::Frame;
use crate::preview::camera_tuning::CameraTuning;
use crate::source::{FrameSource, SourceError};
use low_light::LowLight;

mod low_light;

/// A camera that was just plugged in is back within a second; one that is gone
/// for the night costs one open(2) every half minute.
const REOPEN: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// A camera that has delivered for so long works. One that is lost sooner was not back:
/// the wait before the next try goes on growing, and the log does not tell it again.
const STEADY: Duration = Duration::from_secs(10);
/// How soon a pause or its end is noticed while there is no frame to wait for.
const PAUSE_LOOK: Duration = Duration::from_millis(200);

/// Opens the source, again after each failure. One that takes long asks meanwhile whether it is
/// still wanted, as often as a thread must come round.
pub(crate) type Opener =
    Box<dyn FnMut(&dyn Fn() -> bool) -> Result<Box<dyn FrameSource>, SourceError> + Send>;

/// Everything the capture thread owns or shares.
pub(crate) struct Capture {
    /// For log lines.
    pub camera: Name,
    /// Makes the source, again after each failure.
    pub open: Opener,
    /// What all threads see.
    pub shared: Arc<Shared>,
}

/// Why a source is not read any more. Said once, when it ends: a pause or a stop may
/// have been taken back by the time that the camera is closed.
enum End {
    /// A list of pictures is at its end.
    Finished,
    Stopped,
    Paused,
    /// Its frames are broken, one after the other; why.
    Unreadable(String),
    Lost(SourceError),
}

impl Capture {
    /// Runs until stopped or until a list of pictures ends; closes the mailbox, also when
    /// it panics, or the inference thread would wait for ever.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _closes = ClosesAtEnd(&shared.mailbox);
        let (mut backoff, mut log) = (REOPEN, CameraLog::new(self.camera.clone()));
        let mut frame = Frame::empty(shared.clock.now());
        while !shared.stop.is_stopped() {
            if self.is_paused() {
                self.rest();
                backoff.reset();
                continue;
            }
            let next = match self.visit(&mut frame, &mut backoff, &mut log) {
                End::Finished => {
                    shared.capture.send_replace(CaptureState::Ended);
                    return;
                }
                End::Stopped | End::Paused => continue,
                End::Unreadable(reason) => {
                    log.lost(&format!("its frames are broken: {reason}"));
                    self.opening()
                }
                End::Lost(error) => {
                    let reason = error.to_string();
                    log.lost(&reason);
                    let code = ReasonCode::from(&error);
                    let now = self.now();
                    shared.frames.send_modify(|frames| frames.lose(now, code, &reason));
                    CaptureState::Failed(code, reason)
                }
            };
            shared.capture.send_replace(next);
            self.wait(backoff.next_delay(0.0));
            if !shared.stop.is_stopped() {
                shared.counters.count_reopened();
            }
        }
    }

    /// Waits for as long as the camera is paused.
    fn rest(&self) {
        self.shared.capture.send_replace(CaptureState::Paused);
        self.shared.frames.send_replace(FrameHealth::default());
        while self.is_paused() && !self.shared.stop.wait(self.piece()) {
            self.shared.counters.beat_capture();
        }
    }

    fn is_paused(&self) -> bool {
        self.shared.orders.borrow().paused
    }

    fn now(&self) -> Duration {
        self.shared.clock.now().monotonic
    }

    fn opening(&self) -> CaptureState {
        CaptureState::Opening { since: self.now() }
    }

    /// How long to wait at once: pauses are noticed, and the watchdog is fed.
    fn piece(&self) -> Duration {
        PAUSE_LOOK.min(self.shared.period)
    }

    /// Waits for `time`, or until stopped or paused.
    fn wait(&self, time: Duration) {
        let end = self.now() + time;
        while !self.is_paused() {
            self.shared.counters.beat_capture();
            let left = end.saturating_sub(self.now());
            if left.is_zero() || self.shared.stop.wait(left.min(self.piece())) {
                return;
            }
        }
    }

    /// Opens the source, reads it and closes it.
    fn visit(&mut self, frame: &mut Frame, backoff: &mut Backoff, log: &mut CameraLog) -> End {
        self.shared.counters.beat_capture();
        self.shared.capture.send_replace(self.opening());
        let shared = &self.shared;
        let wanted = || {
            shared.counters.beat_capture();
            // Who asks does not hang.
            shared.capture.send_if_modified(|state| {
                *state = CaptureState::Opening { since: shared.clock.now().monotonic };
                false
            });
            !shared.stop.is_stopped() && !shared.orders.borrow().paused
        };
        let mut source = match (self.open)(&wanted) {
            Ok(source) => source,
            Err(SourceError::End) => return End::Finished,
            Err(SourceError::Unwanted) => return End::Stopped,
            Err(error) => return End::Lost(error),
        };
        let words = source.describe();
        log.opened(&words);
        log.noted(source.notes());
        if let Some(live) = &self.shared.live {
            live.offer(source.opened(), source.controls());
            live.opened.send_replace(Some(source.opened()));
        }
        // Its first pictures are taken with the values for light: what was seen of those before,
        // perhaps in another night, asks for nothing.
        shared.view.send_if_modified(|view| mem::take(&mut view.conditions.low));
        let mut low_light = LowLight::new();
        let recorded = source.is_recorded();
        let mut kept = false;
        let open =
            Open { words: words.clone(), low_light: false, recorded, source: source.opened() };
        let end = loop {
            let now = self.now();
            self.shared.frames.send_modify(|frames| frames.opened(now));
            self.shared.capture.send_replace(CaptureState::Running(open.clone()));
            let steady = now + STEADY;
            let end = self.read(source.as_mut(), frame, &mut kept, &mut low_light, |now| {
                if now >= steady && self.shared.frames.borrow().is_known() {
                    backoff.reset();
                    log.works(&words);
                }
            });
            if !(recorded && matches!(end, End::Paused)) {
                break end;
            }
            // A recording is not closed: it goes on where it was.
            self.rest();
            source.resume();
        };
        if !matches!(end, End::Lost(_)) {
            low_light.take_back(source.as_mut());
            self.take_back(source.as_mut());
        }
        self.close(source);
        end
    }

    fn close(&self, source: Box<dyn FrameSource>) {
        drop(source);
        if let Some(live) = &self.shared.live {
            live.opened.send_replace(None);
        }
    }

    /// Reads until the source is lost, ends, or the daemon stops. `came` is told of each
    /// frame that comes; `kept` is whether `frame` is one that came before a pause and is still
    /// to be looked at.
    fn read(
        &self,
        source: &mut dyn FrameSource,
        frame: &mut Frame,
        kept: &mut bool,
        low_light: &mut LowLight,
        mut came: impl FnMut(Duration),
    ) -> End {
        let mut suspend = SuspendMonitor::new(self.shared.clock.asleep());
        let mut tuning = None;
        let recorded = source.is_recorded();
        let mut limit = START_LIMIT;
        loop {
            if self.shared.stop.is_stopped() {
                return End::Stopped;
            }
            if self.is_paused() {
                return End::Paused;
            }
            self.shared.counters.beat_capture();
            if let Some(slept) = suspend.woke(self.shared.clock.asleep()) {
                if recorded {
                    source.resume();
                    continue;
                }
                // Its buffers are as old as the sleep, and many a camera starts anew.
                let slept = slept.as_secs();
                return End::Lost(SourceError::Lost(format!("the machine slept for {slept} s")));
            }
            low_light.follow(source, self.shared.view.borrow().conditions.low, self.now());
            self.follow_page(source, &mut tuning, low_light);
            self.tell(low_light.is_in_force());
            let outcome = if mem::take(kept) { Ok(()) } else { source.next_frame(frame, limit) };
            let now = self.now();
            limit = READ_LIMIT;
            match outcome {
                // It came, or was waited for, across a pause: nothing is looked at from then on.
                Ok(()) if self.is_paused() => {
                    // A recording's waits for the end of the pause: none is left out.
                    *kept = recorded;
                    return End::Paused;
                }
                Ok(()) => {
                    came(now);
                    if !self.hand_over(frame, recorded) {
                        return End::Stopped;
                    }
                }
                Err(SourceError::BadFrame(reason)) => self.drop_broken(now, &reason),
                Err(SourceError::End) => return End::Finished,
                Err(error) => return End::Lost(error),
            }
            // Also by those that the inference thread could not decode.
            let frames = self.shared.frames.borrow();
            if !recorded && frames.is_run(now) {
                return End::Unreadable(frames.cause().unwrap_or_default().to_owned());
            }
        }
    }

    /// Puts a whole frame into the mailbox; `false` once that is closed or nothing is to be read
    /// any more. Of a camera's the newest wins, of a recording's none is left out: the one before
    /// may be looked at for long.
    fn hand_over(&self, frame: &mut Frame, recorded: bool) -> bool {
        self.shared.counters.count_captured();
        self.shared.frames.send_if_modified(FrameHealth::came);
        if recorded {
            let Shared { mailbox, counters, stop, period, .. } = &*self.shared;
            mailbox.put_when_empty(frame, *period, || {
                counters.beat_capture();
                !stop.is_stopped()
            })
        } else {
            self.shared.mailbox.put(frame)
        }
    }

    /// Counts a frame that came broken at `now`.
    fn drop_broken(&self, now: Duration, reason: &str) {
        self.shared.counters.count_bad();
        log::debug!("frame dropped: {reason}");
        self.shared.frames.send_modify(|frames| frames.broken(now, Stage::Capture, reason));
    }

    /// Takes over what the page tries, once. A source that was opened anew knows nothing
    /// of it, and is told again. In the dark what low light asks for stays in force: what is
    /// tried holds when light returns.
    fn follow_page(
        &self,
        source: &mut dyn FrameSource,
        tuning: &mut Option<CameraTuning>,
        low_light: &mut LowLight,
    ) {
        let Some(live) = &self.shared.live else { return };
        let wanted = live.camera.borrow().clone();
        if wanted == *tuning {
            return;
        }
        if let Some(wanted) = &wanted {
            source.set_orientation(wanted.orientation);
            let controls = wanted.controls_for(&source.opened());
            let refused = match source.set_controls(&controls) {
                // Of those that only go back to what they were nobody asks.
                Ok(mut overruled) => wanted.controls.keys().find_map(|name| overruled.remove(name)),
                Err(reason) => Some(reason),
            };
            live.refused.send_replace(refused);
            low_light.restore(source, self.now());
        }
        *tuning = wanted;
    }

    /// A camera keeps what was set for as long as it has power: of what is tried nothing is to
    /// stay in it when it is closed. One that is lost is told when it is opened again.
    fn take_back(&self, source: &mut dyn FrameSource) {
        let Some(live) = &self.shared.live else { return };
        let tried = live.camera.borrow().clone();
        let kept = tried.map(|tried| tried.controls_to_leave(&source.opened()));
        if let Some(kept) = kept.filter(|kept| !kept.is_empty())
            && let Err(reason) = source.set_controls(&kept)
        {
            log::warn!("what was tried on the page stays in the camera: {reason}");
        }
    }

    /// Tells whether longer exposures are in force, where that has changed.
    fn tell(&self, in_force: bool) {
        let changed = self.shared.capture.send_if_modified(|state| match state {
            CaptureState::Running(open) => {
                std::mem::replace(&mut open.low_light, in_force) != in_force
            }
            _ => false,
        });
        if changed && in_force {
            log::info!("it is dark: longer exposures are asked for (camera.low_light)");
        } else if changed {
            log::info!("light again: camera.low_light is taken back");
        }
    }
}

#[cfg(test)]
mod tests;
