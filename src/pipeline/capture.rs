//! The capture thread: keeps a source open and the mailbox fresh.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::state::{CaptureState, Open};
use super::suspend::SuspendMonitor;
use crate::alarm::Alarm;
use crate::backoff::Backoff;
use crate::name::Name;
use crate::pixels::frame::Frame;
use crate::source::{FrameSource, SourceError};

/// How long one read may take before the source is asked whether it still lives.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// A camera that was just plugged in is back within a second; one that is gone
/// for the night costs one open(2) every half minute.
const REOPEN: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));

/// So many broken frames one after the other are no accident: something about the
/// stream has changed, and opening it again is the cure.
const BROKEN_IN_A_ROW: u32 = 30;

/// While paused, how soon a resumption is noticed.
const PAUSE_LOOK: Duration = Duration::from_millis(200);

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
    pub shared: Arc<Shared>,
}

impl Capture {
    /// Runs until stopped or until a list of pictures ends; closes the mailbox.
    pub fn run(mut self) {
        let mut backoff = REOPEN;
        let mut frame = Frame::empty(self.shared.clock.now());
        let mut told = String::new();
        while !self.shared.stop.is_stopped() {
            self.shared.counters.beat_capture();
            if self.is_paused() {
                self.shared.capture.send_replace(CaptureState::Paused);
                self.shared.stop.wait(PAUSE_LOOK);
                continue;
            }
            self.shared.capture.send_replace(CaptureState::Opening);
            let lost = match (self.open)() {
                Ok(mut source) => {
                    let words = source.describe();
                    log::info!(camera:% = self.camera; "camera opened: {words}");
                    told.clear();
                    let open = Open { words, low_light: false };
                    self.shared.capture.send_replace(CaptureState::Running(open));
                    self.read(source.as_mut(), &mut frame, &mut backoff)
                }
                Err(error) => error,
            };
            if matches!(lost, SourceError::End) && !self.is_paused() {
                self.shared.capture.send_replace(CaptureState::Ended);
                break;
            }
            if self.shared.stop.is_stopped() || self.is_paused() {
                continue;
            }
            let reason = lost.to_string();
            if reason != told {
                // Once per reason, not at every try: it may stay away all night.
                log::warn!(message_id = Alarm::CameraLost.id(), camera:% = self.camera;
                    "camera lost: {reason}; trying again");
                told.clone_from(&reason);
            }
            self.shared.capture.send_replace(match lost {
                SourceError::NotACamera(_) => CaptureState::NotACamera(reason),
                _ => CaptureState::Failed(reason),
            });
            if self.shared.stop.wait(backoff.next_delay(0.0)) {
                break;
            }
            self.shared.counters.count_reopened();
        }
        self.shared.mailbox.close();
    }

    fn is_paused(&self) -> bool {
        self.shared.orders.borrow().paused
    }

    /// Reads until the source is lost, ends, or the daemon stops.
    fn read(
        &self,
        source: &mut dyn FrameSource,
        frame: &mut Frame,
        backoff: &mut Backoff,
    ) -> SourceError {
        let mut suspend = SuspendMonitor::new(self.shared.clock.asleep());
        let (mut broken, mut low_light) = (0, false);
        while !self.shared.stop.is_stopped() && !self.is_paused() {
            self.shared.counters.beat_capture();
            if let Some(slept) = suspend.woke(self.shared.clock.asleep()) {
                // Its buffers are as old as the sleep, and many a camera starts anew.
                let slept = slept.as_secs();
                return SourceError::Lost(format!("the machine slept for {slept} s"));
            }
            self.follow_light(source, &mut low_light);
            match source.next_frame(frame, READ_LIMIT) {
                Ok(()) => {
                    broken = 0;
                    backoff.reset();
                    self.shared.counters.count_captured();
                    let open = match self.delivery {
                        Delivery::Newest => self.shared.mailbox.put(frame),
                        Delivery::Every => self.shared.mailbox.put_when_empty(frame),
                    };
                    if !open {
                        return SourceError::End;
                    }
                }
                Err(SourceError::BadFrame(reason)) => {
                    self.shared.counters.count_bad();
                    log::debug!("frame dropped: {reason}");
                    broken += 1;
                    if broken >= BROKEN_IN_A_ROW && self.delivery == Delivery::Newest {
                        let reason = format!("{broken} broken frames in a row, last {reason}");
                        return SourceError::Lost(reason);
                    }
                }
                Err(error) => return error,
            }
        }
        SourceError::End
    }

    /// Asks for longer exposures when it has become dark, and takes that back.
    fn follow_light(&self, source: &mut dyn FrameSource, low_light: &mut bool) {
        let wanted = self.shared.view.borrow().light.low;
        if std::mem::replace(low_light, wanted) == wanted {
            return;
        }
        let in_force = source.set_low_light(wanted);
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
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::attention::Light;
    use crate::clock::SystemClock;
    use crate::contract::payload::Counts;
    use crate::pipeline::state::{Orders, View};

    type Read = Result<(), SourceError>;

    /// Gives what is written, then always the same; longer exposures can be had.
    struct Script {
        reads: VecDeque<Read>,
        then: fn() -> Read,
    }

    /// Gives what is written, then ends.
    fn script(reads: impl IntoIterator<Item = Read>) -> Script {
        Script { reads: reads.into_iter().collect(), then: || Err(SourceError::End) }
    }

    impl FrameSource for Script {
        fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Read {
            self.reads.pop_front().unwrap_or_else(self.then)
        }

        fn describe(&self) -> String {
            "script".to_owned()
        }

        fn set_low_light(&mut self, on: bool) -> bool {
            on
        }
    }

    /// Runs until `wanted` was the state, with what each opening brings.
    fn run(
        mut openings: VecDeque<Result<Script, SourceError>>,
        low: bool,
        wanted: fn(&CaptureState) -> bool,
    ) -> Counts {
        let shared = Shared::new(Arc::new(SystemClock), Orders::default());
        let mut states = shared.capture.subscribe();
        let light = Light { low, ..Light::default() };
        shared.view.send_replace(View { light, ..View::default() });
        let capture = Capture {
            camera: Name::camera("front").unwrap(),
            open: Box::new(move || {
                let next = openings.pop_front().unwrap_or(Err(SourceError::End));
                next.map(|script| Box::new(script) as Box<dyn FrameSource>)
            }),
            delivery: Delivery::Newest,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::spawn(move || capture.run());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let reached = states.wait_for(wanted);
            tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap().unwrap();
        });
        shared.stop.stop();
        thread.join().unwrap();
        shared.counters.read()
    }

    fn broken(count: u32) -> impl Iterator<Item = Read> {
        (0..count).map(|_| Err(SourceError::BadFrame("cut off".to_owned())))
    }

    #[test]
    fn many_broken_frames_in_a_row_open_it_again_and_a_good_one_between_does_not() {
        let patient = broken(29).chain([Ok(())]).chain(broken(29)).chain([Ok(())]);
        let one = VecDeque::from([Ok(script(patient))]);
        let counters = run(one, false, |state| *state == CaptureState::Ended);
        assert_eq!((counters.bad, counters.captured, counters.reopened), (58, 2, 0));
        let two = VecDeque::from([Ok(script(broken(31))), Ok(script([Ok(())]))]);
        let counters = run(two, false, |state| *state == CaptureState::Ended);
        assert_eq!((counters.bad, counters.captured, counters.reopened), (30, 1, 1));
    }

    #[test]
    fn what_is_no_camera_is_its_own_state() {
        let wrong = || Err(SourceError::NotACamera("a codec".to_owned()));
        run(VecDeque::from([wrong(), wrong()]), false, |state| {
            *state == CaptureState::NotACamera("a codec".to_owned())
        });
    }

    #[test]
    fn in_the_dark_longer_exposures_are_asked_for() {
        let endless = Script { then: || Ok(()), ..script([]) };
        run(
            VecDeque::from([Ok(endless)]),
            true,
            |state| matches!(state, CaptureState::Running(open) if open.low_light),
        );
    }
}
