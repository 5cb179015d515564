//! Parts of the picture that its owner has drawn: those in which faces are counted, and
//! those that are never looked at.
//!
//! Pure: boxes, polygons and tensors in, answers out. Polygons are kept in shares of the
//! upright picture, so that they hold in every mode of one shape that the camera is opened in.
//! Another shape may show another part of the room.

pub mod mask;
pub mod occupancy;
mod polygon;
pub mod settings;
pub mod trial;

use std::sync::Arc;

use crate::geometry::{Rect, Size};
pub use mask::Masks;
use polygon::Polygon;
pub use settings::{Kind, Settings};

/// How far a face must be from a border, in shares of its height, before it counts as on
/// the other side: more than a box jitters, less than a step.
const BORDER: f32 = 0.25;

/// A set of zones, by their numbers in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneSet(u32);

impl ZoneSet {
    /// Whether the zone of this number is in the set.
    pub const fn contains(self, zone: usize) -> bool {
        self.0 >> zone & 1 == 1
    }

    /// With the zone of this number.
    #[must_use]
    pub const fn with(self, zone: usize) -> Self {
        Self(self.0 | 1 << zone)
    }
}

impl FromIterator<usize> for ZoneSet {
    fn from_iter<I: IntoIterator<Item = usize>>(zones: I) -> Self {
        zones.into_iter().fold(Self::default(), Self::with)
    }
}

/// What may become of a face that was found, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// It is passed over.
    Refused,
    /// It may be where a face went that is followed already, but starts no track.
    Known,
    /// It is a face like any other.
    Any,
}

#[derive(Debug)]
struct Zone {
    name: String,
    kind: Kind,
    polygon: Polygon,
    /// What the settings file says.
    enabled: bool,
}

/// Whether what a command said of a zone says nothing of what it has become: an "off" said where
/// faces were counted switches no mask off, which its owner has drawn since to hide what is there.
pub fn lapses(on: bool, was: Kind, is: Kind) -> bool {
    !on && is == Kind::Mask && was == Kind::Count
}

/// The zones of a camera, and which of them hold now. Clones share the polygons.
#[derive(Clone, Debug)]
pub struct Zones {
    all: Arc<[Zone]>,
    active: ZoneSet,
    imposed: Imposed,
}

/// Those zones of which somebody else than the settings says whether they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imposed {
    /// A command said so, of the zone as it was then.
    pub by_command: ZoneSet,
    /// A group says so, of whatever has the name.
    pub by_group: ZoneSet,
}

impl Default for Zones {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Zones {
    /// Those of checked settings; what they enable holds.
    pub fn new(settings: &[Settings]) -> Self {
        let zone = |zone: &Settings| Zone {
            name: zone.name.clone(),
            kind: zone.kind,
            polygon: Polygon::new(&zone.points),
            enabled: zone.enabled,
        };
        let all: Arc<[Zone]> = settings.iter().take(settings::MOST_ZONES).map(zone).collect();
        let active = all.iter().enumerate().filter(|(_, zone)| zone.enabled).map(|(n, _)| n);
        let active = active.collect();
        Self { all, active, imposed: Imposed::default() }
    }

    /// The zones for which `holds` says so, by name.
    pub fn set_of(&self, holds: impl Fn(&str) -> bool) -> ZoneSet {
        let zones = self.all.iter().enumerate();
        zones.filter(|(_, zone)| holds(&zone.name)).map(|(number, _)| number).collect()
    }

    /// Others may hold from now on; whether that changes anything.
    pub fn set_active(&mut self, active: ZoneSet) -> bool {
        std::mem::replace(&mut self.active, active) != active
    }

    /// Of others a command or a group may say whether they hold from now on; whether that changes
    /// anything.
    pub fn set_imposed(&mut self, imposed: Imposed) -> bool {
        std::mem::replace(&mut self.imposed, imposed) != imposed
    }

    /// Whether `tried` would hold by the word of a command or a group that the zone of its name
    /// follows; none where neither says anything and where there is no such zone.
    fn imposed(&self, tried: &Zone) -> Option<bool> {
        let number = self.all.iter().position(|zone| zone.name == tried.name)?;
        let holds = self.active.contains(number);
        let Imposed { by_command, by_group } = self.imposed;
        let commanded =
            by_command.contains(number) && !lapses(holds, self.all[number].kind, tried.kind);
        (commanded || by_group.contains(number)).then_some(holds)
    }

    /// Number and name of each zone in which faces are counted, whether it holds or not.
    pub fn counted(&self) -> impl Iterator<Item = (usize, &str)> {
        let counted = |(_, zone): &(usize, &Zone)| zone.kind == Kind::Count;
        self.all.iter().enumerate().filter(counted).map(|(number, zone)| (number, &*zone.name))
    }

    /// The names of those in `set`, in the order of the settings.
    pub fn names(&self, set: ZoneSet) -> Vec<String> {
        let counted = self.counted().filter(|(number, _)| set.contains(*number));
        counted.map(|(_, name)| name.to_owned()).collect()
    }

    /// What the network must not see now.
    pub fn masks(&self) -> Masks {
        self.masks_where(|_| false)
    }

    /// What no picture may show: also masks of the settings file that were switched off
    /// since. Whoever may send commands can hold pictures back, but let out none.
    pub fn blackened(&self) -> Masks {
        self.masks_where(|zone| zone.enabled)
    }

    fn masks_where(&self, also: impl Fn(&Zone) -> bool) -> Masks {
        let zones = self.all.iter().enumerate().filter(|(_, zone)| zone.kind == Kind::Mask);
        let held = zones.filter(|(number, zone)| self.active.contains(*number) || also(zone));
        Masks::new(held.map(|(_, zone)| zone.polygon.clone()))
    }

    /// What may become of a face in a picture of `frame`: none in a mask. One that stands
    /// on a mask's border is followed on but starts no track: else it would come and go.
    pub fn admission(&self, face: Rect, frame: Size) -> Admission {
        let masks = self.all.iter().enumerate();
        let masks = masks.filter(|(n, zone)| zone.kind == Kind::Mask && self.active.contains(*n));
        let deepest = masks
            .map(|(_, zone)| zone.polygon.depth(face.centre(), frame))
            .fold(f32::NEG_INFINITY, f32::max);
        match deepest {
            depth if depth >= 0.0 => Admission::Refused,
            depth if depth > -BORDER * face.height => Admission::Known,
            _ => Admission::Any,
        }
    }

    /// The counting zones in which a face is that was in `before`: it is in from the
    /// border on, and out once it is clearly on the other side.
    fn around(&self, face: Rect, frame: Size, before: ZoneSet) -> ZoneSet {
        let inside = |(number, _): &(usize, &str)| {
            let depth = self.all[*number].polygon.depth(face.centre(), frame);
            let least = if before.contains(*number) { -BORDER * face.height } else { 0.0 };
            self.active.contains(*number) && depth >= least
        };
        self.counted().filter(inside).map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size::new(640, 480);

    fn half(name: &str, kind: Kind, enabled: bool) -> Settings {
        let points = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
        Settings { name: name.into(), kind, points, enabled }
    }

    fn face(x: f32) -> Rect {
        Rect::new(x - 40.0, 100.0, 80.0, 100.0)
    }

    #[test]
    fn a_face_in_a_mask_is_refused_and_one_at_its_border_starts_nothing() {
        let mut zones = Zones::new(&[half("tv", Kind::Mask, true)]);
        for (x, admission) in [
            (100.0, Admission::Refused),
            (319.0, Admission::Refused),
            (330.0, Admission::Known),
            (350.0, Admission::Any),
        ] {
            assert_eq!(zones.admission(face(x), FRAME), admission, "at {x}");
        }
        zones.set_active(ZoneSet::default());
        assert_eq!(zones.admission(face(100.0), FRAME), Admission::Any);
    }

    #[test]
    fn a_mask_that_was_switched_off_still_blackens_pictures() {
        let settings = [half("tv", Kind::Mask, true), half("new", Kind::Mask, false)];
        let mut zones = Zones::new(&settings);
        assert_eq!((zones.masks().len(), zones.blackened().len()), (1, 1));
        zones.set_active(zones.set_of(|name| name == "new"));
        assert_eq!((zones.masks().len(), zones.blackened().len()), (1, 2));
        zones.set_active(ZoneSet::default());
        assert_eq!((zones.masks().len(), zones.blackened().len()), (0, 1));
    }

    proptest! {
        /// A face that stands on the border and trembles is in at most once.
        #[test]
        fn a_face_on_the_border_does_not_flap(
            steps in proptest::collection::vec(-11.0f32..11.0, 2..60), x in 300f32..340.0,
        ) {
            let zones = Zones::new(&[half("desk", Kind::Count, true)]);
            let (mut before, mut changes) = (ZoneSet::default(), 0);
            for step in steps {
                let now = zones.around(face(x + step), FRAME, before);
                changes += usize::from(now != before);
                before = now;
            }
            prop_assert!(changes <= 1, "{} changes", changes);
        }

        /// Whoever walks in and out again is in once.
        #[test]
        fn whoever_walks_through_is_in_once(speed in 1f32..60.0) {
            let zones = Zones::new(&[half("desk", Kind::Count, true)]);
            let (mut before, mut story, mut x) = (ZoneSet::default(), Vec::new(), 600.0);
            while x > -600.0 {
                let away: f32 = x;
                let now = zones.around(face(away.abs()), FRAME, before);
                if now != before {
                    story.push(now.contains(0));
                }
                (before, x) = (now, x - speed);
            }
            prop_assert_eq!(story, [true, false]);
        }
    }
}
