//! One picture of a camera, for whoever chooses among several.

use std::sync::Arc;
use std::time::Duration;

use super::devices::Node;
use super::frame_source::{FrameSource, SourceError};
use super::settings::Settings;
use super::v4l2::Camera;
use crate::clock::Clock;
use crate::geometry::Size;
use crate::pixels::frame::Frame;

/// So long a camera may take until its picture is there.
const LIMIT: Duration = Duration::from_secs(4);
/// So long after its first picture the newest one is taken: until then a webcam has measured
/// the light, and what it sends before is often black.
const SETTLE: Duration = Duration::from_millis(700);
/// Pixels that are enough to know a room by.
const NEEDED: Size = Size::new(320, 240);

/// Opens a camera as it is, takes its picture and closes it. While `stop` says so, nothing
/// more is read.
///
/// # Errors
///
/// In words for the owner: another program reads it, or no whole picture comes in time.
pub(crate) fn still(
    node: &Node,
    clock: &Arc<dyn Clock>,
    stop: &dyn Fn() -> bool,
) -> Result<Frame, SourceError> {
    let mut camera = Camera::open(&node.path, &Settings::default(), NEEDED, Arc::clone(clock))?;
    settled(&mut camera, &**clock, stop)
}

/// The newest whole picture when the camera has settled, or when its time is over.
fn settled(
    camera: &mut dyn FrameSource,
    clock: &dyn Clock,
    stop: &dyn Fn() -> bool,
) -> Result<Frame, SourceError> {
    let mut end = clock.now().monotonic + LIMIT;
    let (mut frame, mut newest) = (Frame::empty(clock.now()), None::<Frame>);
    let mut missing = SourceError::Lost(format!(
        "{}: no whole picture within {} s",
        camera.describe(),
        LIMIT.as_secs()
    ));
    while !stop() {
        let left = end.saturating_sub(clock.now().monotonic);
        if left.is_zero() {
            break;
        }
        match camera.next_frame(&mut frame, left) {
            Ok(()) if newest.is_none() => {
                end = end.min(clock.now().monotonic + SETTLE);
                newest = Some(frame.clone());
            }
            Ok(()) => newest = Some(frame.clone()),
            // Many a camera's first pictures are cut off.
            Err(SourceError::BadFrame(_)) => {}
            Err(error) => {
                missing = error;
                break;
            }
        }
    }
    newest.ok_or(missing)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::clock::{Moment, at};

    /// Milliseconds, moved on by what the camera takes.
    #[derive(Default)]
    struct Stopwatch(AtomicU64);

    impl Clock for Stopwatch {
        fn now(&self) -> Moment {
            let since = Duration::from_millis(self.0.load(Ordering::Relaxed));
            Moment { monotonic: since, wall: at(0).wall + since }
        }
    }

    /// What each read takes, in milliseconds, and brings; then nothing more comes.
    struct Script<'a> {
        reads: VecDeque<(u64, Result<u8, SourceError>)>,
        clock: &'a Stopwatch,
    }

    impl FrameSource for Script<'_> {
        fn next_frame(&mut self, frame: &mut Frame, limit: Duration) -> Result<(), SourceError> {
            let limit = limit.as_millis() as u64;
            let timeout = || (limit, Err(SourceError::Lost("no frames".into())));
            let (takes, read) = self.reads.pop_front().unwrap_or_else(timeout);
            let read = if takes > limit { timeout().1 } else { read };
            self.clock.0.fetch_add(takes.min(limit), Ordering::Relaxed);
            frame.data = vec![read?];
            Ok(())
        }

        fn describe(&self) -> String {
            "script".to_owned()
        }
    }

    /// The picture's only byte, or why there is none; and how long that took.
    fn play(
        reads: impl IntoIterator<Item = (u64, Result<u8, SourceError>)>,
        stop: &dyn Fn() -> bool,
    ) -> (Result<u8, String>, u64) {
        let clock = Stopwatch::default();
        let mut camera = Script { reads: reads.into_iter().collect(), clock: &clock };
        let outcome = settled(&mut camera, &clock, stop);
        let outcome = outcome.map(|frame| frame.data[0]).map_err(|error| error.to_string());
        (outcome, clock.0.into_inner())
    }

    fn go_on() -> bool {
        false
    }

    #[test]
    fn the_picture_is_one_for_which_the_light_was_measured() {
        // At 10 frames a second: the eighth is the first that comes 700 ms after the first.
        let frames = (0..100).map(|number| (100, Ok(number)));
        assert_eq!(play(frames, &go_on), (Ok(7), 800));
        // One frame in four seconds is better than none.
        assert_eq!(play([(3900, Ok(1)), (500, Ok(2))], &go_on), (Ok(1), 4000));
        assert_eq!(play([(100, Ok(1))], &go_on).0, Ok(1), "and so is one before it freezes");
    }

    #[test]
    fn broken_pictures_are_passed_over_and_none_is_told() {
        let broken = || (100, Err(SourceError::BadFrame("cut off".into())));
        assert_eq!(play([broken(), broken(), (100, Ok(3))], &go_on).0, Ok(3));
        let (none, took) = play((0..100).map(|_| broken()), &go_on);
        assert_eq!((none.unwrap_err().contains("no whole picture"), took), (true, 4000));
        let (none, took) = play([], &go_on);
        assert_eq!((none.unwrap_err().as_str(), took), ("no frames", 4000));
        let gone = (10, Err(SourceError::Lost("unplugged".into())));
        assert_eq!(play([gone], &go_on), (Err("unplugged".into()), 10));
    }

    #[test]
    fn nothing_is_read_once_it_is_stopped() {
        let frames = (0..100).map(|number| (100, Ok(number)));
        assert_eq!(play(frames, &|| true).1, 0);
    }
}
