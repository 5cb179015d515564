//! What the pipeline and the page share: latest values and short lists, and nobody waits
//! for anybody. There is none while the page is off.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::camera_tuning::CameraTuning;
use super::metrics::Metrics;
use super::settings::Settings;
use super::tunable::FaceTuning;
use super::viewers::Viewers;
use super::what_if::History;
use crate::attention::Findings;
use crate::attention::look::Look;
use crate::contract::payload::DeviceStatus;
use crate::events::Event;
use crate::geometry::{Rect, Size};
use crate::pixels::frame::Frame;
use crate::source::Opened;
use crate::source::controls::ControlOffer;
use crate::tracks::TrackedFace;
use crate::zones::Masks;

/// So many of the latest events are shown.
pub(super) const EVENTS: usize = 50;

/// A face as the page draws it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ShownFace {
    /// The tracker's number.
    pub track: u64,
    /// Left, top, width and height as shares of the picture, 0 to 1.
    pub rect: [f32; 4],
    /// Seconds since it was first seen.
    pub age_s: f32,
    /// The class told; none while undecided.
    pub class: Option<usize>,
    /// Smoothed share of everything that is told (groups, where there are any).
    pub shares: Vec<f32>,
}

/// A part of the picture that a network was shown, as the page draws it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ShownLook {
    /// `whole`, `tile` or `face`: what it was for.
    purpose: &'static str,
    /// Left, top, width and height as shares of the picture, 0 to 1.
    rect: [f32; 4],
}

/// A frame for whoever watches, and what was seen in it.
pub(crate) struct Shot {
    pub frame: Frame,
    pub faces: Vec<ShownFace>,
    /// Where faces were looked for last: in this frame, or in one just before it.
    pub looks: Vec<ShownLook>,
    /// How many faces are in each zone, by its name.
    pub zones: BTreeMap<String, usize>,
    /// What of it nobody may see.
    pub masks: Masks,
}

/// Made once, held by the pipeline's threads and by the server's.
pub(crate) struct Live {
    /// At least this long between two pictures.
    interval: Duration,
    /// The newest frame that nobody has encoded yet.
    shot: Mutex<Option<Shot>>,
    /// When the last one was due.
    last_shot: Mutex<Option<Duration>>,
    pub(super) shots: Notify,
    events: Mutex<(u64, VecDeque<Event>)>,
    pub(super) history: Mutex<History>,
    pub(super) viewers: Viewers,
    pub(super) metrics: Metrics,
    /// The latest status; none before the first.
    pub status: watch::Sender<Option<DeviceStatus>>,
    /// To the inference thread: what is tried; none while the settings hold.
    pub faces: watch::Sender<Option<FaceTuning>>,
    /// To the capture thread: what is tried; none while the settings hold.
    pub camera: watch::Sender<Option<CameraTuning>>,
    /// From the capture thread: what it reads; none while nothing is open.
    pub opened: watch::Sender<Option<Opened>>,
    /// From the capture thread: the camera that was opened last, and its controls.
    pub(super) controls: watch::Sender<(Opened, Vec<ControlOffer>)>,
    /// How often these have been others.
    pub(super) offered: AtomicU64,
    /// From the capture thread: why the camera does not take what is tried, or some of it.
    pub refused: watch::Sender<Option<String>>,
    /// From the daemon: why it did not start again with what was saved.
    pub settings_refused: watch::Sender<Option<String>>,
    /// How often what is tried, or what it stands beside, has changed: a page that is told
    /// more than it knows of is not the only one.
    pub(super) tuned: AtomicU64,
    /// From the daemon: the camera delivers, or is closed and should be. Having no trouble is
    /// less: a camera that is being opened has none yet.
    pub camera_is_well: AtomicBool,
    /// Pictures must not leave now: paused, or held back by a command.
    private: AtomicBool,
    /// Whose turn it is to see another camera's picture: one at a time.
    turn: Arc<Semaphore>,
}

impl Live {
    /// Nothing was seen yet and nobody watches; `private` as [`set_private`](Self::set_private).
    pub(crate) fn new(settings: &Settings, private: bool) -> Self {
        Self {
            interval: Duration::from_secs_f32(1.0 / settings.max_fps),
            shot: Mutex::default(),
            last_shot: Mutex::default(),
            shots: Notify::new(),
            events: Mutex::default(),
            history: Mutex::default(),
            viewers: Viewers::new(settings.max_viewers),
            metrics: Metrics::default(),
            status: watch::Sender::default(),
            faces: watch::Sender::default(),
            camera: watch::Sender::default(),
            opened: watch::Sender::default(),
            controls: watch::Sender::default(),
            offered: AtomicU64::new(0),
            refused: watch::Sender::default(),
            settings_refused: watch::Sender::default(),
            tuned: AtomicU64::new(0),
            camera_is_well: AtomicBool::new(false),
            private: AtomicBool::new(private),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The turn to see another camera's picture, when it comes; none where the program ends.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).acquire_owned().await.ok()
    }

    /// Waits until no other camera is open for its picture; none is opened from then on.
    pub(crate) async fn last_turn(&self) {
        // Closed by nobody else, and whoever finds it closed has nothing to wait for.
        if let Ok(_turn) = self.turn.acquire().await {
            self.turn.close();
        }
    }

    /// A camera was opened, and can be set so.
    pub(crate) fn offer(&self, opened: Opened, controls: Vec<ControlOffer>) {
        let news = (opened, controls);
        self.controls.send_if_modified(|now| {
            let are_others = *now != news;
            if are_others {
                *now = news;
                self.offered.fetch_add(1, Ordering::Relaxed);
            }
            are_others
        });
    }

    /// How many watch the live picture.
    pub(crate) fn watching(&self) -> usize {
        self.viewers.count()
    }

    /// Whether a frame of monotonic time `now` would be shown to anybody. The frame is
    /// copied for that, so this is asked before.
    pub(crate) fn wants(&self, now: Duration) -> bool {
        if self.watching() == 0 || self.is_private() {
            return false;
        }
        let last = self.last_shot.lock().expect("no panic under this lock");
        last.is_none_or(|last| now.saturating_sub(last) >= self.interval)
    }

    /// Shows a frame without what is masked. Replaces one that nobody encoded.
    pub(crate) fn show(&self, now: Duration, shot: Shot) {
        let mut last = self.last_shot.lock().expect("no panic under this lock");
        // Frames come when the camera has them: counted from this one, which is late, the next
        // would be later still, and fewer would be shown than may.
        *last = match *last {
            Some(last) if now.saturating_sub(last) < 2 * self.interval => {
                Some(last + self.interval)
            }
            _ => Some(now),
        };
        drop(last);
        *self.shot.lock().expect("no panic under this lock") = Some(shot);
        self.shots.notify_one();
    }

    pub(super) fn take_shot(&self) -> Option<Shot> {
        self.shot.lock().expect("no panic under this lock").take()
    }

    /// A frame was looked at: what was found, how long the network took, how old the frame
    /// was then.
    pub(crate) fn looked(
        &self,
        at: Duration,
        found: &Findings,
        inference: Duration,
        age: Duration,
    ) {
        self.history.lock().expect("no panic under this lock").looked(at, found);
        self.metrics.looked(inference, age);
    }

    /// These were published.
    pub(crate) fn told(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let mut kept = self.events.lock().expect("no panic under this lock");
        for event in events {
            self.metrics.told(event.event_type);
            kept.0 += 1;
            kept.1.push_back(event.clone());
            if kept.1.len() > EVENTS {
                kept.1.pop_front();
            }
        }
    }

    /// Events after number `known`, oldest first, and the number of the last.
    pub(crate) fn events_after(&self, known: u64) -> (u64, Vec<Event>) {
        let kept = self.events.lock().expect("no panic under this lock");
        let news = usize::try_from(kept.0.saturating_sub(known)).unwrap_or(usize::MAX);
        let passed_over = kept.1.len().saturating_sub(news);
        (kept.0, kept.1.iter().skip(passed_over).cloned().collect())
    }

    /// Whether pictures must not leave now: the camera is paused, or a command holds
    /// pictures back.
    pub(crate) fn set_private(&self, private: bool) {
        self.private.store(private, Ordering::Relaxed);
        if private {
            // Also the one that was taken just before.
            self.take_shot();
        }
    }

    pub(super) fn is_private(&self) -> bool {
        self.private.load(Ordering::Relaxed)
    }

    /// Whether the camera gives no picture now: what it gave last is over.
    pub(super) fn is_blind(&self) -> bool {
        let status = self.status.borrow();
        status.as_ref().is_some_and(|now| now.reasons.iter().any(|why| why.code.is_blind()))
    }

    /// Whether there is a picture that may be shown. Of a camera that is back there is none
    /// until the status says so, or the page would hide it once more a moment later.
    pub(super) fn shows_pictures(&self) -> bool {
        !self.is_private() && !self.is_blind()
    }
}

impl ShownFace {
    /// A tracked face in a picture of `size` pixels.
    pub(crate) fn of(face: &TrackedFace, shares: &[f32], size: Size) -> Self {
        Self {
            track: face.track,
            rect: share_of(face.rect.clipped(size), size),
            age_s: face.age.as_secs_f32(),
            class: face.expression.map(|(class, _)| class),
            shares: shares.to_vec(),
        }
    }
}

impl ShownLook {
    /// A look at a picture of `size` pixels.
    pub(crate) fn of(look: &Look, size: Size) -> Self {
        Self { purpose: look.purpose.name(), rect: share_of(look.region.rect(), size) }
    }
}

fn share_of(rect: Rect, size: Size) -> [f32; 4] {
    let (width, height) = (size.width.max(1) as f32, size.height.max(1) as f32);
    [rect.x / width, rect.y / height, rect.width / width, rect.height / height]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot() -> Shot {
        let frame = Frame::empty(crate::clock::at(0));
        let (faces, looks) = (Vec::new(), Vec::new());
        Shot { frame, faces, looks, zones: BTreeMap::new(), masks: Masks::default() }
    }

    /// How many pictures of a camera with `frames` a second are shown in ten seconds, to
    /// whoever may have five a second.
    fn shown(frames: u32) -> usize {
        let live = Live::new(&Settings::default(), false);
        let _viewer = live.viewers.enter("a".to_owned()).expect("room");
        let times = (0..10 * frames).map(|frame| Duration::from_secs(frame.into()) / frames);
        let wanted = times.filter(|now| {
            let wanted = live.wants(*now);
            if wanted {
                live.show(*now, shot());
            }
            wanted
        });
        wanted.count()
    }

    #[test]
    fn as_many_pictures_are_shown_as_may_be_whatever_the_cameras_rate() {
        for frames in [7, 12, 15, 24, 25, 30] {
            let shown = shown(frames);
            assert!((48..=51).contains(&shown), "{frames} a second: {shown} in ten seconds");
        }
        assert_eq!(shown(3), 30, "all of a slow one's");
    }

    #[tokio::test]
    async fn the_last_turn_waits_for_another_cameras_picture_and_is_the_last() {
        let limit = Duration::from_secs(60);
        let live = Live::new(&Settings::default(), false);
        let turn = live.turn().await.expect("free");
        let early = tokio::time::timeout(Duration::from_millis(1), live.last_turn()).await;
        assert!(early.is_err(), "a camera is open");
        drop(turn);
        drop(live.turn().await.expect("whoever did not wait so long has changed nothing"));
        tokio::time::timeout(limit, live.last_turn()).await.expect("nothing is open");
        assert!(live.turn().await.is_none());
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let live = Live::new(&Settings::default(), false);
        let _viewer = live.viewers.enter("a".to_owned()).expect("room");
        live.show(Duration::ZERO, shot());
        let at = Duration::from_secs(60);
        live.show(at, shot());
        assert!(!live.wants(at + Duration::from_millis(190)));
        assert!(live.wants(at + Duration::from_millis(210)));
    }
}
