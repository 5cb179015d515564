//! The inference thread: from a frame to events, and nothing that waits.

use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;

use super::clock_step::ClockMonitor;
use super::frame_health::Stage;
use super::mailbox::Taken;
use super::reporter::Reporter;
use super::shared::Shared;
use super::state::{CaptureState, Orders, View};
use super::suspend::SuspendMonitor;
use super::viewpoint::{Change, Viewpoint};
use crate::annotate::gallery::Gallery;
use crate::annotate::snapshot::{annotated, jpeg};
use crate::attention::pace::{self, Pace};
use crate::attention::planner::Followed;
use crate::attention::{Attention, Findings, Relief, Sight};
use crate::clock::Moment;
use crate::contract::tuning::Tuning;
use crate::detector::ModelError;
use crate::events::Event;
use crate::mqtt::message::packet_size;
use crate::pixels::frame::Frame;
use crate::preview::live::{Live, Shot, ShownFace, ShownLook};
use crate::preview::tunable::FaceTuning;
use crate::tracks::TrackedFace;

/// Without frames, faces are let go and the watchdog fed this often.
const TICK: Duration = Duration::from_millis(500);

/// Everything the inference thread owns or shares.
pub(crate) struct Inference {
    /// Which frames are looked at, and by which model.
    pub attention: Attention,
    /// How often a camera's frames are looked at.
    pub pace: pace::Settings,
    /// How much is looked around on a board that is hot or too slow. None while a recording is
    /// played: its pictures take the time that they take.
    pub relief: Option<Relief>,
    /// What becomes of the faces found.
    pub reporter: Reporter,
    /// What all threads see.
    pub shared: Arc<Shared>,
    /// Where pictures of events are kept, if their owner wants that.
    pub gallery: Option<Gallery>,
}

/// What a frame leaves behind, reused from frame to frame.
#[derive(Default)]
struct Work {
    findings: Findings,
    followed: Vec<Followed>,
    /// How long the frame before was looked at.
    busy: Duration,
    /// The detector fails; told once.
    failing: bool,
    /// The numbers that were taken over last.
    tuning: Tuning,
    /// What the page tries, taken over last.
    tried: Option<FaceTuning>,
    /// Where the last picture was taken from.
    viewpoint: Viewpoint,
    /// The clock was set or a zone switched, and what is so since was not told yet.
    news: bool,
}

impl Inference {
    /// Runs until the mailbox is closed and empty.
    pub(crate) fn run(mut self) {
        let mut frame = Frame::empty(self.shared.clock.now());
        let mut work = Work::default();
        let mut suspend = SuspendMonitor::new(self.shared.clock.asleep());
        let mut clock = ClockMonitor::new(self.shared.clock.now_with_sleep());
        loop {
            let taken = self.shared.mailbox.take(&mut frame, TICK.min(self.shared.period));
            if let Some(slept) = suspend.woke(self.shared.clock.asleep()) {
                log::info!("the machine slept for {} s: no face is followed", slept.as_secs());
                self.end(self.time_of(&frame));
            }
            work.news |= self.follow_clock(&mut clock, &mut frame);
            let orders = *self.shared.orders.borrow();
            work.news |= self.follow_zones(orders);
            match taken {
                // Whoever waits for the end waits for no look at what is left. Those who are
                // followed are told as gone below.
                Taken::Frame if self.shared.stop.is_stopped() => {}
                // From before the camera was closed: nothing is looked at any more.
                Taken::Frame if orders.paused => {
                    self.pass(frame.time_at(self.shared.clock.now()));
                }
                Taken::Frame => {
                    self.follow_source(&mut work);
                    self.follow_viewpoint(&frame, &mut work);
                    self.tune(orders.tuning, &mut work);
                    self.look(&frame, orders.strained, &mut work);
                    if self.shared.owes(frame.captured.monotonic) {
                        self.answer(&frame);
                    }
                    self.show_frame(&frame, &work.findings);
                }
                Taken::Nothing if self.is_playing() => {}
                Taken::Nothing => self.pass(frame.time_at(self.shared.clock.now())),
                Taken::Closed => break,
            }
            if !work.failing {
                self.shared.counters.beat_inference();
            }
        }
        self.end(self.time_of(&frame));
    }

    /// Takes over that the wall clock was set; says whether it was.
    fn follow_clock(&mut self, clock: &mut ClockMonitor, frame: &mut Frame) -> bool {
        let Some(step) = clock.stepped(self.shared.clock.now_with_sleep()) else { return false };
        self.reporter.correct(step);
        // It may have been taken before the step.
        let since = ClockMonitor::new(frame.captured).stepped(self.shared.clock.now());
        if let Some(step) = since {
            frame.captured.wall = step.corrected(frame.captured.wall);
        }
        true
    }

    /// Takes over which zones hold; says whether others do. Also without a picture: in a zone that
    /// is off nobody has left it.
    fn follow_zones(&mut self, orders: Orders) -> bool {
        let masks = self.reporter.obey(orders.zones, orders.imposed);
        if let Some(masks) = &masks {
            self.attention.set_masks(masks);
        }
        masks.is_some()
    }

    /// Whether a recording is played: its time is that of its pictures, however long the
    /// next one takes to come.
    fn is_playing(&self) -> bool {
        self.shared.capture.borrow().plays()
    }

    /// What time it is when `frame` is the last that came and nothing is seen: a recording's time
    /// stands still after its last picture.
    fn time_of(&self, frame: &Frame) -> Moment {
        let has_ended = *self.shared.capture.borrow() == CaptureState::Ended;
        if self.is_playing() || has_ended {
            frame.time()
        } else {
            frame.time_at(self.shared.clock.now())
        }
    }

    /// Looks at every frame of a recording, and at a camera's by its pace. What the settings
    /// name may be the one or the other each time that it is opened.
    fn follow_source(&mut self, work: &mut Work) {
        let recorded = match &*self.shared.capture.borrow() {
            CaptureState::Running(open) => open.recorded,
            // Its last pictures may still be on their way.
            CaptureState::Ended => true,
            // A frame from before says nothing of what is opened next.
            _ => return,
        };
        if recorded == self.relief.is_none() {
            return;
        }
        let pace = (!recorded).then(|| Pace::new(self.pace.clone()));
        self.relief = pace.is_some().then(Relief::default);
        self.attention.set_pace(pace);
        // The limit in force is taken over again in `tune`.
        work.tuning.max_fps = None;
    }

    /// A picture that stands otherwise, or of another camera, shows everybody at another place:
    /// who was followed is not the one who is there now.
    fn follow_viewpoint(&mut self, frame: &Frame, work: &mut Work) {
        let is_its_own = || self.shared.frames.borrow().is_since_opened(frame.captured.monotonic);
        let change = match &*self.shared.capture.borrow() {
            CaptureState::Running(open) if is_its_own() => {
                work.viewpoint.follow(Some(&open.source), frame)
            }
            // A frame from before the camera was opened is not one of its own.
            _ => work.viewpoint.follow(None, frame),
        };
        if change.is_some() {
            self.end(frame.time());
        }
        if change == Some(Change::Camera) {
            self.attention.leave_camera();
        }
    }

    /// Time has passed, and nothing was seen.
    fn pass(&mut self, now: Moment) {
        let events = self.reporter.wait(now);
        self.tell(&events, now);
    }

    /// Nothing of what is followed will be seen again.
    fn end(&mut self, now: Moment) {
        let events = self.reporter.end(now);
        self.tell(&events, now);
    }

    /// Shows what was published for `at` to whoever looks at this device.
    fn tell(&mut self, events: &[Event], at: Moment) {
        if let Some(live) = &self.shared.live {
            live.told(events);
        }
        self.show_faces();
        if let Some(gallery) = &mut self.gallery {
            let faces = self.reporter.tracker.tracks(at.monotonic);
            gallery.keep(events, &faces, &self.reporter.legend());
        }
    }

    fn show_faces(&self) {
        let faces = self.reporter.faces();
        self.shared
            .view
            .send_if_modified(|view| std::mem::replace(&mut view.faces, faces) != faces);
    }

    /// Gives the page a copy of the frame, if anybody watches and has not just got one.
    fn show_frame(&self, frame: &Frame, findings: &Findings) {
        let Some(live) = &self.shared.live else { return };
        let now = self.shared.clock.now().monotonic;
        if live.wants(now) {
            let shown = |look| ShownLook::of(look, findings.picture);
            let faces = self.reporter.tracker.tracks(frame.time().monotonic);
            let shot = Shot {
                frame: frame.clone(),
                faces: self.shown_faces(&faces, frame),
                looks: findings.looks.iter().map(shown).collect(),
                zones: self.reporter.counts(&faces),
                masks: self.reporter.blackened(),
            };
            live.show(now, shot);
        }
    }

    fn shown_faces(&self, faces: &[TrackedFace], frame: &Frame) -> Vec<ShownFace> {
        let (tracker, size) = (&self.reporter.tracker, frame.upright_size());
        let shown = |face| ShownFace::of(face, tracker.shares(face.track), size);
        faces.iter().map(shown).collect()
    }

    /// Takes over what the page tries.
    fn try_out(&mut self, live: &Live, work: &mut Work) {
        let wanted = live.faces.borrow().clone();
        if wanted == work.tried {
            return;
        }
        let before = std::mem::replace(&mut work.tried, wanted.clone());
        let Some(FaceTuning { tracking, expression, zones }) = wanted else { return };
        self.reporter.tracker.retune(tracking, expression);
        // Who else may set the threshold is asked in `tune`.
        work.tuning.threshold = None;
        if before.and_then(|before| before.zones) != zones {
            self.attention.set_masks(&self.reporter.try_zones(zones.as_deref()));
        }
    }

    /// Takes over numbers that were changed.
    fn tune(&mut self, tuning: Tuning, work: &mut Work) {
        if let Some(live) = self.shared.live.clone() {
            self.try_out(&live, work);
        }
        if std::mem::replace(&mut work.tuning, tuning) == tuning {
            return;
        }
        if let Some(threshold) = tuning.threshold {
            self.reporter.tracker.set_start_confidence(threshold);
        }
        if let Some(max_fps) = tuning.max_fps {
            self.attention.set_max_fps(max_fps);
        }
    }

    /// Publishes this frame, which somebody has asked for. Where it is broken the next one may
    /// be whole; if none is in time, the watcher says so.
    fn answer(&self, frame: &Frame) {
        let faces = self.reporter.tracker.tracks(frame.time().monotonic);
        let Ok(picture) = annotated(frame, &faces, &self.reporter.legend()) else { return };
        let picture = self.pack(picture);
        // Asked only now: to look and to draw take their time, and a pause that came
        // meanwhile has withdrawn it.
        self.shared.answer(frame.captured.monotonic, |commands| {
            self.publish(picture, commands);
        });
    }

    /// `commands` asked for it.
    fn publish(&self, picture: Option<Vec<u8>>, commands: u64) {
        let publisher = self.reporter.publisher();
        let too_large =
            || "no picture is as small as mqtt.max_packet_bytes and the broker demand".to_owned();
        let published = picture.ok_or_else(too_large).and_then(|bytes| {
            let size = bytes.len();
            let sent = publisher.publish_snapshot(&self.reporter.camera, bytes);
            sent.map(|()| size).map_err(|reason| reason.to_string())
        });
        match published {
            Ok(size) => log::info!("a picture of {size} bytes goes to the broker, as asked for"),
            Err(reason) => publisher.refuse_snapshots(commands, &reason),
        }
    }

    /// The picture as a JPEG that fits into a packet, if one does.
    fn pack(&self, picture: RgbImage) -> Option<Vec<u8>> {
        let publisher = self.reporter.publisher();
        let topic = publisher.topics().snapshot(&self.reporter.camera);
        let room = publisher.largest_packet().saturating_sub(packet_size(&topic, 0));
        jpeg(picture, room)
    }

    fn look(&mut self, frame: &Frame, strained: bool, work: &mut Work) {
        match self.detect(frame, strained, work) {
            Ok(true) => (work.failing, work.news) = (false, false),
            Ok(false) => {
                self.shared.counters.count_rested();
                // The next look may be hours away.
                if std::mem::take(&mut work.news) {
                    let events = self.reporter.tell(frame.time());
                    self.tell(&events, frame.time());
                }
                return;
            }
            // It was stopped in the middle.
            Err(ModelError::Unwanted) => return,
            Err(ModelError::Pixels(reason)) => {
                let (now, reason) = (self.shared.clock.now(), reason.to_string());
                self.shared.counters.count_bad();
                log::debug!("frame dropped: {reason}");
                self.shared.frames.send_modify(|frames| {
                    frames.broken(now.monotonic, Stage::Decoding, &reason);
                });
                // A face does not stay for as long as frames are broken.
                return self.pass(self.time_of(frame));
            }
            Err(error) => {
                // It worked at start: not the picture's fault. Until it works again
                // the watchdog is not fed.
                if !std::mem::replace(&mut work.failing, true) {
                    log::error!("detector: {error}");
                }
                return self.pass(self.time_of(frame));
            }
        }
        if let Some(gallery) = &mut self.gallery {
            gallery.looked(frame);
        }
        let events = self.reporter.see(frame.time(), &work.findings);
        self.tell(&events, frame.time());
    }

    /// Fills `work.findings`; false when the frame was passed over.
    fn detect(
        &mut self,
        frame: &Frame,
        strained: bool,
        work: &mut Work,
    ) -> Result<bool, ModelError> {
        let (now, time) = (self.shared.clock.now().monotonic, frame.time().monotonic);
        let busy = std::mem::take(&mut work.busy);
        let share = self.relief.as_mut().map_or(1.0, |relief| relief.update(now, strained, busy));
        self.reporter.tracker.followed(time, &mut work.followed);
        // A network that fails is no progress, however many of a frame's looks go well.
        let (shared, failing) = (&self.shared, work.failing);
        let goes_on = || {
            if !failing {
                shared.counters.beat_inference();
            }
            !shared.stop.is_stopped()
        };
        let (followed, findings) = (&work.followed, &mut work.findings);
        let sight = self.attention.see(frame, time, followed, share, findings, &goes_on)?;
        work.busy = self.shared.clock.now().monotonic.saturating_sub(now);
        let (conditions, inference) = match sight {
            Sight::Passed => return Ok(false),
            Sight::Glanced(conditions) => (conditions, None),
            Sight::Looked(conditions, inference) => (conditions, Some(inference)),
        };
        let taken = frame.captured.monotonic;
        self.shared.frames.send_if_modified(|frames| frames.read(taken));
        // Pictures of a recording may have any size.
        let picture = self.relief.is_some().then(|| frame.upright_size());
        self.shared.view.send_if_modified(|view| {
            let seen = View { conditions, picture, ..*view };
            std::mem::replace(view, seen) != seen
        });
        let Some(inference) = inference else { return Ok(false) };
        let age = self.shared.clock.now().monotonic.saturating_sub(frame.captured.monotonic);
        self.shared.counters.count_detected(inference, age);
        if let Some(live) = &self.shared.live {
            live.looked(time, &work.findings, inference, age);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
