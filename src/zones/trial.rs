//! Zones that somebody tries before they are saved.
//!
//! What is tried can hide more of the picture and never less: it is used beside the
//! settings' zones, not instead of them. And it is told to nobody: events, states and Home
//! Assistant know the zones of the settings only, so that no automation hears of a zone that
//! is gone a minute later.

use std::collections::BTreeMap;
use std::time::Duration;

use super::occupancy::{Occupancy, Person};
use super::{Admission, Masks, Settings, Zones};
use crate::clock::Moment;
use crate::geometry::{Rect, Size};

/// Zones that are tried, and who is in them.
#[derive(Clone, Debug)]
pub struct Trial {
    zones: Zones,
    occupancy: Occupancy,
}

impl Trial {
    /// Of checked settings, beside the zones of the settings.
    pub fn new(settings: &[Settings], saved: &Zones) -> Self {
        let mut trial = Self { zones: Zones::new(settings), occupancy: Occupancy::default() };
        trial.follow(saved);
        trial
    }

    /// Others of the settings' zones hold now: one of the same name follows what a command or a
    /// group has switched. What only the settings say of it is what is tried otherwise.
    pub fn follow(&mut self, saved: &Zones) {
        let zones = self.zones.all.iter().enumerate();
        let holds = zones.filter(|(_, zone)| saved.imposed(zone).unwrap_or(zone.enabled));
        self.zones.active = holds.map(|(number, _)| number).collect();
    }

    /// What the network must not see besides what it never sees.
    pub fn masks(&self) -> Masks {
        self.zones.masks()
    }

    /// What no picture that leaves the device may show besides: also what a command or a group
    /// has switched off.
    pub fn blackened(&self) -> Masks {
        self.zones.blackened()
    }

    /// What may become of a face in a picture of `frame`, as far as these zones say.
    pub fn admission(&self, face: Rect, frame: Size) -> Admission {
        self.zones.admission(face, frame)
    }

    /// Takes in where faces are in a picture of `size` at `now`.
    pub fn update(&mut self, now: Moment, people: &[Person], size: Size) {
        self.occupancy.update(now, people, size, &self.zones);
    }

    /// The track has ended: it was seen for so long.
    pub fn leave(&mut self, track: u64, lasted: Duration) {
        self.occupancy.leave(track, lasted);
    }

    /// How many of these tracks are in each zone in which faces are counted.
    pub fn counts(&self, tracks: &[u64]) -> BTreeMap<String, usize> {
        self.occupancy.counts(&self.zones, tracks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::at;
    use crate::zones::{Imposed, Kind, ZoneSet};

    const FRAME: Size = Size::new(100, 100);

    fn zone(name: &str, kind: Kind, left: f32, right: f32) -> Settings {
        let points = vec![[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]];
        Settings { name: name.into(), kind, points, enabled: true }
    }

    fn by_command(saved: &Zones) -> Imposed {
        Imposed { by_command: saved.set_of(|_| true), ..Imposed::default() }
    }

    fn face(x: f32) -> Rect {
        Rect::new(x - 5.0, 45.0, 10.0, 10.0)
    }

    #[test]
    fn faces_are_counted_where_the_zone_is_now() {
        let saved = Zones::new(&[zone("desk", Kind::Count, 0.0, 0.5)]);
        let mut trial = Trial::new(&[zone("desk", Kind::Count, 0.5, 1.0)], &saved);
        let age = Duration::from_secs(1);
        let person = |track, x| Person { track, rect: face(x), age, seen: true, confirmed: true };
        let people = [person(1, 20.0), person(2, 80.0), person(3, 90.0)];
        trial.update(at(1), &people, FRAME);
        let count = |trial: &Trial, tracks: &[u64]| trial.counts(tracks)["desk"];
        assert_eq!(count(&trial, &[1, 2, 3]), 2);
        assert_eq!(count(&trial, &[1, 2]), 1, "only of those that are followed");
        trial.leave(2, Duration::from_secs(2));
        assert_eq!(count(&trial, &[1, 2, 3]), 1);
    }

    #[test]
    fn a_tried_mask_hides_and_a_zone_that_a_command_has_switched_off_stays_off() {
        let tv = zone("tv", Kind::Mask, 0.0, 0.5);
        let mut saved = Zones::new(std::slice::from_ref(&tv));
        let tried = [tv, zone("new", Kind::Mask, 0.5, 1.0)];
        let mut trial = Trial::new(&tried, &saved);
        assert_eq!(trial.masks().len(), 2);
        assert_eq!(trial.admission(face(80.0), FRAME), Admission::Refused);
        saved.set_active(ZoneSet::default());
        saved.set_imposed(by_command(&saved));
        trial.follow(&saved);
        assert_eq!(trial.masks().len(), 1);
        assert_eq!(trial.admission(face(20.0), FRAME), Admission::Any);
        assert_eq!(trial.admission(face(80.0), FRAME), Admission::Refused);
        assert_eq!(trial.blackened().len(), 2, "pictures stay black under both");
    }

    /// As the mask would after the save.
    #[test]
    fn a_zone_that_was_switched_off_while_faces_were_counted_in_it_hides_as_a_mask() {
        let mut saved = Zones::new(&[zone("tv", Kind::Count, 0.0, 0.5)]);
        saved.set_active(ZoneSet::default());
        saved.set_imposed(by_command(&saved));
        let trial = Trial::new(&[zone("tv", Kind::Mask, 0.0, 0.5)], &saved);
        assert_eq!(trial.masks().len(), 1);
        assert_eq!(trial.admission(face(20.0), FRAME), Admission::Refused);
        saved.set_imposed(Imposed { by_group: saved.set_of(|_| true), ..Imposed::default() });
        let trial = Trial::new(&[zone("tv", Kind::Mask, 0.0, 0.5)], &saved);
        assert_eq!(trial.masks().len(), 0, "a group's word stays");
    }

    #[test]
    fn a_zone_that_the_settings_switch_off_can_be_tried_switched_on() {
        let tv = zone("tv", Kind::Mask, 0.0, 0.5);
        let mut saved = Zones::new(&[Settings { enabled: false, ..tv.clone() }]);
        let mut trial = Trial::new(&[tv], &saved);
        assert_eq!(trial.masks().len(), 1);
        saved.set_imposed(by_command(&saved));
        trial.follow(&saved);
        assert_eq!(trial.masks().len(), 0, "a command says so, too");
    }
}
