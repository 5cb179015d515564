//! The labels of one picture: a line for each face.
//!
//! A line is a class and a box (centre x, centre y, width, height), all as shares of the
//! picture. Behind the box programs write a confidence or key points; instead of it a
//! polygon, whose bounding box counts.

use super::Truth;
use crate::geometry::{Rect, Size};
use crate::printable::quoted;

/// How far a share may lie outside the picture: what rounding makes.
const OUTSIDE: f32 = 0.01;

/// No side of a box is shorter, as a share of the picture: label files have six decimals.
const LEAST_SIDE: f32 = 1e-6;

/// Key points of each face, as `kpt_shape` in a `data.yaml` gives them: how many, and the
/// numbers of each (2, or 3 with its visibility).
pub type KeyPoints = (usize, usize);

/// Reads the labels of a picture of `size`. `classes` gives, for each class number of the
/// set, the model's.
///
/// # Errors
///
/// The line, from 1, and what is wrong with it.
pub fn parse(
    text: &str,
    classes: &[usize],
    key_points: Option<KeyPoints>,
    size: Size,
) -> Result<Vec<Truth>, (usize, String)> {
    let mut found: Vec<(usize, Rect)> = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() {
            continue;
        }
        let face =
            read(line, classes.len(), key_points, size).map_err(|reason| (number, reason))?;
        // A face that was written twice is one, however its numbers are, as other programs take it.
        if !found.contains(&face) {
            found.push(face);
        }
    }
    Ok(found.into_iter().map(|(class, rect)| Truth { class: classes[class], rect }).collect())
}

/// The set's class, of `count`, and the box of one line.
fn read(
    line: &str,
    count: usize,
    key_points: Option<KeyPoints>,
    size: Size,
) -> Result<(usize, Rect), String> {
    let numbers: Result<Vec<f32>, _> = line.split_whitespace().map(str::parse).collect();
    let numbers =
        numbers.map_err(|_| format!("'{}' holds something else than numbers", quoted(line)))?;
    let [class, shares @ ..] = &numbers[..] else {
        return Err("is empty".to_owned());
    };
    let known = *class >= 0.0 && class.fract() == 0.0 && (*class as usize) < count;
    if !known {
        return Err(format!("class {class} is not below {count}"));
    }
    let shape = Shape::of(shares, key_points).ok_or_else(|| {
        format!("'{}' is not a class and four numbers, nor a polygon", quoted(line))
    })?;
    let (Shape::Box(shares) | Shape::Polygon(shares)) = shape;
    if !shares.iter().all(is_inside) {
        return Err(format!("'{}' has a share outside 0 to 1", quoted(line)));
    }
    if !shape.has_size() {
        return Err(format!("'{}' is a box without a size", quoted(line)));
    }
    let [left, top, right, bottom] = shape.edges();
    let (width, height) = (size.width as f32, size.height as f32);
    let rect = Rect::from_edges(left * width, top * height, right * width, bottom * height);
    Ok((*class as usize, rect))
}

/// Whether a share lies in the picture.
fn is_inside(share: &f32) -> bool {
    (-OUTSIDE..=1.0 + OUTSIDE).contains(share)
}

/// What the numbers behind a class are.
#[derive(Clone, Copy)]
enum Shape<'a> {
    /// Centre x, centre y, width, height.
    Box(&'a [f32]),
    /// x and y of each corner.
    Polygon(&'a [f32]),
}

impl<'a> Shape<'a> {
    fn of(shares: &'a [f32], key_points: Option<KeyPoints>) -> Option<Self> {
        let count = shares.len();
        let announced = key_points.is_some_and(|(points, numbers)| {
            let all = points.checked_mul(numbers);
            let rest = all.and_then(|all| count.checked_sub(4)?.checked_sub(all));
            // With a confidence, as behind a box.
            rest.is_some_and(|rest| rest <= 1)
        });
        match count {
            0..=3 => None,
            // With a confidence, where a program wrote what it found.
            4 | 5 => Some(Self::Box(&shares[..4])),
            _ if announced || are_key_points(shares) => Some(Self::Box(&shares[..4])),
            _ if count.is_multiple_of(2) => Some(Self::Polygon(shares)),
            // A polygon and a confidence.
            _ => Some(Self::Polygon(&shares[..count - 1])),
        }
    }

    /// Whether it is wide and high enough to be meant.
    fn has_size(self) -> bool {
        let sides = match self {
            // As they are written: those between edges have been rounded.
            Self::Box(shares) => [shares[2], shares[3]],
            Self::Polygon(_) => {
                let [left, top, right, bottom] = self.edges();
                [right - left, bottom - top]
            }
        };
        sides.iter().all(|side| *side >= LEAST_SIDE)
    }

    /// Left, top, right, bottom.
    fn edges(self) -> [f32; 4] {
        match self {
            Self::Box(shares) => {
                let [x, y, width, height] = [0, 1, 2, 3].map(|index| shares[index]);
                [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
            }
            Self::Polygon(points) => {
                let along = |from: usize| points[from..].iter().step_by(2).copied();
                let least = |from| along(from).fold(f32::MAX, f32::min);
                let most = |from| along(from).fold(f32::MIN, f32::max);
                [least(0), least(1), most(0), most(1)]
            }
        }
    }
}

/// Whether a box and points with visibilities (0 not labelled, 1 hidden, 2 seen) fit
/// together. For a set whose `data.yaml` has no `kpt_shape`: without visibilities nothing
/// would tell them from a polygon. One along the picture's edges has zeros and ones where
/// visibilities would be; but its first two corners make no box in the picture, or none of its
/// points were labelled, although they are not the zeros that stand for such.
///
/// The same guess as `are_key_points` in models/training/expression_training/labels.py.
fn are_key_points(shares: &[f32]) -> bool {
    let (first, points) = shares.split_at(4);
    let shape = Shape::Box(first);
    let [left, top, right, bottom] = shape.edges();
    let near = |share: f32, from: f32, to: f32| share >= from - 0.1 && share <= to + 0.1;
    let fits = |point: &[f32]| {
        [0.0, 1.0, 2.0].contains(&point[2])
            && (point[2] == 0.0 || near(point[0], left, right) && near(point[1], top, bottom))
    };
    let labelled = points.chunks_exact(3).any(|point| point[2] > 0.0);
    points.len().is_multiple_of(3)
        && shape.has_size()
        && [left, top, right, bottom].iter().all(is_inside)
        && points.chunks_exact(3).all(fits)
        && (labelled || points.iter().all(|number| *number == 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: Size = Size::new(200, 100);

    fn parsed(text: &str) -> Result<Vec<Truth>, (usize, String)> {
        parse(text, &[0, 1], None, SIZE)
    }

    fn same(found: &[Truth], class: usize, rect: Rect) -> bool {
        let [found] = found else { return false };
        let edges = |r: Rect| [r.x, r.y, r.width, r.height];
        found.class == class
            && edges(found.rect).iter().zip(edges(rect)).all(|(a, b)| (a - b).abs() < 0.01)
    }

    #[test]
    fn every_kind_of_line_is_the_box_around_the_face() {
        let rect = Rect::new(50.0, 25.0, 100.0, 50.0);
        for line in [
            "1 0.5 0.5 0.5 0.5",
            "1.0 .5 .5 5e-1 0.50",
            "1 0.5 0.5 0.5 0.5 0.93",                         // a confidence
            "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75",      // a polygon
            "1 0.25 0.5 0.75 0.25 0.7 0.75",                  // a triangle
            "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75 0.93", // with a confidence
            "1 0.5 0.5 0.5 0.5 0.4 0.4 2 0.6 0.4 2",          // key points
            "1 0.5 0.5 0.5 0.5 0.4 0.4 1 0 0 0",              // one of them not labelled
            "1 0.5 0.5 0.5 0.5 0 0 0 0 0 0",                  // nor any
        ] {
            let found = parsed(line).unwrap();
            assert!(same(&found, 1, rect), "{line}: {found:?}");
        }
        // without visibilities only data.yaml tells points from a polygon
        let line = "1 0.5 0.5 0.5 0.5 0.4 0.4 0.6 0.4";
        assert!(same(&parse(line, &[0, 1], Some((2, 2)), SIZE).unwrap(), 1, rect));
        assert!(!same(&parsed(line).unwrap(), 1, rect));
        let with_confidence = format!("{line} 0.93");
        assert!(same(&parse(&with_confidence, &[0, 1], Some((2, 2)), SIZE).unwrap(), 1, rect));
    }

    /// Where visibilities would be it has zeros and ones.
    #[test]
    fn a_closed_polygon_along_the_edges_is_no_box_with_key_points() {
        let whole = Rect::new(0.0, 0.0, 200.0, 100.0);
        for (line, rect) in [
            ("1 0 0 1 0 1 1 0 1 0 0", whole),
            ("1 1 0 1 1 0 1 0 0 1 0", whole),
            ("1 .5 0 1 .5 .5 1 0 .5 .5 0", whole),
            // A flat box, and points that lie somewhere without being labelled?
            ("1 .5 0 .5 .015 .3 .9 0 .5 .5 0", Rect::new(0.0, 0.0, 100.0, 90.0)),
            // Points far from what would be their box?
            ("1 .5 .5 .2 .2 .9 .9 1 .1 .1 1", Rect::new(20.0, 10.0, 180.0, 90.0)),
        ] {
            let found = parsed(line).unwrap();
            assert!(same(&found, 1, rect), "{line}: {found:?}");
        }
    }

    #[test]
    fn class_numbers_of_the_set_become_those_of_the_model() {
        let found = parse("0 .5 .5 .5 .5", &[1, 0], None, SIZE).unwrap();
        assert_eq!(found[0].class, 1);
    }

    #[test]
    fn a_face_that_stands_twice_is_one() {
        assert_eq!(parsed("0 .5 .5 .5 .5\r\n\r\n0 .5 .5 .5 .5\r\n").unwrap().len(), 1);
        assert_eq!(parsed("0 .5 .5 .5 .5\n0  0.50 5e-1 .5 .5 .9").unwrap().len(), 1);
        assert_eq!(parsed("0 .5 .5 .5 .5\n1 .5 .5 .5 .5").unwrap().len(), 2);
    }

    #[test]
    fn mistakes_have_a_line_and_words() {
        for (text, line, words) in [
            ("0 .1 .1 .1 .1\n2 .1 .1 .1 .1", 2, "class 2 is not below 2"),
            ("-1 .1 .1 .1 .1", 1, "class -1"),
            ("0.5 .1 .1 .1 .1", 1, "class 0.5"),
            ("0 .1 .1 .1", 1, "not a class and four numbers"),
            ("0", 1, "not a class and four numbers"),
            ("0 .1 .1 .1 .1 .1 .1 x", 1, "something else than numbers"),
            ("happy .1 .1 .1 .1", 1, "something else than numbers"),
            ("0,.1,.1,.1,.1", 1, "something else than numbers"),
            ("0 x .1 .1 .1 .1", 1, "something else than numbers"),
            ("0 9 .1 .1 .1", 1, "a share outside 0 to 1"),
            ("0 112 36 57 73", 1, "a share outside 0 to 1"),
            ("0 .1 .1 .5 .1 .5 1.2 .1 .5", 1, "a share outside 0 to 1"),
            ("0 nan .1 .1 .1", 1, "a share outside 0 to 1"),
            ("0 .5 .5 0 .1", 1, "without a size"),
            ("0 .5 .5 -.005 .1", 1, "without a size"),
            ("0 .5 .5 1e-9 .1", 1, "without a size"),
            ("0 .5 .5 .1 1e-38", 1, "without a size"),
            ("0 .5 .1 .5 .4 .5 .8", 1, "without a size"),
        ] {
            let (found, reason) = parsed(text).unwrap_err();
            assert!(found == line && reason.contains(words), "{text}: {found}: {reason}");
        }
    }

    /// Any file may stand where labels are expected.
    #[test]
    fn a_line_is_quoted_by_its_beginning_and_commands_no_terminal() {
        let long = "0 ".repeat(1 << 19) + "x";
        for text in ["\u{1b}[2J 0", &long, &"0 .5 ".repeat(1 << 18), &"0 2".repeat(30)] {
            let (_, reason) = parsed(text).unwrap_err();
            assert!(!reason.contains('\u{1b}') && reason.len() < 150, "{reason}");
        }
    }

    proptest! {
        #[test]
        fn any_label_text_is_read_without_harm(text in "[0-9. naife\\n-]{0,80}", points in 0usize..4) {
            let _ = parse(&text, &[0, 1], Some((points, 3)), Size::new(10, 10));
        }

        /// What the four kinds have in common is the box: it is found again in all.
        #[test]
        fn a_box_is_the_polygon_of_its_corners(
            x in 0.2f32..0.8, y in 0.2f32..0.8, w in 0.05f32..0.39, h in 0.05f32..0.39,
        ) {
            let (left, top, right, bottom) = (x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0);
            let boxed = parsed(&format!("0 {x} {y} {w} {h}")).unwrap();
            let polygon = format!("0 {left} {top} {right} {top} {right} {bottom} {left} {bottom}");
            let around = parsed(&polygon).unwrap();
            prop_assert!(same(&around, 0, boxed[0].rect), "{:?} {:?}", boxed, around);
        }
    }
}
