//! Who is in which zone, since when, and how long whoever left had been there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ZoneSet, Zones};
use crate::clock::Moment;
use crate::geometry::{Rect, Size};

/// A face that is followed, as far as zones are concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Person {
    /// Number of the track.
    pub track: u64,
    /// Where the face is, in pixels of the picture.
    pub rect: Rect,
    /// How long it has been there.
    pub age: Duration,
}

/// A face that is in some zone.
#[derive(Clone, Debug)]
struct Stay {
    track: u64,
    zone: usize,
    /// How old the track was when it came in.
    age: Duration,
}

/// What is known about one zone apart from who is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Use {
    /// When the first came in of those without a gap until now; none while it is empty.
    pub since: Option<Moment>,
    /// How long the face that left last had been in it.
    pub dwell: Option<Duration>,
}

/// Follows who is where.
#[derive(Clone, Debug, Default)]
pub struct Occupancy {
    stays: Vec<Stay>,
    uses: [Use; super::settings::MOST_ZONES],
}

impl Occupancy {
    /// Takes in where faces are in a picture of `size` at `now`.
    pub fn update(&mut self, now: Moment, people: &[Person], size: Size, zones: &Zones) {
        for person in people {
            let before = self.of(person.track);
            let after = zones.around(person.rect, size, before);
            for (zone, _) in zones.counted() {
                match (before.contains(zone), after.contains(zone)) {
                    (false, true) => {
                        self.stays.push(Stay { track: person.track, zone, age: person.age });
                        self.uses[zone].since.get_or_insert(now);
                    }
                    (true, false) => self.end(person.track, zone, person.age),
                    _ => {}
                }
            }
        }
    }

    /// The track has ended: it was seen for so long.
    pub fn leave(&mut self, track: u64, lasted: Duration) {
        let all = self.of(track);
        let zones = (0..self.uses.len()).filter(|zone| all.contains(*zone));
        zones.collect::<Vec<_>>().into_iter().for_each(|zone| self.end(track, zone, lasted));
    }

    /// The zones in which a track is.
    pub fn of(&self, track: u64) -> ZoneSet {
        self.stays.iter().filter(|stay| stay.track == track).map(|stay| stay.zone).collect()
    }

    /// How many of these tracks are in each zone, by its name.
    pub fn counts(&self, zones: &Zones, tracks: &[u64]) -> BTreeMap<String, usize> {
        let count = |zone| tracks.iter().filter(|track| self.of(**track).contains(zone)).count();
        zones.counted().map(|(zone, name)| (name.to_owned(), count(zone))).collect()
    }

    /// What is known about a zone.
    pub fn usage(&self, zone: usize) -> Use {
        self.uses[zone]
    }

    fn end(&mut self, track: u64, zone: usize, age: Duration) {
        let this = |stay: &Stay| stay.track == track && stay.zone == zone;
        if let Some(index) = self.stays.iter().position(this) {
            let stay = self.stays.remove(index);
            self.uses[zone].dwell = Some(age.saturating_sub(stay.age));
        }
        if !self.stays.iter().any(|stay| stay.zone == zone) {
            self.uses[zone].since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::settings::{Kind, Settings};
    use super::*;

    const SIZE: Size = Size::new(100, 100);

    fn zones() -> Zones {
        let zone = |name: &str, left: f32, right: f32| Settings {
            name: name.into(),
            kind: Kind::Count,
            points: vec![[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]],
            enabled: true,
        };
        Zones::new(&[zone("left", 0.0, 0.5), zone("all", 0.0, 1.0)])
    }

    fn at(seconds: u64) -> Moment {
        let since = Duration::from_secs(seconds);
        Moment { monotonic: since, wall: UNIX_EPOCH + since }
    }

    fn person(track: u64, x: f32, age: u64) -> Person {
        let rect = Rect::new(x - 5.0, 45.0, 10.0, 10.0);
        Person { track, rect, age: Duration::from_secs(age) }
    }

    #[test]
    fn each_zone_knows_since_when_and_how_long() {
        let (zones, mut occupancy) = (zones(), Occupancy::default());
        occupancy.update(at(10), &[person(1, 20.0, 1)], SIZE, &zones);
        occupancy.update(at(12), &[person(1, 20.0, 3), person(2, 30.0, 1)], SIZE, &zones);
        assert_eq!(zones.names(occupancy.of(1)), ["left", "all"]);
        assert_eq!(occupancy.usage(0).since, Some(at(10)));
        // The first walks to the right; the second stays.
        occupancy.update(at(15), &[person(1, 80.0, 6), person(2, 30.0, 4)], SIZE, &zones);
        assert_eq!(zones.names(occupancy.of(1)), ["all"]);
        let left = Use { since: Some(at(10)), dwell: Some(Duration::from_secs(5)) };
        assert_eq!(occupancy.usage(0), left);
        // It was last seen when it was 5 s old, which is 4 s after it came in.
        occupancy.leave(2, Duration::from_secs(5));
        assert_eq!(occupancy.usage(0), Use { since: None, dwell: Some(Duration::from_secs(4)) });
        assert_eq!(occupancy.usage(1).since, Some(at(10)), "the first is still there");
    }

    #[test]
    fn a_zone_that_is_switched_off_is_empty() {
        let (mut zones, mut occupancy) = (zones(), Occupancy::default());
        occupancy.update(at(10), &[person(1, 20.0, 1)], SIZE, &zones);
        zones.set_active(zones.set_of(|name| name == "all"));
        occupancy.update(at(11), &[person(1, 20.0, 2)], SIZE, &zones);
        assert_eq!(zones.names(occupancy.of(1)), ["all"]);
        assert_eq!(occupancy.usage(0).since, None);
    }
}
