//! What orders do to frames: the real networks look, and the test says what time it is.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::*;
use crate::attention::reach::Distance;
use crate::clock::{Clock, rfc3339};
use crate::contract::payload::Counts;
use crate::detector::networks::Networks;
use crate::detector::{ModelInfo, Settings};
use crate::events::EventType;
use crate::mqtt;
use crate::pipeline::reporter::tests::{reporter_of, zone};
use crate::pipeline::state::{Open, Orders};
use crate::preview;
use crate::publish::Publisher;
use crate::source::picture;
use crate::tracks::{ExpressionSettings, TrackingSettings};
use crate::zones::{self, Kind, ZoneSet, Zones};

/// What every frame here shows: somebody.
const SOMEBODY: &str = "tests/demo/frames/030.jpg";
/// Frames come 15 times a second.
const FRAME: Duration = Duration::from_micros(66_667);

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// Says when the frame that was put last was taken: to look takes no time. So many seconds
/// ahead its wall clock was set.
#[derive(Default)]
struct FrameClock(AtomicU64, AtomicU64);

impl Clock for FrameClock {
    fn now(&self) -> Moment {
        let monotonic = Duration::from_micros(self.0.load(Ordering::SeqCst));
        let ahead = Duration::from_secs(self.1.load(Ordering::SeqCst));
        Moment { monotonic, wall: SystemTime::UNIX_EPOCH + monotonic + ahead }
    }
}

/// An inference thread, and what it is fed with.
struct Bench {
    clock: Arc<FrameClock>,
    shared: Arc<Shared>,
    live: Arc<Live>,
    publisher: Publisher,
    frame: Frame,
    thread: std::thread::JoinHandle<()>,
}

impl Bench {
    /// With these orders from the first frame on.
    fn start(orders: Orders, saved: &[zones::Settings]) -> Self {
        let clock = Arc::new(FrameClock::default());
        let live = Arc::new(Live::new(&preview::settings::Settings::default(), false));
        let shared =
            Shared::new(Arc::clone(&clock) as Arc<dyn Clock>, orders, Some(Arc::clone(&live)));
        let networks = Networks::load(&Settings::committed()).expect("the committed models");
        let ModelInfo { classes, .. } = networks.info();
        // No state is small enough: how many are told is counted as so many that are refused.
        let nothing = mqtt::settings::Settings { max_packet_bytes: 1, ..Default::default() };
        let reporter = reporter_of(saved, classes, nothing);
        let publisher = reporter.publisher().clone();
        let pace = pace::Settings::default();
        let attention =
            Attention::new(networks, Distance::default(), Some(Pace::new(pace.clone())))
                .expect("attention");
        let inference = Inference {
            attention,
            pace,
            relief: Some(Relief::default()),
            reporter,
            shared: Arc::clone(&shared),
            gallery: None,
        };
        let frame = picture::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(SOMEBODY));
        let thread = std::thread::spawn(move || inference.run());
        Self { clock, shared, live, publisher, frame: frame.expect("a picture"), thread }
    }

    /// How many states of the camera were told.
    fn states(&self) -> u64 {
        self.publisher.stats().states_refused
    }

    /// Shows so many frames more. All of them but the last were looked at then.
    fn show(&mut self, frames: u64) {
        for _ in 0..frames {
            let mut frame = self.frame.clone();
            self.frame.sequence += 1;
            frame.captured.monotonic = FRAME * (15 + self.frame.sequence as u32);
            frame.captured.wall = SystemTime::UNIX_EPOCH + frame.captured.monotonic;
            let micros = frame.captured.monotonic.as_micros() as u64;
            let put = self.shared.mailbox.put_when_empty(&mut frame, LIMIT, || true);
            assert!(put, "the thread has ended");
            self.clock.0.store(micros, Ordering::SeqCst);
        }
    }

    fn opened(&self, recorded: bool) {
        let open = Open { recorded, ..Open::default() };
        self.shared.capture.send_replace(CaptureState::Running(open));
    }

    /// What became of the frames, and how many faces have appeared.
    fn end(self) -> (Counts, usize) {
        let (counts, events) = self.end_with_events();
        let appeared = |event: &&Event| event.event_type == EventType::FaceAppeared;
        (counts, events.iter().filter(appeared).count())
    }

    fn end_with_events(self) -> (Counts, Vec<Event>) {
        self.shared.mailbox.close();
        self.thread.join().expect("no panic");
        (self.shared.counters.read(), self.live.events_after(0).1)
    }
}

/// What becomes of so many frames under these orders.
fn play(orders: Orders, frames: u64) -> (Counts, usize) {
    let mut bench = Bench::start(orders, &[]);
    bench.show(frames);
    bench.end()
}

fn tuned(threshold: Option<f32>, max_fps: Option<f32>) -> Orders {
    Orders { tuning: Tuning { threshold, max_fps }, ..Orders::default() }
}

#[tokio::test]
async fn an_ordered_threshold_says_who_is_told() {
    assert!(play(tuned(Some(0.5), None), 15).1 > 0);
    assert_eq!(play(tuned(Some(1.0), None), 15).1, 0);
}

#[tokio::test]
async fn an_ordered_rate_says_how_many_frames_are_looked_at() {
    let (counts, _) = play(tuned(None, Some(5.0)), 60);
    assert!((19..=21).contains(&counts.detected), "{counts:?}");
    assert_eq!(counts.detected + counts.rested, 60);
    let (counts, _) = play(Orders::default(), 15);
    assert!(counts.detected > 10, "it is the order that made them fewer: {counts:?}");
}

/// Of a recording each frame is looked at, whatever the order says; the camera after it has a
/// pace of its own again, which has not heard of the order yet.
#[tokio::test]
async fn an_ordered_rate_holds_for_the_camera_that_is_opened_after_a_recording() {
    let mut bench = Bench::start(tuned(None, Some(5.0)), &[]);
    bench.opened(true);
    bench.show(16);
    let recorded = bench.shared.counters.read();
    assert!(recorded.rested == 0 && recorded.detected >= 14, "{recorded:?}");
    bench.opened(false);
    bench.show(60);
    let (counts, _) = bench.end();
    let later = counts.detected - recorded.detected;
    // Up to two of the recording's frames were still on their way.
    assert!((19..=23).contains(&later), "{later} of 60");
}

/// They were taken before the camera was closed.
#[tokio::test]
async fn a_paused_thread_looks_at_no_frame_that_is_still_on_its_way() {
    let (counts, appeared) = play(Orders { paused: true, ..Orders::default() }, 15);
    assert_eq!((counts.detected, counts.rested, appeared), (0, 0, 0));
}

#[tokio::test]
async fn what_the_page_tries_leaves_a_commands_threshold_in_force() {
    for (threshold, somebody) in [(Some(1.0), false), (None, true)] {
        let mut bench = Bench::start(tuned(threshold, None), &[]);
        // Nobody is told as yet, and the order is known.
        bench.live.faces.send_replace(Some(tried(1.0, 0.5)));
        bench.show(4);
        assert_eq!(bench.live.events_after(0).1, [], "what is tried holds");
        bench.live.faces.send_replace(Some(tried(0.5, 0.7)));
        bench.show(15);
        assert_eq!(bench.end().1 > 0, somebody, "{threshold:?}");
    }
}

fn tried(start_confidence: f32, hold_s: f32) -> FaceTuning {
    FaceTuning {
        tracking: TrackingSettings { start_confidence, ..TrackingSettings::default() },
        expression: ExpressionSettings { hold_s, ..ExpressionSettings::default() },
        zones: None,
    }
}

#[tokio::test]
async fn a_mask_that_is_switched_on_hides_what_is_under_it_from_the_network() {
    let mask = zones::Settings { enabled: false, ..zone("all", Kind::Mask, 0.0, 1.0) };
    let saved = [mask];
    let holds = Zones::new(&saved).set_of(|_| true);
    let mut bench = Bench::start(Orders { zones: holds, ..Orders::default() }, &saved);
    bench.show(15);
    let (counts, appeared) = bench.end();
    // Where everything is hidden there is nothing to look for, once that is known.
    assert!(counts.detected <= 1 && appeared == 0, "{counts:?}, {appeared}");
    let mut bench = Bench::start(Orders::default(), &saved);
    bench.show(15);
    let (counts, appeared) = bench.end();
    assert!(counts.detected > 10 && appeared > 0, "it was the mask: {counts:?}, {appeared}");
}

/// However long it takes until the thread notices its end.
#[tokio::test]
async fn the_last_events_of_a_recording_have_the_time_of_its_last_picture() {
    for ended in [false, true] {
        let mut bench = Bench::start(Orders::default(), &[]);
        bench.opened(true);
        bench.show(20);
        let last = bench.clock.now();
        if ended {
            bench.shared.capture.send_replace(CaptureState::Ended);
        }
        bench.clock.0.fetch_add(30_000_000, Ordering::SeqCst);
        let (_, events) = bench.end_with_events();
        let told = events.last().expect("whoever was there leaves");
        assert_eq!(told.event_type, EventType::FaceLeft);
        assert_eq!(told.time, rfc3339(last.wall));
    }
}

/// On a slow board two frames took longer than a stop waits, and the faces stayed at the broker.
#[tokio::test]
async fn a_stop_waits_for_no_look_and_tells_who_is_gone() {
    let mut bench = Bench::start(Orders::default(), &[]);
    bench.show(15);
    let looked = bench.shared.counters.read().detected;
    bench.shared.stop.stop();
    bench.show(15);
    let counters = Arc::clone(&bench.shared);
    let (_, events) = bench.end_with_events();
    let later = counters.counters.read().detected - looked;
    assert!(later <= 2, "{later} besides those that were on their way");
    assert_eq!(events.last().expect("told").event_type, EventType::FaceLeft);
}

/// The next look may be hours away (`pace.idle_look_s`).
#[tokio::test]
async fn what_a_switched_zone_or_a_set_clock_changes_is_told_before_the_next_look() {
    let saved = [zone("room", Kind::Count, 0.0, 1.0)];
    let zones = Zones::new(&saved).set_of(|_| true);
    let seldom = Orders { zones, ..tuned(None, Some(0.1)) };
    for is_clock in [false, true] {
        let mut bench = Bench::start(seldom, &saved);
        bench.show(15);
        let before = (bench.states(), bench.shared.counters.read().detected);
        if is_clock {
            bench.clock.1.store(86_400, Ordering::SeqCst);
        } else {
            bench.shared.orders.send_modify(|orders| orders.zones = ZoneSet::default());
        }
        bench.show(5);
        let after = (bench.states(), bench.shared.counters.read().detected);
        assert_eq!(after, (before.0 + 1, before.1), "the clock: {is_clock}");
        bench.end();
    }
}
