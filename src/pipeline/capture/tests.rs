mod light;
mod waiting;

use std::collections::VecDeque;

use tokio::sync::watch;

use super::*;
use crate::clock::SystemClock;
use crate::contract::payload::Counts;
use crate::pipeline::mailbox::Taken;
use crate::pipeline::state::Orders;
use crate::preview::live::Live;
use crate::source::Opened;
use crate::source::controls::{ControlValue, ControlValues, Overruled};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(60);

type Read = Result<(), SourceError>;

/// Gives what is written, then always the same; longer exposures can be had.
struct Script {
    reads: VecDeque<Read>,
    then: fn() -> Read,
    recorded: bool,
}

/// Gives what is written, then ends.
fn script(reads: impl IntoIterator<Item = Read>) -> Script {
    let reads = reads.into_iter().collect();
    Script { reads, then: || Err(SourceError::End), recorded: false }
}

impl FrameSource for Script {
    fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Read {
        self.reads.pop_front().unwrap_or_else(self.then)
    }

    fn describe(&self) -> String {
        "script".to_owned()
    }

    fn is_recorded(&self) -> bool {
        self.recorded
    }

    fn set_low_light(&mut self, on: bool) -> Result<bool, String> {
        Ok(on)
    }
}

type Openings = VecDeque<Result<Script, SourceError>>;

/// A capture thread of `openings`, and after them of the end.
fn capture(mut openings: Openings, shared: &Arc<Shared>) -> Capture {
    Capture {
        camera: Name::camera("front").unwrap(),
        open: Box::new(move |_| {
            let next = openings.pop_front().unwrap_or(Err(SourceError::End));
            next.map(|script| Box::new(script) as Box<dyn FrameSource>)
        }),
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
fn run(openings: Openings, wanted: fn(&CaptureState) -> bool) -> Counts {
    let shared = shared();
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
    let counters = run(one, |state| *state == CaptureState::Ended);
    assert_eq!((counters.bad, counters.captured, counters.reopened), (58, 2, 0));
    let two = VecDeque::from([Ok(script(broken(31))), Ok(script([Ok(())]))]);
    let counters = run(two, |state| *state == CaptureState::Ended);
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
        open: Box::new(move |_| {
            openings += 1;
            match openings {
                1 => Ok(Box::new(Fickle(Arc::clone(&again))) as Box<dyn FrameSource>),
                _ => Err(SourceError::Lost("opened again".to_owned())),
            }
        }),
        ..capture(VecDeque::new(), &shared)
    };
    let thread = std::thread::spawn(move || capture.run());
    let again = CaptureState::Failed(ReasonCode::NoCamera, "opened again".to_owned());
    until(&shared.capture, |state| *state == again || *state == CaptureState::Ended);
    assert_eq!(*shared.capture.borrow(), again);
    assert_eq!(shared.counters.read().captured, 0, "a frame that came across the pause");
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

/// The first status comes before the capture thread has said anything.
#[test]
fn a_pause_of_an_earlier_run_is_known_before_anything_runs() {
    for paused in [false, true] {
        let orders = Orders { paused, ..Orders::default() };
        let shared = Shared::new(Arc::new(SystemClock), orders, None);
        assert_eq!(*shared.capture.borrow() == CaptureState::Paused, paused);
    }
}

/// Waits until this holds.
fn reach(what: &str, holds: impl Fn() -> bool) {
    let end = std::time::Instant::now() + LIMIT;
    while !holds() {
        assert!(std::time::Instant::now() < end, "not within {LIMIT:?}: {what}");
        std::thread::yield_now();
    }
}

/// An hour's recording on a slow disk is looked through for minutes.
#[test]
fn an_opening_that_takes_long_is_alive_and_ends_with_a_pause_or_a_stop() {
    let shared = shared();
    let capture = Capture {
        open: Box::new(|wanted| {
            while wanted() {
                std::thread::yield_now();
            }
            Err(SourceError::Unwanted)
        }),
        ..capture(VecDeque::new(), &shared)
    };
    let thread = std::thread::spawn(move || capture.run());
    let opening = |state: &CaptureState| matches!(state, CaptureState::Opening { .. });
    until(&shared.capture, opening);
    let (before, began) = (shared.counters.beats().0, shared.capture.borrow().clone());
    reach("signs of life", || shared.counters.beats().0 >= before + 3);
    let state = shared.capture.borrow().clone();
    assert!(opening(&state) && state != began, "a driver seems to hang: {state:?}");
    shared.orders.send_modify(|orders| orders.paused = true);
    until(&shared.capture, |state| *state == CaptureState::Paused);
    shared.orders.send_modify(|orders| orders.paused = false);
    until(&shared.capture, opening);
    shared.stop.stop();
    thread.join().unwrap();
    assert_eq!(shared.counters.read().reopened, 0, "nothing was lost");
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
    run(VecDeque::from([wrong(), wrong()]), |state| {
        *state == CaptureState::Failed(ReasonCode::NotACamera, "a codec".to_owned())
    });
}

/// Tells what it is asked for.
struct Obedient(std::sync::mpsc::Sender<String>);

impl FrameSource for Obedient {
    fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Read {
        Ok(())
    }

    fn describe(&self) -> String {
        "obedient".to_owned()
    }

    fn set_low_light(&mut self, on: bool) -> Result<bool, String> {
        self.0.send(format!("low light: {on}")).unwrap();
        Ok(on)
    }

    fn set_controls(&mut self, values: &ControlValues) -> Result<Overruled, String> {
        let pairs: Vec<_> = values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        self.0.send(pairs.join(", ")).unwrap();
        let all = ["brightness", "gain"].map(|name| (name.to_owned(), format!("not {name}")));
        Ok(all.into())
    }
}

/// A capture thread that has a camera open for the page, and what that is asked for.
fn obedient() -> (Arc<Shared>, Arc<Live>, std::sync::mpsc::Receiver<String>, Capture) {
    let live = Arc::new(Live::new(&crate::preview::Settings::default(), false));
    let shared = Shared::new(Arc::new(SystemClock), Orders::default(), Some(Arc::clone(&live)));
    let (told, asked) = std::sync::mpsc::channel();
    let mut source = Some(Obedient(told));
    let open: Opener = Box::new(move |_| match source.take() {
        Some(source) => Ok(Box::new(source)),
        None => Err(SourceError::End),
    });
    let capture = Capture { open, ..capture(VecDeque::new(), &shared) };
    (shared, live, asked, capture)
}

/// Has the camera closed, by a pause or for good.
fn close(shared: &Shared, pause: bool) {
    if pause {
        shared.orders.send_modify(|orders| orders.paused = true);
    } else {
        shared.stop.stop();
    }
}

/// What the page wants: this gain, beside the one that is saved.
fn gain(tried: i64, saved: i64) -> CameraTuning {
    let gain = |value| ControlValues::from([("gain".to_owned(), ControlValue::Number(value))]);
    let (orientation, touched) = Default::default();
    CameraTuning { orientation, controls: gain(tried), saved: gain(saved), touched }
}

#[test]
fn a_control_that_another_one_decides_is_told_on_the_page() {
    let (shared, live, _asked, capture) = obedient();
    let thread = std::thread::spawn(move || capture.run());
    live.camera.send_replace(Some(gain(3, 1)));
    until(&live.refused, Option::is_some);
    assert_eq!(*live.refused.borrow(), Some("not gain".to_owned()), "nobody asks for brightness");
    shared.stop.stop();
    thread.join().unwrap();
}

#[test]
fn what_is_only_tried_goes_before_the_camera_is_closed() {
    for pause in [false, true] {
        let (shared, live, asked, capture) = obedient();
        let thread = std::thread::spawn(move || capture.run());
        let next = || asked.recv_timeout(LIMIT).unwrap();
        live.camera.send_replace(Some(gain(3, 1)));
        assert_eq!(next(), "gain 3");
        close(&shared, pause);
        assert_eq!(next(), "gain 1", "paused: {pause}");
        shared.stop.stop();
        thread.join().unwrap();
    }
}

#[test]
fn a_recording_goes_on_after_a_pause_and_a_camera_is_opened_anew() {
    for (recorded, openings) in [(true, 1), (false, 2)] {
        let shared = shared();
        let (told, opened) = std::sync::mpsc::channel();
        let capture = Capture {
            open: Box::new(move |_| {
                told.send(()).unwrap();
                Ok(Box::new(Script { then: || Ok(()), recorded, ..script([]) }))
            }),
            ..capture(VecDeque::new(), &shared)
        };
        let thread = std::thread::spawn(move || capture.run());
        let looker = Arc::clone(&shared);
        let looks = std::thread::spawn(move || {
            let mut frame = Frame::empty(looker.clock.now());
            while looker.mailbox.take(&mut frame, LIMIT) != Taken::Closed {}
        });
        until(&shared.capture, |state| matches!(state, CaptureState::Running(_)));
        shared.orders.send_modify(|orders| orders.paused = true);
        until(&shared.capture, |state| *state == CaptureState::Paused);
        shared.orders.send_modify(|orders| orders.paused = false);
        until(&shared.capture, |state| matches!(state, CaptureState::Running(_)));
        shared.stop.stop();
        thread.join().unwrap();
        looks.join().unwrap();
        assert_eq!(opened.try_iter().count(), openings, "recorded: {recorded}");
    }
}

/// It was read, or waited for, when the pause began.
#[test]
fn a_recordings_picture_that_comes_across_a_pause_is_looked_at_after_it() {
    let shared = shared();
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let (ask, asked) = std::sync::mpsc::channel();
    let source = Waiting { told, ask };
    let mut opened = Some(source);
    let capture = Capture {
        open: Box::new(move |_| match opened.take() {
            Some(source) => Ok(Box::new(source)),
            None => Err(SourceError::End),
        }),
        ..capture(VecDeque::new(), &shared)
    };
    let thread = std::thread::spawn(move || capture.run());
    asked.recv_timeout(LIMIT).expect("a picture is waited for");
    shared.orders.send_modify(|orders| orders.paused = true);
    tell.send(()).unwrap();
    until(&shared.capture, |state| *state == CaptureState::Paused);
    assert_eq!(shared.counters.read().captured, 0);
    shared.orders.send_modify(|orders| orders.paused = false);
    reach("the picture", || shared.counters.read().captured == 1);
    until(&shared.capture, |state| matches!(state, CaptureState::Running(_)));
    shared.stop.stop();
    drop(tell);
    thread.join().unwrap();
}

/// A recording whose pictures come when they are told to.
struct Waiting {
    told: std::sync::mpsc::Receiver<()>,
    ask: std::sync::mpsc::Sender<()>,
}

impl FrameSource for Waiting {
    fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Read {
        self.ask.send(()).map_err(|_| SourceError::End)?;
        self.told.recv().map_err(|_| SourceError::End)
    }

    fn describe(&self) -> String {
        "waiting".to_owned()
    }

    fn is_recorded(&self) -> bool {
        true
    }
}

/// For as long as the picture before it is looked at.
#[test]
fn a_recording_that_waits_for_room_is_alive_and_ends_with_a_stop() {
    let mut shared = shared();
    Arc::get_mut(&mut shared).unwrap().period = Duration::from_millis(1);
    let endless = Script { then: || Ok(()), recorded: true, ..script([]) };
    let capture = capture(VecDeque::from([Ok(endless)]), &shared);
    let thread = std::thread::spawn(move || capture.run());
    // The second one waits.
    reach("two pictures", || shared.counters.read().captured == 2);
    let before = shared.counters.beats().0;
    reach("signs of life", || shared.counters.beats().0 >= before + 3);
    shared.stop.stop();
    reach("the end", || thread.is_finished());
    thread.join().unwrap();
}
