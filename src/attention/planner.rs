//! Which regions of a frame are looked at: as far as a budget goes, the most important first.
//!
//! Pure: the clock, what moved and what is followed come in, looks come out; the same input
//! gives the same looks. `docs/design/attention.md` has the reasons and the measurements.

use std::time::Duration;

use super::budget::Budget;
use super::look::{Inputs, Look};
use super::motion::Watched;
use super::pace::Activity;
use super::reach::Distance;
use super::sweep::Sweep;
use crate::detector::networks::Network;
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
    /// How far from there it may be, in pixels.
    pub unsure: f32,
}

#[cfg(test)]
impl Followed {
    /// Somebody who sits still.
    pub(crate) fn at(rect: Rect) -> Self {
        Self { rect, looked: Duration::ZERO, missed: false, unsure: 0.0 }
    }
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
    /// How much of the budget for looking around and for far faces may be spent, 0.25 to 1.
    pub share: f32,
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
/// So many seconds' worth can be saved up, or what comes in from one frame to the next:
/// enough that the looks of one frame never wait for the next second.
const SAVED_S: f32 = 0.3;
/// Whatever the rate, so many of the dearest looks can be saved up.
const SEVERAL: f32 = 3.0;
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
/// From one look at a piece in which something moved to the next one,
const MOTION: Duration = Duration::from_millis(150);
/// and while faces wait for the budget.
const MOTION_IN_A_CROWD: Duration = Duration::from_millis(400);
/// Looks of the main network in a second at pieces in which something moves while the room
/// rests, on average: a fifteenth of looking always, whatever moves.
const RESTING: f32 = 0.5;
/// A face that has waited so long for its look goes before all others. However long it waited,
/// it may be missed once: `tracks` gives up what was looked for in vain for more than 0.4 s, and
/// no look speaks for more than that.
const OVERDUE: Duration = Duration::from_millis(300);
/// Far faces are looked at this often, when looking around is cut down to nothing.
const FAR: Duration = Duration::from_millis(66);

/// Plans looks, frame by frame.
#[derive(Clone, Debug)]
pub struct Planner {
    inputs: Inputs,
    distance: Distance,
    fps: f32,
    /// For all looks.
    budget: Budget,
    /// Of that, for far faces.
    far: Budget,
    /// Of that, for what moves while the room rests.
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
        Self {
            inputs,
            distance,
            fps,
            budget: Budget::default(),
            far: Budget::default(),
            resting: Budget::default(),
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

    /// The picture is another one from now on, as if nothing had been looked at yet. The budget
    /// goes on, which is the board's.
    pub(super) fn forget(&mut self) {
        self.whole = Watched::default();
        self.sweep.forget();
        self.motion = None;
    }

    /// Replaces `out` by the looks for a frame, which are taken to be carried out.
    pub fn plan(&mut self, at: &Situation<'_>, out: &mut Vec<Look>) {
        out.clear();
        let smallest = self.distance.reach(at.picture).face;
        self.sweep.fit(at.picture, smallest, self.inputs);
        self.refill(at);
        self.look_at_all(at, out);
        self.look_at_faces(at, out);
        self.look_at_motion(at, out);
    }

    /// The looks that were planned at `now` could not be carried out, as in a broken frame: they
    /// are due at the next one. Their budget is spent all the same: [`SAVED_S`] brings it back.
    pub(super) fn forgo(&mut self, now: Duration) {
        self.whole.forgo(now);
        self.sweep.forgo(now);
        self.motion.take_if(|then| *then == now);
    }

    /// Time has passed since the frame before.
    fn refill(&mut self, at: &Situation<'_>) {
        let saved = |rate: f32, seconds: f32| rate * seconds.max(1.0 / self.fps);
        let rate = Self::rate(self.inputs, self.fps, at.share);
        let least = SEVERAL * self.reserve() as f32;
        self.budget.refill(at.now, rate, saved(rate, SAVED_S).max(least));
        // What is saved up shrinks as well: on a slow board all far faces would wait for each
        // frame, and the near one with them until all were looked at.
        let rate = at.share * Self::rate(self.inputs, self.fps, 1.0);
        let most = saved(rate, at.share * SAVED_S).max(self.close() as f32);
        self.far.refill(at.now, rate, most);
        let piece = self.piece() as f32;
        self.resting.refill(at.now, RESTING * at.share * piece, SEVERAL * piece);
    }

    /// A look at what may be a face, once more and closely, if the budget has it. Its box is of a
    /// look that shows it small or cut: where it ends is not known.
    pub fn look_again(&mut self, face: &Rect, picture: Size) -> Option<Look> {
        let look = self.inputs.face_about(face, f32::INFINITY, picture);
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
        // As often as was asked for: a room that rests leaves the budget to it.
        if let Activity::Idle(pause) = activity {
            return self.whole.has_waited(at.now, pause);
        }
        let due = |pause| self.whole.has_waited(at.now, longer(pause, at.share));
        let near = self.inputs.whole_finds(at.picture);
        let is_lost = |face: &Followed| face.missed && face.rect.height >= near;
        let soon = longer(WHOLE_MOVED, at.share);
        due(WHOLE)
            || self.whole.is_restless(at.now, soon)
            || at.followed.iter().any(is_lost) && due(WHOLE_MOVED)
    }

    /// Faces that are followed: first who is overdue, then near ones, and of each the ones that
    /// have waited longest. Far ones give way when the budget for looking around shrinks.
    fn look_at_faces(&mut self, at: &Situation<'_>, out: &mut Vec<Look>) {
        let near = self.inputs.whole_finds(at.picture);
        let is_far = |face: &Followed| face.rect.height < near;
        let waited = |face: &Followed| at.now.saturating_sub(face.looked);
        self.order.clear();
        self.order.extend(0..at.followed.len());
        self.order.sort_unstable_by_key(|index| {
            let face = &at.followed[*index];
            let in_time = waited(face) < OVERDUE;
            (in_time, in_time && is_far(face), face.looked, *index)
        });
        let pause = FAR.mul_f32(1.0 / at.share - 1.0);
        for index in &self.order {
            let face = &at.followed[*index];
            let look = self.inputs.face_about(&face.rect, face.unsure, at.picture);
            let far = is_far(face);
            let rests = far && (waited(face) < pause || !self.far.has(look.cost));
            let seen = || out.iter().any(|other| shows(other, &face.rect, at.picture));
            if !rests && !seen() && self.budget.has(look.cost + self.reserve()) {
                self.budget.spend(look.cost);
                if far {
                    self.far.spend(look.cost);
                }
                out.push(look);
            }
        }
    }

    fn look_at_motion(&mut self, at: &Situation<'_>, out: &mut Vec<Look>) {
        let crowded = !self.budget.has(self.close() + self.reserve());
        let pause = longer(if crowded { MOTION_IN_A_CROWD } else { MOTION }, at.share);
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

    /// Whether the budget has a look at a piece, and one at what it shows.
    fn has_a_piece(&self) -> bool {
        self.budget.has(self.reserve())
    }

    /// What faces leave of the budget, however many they are: a piece, and a look at what it
    /// shows that may be a face.
    fn reserve(&self) -> u32 {
        self.piece() + self.close()
    }

    /// What a look at a piece costs.
    fn piece(&self) -> u32 {
        self.inputs.cost(Network::Main)
    }

    /// What a look at one face costs.
    fn close(&self) -> u32 {
        self.inputs.cost(Network::Close)
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
fn shows(look: &Look, face: &Rect, picture: Size) -> bool {
    const NEARLY: f32 = 0.5;
    /// A box that lies in it from edge to edge: its area is rounded otherwise than the part's.
    const WHOLLY: f32 = 0.999;
    let whole = face.share_in(&look.region.rect()) >= WHOLLY && !look.cuts(face, picture);
    whole && look.misfit(face) < NEARLY
}

#[cfg(test)]
mod tests;
