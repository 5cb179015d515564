//! The inference thread: from a frame to events, and nothing that waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::counters::Counters;
use super::mailbox::{Mailbox, Taken};
use super::reporter::Reporter;
use super::suspend::SuspendMonitor;
use crate::annotate::gallery::Gallery;
use crate::annotate::snapshot::{annotated, jpeg};
use crate::attention::{Attention, Light, Sight};
use crate::clock::Clock;
use crate::contract::tuning::Tuning;
use crate::detector::{Detection, ModelError};
use crate::mqtt::message::packet_size;
use crate::pixels::frame::Frame;

/// Without frames, faces are let go and the watchdog fed this often.
const TICK: Duration = Duration::from_millis(500);

/// Everything the inference thread owns or shares.
pub struct Inference {
    pub attention: Attention,
    pub reporter: Reporter,
    pub mailbox: Arc<Mailbox<Frame>>,
    pub counters: Arc<Counters>,
    pub clock: Arc<dyn Clock>,
    /// What the picture is like.
    pub view: watch::Sender<View>,
    /// Whether the board is hot or throttled.
    pub strained: watch::Receiver<bool>,
    pub orders: Orders,
    /// Where pictures of events are kept, if their owner wants that.
    pub gallery: Option<PathBuf>,
}

/// What can be told to the inference thread while it runs.
pub struct Orders {
    /// The numbers in force.
    pub tuning: watch::Receiver<Tuning>,
    /// When a picture was asked for last, on the monotonic clock; none when it may not
    /// leave any more.
    pub snapshot: watch::Receiver<Option<Duration>>,
    /// Largest packet that may go to the broker, in bytes.
    pub largest_packet: usize,
}

/// A picture that was asked for and did not come within this time is not sent any
/// more: whoever asked has forgotten it.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(10);

/// What the picture is like, for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How many faces are followed.
    pub faces: usize,
    pub light: Light,
}

/// What a frame leaves behind, reused from frame to frame.
#[derive(Default)]
struct Work {
    detections: Vec<Detection>,
    /// The detector fails; told once.
    failing: bool,
}

impl Inference {
    /// Runs until the mailbox is closed and empty.
    pub fn run(mut self) {
        let mut frame = Frame::empty(self.clock.now());
        let mut gallery = self.gallery.take().map(Gallery::new);
        let mut work = Work::default();
        self.orders.tuning.mark_changed();
        let mut suspend = SuspendMonitor::new(self.clock.asleep());
        loop {
            let taken = self.mailbox.take(&mut frame, TICK);
            if let Some(slept) = suspend.woke(self.clock.asleep()) {
                log::info!("the machine slept for {} s: no face is followed", slept.as_secs());
                self.reporter.end(self.clock.now());
                self.show_faces();
            }
            match taken {
                Taken::Frame => {
                    self.tune();
                    self.look(&frame, &mut work, gallery.as_mut());
                    self.answer(&frame);
                }
                Taken::Nothing => {
                    self.reporter.wait(self.clock.now());
                    self.show_faces();
                }
                Taken::Closed => break,
            }
            if !work.failing {
                self.counters.beat_inference();
            }
        }
        self.reporter.end(self.clock.now());
    }

    fn show_faces(&self) {
        let faces = self.reporter.faces();
        self.view.send_if_modified(|view| std::mem::replace(&mut view.faces, faces) != faces);
    }

    /// Takes over numbers that were changed.
    fn tune(&mut self) {
        // An error means that the daemon is ending.
        if !self.orders.tuning.has_changed().unwrap_or(false) {
            return;
        }
        let tuning = *self.orders.tuning.borrow_and_update();
        if let Some(threshold) = tuning.threshold {
            self.reporter.tracker.set_start_confidence(threshold);
        }
        if let Some(max_fps) = tuning.max_fps {
            self.attention.set_max_fps(max_fps);
        }
    }

    /// Publishes this frame if somebody has asked for one.
    fn answer(&mut self, frame: &Frame) {
        if !self.orders.snapshot.has_changed().unwrap_or(false) {
            return;
        }
        let now = self.clock.now().monotonic;
        let Some(asked) = *self.orders.snapshot.borrow_and_update() else { return };
        if now.saturating_sub(asked) > SNAPSHOT_LIMIT {
            self.refuse_snapshot(&"no picture came in time");
            return;
        }
        let faces = self.reporter.tracker.tracks(frame.captured.monotonic);
        let picture = match annotated(frame, &faces, self.reporter.classes()) {
            Ok(picture) => picture,
            Err(reason) => return self.refuse_snapshot(&reason),
        };
        let (publisher, camera) = (self.reporter.publisher(), &self.reporter.camera);
        let around = packet_size(&publisher.topics().snapshot(camera), 0);
        let Some(bytes) = jpeg(picture, self.orders.largest_packet.saturating_sub(around)) else {
            return self.refuse_snapshot(&"no picture is as small as mqtt.max_packet_bytes");
        };
        let size = bytes.len();
        match publisher.publish_snapshot(camera, bytes) {
            Ok(()) => log::info!("a picture of {size} bytes was published, as asked for"),
            Err(reason) => self.refuse_snapshot(&reason),
        }
    }

    fn refuse_snapshot(&self, why: &dyn std::fmt::Display) {
        self.reporter.publisher().count_refused_command();
        log::warn!("no snapshot: {why}");
    }

    fn look(&mut self, frame: &Frame, work: &mut Work, gallery: Option<&mut Gallery>) {
        match self.detect(frame, &mut work.detections) {
            Ok(true) => work.failing = false,
            Ok(false) => {
                self.counters.count_rested();
                return;
            }
            Err(ModelError::Pixels(reason)) => {
                self.counters.count_bad();
                log::debug!("frame dropped: {reason}");
                return;
            }
            Err(error) => {
                // It worked at start: not the picture's fault. Until it works again
                // the watchdog is not fed.
                if !std::mem::replace(&mut work.failing, true) {
                    log::error!("detector: {error}");
                }
                return;
            }
        }
        let events = self.reporter.see(frame.captured, frame.upright_size(), &work.detections);
        self.show_faces();
        if let Some(gallery) = gallery {
            let faces = self.reporter.tracker.tracks(frame.captured.monotonic);
            gallery.keep(frame, &events, &faces, self.reporter.classes());
        }
    }

    /// Fills `detections`; false when the frame was passed over.
    fn detect(
        &mut self,
        frame: &Frame,
        detections: &mut Vec<Detection>,
    ) -> Result<bool, ModelError> {
        let (now, busy) = (self.clock.now().monotonic, self.reporter.tracker.is_busy());
        let strained = *self.strained.borrow();
        let sight = self.attention.see(frame, now, busy, strained, detections)?;
        let (light, inference) = match sight {
            Sight::Passed => return Ok(false),
            Sight::Glanced(light) => (light, None),
            Sight::Looked(light, inference) => (light, Some(inference)),
        };
        self.view.send_if_modified(|view| std::mem::replace(&mut view.light, light) != light);
        let Some(inference) = inference else { return Ok(false) };
        let age = self.clock.now().monotonic.saturating_sub(frame.captured.monotonic);
        self.counters.count_detected(inference, age);
        Ok(true)
    }
}
