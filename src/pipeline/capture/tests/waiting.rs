//! The waits between two tries to open a camera, which nobody can wait for here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::clock::{Clock, Moment, at};

/// Runs on by a minute whenever it is looked at, until it stands still.
#[derive(Default)]
struct Leaping {
    minutes: AtomicU64,
    still: AtomicBool,
}

impl Clock for Leaping {
    fn now(&self) -> Moment {
        let more = u64::from(!self.still.load(Ordering::SeqCst));
        at(60 * self.minutes.fetch_add(more, Ordering::SeqCst))
    }
}

#[test]
fn a_pause_is_noticed_while_a_lost_camera_is_waited_for() {
    let clock = Arc::new(Leaping::default());
    let shared = Shared::new(Arc::clone(&clock) as Arc<dyn Clock>, Orders::default(), None);
    let capture = Capture {
        open: Box::new(|_| Err(SourceError::Lost("gone".to_owned()))),
        ..capture(VecDeque::new(), &shared)
    };
    let thread = std::thread::spawn(move || capture.run());
    // By then half a minute is waited, and from here on for ever.
    reach("many tries", || shared.counters.read().reopened > 10);
    clock.still.store(true, Ordering::SeqCst);
    let beats = || shared.counters.beats().0;
    let before = beats();
    reach("signs of life", || beats() >= before + 5);
    shared.orders.send_modify(|orders| orders.paused = true);
    until(&shared.capture, |state| *state == CaptureState::Paused);
    shared.stop.stop();
    thread.join().unwrap();
}
