//! Who is in which zone, since when, and how long whoever left had been there.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

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
    /// Whether it is seen just now, so that `rect` is more than a guess.
    pub seen: bool,
    /// Whether it is told as a face. Before that it is only remembered where it is.
    pub confirmed: bool,
}

/// A face that is in some zone.
#[derive(Clone, Debug)]
struct Stay {
    track: u64,
    zone: usize,
    /// When it came in,
    since: Moment,
    /// and how old the track was then.
    age: Duration,
    /// Whether the track is told as a face.
    counts: bool,
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
    /// Takes in where all faces that are followed are in a picture of `size` at `now`.
    pub fn update(&mut self, now: Moment, people: &[Person], size: Size, zones: &Zones) {
        self.forget(people, zones.active);
        for person in people.iter().filter(|person| person.seen) {
            let before = self.of(person.track);
            let after = zones.around(person.rect, size, before);
            for (zone, _) in zones.counted() {
                match (before.contains(zone), after.contains(zone)) {
                    (false, true) => {
                        let (track, age) = (person.track, person.age);
                        self.stays.push(Stay { track, zone, since: now, age, counts: false });
                    }
                    (true, false) => self.end(person.track, zone, person.age),
                    _ => {}
                }
            }
            if person.confirmed {
                self.count(person.track);
            }
        }
    }

    /// Passes over, without a word, who is in a zone that does not hold any more, since nobody
    /// has left it; and what has ended without ever having been told as a face.
    fn forget(&mut self, people: &[Person], active: ZoneSet) {
        let followed = |track| people.iter().any(|person| person.track == track);
        let stays = |stay: &Stay| stay.counts || followed(stay.track);
        self.stays.retain(|stay| active.contains(stay.zone) && stays(stay));
        self.empty();
    }

    /// The track is a face, and has been one for as long as it was followed.
    fn count(&mut self, track: u64) {
        for stay in self.stays.iter_mut().filter(|stay| stay.track == track && !stay.counts) {
            stay.counts = true;
            // Who is found to be a face only now may have been there before the others.
            let since = &mut self.uses[stay.zone].since;
            *since = Some(earlier(*since, stay.since));
        }
    }

    /// The track has ended: it was seen for so long.
    pub fn leave(&mut self, track: u64, lasted: Duration) {
        let all = self.of(track);
        let zones = (0..self.uses.len()).filter(|zone| all.contains(*zone));
        zones.collect::<Vec<_>>().into_iter().for_each(|zone| self.end(track, zone, lasted));
    }

    /// The wall clock was set, and said of what is past what `corrected` says of it.
    pub(crate) fn correct(&mut self, corrected: impl Fn(SystemTime) -> SystemTime) {
        let stays = self.stays.iter_mut().map(|stay| &mut stay.since);
        let uses = self.uses.iter_mut().filter_map(|usage| usage.since.as_mut());
        stays.chain(uses).for_each(|since| since.wall = corrected(since.wall));
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
            if stay.counts {
                self.uses[zone].dwell = Some(age.saturating_sub(stay.age));
            }
        }
        self.empty();
    }

    /// Nobody has been in a zone since any time where nobody is.
    fn empty(&mut self) {
        for (zone, usage) in self.uses.iter_mut().enumerate() {
            if !self.stays.iter().any(|stay| stay.counts && stay.zone == zone) {
                usage.since = None;
            }
        }
    }
}

fn earlier(one: Option<Moment>, other: Moment) -> Moment {
    one.filter(|one| one.monotonic <= other.monotonic).unwrap_or(other)
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
        Person { track, rect, age: Duration::from_secs(age), seen: true, confirmed: true }
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
    fn who_came_first_counts_first_however_late_it_is_told() {
        let (zones, mut occupancy) = (zones(), Occupancy::default());
        let doubtful = |age| Person { confirmed: false, ..person(1, 20.0, age) };
        occupancy.update(at(0), &[doubtful(0)], SIZE, &zones);
        occupancy.update(at(3), &[doubtful(3), person(2, 30.0, 5)], SIZE, &zones);
        assert_eq!(occupancy.usage(0).since, Some(at(3)));
        occupancy.update(at(5), &[person(1, 20.0, 5), person(2, 30.0, 7)], SIZE, &zones);
        assert_eq!(occupancy.usage(0).since, Some(at(0)));
    }

    /// Also of who is not seen just then; and nobody has left it.
    #[test]
    fn a_zone_that_is_switched_off_is_empty() {
        let (mut zones, mut occupancy) = (zones(), Occupancy::default());
        let people = [person(1, 20.0, 1), person(2, 30.0, 1)];
        occupancy.update(at(10), &people, SIZE, &zones);
        zones.set_active(zones.set_of(|name| name == "all"));
        let hidden = Person { seen: false, ..person(2, 30.0, 2) };
        occupancy.update(at(11), &[person(1, 20.0, 2), hidden], SIZE, &zones);
        assert_eq!(zones.names(occupancy.of(1)), ["all"]);
        assert_eq!(zones.names(occupancy.of(2)), ["all"]);
        assert_eq!(occupancy.usage(0), Use::default());
        // Who is still there when it holds again has been in it since then.
        zones.set_active(zones.set_of(|_| true));
        occupancy.update(at(20), &[person(1, 20.0, 11), hidden], SIZE, &zones);
        assert_eq!(occupancy.usage(0).since, Some(at(20)));
        occupancy.leave(1, Duration::from_secs(14));
        occupancy.leave(2, Duration::from_secs(1));
        assert_eq!(occupancy.usage(0), Use { since: None, dwell: Some(Duration::from_secs(3)) });
    }

    #[test]
    fn whoever_turns_out_to_be_a_face_has_been_one_from_the_first() {
        let (zones, mut occupancy) = (zones(), Occupancy::default());
        let doubtful = |track, x, age| Person { confirmed: false, ..person(track, x, age) };
        let curtain = doubtful(2, 30.0, 0);
        occupancy.update(at(10), &[doubtful(1, 20.0, 0), curtain], SIZE, &zones);
        occupancy.update(at(11), &[doubtful(1, 20.0, 1), curtain], SIZE, &zones);
        // It walks out of a zone before anybody knows what it is.
        occupancy.update(at(12), &[doubtful(1, 80.0, 2), curtain], SIZE, &zones);
        assert_eq!((occupancy.usage(0), occupancy.usage(1)), Default::default());
        occupancy.update(at(13), &[person(1, 80.0, 3)], SIZE, &zones);
        assert_eq!(zones.names(occupancy.of(2)), Vec::<String>::new(), "it was nothing");
        assert_eq!((occupancy.usage(0), occupancy.usage(1).since), (Use::default(), Some(at(10))));
        occupancy.leave(1, Duration::from_secs(3));
        assert_eq!(occupancy.usage(1), Use { since: None, dwell: Some(Duration::from_secs(3)) });
    }
}
