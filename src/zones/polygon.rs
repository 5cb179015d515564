//! A closed line of straight edges, in shares of the picture's width and height.

use crate::geometry::{Rect, Size};

/// Corners that a polygon may have, so that a row's crossings fit on the stack.
pub(crate) const MOST_POINTS: usize = 32;

/// At least three corners, each an x and a y from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Polygon(Vec<[f32; 2]>);

impl Polygon {
    /// Of 3 to [`MOST_POINTS`] corners; more are left out. One that is named twice in a row, or
    /// last what was first, is one.
    pub(crate) fn new(points: &[[f32; 2]]) -> Self {
        let mut corners: Vec<_> = points.iter().copied().take(MOST_POINTS).collect();
        corners.dedup();
        if corners.len() > 1 && corners.first() == corners.last() {
            corners.pop();
        }
        Self(corners)
    }

    /// Each edge once, the last from the last corner to the first.
    fn edges(&self) -> impl Iterator<Item = ([f32; 2], [f32; 2])> {
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().copied().zip(next.copied())
    }

    /// Whether a point, in shares, lies inside: a ray to the right crosses the border an odd
    /// number of times. Of two polygons that share an edge, a point on it is in one only.
    pub(crate) fn contains(&self, x: f32, y: f32) -> bool {
        let mut crossings = [0.0; MOST_POINTS];
        let count = self.crossings(y, &mut crossings);
        crossings[..count].iter().filter(|crossing| x < **crossing).count() % 2 == 1
    }

    /// Where the horizontal line at `y` crosses the border, from left to right; the inside
    /// lies between each odd one and the next. Returns how many there are: an even number.
    pub(crate) fn crossings(&self, y: f32, into: &mut [f32; MOST_POINTS]) -> usize {
        let mut count = 0;
        for ([x0, y0], [x1, y1]) in self.edges() {
            // A corner belongs to the edge below it: else it would be crossed twice.
            if (y0 <= y) != (y1 <= y) {
                into[count] = x0 + (y - y0) / (y1 - y0) * (x1 - x0);
                count += 1;
            }
        }
        into[..count].sort_unstable_by(f32::total_cmp);
        count
    }

    /// How far inside a point of a picture of `size` lies, in pixels; negative outside.
    pub(crate) fn depth(&self, (x, y): (f32, f32), size: Size) -> f32 {
        let (width, height) = (size.width.max(1) as f32, size.height.max(1) as f32);
        let scaled = |[x, y]: [f32; 2]| (x * width, y * height);
        let distances = self.edges().map(|(a, b)| distance((x, y), scaled(a), scaled(b)));
        let nearest = distances.fold(f32::INFINITY, f32::min);
        if self.contains(x / width, y / height) { nearest } else { -nearest }
    }

    /// Twice the area, as a share of the picture; 0 where all corners lie on a line.
    pub(crate) fn doubled_area(&self) -> f32 {
        self.edges().map(|([x0, y0], [x1, y1])| x0 * y1 - x1 * y0).sum::<f32>().abs()
    }

    /// Two edges that cross or touch, by the numbers of their first corners, from 1. A line that
    /// goes round twice, or back along itself, would have its inside outside.
    pub(crate) fn knot(&self) -> Option<(usize, usize)> {
        let edges: Vec<_> = self.edges().collect();
        let pairs = (0..edges.len()).flat_map(|a| (a + 1..edges.len()).map(move |b| (a, b)));
        let apart = |a: usize, b: usize| b - a > 1 && b - a < edges.len() - 1;
        let mut knots = pairs.filter(|(a, b)| apart(*a, *b) && meet(edges[*a], edges[*b]));
        knots.next().map(|(a, b)| (a + 1, b + 1))
    }

    /// The box around it, in shares.
    pub(crate) fn bounds(&self) -> Rect {
        let side = |part: usize| {
            let values = || self.0.iter().map(move |point| point[part]);
            (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max))
        };
        let ((left, right), (top, bottom)) = (side(0), side(1));
        Rect::from_edges(left, top, right, bottom)
    }
}

/// Of a point from the line between `a` and `b`.
fn distance(point: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    let along = ((point.0 - a.0) * dx + (point.1 - a.1) * dy) / length;
    let along = along.clamp(0.0, 1.0);
    (point.0 - a.0 - along * dx).hypot(point.1 - a.1 - along * dy)
}

/// Corners nearer than this to an edge, in shares, lie on it: no picture has such a pixel.
const TOUCHING: f32 = 1e-5;

type Edge = ([f32; 2], [f32; 2]);

/// Whether the ends of each lie on both sides of the other, or one of them lies on it.
fn meet(first: Edge, second: Edge) -> bool {
    let side = |(a, b): Edge, point: [f32; 2]| {
        (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
    };
    let crosses = side(first, second.0) * side(first, second.1) < 0.0
        && side(second, first.0) * side(second, first.1) < 0.0;
    let on =
        |[x, y]: [f32; 2], (a, b): Edge| distance((x, y), (a[0], a[1]), (b[0], b[1])) < TOUCHING;
    crosses
        || on(first.0, second)
        || on(first.1, second)
        || on(second.0, first)
        || on(second.1, first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A star around a point of the middle: its edges never cross.
    fn star() -> impl Strategy<Value = Polygon> {
        proptest::collection::vec(0.05f32..0.45, 3..12).prop_map(|radii| {
            let step = std::f32::consts::TAU / radii.len() as f32;
            let corner = |(number, radius): (usize, &f32)| {
                let angle = step * number as f32;
                [0.5 + radius * angle.cos(), 0.5 + radius * angle.sin()]
            };
            Polygon::new(&radii.iter().enumerate().map(corner).collect::<Vec<_>>())
        })
    }

    /// The winding number: another way to the same answer.
    fn winds_around(polygon: &Polygon, x: f32, y: f32) -> bool {
        let turns = polygon.edges().map(|(a, b)| {
            let angle = |p: [f32; 2]| f64::from(p[1] - y).atan2(f64::from(p[0] - x));
            let turn = angle(b) - angle(a);
            turn - (turn / std::f64::consts::TAU).round() * std::f64::consts::TAU
        });
        turns.sum::<f64>().abs() > std::f64::consts::PI
    }

    #[test]
    fn a_corner_at_the_height_of_the_point_is_crossed_once() {
        let diamond = Polygon::new(&[[0.5, 0.1], [0.9, 0.5], [0.5, 0.9], [0.1, 0.5]]);
        assert!(diamond.contains(0.5, 0.5) && diamond.contains(0.2, 0.5));
        assert!(!diamond.contains(0.05, 0.5) && !diamond.contains(0.95, 0.5));
        assert!(!diamond.contains(0.2, 0.2));
    }

    #[test]
    fn a_bay_is_outside() {
        let u = [[0.0, 0.0], [0.3, 0.0], [0.3, 0.7], [0.7, 0.7], [0.7, 0.0], [1.0, 0.0]];
        let u = Polygon::new(&[&u[..], &[[1.0, 1.0], [0.0, 1.0]]].concat());
        assert!(!u.contains(0.5, 0.5) && u.contains(0.1, 0.5) && u.contains(0.5, 0.9));
        assert!((u.depth((50.0, 50.0), Size::new(100, 100)) + 20.0).abs() < 1e-4);
        assert!((u.depth((10.0, 50.0), Size::new(100, 100)) - 10.0).abs() < 1e-4);
    }

    #[test]
    fn edges_that_cross_are_found_and_touching_ones_are_not() {
        let bow = Polygon::new(&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(bow.knot(), Some((1, 3)));
        let square = Polygon::new(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]);
        assert_eq!((square.knot(), square.doubled_area()), (None, 2.0));
    }

    proptest! {
        #[test]
        fn the_inside_is_where_the_border_winds_around(
            polygon in star(), x in -0.1f32..1.1, y in -0.1f32..1.1,
        ) {
            // On the border itself rounding decides.
            prop_assume!(polygon.depth((x * 1e4, y * 1e4), Size::new(10_000, 10_000)).abs() > 0.1);
            prop_assert_eq!(polygon.contains(x, y), winds_around(&polygon, x, y));
            prop_assert!(polygon.knot().is_none());
        }

        /// Any corners at all, also such as no settings would pass.
        #[test]
        fn crossings_come_in_pairs_from_left_to_right(
            points in proptest::collection::vec([0f32..=1.0, 0f32..=1.0], 3..32), y in 0f32..=1.0,
        ) {
            let mut crossings = [0.0; MOST_POINTS];
            let count = Polygon::new(&points).crossings(y, &mut crossings);
            prop_assert_eq!(count % 2, 0);
            prop_assert!(crossings[..count].is_sorted());
        }

        /// Every point belongs to exactly one half, also one on the line between them.
        #[test]
        fn two_halves_share_no_point(x in 0f32..1.0, y in 0f32..1.0, cut in 0.1f32..0.9) {
            let half = |left: f32, right: f32| {
                Polygon::new(&[[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]])
            };
            for x in [x, cut] {
                let (left, right) = (half(0.0, cut), half(cut, 1.0));
                prop_assert!(left.contains(x, y) != right.contains(x, y), "{} {}", x, y);
            }
        }
    }
}
