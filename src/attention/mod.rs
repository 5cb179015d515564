//! Where a frame is looked at, and how closely: decides for each frame whether to pass it
//! over, to glance at it for motion, or to look for faces, and in which regions; and says
//! whether the picture is one in which faces can be found.

mod agreement;
mod budget;
pub(crate) mod darkness;
pub mod examiner;
mod lasting;
pub mod look;
pub mod merge;
mod motion;
pub mod pace;
pub mod planner;
pub mod reach;
pub mod stills;
mod sweep;
pub mod tamper;
mod tiles;

use std::time::Duration;

use crate::detector::ModelError;
use crate::detector::networks::Networks;
use crate::geometry::{Rect, Region, Size};
use crate::pixels::frame::{Frame, Orientation};
use crate::pixels::scene::{CELLS, Cells, SIDE, Scene};
use crate::zones::Masks;
pub use budget::Relief;
use darkness::Darkness;
pub use examiner::{Examiner, Findings};
use look::{Look, Purpose};
use motion::Movements;
use pace::{Activity, Pace};
use planner::{Followed, Planner, Situation, USUAL_FPS};
use reach::{Distance, Reach};
use tamper::{Tamper, Tampering};

/// What was done with a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sight {
    /// Nothing: it came too soon, or nothing was to be looked at.
    Passed,
    /// Letterboxed and compared; nothing moved.
    Glanced(Conditions),
    /// Faces were looked for; the networks took this long.
    Looked(Conditions, Duration),
}

/// What the picture is like apart from faces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Too dark to find a face.
    pub dark: bool,
    /// Dark for a while: longer exposures are wanted.
    pub low: bool,
    /// Nothing has happened for a while: frames are only glanced at.
    pub idle: bool,
    /// The camera does not show what it is meant to show.
    pub tampering: Option<Tampering>,
    /// How far the camera sees; none before the first picture.
    pub reach: Option<Reach>,
}

/// A frame is compared with what was seen before this often while faces are looked for.
const GLANCE: Duration = Duration::from_millis(250);
/// At most so many suspects are looked at again in one frame.
const SUSPECTS: usize = 8;

/// Decides for each frame whether and where it is looked at, and looks.
#[derive(Debug)]
pub struct Attention {
    examiner: Examiner,
    planner: Planner,
    distance: Distance,
    /// None looks at every frame.
    pace: Option<Pace>,
    /// The picture when it was looked at as a whole, and when: slow motion adds up against it.
    scene: Option<(Scene, Duration)>,
    glanced: Option<Duration>,
    /// How the last picture stood.
    orientation: Orientation,
    movements: Movements,
    conditions: Conditions,
    darkness: Darkness,
    tamper: Tamper,
    looks: Vec<Look>,
    suspects: Vec<Rect>,
}

impl Attention {
    /// Without a pace every frame is looked at, as recorded pictures want it.
    ///
    /// # Errors
    ///
    /// The JPEG library has no memory.
    pub fn new(
        networks: Networks,
        distance: Distance,
        pace: Option<Pace>,
    ) -> Result<Self, ModelError> {
        let examiner = Examiner::new(networks)?;
        Ok(Self {
            planner: Planner::new(examiner.inputs(), distance, fps(pace.as_ref())),
            examiner,
            distance,
            pace,
            scene: None,
            glanced: None,
            orientation: Orientation::default(),
            movements: Movements::default(),
            conditions: Conditions::default(),
            darkness: Darkness::default(),
            tamper: Tamper::default(),
            looks: Vec::new(),
            suspects: Vec::new(),
        })
    }

    /// The networks, for somebody else to look with.
    pub fn into_networks(self) -> Networks {
        self.examiner.into_networks()
    }

    /// Another pace from now on, or none.
    pub fn set_pace(&mut self, pace: Option<Pace>) {
        self.planner.set_fps(fps(pace.as_ref()));
        self.pace = pace;
    }

    /// Another limit while running; recorded pictures have none.
    pub fn set_max_fps(&mut self, max_fps: f32) {
        if let Some(pace) = &mut self.pace {
            pace.set_max_fps(max_fps);
            self.planner.set_fps(max_fps);
        }
    }

    /// What must not be seen from now on.
    pub fn set_masks(&mut self, masks: &Masks) {
        self.examiner.networks_mut().set_masks(masks);
        self.planner.set_masks(masks);
    }

    /// For a frame that was taken at `now` ([`Frame::time`]). `followed` are the faces that
    /// are followed, `share` how much of the budget for looking around and for far faces may be
    /// spent ([`Relief`]). `out` is replaced only by a look. `goes_on` is called after each run
    /// of a network, and says whether another may follow: a frame may be worth several, and on a
    /// slow board each takes its time.
    ///
    /// # Errors
    ///
    /// Bytes that are no picture, a network that fails, or [`ModelError::Unwanted`].
    pub fn see(
        &mut self,
        frame: &Frame,
        now: Duration,
        followed: &[Followed],
        share: f32,
        out: &mut Findings,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Sight, ModelError> {
        let step = self.pace.as_mut().map_or(Some(Activity::Recorded), |pace| pace.step(now));
        let Some(activity) = step else { return Ok(Sight::Passed) };
        let picture = self.examiner.picture(frame)?;
        self.follow_orientation(frame.orientation);
        let situation = Situation { now, picture, activity, followed, share };
        let mut looks = std::mem::take(&mut self.looks);
        self.planner.plan(&situation, &mut looks);
        let sight = self.carry_out(frame, &situation, &mut looks, out, goes_on);
        self.looks = looks;
        if sight.is_err() {
            self.planner.forgo(now);
        }
        sight
    }

    fn carry_out(
        &mut self,
        frame: &Frame,
        at: &Situation<'_>,
        looks: &mut Vec<Look>,
        out: &mut Findings,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Sight, ModelError> {
        let whole = |look: &Look| look.purpose == Purpose::Whole;
        let idle = matches!(at.activity, Activity::Idle(_));
        let long_ago = |then: Duration| at.now.saturating_sub(then) >= GLANCE;
        let glance = idle || looks.iter().any(whole) || self.glanced.is_none_or(long_ago);
        if looks.is_empty() && !glance {
            return Ok(Sight::Passed);
        }
        self.examiner.begin();
        let (scene, mut time) = self.examiner.look(frame, looks, glance, goes_on)?;
        let lively = self.compare(scene.as_ref(), at);
        if idle
            && lively
            && !looks.iter().any(whole)
            && let Some(look) = self.planner.look_up(at.now, at.picture)
        {
            looks.push(look);
            time += self.examiner.look(frame, &[look], false, goes_on)?.1;
        }
        if looks.iter().any(whole) {
            self.remember(scene, at.now);
        }
        if looks.is_empty() {
            return Ok(Sight::Glanced(self.conditions));
        }
        time += self.look_again(frame, at, looks, goes_on)?;
        self.examiner.leave_neighbours();
        self.examiner.conclude(&mut out.detections);
        out.looks.clone_from(looks);
        out.picture = at.picture;
        Ok(Sight::Looked(self.conditions, time))
    }

    /// Another camera is looked through from now on: what was known of the one before says nothing
    /// of what it shows. The budget goes on, which is the board's.
    pub fn leave_camera(&mut self) {
        self.planner.forget();
        self.scene = None;
        self.glanced = None;
        self.movements = Movements::default();
        self.conditions = Conditions::default();
        self.darkness = Darkness::default();
        self.tamper = Tamper::default();
    }

    /// What has moved only because its owner turned the picture has neither moved nor is it
    /// another place. But nobody was looked for in it as it stands now.
    fn follow_orientation(&mut self, orientation: Orientation) {
        if std::mem::replace(&mut self.orientation, orientation) != orientation {
            self.planner.forget();
            self.scene = None;
            self.movements = Movements::default();
            self.tamper.forget_views();
        }
    }

    /// The whole picture of `now` was looked at, with this scene if it was a glance, too.
    fn remember(&mut self, scene: Option<Scene>, now: Duration) {
        // Of a recording the whole of every picture is looked at, from which to the next
        // hardly anything moves.
        let is_old = |(_, then): &(Scene, Duration)| now.saturating_sub(*then) >= GLANCE;
        if let Some(scene) = scene.filter(|_| self.scene.as_ref().is_none_or(is_old)) {
            self.scene = Some((scene, now));
        }
    }

    /// Looks closely at what may be a face and is too small or cut.
    fn look_again(
        &mut self,
        frame: &Frame,
        at: &Situation<'_>,
        looks: &mut Vec<Look>,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Duration, ModelError> {
        let mut suspects = std::mem::take(&mut self.suspects);
        let least = self.distance.reach(at.picture).face;
        self.examiner.suspects(looks, at.picture, least, &mut suspects);
        who_is_new_first(&mut suspects, at.followed);
        let first = looks.len();
        let again = suspects.iter().take(SUSPECTS);
        looks.extend(again.map_while(|face| self.planner.look_again(face, at.picture)));
        self.suspects = suspects;
        if looks.len() == first {
            return Ok(Duration::ZERO);
        }
        Ok(self.examiner.look(frame, &looks[first..], false, goes_on)?.1)
    }

    /// Takes in what a glance shows; says whether something happens.
    fn compare(&mut self, scene: Option<&Scene>, at: &Situation<'_>) -> bool {
        let busy = !at.followed.is_empty();
        let Some(scene) = scene else {
            return self.pace.as_mut().is_none_or(|pace| pace.saw(at.now, 0.0, busy));
        };
        self.glanced = Some(at.now);
        let changed = self.scene.as_ref().map(|(before, _)| scene.changed(before));
        let cells = || (0..CELLS).filter(|cell| changed.is_some_and(|changed| changed[*cell]));
        for cell in cells() {
            let region = cell_region(cell, at.picture);
            if !at.followed.iter().any(|face| is_body(&face.rect, &region)) {
                let since = self.movements.moved(cell, at.now);
                self.planner.moved(region, since, at.now);
            }
        }
        let change = changed.map_or(1.0, |changed| share(&changed, scene.hidden()));
        let lively = self.pace.as_mut().is_none_or(|pace| pace.saw(at.now, change, busy));
        self.conditions = Conditions {
            low: self.darkness.saw(at.now, scene.highlights()),
            dark: self.darkness.is_dark(),
            idle: self.pace.as_ref().is_some_and(|pace| pace.is_idle(at.now)),
            tampering: self.tampering(scene, at.now),
            reach: Some(self.distance.reach(at.picture)),
        };
        lively
    }

    /// Recorded pictures may well stand still or show another place, but one of which
    /// nothing can be seen says so.
    fn tampering(&mut self, scene: &Scene, now: Duration) -> Option<Tampering> {
        let recorded = self.pace.is_none();
        let found = self.tamper.observe(scene, now);
        found.filter(|tampering| !recorded || *tampering == Tampering::Covered)
    }
}

/// How many frames a second are looked at, at most.
fn fps(pace: Option<&Pace>) -> f32 {
    pace.map_or(USUAL_FPS, |pace| pace.settings().max_fps)
}

/// The share of what is to be seen that has changed: what is masked never does, and a camera
/// that sees through a gap would need half of it for `pace.motion`.
fn share(changed: &Cells, hidden: &Cells) -> f32 {
    let count = |cells: &Cells| cells.iter().filter(|cell| **cell).count() as f32;
    count(changed) / (CELLS as f32 - count(hidden)).max(1.0)
}

/// Where a cell of a [`Scene`] lies in a picture.
fn cell_region(cell: usize, picture: Size) -> Region {
    let edge =
        |number: usize, length: u32| (number as u64 * u64::from(length) / SIDE as u64) as u32;
    let (column, row) = (cell % SIDE, cell / SIDE);
    let (left, top) = (edge(column, picture.width), edge(row, picture.height));
    Region {
        left,
        top,
        width: (edge(column + 1, picture.width) - left).max(1),
        height: (edge(row + 1, picture.height) - top).max(1),
    }
}

/// Whether what moves in a region is the body of somebody whose face is followed: from above
/// the face down to the floor, as wide as elbows reach. Measured in the face's height: its
/// width is another for each model, and for a head that turns. What moves farther out (a
/// hand, what it holds) may be somebody else, and is looked at less and less often.
fn is_body(face: &Rect, region: &Region) -> bool {
    const ASIDE: f32 = 2.0;
    let (x, y) = region.rect().centre();
    let aside = (x - face.centre().0).abs();
    aside <= ASIDE * face.height && y >= face.y - face.height
}

/// Faces that are followed have looks of their own; the budget may be left with a single one
/// for who is not.
fn who_is_new_first(suspects: &mut [Rect], followed: &[Followed]) {
    const MOSTLY: f32 = 0.5;
    let is_followed = |face: &Rect| followed.iter().any(|one| face.share_in(&one.rect) >= MOSTLY);
    suspects.sort_by_key(is_followed);
}

#[cfg(test)]
mod tests;
