//! The sections `[[zone]]`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::polygon::{MOST_POINTS, Polygon};
use crate::limits::Impossible;
use crate::name::Name;

/// Zones that a camera may have: a set of them is the bits of a number.
pub const MOST_ZONES: usize = 16;

/// Twice the least area, as a share of the picture: a line has none.
const LEAST_DOUBLED_AREA: f32 = 1e-4;

/// What a zone is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Faces in it are counted, and told with its name.
    #[default]
    Count,
    /// It is never looked at.
    Mask,
}

/// A part of the picture, as its owner draws it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name in events and states: letters, digits, `_` and `-`.
    pub name: String,
    /// `count`, or `mask`, which is never looked at. Default `count`.
    #[serde(default)]
    pub kind: Kind,
    /// Its corners in order, at least 3 and at most 32: x and y as shares of the upright
    /// picture's width and height, 0 to 1, from its left upper corner.
    #[serde(deserialize_with = "corners")]
    pub points: Vec<[f32; 2]>,
    /// Whether it holds until a command or a group says otherwise. Default true.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

/// A pair reads only the first two of three numbers and says nothing.
fn corners<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<[f32; 2]>, D::Error> {
    let corner = |numbers: Vec<f32>| {
        <[f32; 2]>::try_from(numbers).map_err(|numbers| {
            D::Error::custom(format!("a corner is [x, y], two numbers, not {numbers:?}"))
        })
    };
    Vec::<Vec<f32>>::deserialize(from)?.into_iter().map(corner).collect()
}

const fn enabled() -> bool {
    true
}

/// Whether zones are possible, each by itself and together.
///
/// # Errors
///
/// The first that is not, with its number.
pub fn check(zones: &[Settings]) -> Result<(), Impossible> {
    let wrong = |number, why| Impossible { key: "zone".to_owned(), section: Some(number), why };
    if zones.len() > MOST_ZONES {
        let why = format!("is there {} times, at most {MOST_ZONES} are possible", zones.len());
        return Err(wrong(MOST_ZONES + 1, why));
    }
    for (index, zone) in zones.iter().enumerate() {
        let number = index + 1;
        zone.check(&zones[..index], number).map_err(|why| wrong(number, why))?;
    }
    Ok(())
}

impl Settings {
    fn check(&self, before: &[Self], number: usize) -> Result<(), String> {
        if let Err(error) = Name::new(&*self.name) {
            return Err(format!("number {number}: name {error}"));
        }
        // Home Assistant writes ids in small letters and without '-', where both would be one.
        // Nor with '_' twice or at an end.
        let id = |name: &str| {
            let parts = name.split(['-', '_']).filter(|part| !part.is_empty());
            parts.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
        };
        if before.iter().any(|other| id(&other.name) == id(&self.name)) {
            let rule = "for entity ids small and capital letters are the same, and so are '-' and \
                        '_', which count once between letters and not at the ends";
            let name = &self.name;
            return Err(format!("number {number}: name is '{name}' for the second time ({rule})"));
        }
        self.check_points().map_err(|why| format!("'{}': {why}", self.name))
    }

    fn check_points(&self) -> Result<(), String> {
        let count = self.points.len();
        if !(3..=MOST_POINTS).contains(&count) {
            return Err(format!("points has {count} corners, it must have 3 to {MOST_POINTS}"));
        }
        let outside = |point: &&[f32; 2]| !point.iter().all(|share| (0.0..=1.0).contains(share));
        if let Some([x, y]) = self.points.iter().find(outside) {
            return Err(format!(
                "points has [{x}, {y}], both must be from 0 to 1: shares of the picture's width \
                 and height, not pixels"
            ));
        }
        let polygon = Polygon::new(&self.points);
        if let Some((first, second)) = polygon.knot() {
            return Err(format!(
                "points: the edge behind corner {first} crosses or touches the one behind corner \
                 {second}; list the corners in their order around the zone"
            ));
        }
        if polygon.doubled_area() < LEAST_DOUBLED_AREA {
            return Err("points lie on a line: there is nothing between them".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, points: &[[f32; 2]]) -> Settings {
        Settings { name: name.into(), kind: Kind::Count, points: points.to_vec(), enabled: true }
    }

    const SQUARE: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

    #[test]
    fn what_is_wrong_is_told_with_the_zone_and_the_remedy() {
        let wrong = |zones: &[Settings]| check(zones).expect_err("refused").why;
        assert_eq!(check(&[zone("desk", &SQUARE), zone("sofa", &SQUARE[..3])]), Ok(()));
        assert!(wrong(&[zone("", &SQUARE)]).contains("number 1: name must not be empty"));
        assert!(wrong(&[zone("a/b", &SQUARE)]).contains("'/'"));
        let twice = wrong(&[zone("desk", &SQUARE), zone("Desk", &SQUARE)]);
        assert!(twice.contains("number 2") && twice.contains("second time"), "{twice}");
        for (one, other) in [("a-b", "a_b"), ("desk", "Desk_"), ("a--b", "a-b"), ("_a", "a")] {
            let refused = wrong(&[zone(one, &SQUARE), zone(other, &SQUARE)]);
            assert!(refused.contains("second time"), "{one} {other}: {refused}");
        }
        assert!(wrong(&[zone("desk", &SQUARE[..2])]).contains("2 corners"));
        assert!(wrong(&[zone("desk", &[[0.0, 0.0]; 33])]).contains("33 corners"));
        let pixels = wrong(&[zone("desk", &[[0.0, 0.0], [640.0, 0.0], [640.0, 480.0]])]);
        assert!(pixels.contains("'desk'") && pixels.contains("not pixels"), "{pixels}");
        let nothing = [[f32::NAN, 0.0], [1.0, 0.0], [1.0, 1.0]];
        assert!(wrong(&[zone("desk", &nothing)]).contains("NaN"));
        let line = [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]];
        assert!(wrong(&[zone("desk", &line)]).contains("on a line"));
        let bow = [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]];
        assert!(wrong(&[zone("desk", &bow)]).contains("corner 1 crosses"));
        // Round twice, with a hole on a way back along itself, tied at a corner: what lies
        // between would be left open.
        let twice = [SQUARE, SQUARE].concat();
        assert!(wrong(&[zone("desk", &twice)]).contains("touches"));
        let closed = [&SQUARE[..], &SQUARE[..1]].concat();
        assert_eq!(check(&[zone("desk", &closed)]), Ok(()));
        let hole = [&closed[..], &[[0.3, 0.0], [0.3, 0.95], [0.0, 0.95]]].concat();
        assert!(wrong(&[zone("desk", &hole)]).contains("touches"));
        let tied = [[0.1, 0.1], [0.5, 0.5], [0.9, 0.8], [0.9, 0.1], [0.5, 0.5], [0.1, 0.9]];
        assert!(wrong(&[zone("desk", &tied)]).contains("touches"));
        let many: Vec<Settings> = (0..17).map(|n| zone(&n.to_string(), &SQUARE)).collect();
        assert!(wrong(&many).contains("17 times, at most 16"));
        let second = check(&[zone("desk", &SQUARE), zone("sofa", &line), zone("tv", &line)]);
        assert_eq!(second.expect_err("refused").section, Some(2));
    }
}
