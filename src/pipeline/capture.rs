//! The capture thread: keeps a source open and the mailbox fresh.

use std::sync::Arc;
use std::time::Duration;

use super::camera_log::CameraLog;
use super::frame_health::{FrameHealth, Stage};
use super::heartbeat::READ_LIMIT;
use super::mailbox::ClosesAtEnd;
use super::shared::Shared;
use super::state::{CaptureState, Open};
use super::suspend::SuspendMonitor;
use crate::backoff::Backoff;
use crate::name::Name;
use crate::pixels::frame::Frame;
use crate::preview::tunable::CameraTuning;
use crate::source::{FrameSource, SourceError};

/// A camera that was just plugged in is back within a second; one that is gone
/// for the night costs one open(2) every half minute.
const REOPEN: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// A camera that has delivered for so long works. One that is lost sooner was not back:
/// the wait before the next try goes on growing, and the log does not tell it again.
const STEADY: Duration = Duration::from_secs(10);
/// How soon a pause or its end is noticed while there is no frame to wait for.
const PAUSE_LOOK: Duration = Duration::from_millis(200);

/// Whether a frame that nobody took is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// A camera: the newest frame wins.
    Newest,
    /// Recorded pictures: each one is looked at.
    Every,
}

/// Opens the source, again after each failure.
pub(crate) type Opener = Box<dyn FnMut() -> Result<Box<dyn FrameSource>, SourceError> + Send>;

/// Everything the capture thread owns or shares.
pub(crate) struct Capture {
    /// For log lines.
    pub camera: Name,
    /// Makes the source, again after each failure.
    pub open: Opener,
    /// Whether frames may be skipped.
    pub delivery: Delivery,
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
                shared.capture.send_replace(CaptureState::Paused);
                shared.frames.send_replace(FrameHealth::default());
                backoff.reset();
                shared.counters.beat_capture();
                shared.stop.wait(self.piece());
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
                    shared.frames.send_replace(FrameHealth::default());
                    match error {
                        SourceError::NotACamera(_) => CaptureState::NotACamera(reason),
                        _ => CaptureState::Failed(reason),
                    }
                }
            };
            shared.capture.send_replace(next);
            self.wait(backoff.next_delay(0.0));
            if !shared.stop.is_stopped() {
                shared.counters.count_reopened();
            }
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
        let mut source = match (self.open)() {
            Ok(source) => source,
            Err(SourceError::End) => return End::Finished,
            Err(error) => return End::Lost(error),
        };
        let words = source.describe();
        log.opened(&words);
        self.shared.frames.send_modify(FrameHealth::opened);
        if let Some(live) = &self.shared.live {
            live.controls.send_replace(source.controls());
            live.opened.send_replace(Some(source.opened()));
        }
        let open = Open { words: words.clone(), low_light: false };
        self.shared.capture.send_replace(CaptureState::Running(open));
        let steady = self.now() + STEADY;
        let end = self.read(source.as_mut(), frame, |now| {
            if now >= steady && self.shared.frames.borrow().is_known() {
                backoff.reset();
                log.works(&words);
            }
        });
        drop(source);
        if let Some(live) = &self.shared.live {
            live.opened.send_replace(None);
        }
        end
    }

    /// Reads until the source is lost, ends, or the daemon stops. `came` is told of each
    /// frame that comes.
    fn read(
        &self,
        source: &mut dyn FrameSource,
        frame: &mut Frame,
        mut came: impl FnMut(Duration),
    ) -> End {
        let mut suspend = SuspendMonitor::new(self.shared.clock.asleep());
        let (mut low_light, mut tuning) = (false, None);
        loop {
            if self.shared.stop.is_stopped() {
                return End::Stopped;
            }
            if self.is_paused() {
                return End::Paused;
            }
            self.shared.counters.beat_capture();
            if let Some(slept) = suspend.woke(self.shared.clock.asleep()) {
                // Its buffers are as old as the sleep, and many a camera starts anew.
                let slept = slept.as_secs();
                return End::Lost(SourceError::Lost(format!("the machine slept for {slept} s")));
            }
            self.follow_light(source, &mut low_light);
            self.follow_page(source, &mut tuning);
            let outcome = source.next_frame(frame, READ_LIMIT);
            let now = self.now();
            match outcome {
                Ok(()) => {
                    came(now);
                    self.shared.counters.count_captured();
                    self.shared.frames.send_if_modified(FrameHealth::came);
                    let open = match self.delivery {
                        Delivery::Newest => self.shared.mailbox.put(frame),
                        Delivery::Every => self.shared.mailbox.put_when_empty(frame),
                    };
                    if !open {
                        return End::Stopped;
                    }
                }
                Err(SourceError::BadFrame(reason)) => {
                    self.shared.counters.count_bad();
                    log::debug!("frame dropped: {reason}");
                    self.shared.frames.send_modify(|frames| {
                        frames.broken(now, Stage::Capture, &reason);
                    });
                }
                Err(SourceError::End) => return End::Finished,
                Err(error) => return End::Lost(error),
            }
            // Also by those that the inference thread could not decode.
            let frames = self.shared.frames.borrow();
            if self.delivery == Delivery::Newest && frames.is_run(now) {
                return End::Unreadable(frames.cause().unwrap_or_default().to_owned());
            }
        }
    }

    /// Takes over what the page tries, once. A source that was opened anew knows nothing
    /// of it, and is told again.
    fn follow_page(&self, source: &mut dyn FrameSource, tuning: &mut Option<CameraTuning>) {
        let Some(live) = &self.shared.live else { return };
        let wanted = live.camera.borrow().clone();
        if wanted == *tuning {
            return;
        }
        if let Some(wanted) = &wanted {
            source.set_orientation(wanted.orientation);
            live.refused.send_replace(source.set_controls(&wanted.controls).err());
        }
        *tuning = wanted;
    }

    /// Asks for longer exposures when it has become dark, and takes that back.
    fn follow_light(&self, source: &mut dyn FrameSource, low_light: &mut bool) {
        let wanted = self.shared.view.borrow().conditions.low;
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

    use tokio::sync::watch;

    use super::*;
    use crate::attention::Conditions;
    use crate::clock::SystemClock;
    use crate::contract::payload::Counts;
    use crate::pipeline::mailbox::Taken;
    use crate::pipeline::state::{Orders, View};
    use crate::preview::live::Live;
    use crate::source::Opened;

    /// Longest wait for anything.
    const LIMIT: Duration = Duration::from_secs(60);

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

    type Openings = VecDeque<Result<Script, SourceError>>;

    /// A capture thread of `openings`, and after them of the end.
    fn capture(mut openings: Openings, shared: &Arc<Shared>) -> Capture {
        Capture {
            camera: Name::camera("front").unwrap(),
            open: Box::new(move || {
                let next = openings.pop_front().unwrap_or(Err(SourceError::End));
                next.map(|script| Box::new(script) as Box<dyn FrameSource>)
            }),
            delivery: Delivery::Newest,
            shared: Arc::clone(shared),
        }
    }

    fn shared() -> Arc<Shared> {
        Shared::new(Arc::new(SystemClock), Orders::default(), None)
    }

    /// Waits until `wanted` is so.
    fn until<T>(values: &watch::Sender<T>, wanted: impl FnMut(&T) -> bool) {
        let mut values = values.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let reached = values.wait_for(wanted);
            tokio::time::timeout(LIMIT, reached).await.unwrap().unwrap();
        });
    }

    /// Runs until `wanted` was the state, with what each opening brings.
    fn run(openings: Openings, low: bool, wanted: fn(&CaptureState) -> bool) -> Counts {
        let shared = shared();
        let conditions = Conditions { low, ..Conditions::default() };
        shared.view.send_replace(View { conditions, ..View::default() });
        let capture = capture(openings, &shared);
        let thread = std::thread::spawn(move || capture.run());
        until(&shared.capture, wanted);
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
    fn frames_that_cannot_be_decoded_open_it_again_too() {
        let shared = shared();
        let endless = || Script { then: || Ok(()), ..script([]) };
        let capture = capture(VecDeque::from([Ok(endless()), Ok(endless())]), &shared);
        let thread = std::thread::spawn(move || capture.run());
        until(&shared.capture, |state| matches!(state, CaptureState::Running(_)));
        // As the inference thread does of whole frames that are no picture.
        (0..30).for_each(|_| {
            shared
                .frames
                .send_modify(|frames| frames.broken(Duration::ZERO, Stage::Decoding, "no tables"));
        });
        until(&shared.capture, |state| matches!(state, CaptureState::Opening { .. }));
        until(&shared.capture, |state| matches!(state, CaptureState::Running(_)));
        let frames = shared.frames.borrow().clone();
        assert_eq!((frames.cause(), frames.is_known()), (Some("no tables"), false));
        assert_eq!(shared.counters.read().reopened, 1);
        shared.stop.stop();
        thread.join().unwrap();
    }

    /// Says to pause when it is read, and takes that back while it is closed.
    struct Fickle(Arc<Shared>);

    impl FrameSource for Fickle {
        fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Read {
            self.0.orders.send_modify(|orders| orders.paused = true);
            Ok(())
        }

        fn describe(&self) -> String {
            "fickle".to_owned()
        }
    }

    impl Drop for Fickle {
        fn drop(&mut self) {
            self.0.orders.send_modify(|orders| orders.paused = false);
        }
    }

    #[test]
    fn a_pause_that_ends_while_the_camera_closes_opens_it_again() {
        let shared = shared();
        let mut openings = 0;
        let again = Arc::clone(&shared);
        let capture = Capture {
            open: Box::new(move || {
                openings += 1;
                match openings {
                    1 => Ok(Box::new(Fickle(Arc::clone(&again))) as Box<dyn FrameSource>),
                    _ => Err(SourceError::Lost("opened again".to_owned())),
                }
            }),
            ..capture(VecDeque::new(), &shared)
        };
        let thread = std::thread::spawn(move || capture.run());
        let again = CaptureState::Failed("opened again".to_owned());
        until(&shared.capture, |state| *state == again || *state == CaptureState::Ended);
        assert_eq!(*shared.capture.borrow(), again);
        shared.stop.stop();
        thread.join().unwrap();
    }

    #[test]
    fn the_page_knows_what_is_open() {
        let live = Arc::new(Live::new(&crate::preview::Settings::default(), false));
        let orders = Orders::default();
        let shared = Shared::new(Arc::new(SystemClock), orders, Some(Arc::clone(&live)));
        let endless = Script { then: || Ok(()), ..script([]) };
        let capture = capture(VecDeque::from([Ok(endless)]), &shared);
        let thread = std::thread::spawn(move || capture.run());
        until(&live.opened, |opened| *opened == Some(Opened::Files));
        shared.orders.send_modify(|orders| orders.paused = true);
        until(&live.opened, Option::is_none);
        shared.stop.stop();
        thread.join().unwrap();
    }

    #[test]
    fn a_pause_is_noticed_while_a_lost_camera_is_waited_for() {
        let shared = shared();
        let gone = || Err(SourceError::Lost("gone".to_owned()));
        let capture = capture((0..100).map(|_| gone()).collect(), &shared);
        let thread = std::thread::spawn(move || capture.run());
        // By the sixth the wait takes eight seconds.
        let beats = |shared: &Shared| shared.counters.beats().0;
        let end = std::time::Instant::now() + LIMIT;
        while shared.counters.read().reopened < 5 && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        let (before, began) = (beats(&shared), shared.clock.now().monotonic);
        while beats(&shared) < before + 3 && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(beats(&shared) >= before + 3);
        shared.orders.send_modify(|orders| orders.paused = true);
        until(&shared.capture, |state| *state == CaptureState::Paused);
        let took = shared.clock.now().monotonic.saturating_sub(began);
        assert!(took < Duration::from_secs(6), "{took:?}");
        shared.stop.stop();
        thread.join().unwrap();
    }

    #[test]
    fn a_panic_closes_the_mailbox() {
        let shared = shared();
        let panicking = Script { then: || panic!("on purpose"), ..script([]) };
        let capture = capture(VecDeque::from([Ok(panicking)]), &shared);
        assert!(std::thread::spawn(move || capture.run()).join().is_err());
        let mut frame = Frame::empty(shared.clock.now());
        assert_eq!(shared.mailbox.take(&mut frame, Duration::ZERO), Taken::Closed);
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
