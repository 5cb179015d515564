//! The stages of one frame, one after the other on one thread.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use expressiond::clock::{Clock, SystemClock, cpu_time};
use expressiond::detector::{Detection, Detector};
use expressiond::error::{Error, Kind, Result};
use expressiond::events::{Origin, Recorder, system_randomness};
use expressiond::mqtt;
use expressiond::mqtt::queue::Queue;
use expressiond::outbox::Outbox;
use expressiond::pixels::frame::Frame;
use expressiond::tracks::{Change, ChangeKind, ExpressionSettings, Tracker, TrackingSettings};

/// Frames that are not measured: the first ones fill caches, raise the processor's clock and
/// allocate memory.
const WARM_UP: u32 = 5;
const NAMES: [&str; 7] =
    ["capture", "decode", "letterbox", "inference", "head", "tracking", "publish"];

/// One input on one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub input: &'static str,
    pub threads: usize,
    /// Frames in a second, one after the other.
    pub fps: f64,
    /// Of all threads together, in milliseconds.
    pub cpu_ms_per_frame: f64,
    /// Share of the CPU time that is not the network's, 0 to 1.
    pub overhead: f64,
    pub stages: Vec<Stage>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.stages.iter();
        let stages: Vec<String> = stages
            .map(|stage| format!("{} {:.2} ({:.2})", stage.name, stage.p50_ms, stage.p95_ms))
            .collect();
        write!(
            f,
            "{:<7} {:>7} {:>8.1} {:>10.2} {:>8.1}%   {}",
            self.input,
            self.threads,
            self.fps,
            self.cpu_ms_per_frame,
            self.overhead * 100.0,
            stages.join(", ")
        )
    }
}

/// Milliseconds of one stage.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stage {
    pub name: &'static str,
    pub p50_ms: f64,
    pub p95_ms: f64,
}

/// What the daemon does with an event, as far as the outbox.
struct Publishing {
    recorder: Recorder,
    queue: Queue,
}

impl Publishing {
    fn new(detector: &Detector) -> Self {
        let info = detector.info();
        let origin = Origin {
            device: "bench".to_owned(),
            camera: "bench".to_owned(),
            model: info.id.clone(),
            classes: info.classes.clone(),
        };
        let settings = mqtt::Settings::default();
        let queue = Queue::new(&settings, Outbox::new(settings.outbox.clone()));
        Self { recorder: Recorder::new(origin, system_randomness()), queue }
    }

    /// Makes one event of each frame, though most frames cause none: the cost of the
    /// worst frame.
    fn publish(&mut self, found: &[Detection], frame: &Frame) -> Result<()> {
        let change = Change {
            track: 1,
            kind: ChangeKind::ExpressionStarted,
            rect: found.first().map(|found| found.rect).unwrap_or_default(),
            class: 0,
            confidence: 1.0,
            lasted: Duration::ZERO,
        };
        let event = self.recorder.record(&change, frame.captured, frame.size, Vec::new());
        let payload = serde_json::to_vec(&event)
            .map_err(|error| Error::caused(Kind::Internal, "cannot write an event", error))?;
        self.queue
            .push_event("bench/event".to_owned(), event.track, payload, frame.captured)
            .map_err(|refused| Error::new(Kind::Internal, refused.to_string()))
    }
}

/// Times `count` frames, each copied, detected, tracked and published.
pub(crate) fn measure(
    input: &'static str,
    frame: &Frame,
    threads: usize,
    detector: &mut Detector,
    count: u32,
) -> Result<Run> {
    let (tracking, expression) = (TrackingSettings::default(), ExpressionSettings::default());
    let mut tracker = Tracker::new(tracking, expression, detector.info().classes.len());
    let mut copy = Frame::empty(SystemClock.now());
    let (mut found, mut changes): (Vec<Detection>, Vec<_>) = (Vec::new(), Vec::new());
    let mut times: [Vec<Duration>; 7] = Default::default();
    let mut publishing = Publishing::new(detector);
    let (mut begin, mut cpu, mut inference_cpu) = (Instant::now(), cpu_time(), Duration::ZERO);
    for number in 0..WARM_UP + count {
        if number == WARM_UP {
            times.iter_mut().for_each(Vec::clear);
            (begin, cpu, inference_cpu) = (Instant::now(), cpu_time(), Duration::ZERO);
        }
        let start = Instant::now();
        // A source copies each frame out of the driver's buffer.
        copy.clone_from(frame);
        let captured = start.elapsed();
        let before = cpu_time();
        let timing = detector.detect(&copy, &mut found)?;
        let detect_cpu = cpu_time() - before;
        // Only the network has threads of its own: the wall time of the rest is CPU time.
        let around = timing.decode + timing.letterbox + timing.head;
        inference_cpu += detect_cpu.saturating_sub(around);
        let start = Instant::now();
        let now = Duration::from_millis(66 * u64::from(number));
        tracker.update(now, &found, &mut changes);
        let tracked = start.elapsed();
        publishing.publish(&found, &copy)?;
        let published = start.elapsed() - tracked;
        let detected = [timing.decode, timing.letterbox, timing.inference, timing.head];
        let stages = [captured].into_iter().chain(detected).chain([tracked, published]);
        times.iter_mut().zip(stages).for_each(|(times, time)| times.push(time));
    }
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), (cpu_time() - cpu).as_secs_f64());
    let stages = NAMES.into_iter().zip(&mut times).map(|(name, times)| stage(name, times));
    Ok(Run {
        input,
        threads,
        fps: f64::from(count) / wall,
        cpu_ms_per_frame: cpu * 1e3 / f64::from(count),
        overhead: 1.0 - (inference_cpu.as_secs_f64() / cpu.max(f64::MIN_POSITIVE)).min(1.0),
        stages: stages.collect(),
    })
}

fn stage(name: &'static str, times: &mut [Duration]) -> Stage {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() - 1) as f64 * share).round() as usize;
        times[index].as_secs_f64() * 1e3
    };
    Stage { name, p50_ms: at(0.5), p95_ms: at(0.95) }
}
