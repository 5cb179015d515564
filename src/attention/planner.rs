//! Which regions of a frame are looked at: as far as a budget goes, the most important first.
//!
//! Pure: the clock, what moved and what is followed come in, looks come out; the same input
//! gives the same looks. `docs/design/attention.md` has the reasons and the measurements.

use std::time::Duration;

use super::budget::Budget;
use super::look::{Inputs, Look};
use super::motion::Watched;
use super::reach::Distance;
use super::sweep::Sweep;
use crate::geometry::{Rect, Region, Size};
use crate::zones::Masks;

/// A face that is followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Followed {
    /// Where it is by now, in pixels of the upright picture.
    pub rect: Rect,
    /// When it was last looked for, on the monotonic clock.
    pub looked: Duration,
    /// It was not found then.
    pub missed: bool,
}

/// What a plan depends on besides the planner's own memory.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// When the frame was taken, on the monotonic clock.
    pub now: Duration,
    /// Size of the upright picture.
    pub picture: Size,
    /// What happens before the camera.
    pub activity: Activity,
    /// The faces that are followed.
    pub followed: &'a [Followed],
    /// How much of the budget for looking around may be spent, 0.25 to 1.
    pub share: f32,
}

/// What happens before a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Something, or something did a moment ago.
    Lively,
    /// Nothing for a while: the whole picture is looked at when this time has passed since
    /// the last look, and the sweep goes slowly.
    Idle(Duration),
    /// Each picture may show another place: they are recorded, and all of them count.
    Recorded,
}

/// How often a second frames are looked at where no setting says so: recorded pictures.
pub const USUAL_FPS: f32 = 15.0;
/// What the looks of a second may cost, in looks of the main network at as many frames as are
/// looked at: so much for faces,
const FACES: f32 = 1.0;
/// and so much for looking around.
const AROUND: f32 = 0.5;
/// Looks of the main network in a second that every budget allows: the whole picture and the
/// sweep take fewer.
const LEAST_LOOKS: f32 = 6.0;
/// How often the whole picture is looked at while nothing begins to move: nobody comes then,
/// but somebody may have been missed.
const WHOLE: Duration = Duration::from_secs(4);
/// And when something begins to move, or a near face is not where it was.
const WHOLE_MOVED: Duration = Duration::from_millis(250);
/// All of the picture is looked at closely within this time,
pub const SWEEP: Duration = Duration::from_secs(12);
/// and when nothing happens, within so many times what passes between two looks at the
/// whole picture.
const IDLE_SWEEP: u32 = 6;
/// A hall has more than twice the pieces of a room, and both periods are so many times as
/// long.
const HALL: u32 = 3;
/// From one look at a piece in which something moved to the next one.
const MOTION: Duration = Duration::from_millis(150);
/// Looks of the main network in a second at pieces in which something moves while the room
/// rests, on average: a fifteenth of looking always, whatever moves.
const RESTING: f32 = 0.5;
/// Far faces are looked at this often, when looking around is cut down to nothing.
const FAR: Duration = Duration::from_millis(66);

/// Plans looks, frame by frame.
#[derive(Clone, Debug)]
pub struct Planner {
    inputs: Inputs,
    distance: Distance,
    fps: f32,
    budget: Budget,
    /// For what moves while the room rests.
    resting: Budget,
    sweep: Sweep,
    whole: Watched,
    /// When a piece was looked at because something moved.
    motion: Option<Duration>,
    /// The faces in the order in which they are looked at; kept for its memory.
    order: Vec<usize>,
}

impl Planner {
    /// Nothing was looked at yet. `fps` are the frames that are looked at in a second.
    pub fn new(inputs: Inputs, distance: Distance, fps: f32) -> Self {
        let main = inputs.main.area() as f32;
        Self {
            inputs,
            distance,
            fps,
            budget: Budget::new(Self::rate(inputs, fps, 1.0), main, 1.0 / fps),
            resting: Budget::new(RESTING * main, main, 0.0),
            sweep: Sweep::default(),
            whole: Watched::default(),
            motion: None,
            order: Vec::new(),
        }
    }

    /// What looks may cost, in pixels of inputs a second.
    pub fn rate(inputs: Inputs, fps: f32, share: f32) -> f32 {
        let looks = (fps * (FACES + AROUND * share)).max(LEAST_LOOKS);
        looks * inputs.main.area() as f32
    }

    /// Another number of frames a second, while running.
    pub fn set_fps(&mut self, fps: f32) {
        self.fps = fps;
    }

    /// What must not be seen from now on: no piece lies wholly in it.
    pub fn set_masks(&mut self, masks: &Masks) {
        self.sweep.set_masks(masks);
    }

    /// All of the picture that is not masked is looked at closely within so long; longer on a
    /// board that is hot or too slow.
    pub fn period(&self, activity: Activity) -> Duration {
        let period = match activity {
            // A still room is not swept more often than a lively one.
            Activity::Idle(whole) => (whole * IDLE_SWEEP).max(SWEEP),
            Activity::Lively | Activity::Recorded => SWEEP,
        };
        period * if self.distance == Distance::Hall { HALL } else { 1 }
    }

    /// By `now` something moved in this region of the picture that has been moving since
    /// `since`.
    pub fn moved(&mut self, region: Region, since: Duration, now: Duration) {
        self.whole.moved(since, now);
        self.sweep.moved(region, since, now);
    }

    /// Replaces `out` by the looks for a frame, which are taken to be carried out.
    pub fn plan(&mut self, at: &Situation<'_>, out: &mut Vec<Look>) {
        out.clear();
        let smallest = self.distance.reach(at.picture).face;
        self.sweep.fit(at.picture, smallest, self.inputs);
        self.budget.set_rate(Self::rate(self.inputs, self.fps, at.share), 1.0 / self.fps);
        self.budget.refill(at.now);
        self.resting.set_rate(RESTING * at.share * self.inputs.main.area() as f32, 0.0);
        self.resting.refill(at.now);
        self.look_at_all(at, out);
        if !matches!(at.activity, Activity::Idle(_)) {
            self.look_at_faces(at, out);
        }
        self.look_at_motion(at, out);
    }

    /// A look at what may be a face, once more and closely, if the budget has it.
    pub fn look_again(&mut self, face: &Rect, picture: Size) -> Option<Look> {
        let look = self.inputs.face(face, picture);
        self.budget.spend(look.cost).then_some(look)
    }

    /// The whole picture at once: something came into it.
    pub fn look_up(&mut self, now: Duration, picture: Size) -> Option<Look> {
        let look = self.inputs.whole(picture);
        self.budget.spend(look.cost).then(|| self.whole.look(now)).map(|()| look)
    }

    /// The whole picture and the sweep: what they take is bounded by their intervals.
    fn look_at_all(&mut self, at: &Situation<'_>, out: &mut Vec<Look>) {
        match at.activity {
            // Besides the budget: pictures that come fast would leave none for anything else.
            Activity::Recorded => out.push(self.inputs.whole(at.picture)),
            activity if self.is_whole_due(activity, at) => {
                out.extend(self.look_up(at.now, at.picture));
            }
            _ => {}
        }
        let period = longer(self.period(at.activity), at.share);
        // Asked first: a piece that the sweep gives out counts as looked at.
        while self.has_a_piece() {
            let Some(region) = self.sweep.due(at.now, period) else { break };
            out.extend(self.look_at_piece(region));
        }
    }

    /// Whether the whole picture of a camera has waited for its look.
    fn is_whole_due(&self, activity: Activity, at: &Situation<'_>) -> bool {
        let due = |pause| self.whole.has_waited(at.now, longer(pause, at.share));
        if let Activity::Idle(pause) = activity {
            return due(pause);
        }
        let near = self.inputs.whole_finds(at.picture);
        let is_lost = |face: &Followed| face.missed && face.rect.height >= near;
        let soon = longer(WHOLE_MOVED, at.share);
        due(WHOLE)
            || self.whole.is_restless(at.now, soon)
            || at.followed.iter().any(is_lost) && due(WHOLE_MOVED)
    }

    /// Faces that are followed, near ones first, and of those the ones that have waited
    /// longest. Far ones give way when the budget for looking around shrinks.
    fn look_at_faces(&mut self, at: &Situation<'_>, out: &mut Vec<Look>) {
        let near = self.inputs.whole_finds(at.picture);
        let is_far = |face: &Followed| face.rect.height < near;
        self.order.clear();
        self.order.extend(0..at.followed.len());
        self.order.sort_unstable_by_key(|index| {
            let face = &at.followed[*index];
            (is_far(face), face.looked, *index)
        });
        let pause = FAR.mul_f32(1.0 / at.share - 1.0);
        for index in &self.order {
            let face = &at.followed[*index];
            let rests = is_far(face) && at.now.saturating_sub(face.looked) < pause;
            let look = self.inputs.face(&face.rect, at.picture);
            let seen = || out.iter().any(|other| shows(other, &face.rect));
            if !rests && !seen() && self.budget.spend(look.cost) {
                out.push(look);
            }
        }
    }

    fn look_at_motion(&mut self, at: &Situation<'_>, out: &mut Vec<Look>) {
        let pause = longer(MOTION, at.share);
        let rests = self.motion.is_some_and(|then| at.now.saturating_sub(then) < pause);
        let idle = matches!(at.activity, Activity::Idle(_));
        if rests || !self.has_a_piece() || idle && !self.resting.has(self.piece()) {
            return;
        }
        if let Some(region) = self.sweep.restless(at.now) {
            self.motion = Some(at.now);
            if idle {
                self.resting.spend(self.piece());
            }
            out.extend(self.look_at_piece(region));
        }
    }

    /// Whether the budget has a look at a piece.
    fn has_a_piece(&self) -> bool {
        self.budget.has(self.piece())
    }

    /// What a look at a piece costs.
    fn piece(&self) -> u32 {
        self.inputs.main.width * self.inputs.main.height
    }

    fn look_at_piece(&mut self, region: Region) -> Option<Look> {
        let look = self.inputs.tile(region);
        self.budget.spend(look.cost).then_some(look)
    }
}

fn longer(interval: Duration, share: f32) -> Duration {
    interval.mul_f32(1.0 / share.clamp(0.01, 1.0))
}

/// Whether a look shows a face nearly as well as one at the face itself would.
fn shows(look: &Look, face: &Rect) -> bool {
    const NEARLY: f32 = 0.5;
    face.share_in(&look.region.rect()) >= 1.0 && look.misfit(face) < NEARLY
}

#[cfg(test)]
mod tests;
