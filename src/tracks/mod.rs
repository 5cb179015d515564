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
pub mod vocabulary;

use std::time::Duration;

use crate::attention::planner::Followed;
use crate::detector::Detection;
use crate::geometry::Rect;
use crate::zones::Admission;
use assignment::assign;
use expression::{Expression, Step};
use face::Face;
use grouping::Grouping;
use kalman::Motion;
pub use settings::{Expression as ExpressionSettings, Tracking as TrackingSettings};

/// Something worth telling about one face.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Number of the track, unique within a [`Tracker`], from 1.
    pub track: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// Where the face is, in pixels of the frame.
    pub rect: Rect,
    /// The class, or the group, that it is about; before an expression was told, the one
    /// that leads.
    pub class: usize,
    /// Of that class: its smoothed share of belief, 0 to 1.
    pub confidence: f32,
    /// How long what ended lasted; zero for what begins.
    pub lasted: Duration,
}

/// What happened to a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was followed for `tracking.confirm_s`.
    FaceAppeared,
    /// An expression held for `expression.hold_s`.
    ExpressionStarted,
    /// From the class given.
    ExpressionChanged(usize),
    /// Its expression faded, or it left.
    ExpressionEnded,
    /// It was unseen for `tracking.lost_s`.
    FaceLeft,
}

/// A confirmed face as it stands now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackedFace {
    /// Number of the track, as in [`Change`].
    pub track: u64,
    /// Where it is, in pixels of the frame.
    pub rect: Rect,
    /// The class told, with its smoothed share; none while undecided.
    pub expression: Option<(usize, f32)>,
    /// How long the face has been there.
    pub age: Duration,
    /// How long it has not been seen: meanwhile `rect` is where it should be by now.
    pub unseen: Duration,
}

#[derive(Clone, Debug)]
struct Track {
    number: u64,
    motion: Motion,
    expression: Expression,
    first: Duration,
    last: Duration,
    /// When it was last looked for.
    looked: Duration,
    /// For how long it was looked for since then and not found.
    unseen: Duration,
    hits: u32,
    confirmed: bool,
}

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
    /// How long after the one before it the last frame came.
    interval: Option<Duration>,
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

/// A tentative face may be missed this long, a blink of the detector; at low frame
/// rates one and a half frames.
const TENTATIVE_LOST: Duration = Duration::from_millis(400);
/// A look that does not find a face speaks for so much of the time before it in which the
/// face was not looked for: what is looked at seldom is not lost by one look.
const SPEAKS_FOR: Duration = Duration::from_millis(500);
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
            interval: None,
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
        let lost = self.lost(interval);
        self.interval = interval;
        for track in &mut self.tracks {
            track.motion.predict(now);
            if (filter.looked)(&track.motion.rect()) {
                let pause = now.saturating_sub(track.looked);
                track.unseen += pause.min(interval.unwrap_or_default().max(SPEAKS_FOR));
                track.looked = now;
            }
        }
        let one_and_a_half = interval.unwrap_or_default() * 3 / 2;
        let tentative = TENTATIVE_LOST.max(one_and_a_half).min(lost);
        self.leave(Duration::ZERO, lost, tentative, out);
        let faces = face::merge(detections, self.told_as.len());
        let start = self.tracking.start_confidence;
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        for face in faces {
            match (filter.admission)(&face.rect) {
                Admission::Any if face.confidence() >= start => strong.push(face),
                Admission::Any | Admission::Known => weak.push(face),
                Admission::Refused => {}
            }
        }
        let mut free: Vec<usize> = (0..self.tracks.len()).collect();
        let new = self.associate(now, strong, &mut free, REACH, out);
        self.associate(now, weak, &mut free, 0.0, out);
        new.into_iter().for_each(|face| self.start(now, face, out));
    }

    /// Time passes without a picture: faces that were not seen for too long leave.
    /// Nobody was looked for, so a tentative face is not yet missed: below two frames
    /// a second it would otherwise be forgotten before the next frame could confirm it.
    pub fn pass(&mut self, now: Duration, out: &mut Vec<Change>) {
        self.now = self.now.max(now);
        let lost = self.lost(self.interval);
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
            Followed { rect: motion.rect(), looked: track.looked, missed }
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

    /// When a face is one, as it is set now.
    pub(crate) fn tracking(&self) -> &TrackingSettings {
        &self.tracking
    }

    /// Another threshold for a face to start, while running.
    pub fn set_start_confidence(&mut self, confidence: f32) {
        self.tracking.start_confidence = confidence;
    }

    /// Smoothed share of each class of a confirmed face, in the model's order, summing to
    /// 1; empty for a face that is not followed.
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
    /// one frame decides. The last two intervals count by the shorter one, so that a
    /// single gap between frames does not keep faces that it should end.
    fn lost(&self, interval: Option<Duration>) -> Duration {
        let steady = self.interval.zip(interval).map(|(before, last)| before.min(last));
        Duration::from_secs_f32(self.tracking.lost_s).max(steady.unwrap_or_default() * 3 / 2)
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
        if overlap >= self.tracking.match_iou {
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
        let mut track = Track {
            number: self.next,
            motion: Motion::new(face.rect, now),
            expression: Expression::new(&self.told_as, now),
            first: now,
            last: now,
            looked: now,
            unseen: Duration::ZERO,
            hits: 0,
            confirmed: false,
        };
        self.next += 1;
        track.see(now, &face, &self.tracking, &self.expression, out);
        self.tracks.push(track);
    }
}

impl Track {
    fn see(
        &mut self,
        now: Duration,
        face: &Face,
        tracking: &TrackingSettings,
        settings: &ExpressionSettings,
        out: &mut Vec<Change>,
    ) {
        self.motion.correct(face.rect);
        (self.last, self.looked, self.unseen) = (now, now, Duration::ZERO);
        self.hits += 1;
        let step = self.expression.update(now, face.shares(), settings);
        if !self.confirmed {
            let long = now.saturating_sub(self.first).as_secs_f32() >= tracking.confirm_s;
            self.confirmed = long && self.hits >= tracking.confirm_frames;
            if !self.confirmed {
                // A tentative track may be a curtain, so its expression is not told; it is
                // told anew, with `FaceAppeared` before it, once the face is confirmed.
                self.expression.forget();
                return;
            }
            out.push(self.change(ChangeKind::FaceAppeared, Duration::ZERO));
        }
        if let Some(step) = step {
            out.push(self.step(step));
        }
    }

    /// Durations end when the face was last seen, not when its time was up.
    fn leave(mut self, out: &mut Vec<Change>) {
        if !self.confirmed {
            return;
        }
        if let Some(step) = self.expression.end(self.last) {
            out.push(self.step(step));
        }
        out.push(self.change(ChangeKind::FaceLeft, self.last.saturating_sub(self.first)));
    }

    fn step(&self, step: Step) -> Change {
        let (kind, class, lasted) = match step {
            Step::Started { class } => (ChangeKind::ExpressionStarted, class, Duration::ZERO),
            Step::Changed { from, to, lasted } => (ChangeKind::ExpressionChanged(from), to, lasted),
            Step::Ended { class, lasted } => (ChangeKind::ExpressionEnded, class, lasted),
        };
        let confidence = self.expression.share(class);
        Change { class, confidence, ..self.change(kind, lasted) }
    }

    fn change(&self, kind: ChangeKind, lasted: Duration) -> Change {
        let (class, confidence) =
            self.expression.current().unwrap_or_else(|| self.expression.leading());
        Change { track: self.number, kind, rect: self.motion.rect(), class, confidence, lasted }
    }

    fn as_tracked_face(&self, now: Duration) -> TrackedFace {
        TrackedFace {
            track: self.number,
            rect: self.motion.rect(),
            expression: self.expression.current(),
            age: now.saturating_sub(self.first),
            unseen: now.saturating_sub(self.last),
        }
    }
}
