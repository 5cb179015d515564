//! Faces over time: stable ids and smoothed expressions.
//!
//! Pure: boxes and a time in, changes out. Association is in two stages as in
//! ByteTrack (strong boxes first, then weak ones for the tracks left over);
//! `docs/design/tracking.md` has the states and the reasons.

pub(crate) mod assignment;
pub(crate) mod expression;
pub mod face;
pub mod grouping;
pub(crate) mod kalman;
pub(crate) mod settings;
mod track;
pub mod vocabulary;

use std::time::Duration;

use crate::attention::planner::Followed;
use crate::detector::Detection;
use crate::geometry::Rect;
use crate::zones::Admission;
use assignment::assign;
use face::Face;
use grouping::Grouping;
pub use settings::{
    Expression as ExpressionSettings, START_CONFIDENCE, Tracking as TrackingSettings,
};
pub use track::{Change, ChangeKind, TrackedFace};
use track::{TENTATIVE_LOST, Track};

/// Follows the faces of one camera.
#[derive(Clone, Debug)]
pub struct Tracker {
    tracking: TrackingSettings,
    expression: ExpressionSettings,
    /// For each class of the model the number of what it is told as.
    told_as: Vec<usize>,
    tracks: Vec<Track>,
    next: u64,
    /// The latest time that was told, by a frame or without one.
    now: Duration,
    /// When the last frame was taken.
    frame: Option<Duration>,
    /// How long after the one before it each of the last two frames came.
    intervals: [Option<Duration>; 2],
}

/// What is known of places in a frame.
pub struct Filter<Looked, Allowed> {
    /// Whether a face there would have been found: one that was not looked for is not missed.
    pub looked: Looked,
    /// What may become of a face there.
    pub admission: Allowed,
}

impl<Looked: Fn(&Rect) -> bool> Filter<Looked, fn(&Rect) -> Admission> {
    /// Parts of the frame were looked at, and no zones are drawn.
    pub fn looked(looked: Looked) -> Self {
        Self { looked, admission: |_| Admission::Any }
    }
}

/// Frames may come so far apart without a face leaving by that alone, however short `lost_s`
/// is: a busy board takes them unevenly.
const GAP: Duration = Duration::from_millis(500);
/// Beyond its predicted place a face is looked for within this many of its sizes:
/// at two frames a second a head moves that far.
const REACH: f32 = 1.0;
/// The cost of a pair that must not be made.
const NEVER: f32 = 1.0;

impl Tracker {
    /// No face is followed yet; `class_count` is the model's.
    pub fn new(
        tracking: TrackingSettings,
        expression: ExpressionSettings,
        class_count: usize,
    ) -> Self {
        Self {
            tracking,
            expression,
            told_as: (0..class_count).collect(),
            tracks: Vec::new(),
            next: 1,
            now: Duration::ZERO,
            frame: None,
            intervals: [None; 2],
        }
    }

    /// Classes are told in groups.
    #[must_use]
    pub fn telling(self, grouping: &Grouping) -> Self {
        Self { told_as: grouping.of_class().to_vec(), ..self }
    }

    /// Takes in one frame's detections, most confident first, taken at `now` on the
    /// monotonic clock; appends what changed. Call it for a frame without a face as
    /// well: it says that nobody was there.
    pub fn update(&mut self, now: Duration, detections: &[Detection], out: &mut Vec<Change>) {
        self.update_where(now, detections, &Filter::looked(|_| true), out);
    }

    /// The same for a frame that was looked at in parts, or parts of which do not count.
    pub fn update_where(
        &mut self,
        now: Duration,
        detections: &[Detection],
        filter: &Filter<impl Fn(&Rect) -> bool, impl Fn(&Rect) -> Admission>,
        out: &mut Vec<Change>,
    ) {
        // A driver that stamps a frame with an older time must not undo what was seen.
        let now = now.max(self.now);
        self.now = now;
        let interval = self.frame.replace(now).map(|last| now.saturating_sub(last));
        self.intervals = [self.intervals[1], interval];
        let lost = self.lost();
        let interval = interval.unwrap_or_default();
        // What is seen behind a gap does not carry on what was before it.
        let gap = lost.max(GAP);
        self.leave(interval, gap, gap, out);
        self.tracks.iter_mut().for_each(|track| track.motion.predict(now));
        let (strong, weak) = self.faces(detections, &filter.admission);
        let mut free: Vec<usize> = (0..self.tracks.len()).collect();
        let new = self.associate(now, strong, &mut free, REACH, out);
        self.associate(now, weak, &mut free, 0.0, out);
        for track in free {
            let track = &mut self.tracks[track];
            if (filter.looked)(&track.motion.place()) {
                track.miss(now, interval);
            }
        }
        self.leave(Duration::ZERO, lost, TENTATIVE_LOST.min(lost), out);
        new.into_iter().for_each(|face| self.start(now, face, out));
    }

    /// The faces in a frame: those that may start a track, and those that may only be where
    /// one went that is followed already.
    fn faces(
        &self,
        detections: &[Detection],
        admission: &impl Fn(&Rect) -> Admission,
    ) -> (Vec<Face>, Vec<Face>) {
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        for face in face::merge(detections, self.told_as.len()) {
            match admission(&face.rect) {
                Admission::Any if face.starts(self.tracking.start_confidence) => {
                    strong.push(face);
                }
                Admission::Any | Admission::Known => weak.push(face),
                Admission::Refused => {}
            }
        }
        (strong, weak)
    }

    /// Time passes without a picture: faces that were not seen for too long leave.
    /// Nobody was looked for, so a tentative face is not yet missed: below two frames
    /// a second it would otherwise be forgotten before the next frame could confirm it.
    pub fn pass(&mut self, now: Duration, out: &mut Vec<Change>) {
        self.now = self.now.max(now);
        let lost = self.lost();
        let without = self.frame.map_or(Duration::ZERO, |frame| self.now.saturating_sub(frame));
        self.leave(without, lost, lost, out);
    }

    /// Replaces `out` by the faces that are followed, confirmed or not, where they will be
    /// at `now`.
    pub fn followed(&self, now: Duration, out: &mut Vec<Followed>) {
        out.clear();
        out.extend(self.tracks.iter().map(|track| {
            let mut motion = track.motion;
            motion.predict(now);
            let missed = track.unseen > Duration::ZERO;
            // Who was not found there is anywhere about.
            let unsure = if missed { f32::INFINITY } else { motion.unsure() };
            Followed { rect: motion.rect(), looked: track.looked, missed, unsure }
        }));
    }

    /// Ends every track: the camera is gone or the daemon stops.
    pub fn end_all(&mut self, out: &mut Vec<Change>) {
        self.tracks.drain(..).for_each(|track| track.leave(out));
    }

    /// The confirmed faces, largest first.
    pub fn tracks(&self, now: Duration) -> Vec<TrackedFace> {
        let confirmed = self.tracks.iter().filter(|track| track.confirmed);
        let mut faces: Vec<TrackedFace> =
            confirmed.map(|track| track.as_tracked_face(now)).collect();
        faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        faces
    }

    /// What is followed and is no face yet: it was not seen often enough, or for long enough.
    pub fn tentative(&self, now: Duration) -> impl Iterator<Item = TrackedFace> {
        let tentative = self.tracks.iter().filter(|track| !track.confirmed);
        tentative.map(move |track| track.as_tracked_face(now))
    }

    /// When a face is one, as it is set now.
    pub(crate) fn tracking(&self) -> &TrackingSettings {
        &self.tracking
    }

    /// Another threshold for a face to start, while running.
    pub fn set_start_confidence(&mut self, confidence: f32) {
        self.tracking.start_confidence = confidence;
    }

    /// Of a confirmed face the smoothed share of everything that is told (groups, where there are
    /// any), summing to 1; empty for a face that is not followed.
    pub fn shares(&self, track: u64) -> &[f32] {
        let followed = self.tracks.iter().find(|followed| followed.number == track);
        followed.map_or(&[], |followed| followed.expression.shares())
    }

    /// Other settings while running: faces that are followed stay.
    pub fn retune(&mut self, tracking: TrackingSettings, expression: ExpressionSettings) {
        (self.tracking, self.expression) = (tracking, expression);
    }

    /// Whether any face, confirmed or not, is being followed.
    pub fn is_busy(&self) -> bool {
        !self.tracks.is_empty()
    }

    /// How long a confirmed face may stay unseen: `lost_s`, but never so short that
    /// one frame decides. From the frame before a missed one to the frame after it, in which
    /// the face may be found again, it is two intervals, and a driver is not exact. The last
    /// two intervals count by the shorter one, so that a single gap between frames does not
    /// keep faces that it should end.
    fn lost(&self) -> Duration {
        let [before, last] = self.intervals;
        let steady = before.zip(last).map(|(before, last)| before.min(last));
        Duration::from_secs_f32(self.tracking.lost_s).max(steady.unwrap_or_default() * 5 / 2)
    }

    /// Lets go of confirmed tracks that were not seen for `lost`, of the others that
    /// were not seen for `tentative`; `without` is the time since the last frame.
    fn leave(
        &mut self,
        without: Duration,
        lost: Duration,
        tentative: Duration,
        out: &mut Vec<Change>,
    ) {
        let mut index = 0;
        while index < self.tracks.len() {
            let track = &self.tracks[index];
            let limit = if track.confirmed { lost } else { tentative };
            if track.unseen + without > limit {
                self.tracks.remove(index).leave(out);
            } else {
                index += 1;
            }
        }
    }

    /// Pairs faces with the free tracks; gives back the faces left over.
    fn associate(
        &mut self,
        now: Duration,
        faces: Vec<Face>,
        free: &mut Vec<usize>,
        reach: f32,
        out: &mut Vec<Change>,
    ) -> Vec<Face> {
        let cost = |face: &Face, track: &usize| self.cost(face, &self.tracks[*track], reach);
        let costs: Vec<Vec<f32>> =
            faces.iter().map(|face| free.iter().map(|track| cost(face, track)).collect()).collect();
        let pairs = assign(&costs, NEVER);
        let mut left = Vec::new();
        for (face, pair) in faces.into_iter().zip(&pairs) {
            match pair {
                Some(column) => {
                    let track = &mut self.tracks[free[*column]];
                    track.see(now, &face, &self.tracking, &self.expression, out);
                }
                None => left.push(face),
            }
        }
        let taken: Vec<usize> = pairs.into_iter().flatten().collect();
        let mut column = 0;
        free.retain(|_| {
            column += 1;
            !taken.contains(&(column - 1))
        });
        left
    }

    /// 0 for the same box; overlap first, and where there is none, nearness.
    fn cost(&self, face: &Face, track: &Track, reach: f32) -> f32 {
        let predicted = track.motion.rect();
        let overlap = predicted.iou(&face.rect);
        // At 0 any overlap is enough, but there must be some.
        if overlap > 0.0 && overlap >= self.tracking.match_iou {
            return (1.0 - overlap) * 0.5;
        }
        let (a, b) = (predicted.centre(), face.rect.centre());
        let size = predicted.width.max(predicted.height).max(1.0);
        let distance = (a.0 - b.0).hypot(a.1 - b.1) / size;
        let ratio = face.rect.area().max(1.0) / predicted.area().max(1.0);
        let similar = (0.4..2.5).contains(&ratio);
        if similar && distance < reach { 0.5 + 0.5 * distance / reach } else { NEVER }
    }

    fn start(&mut self, now: Duration, face: Face, out: &mut Vec<Change>) {
        let mut track = Track::new(self.next, face.rect, &self.told_as, now);
        self.next += 1;
        track.see(now, &face, &self.tracking, &self.expression, out);
        self.tracks.push(track);
    }
}

#[cfg(test)]
mod tests;
