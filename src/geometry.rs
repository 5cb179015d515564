//! Sizes and boxes, in pixels of the upright picture as its owner sees it.

use serde::{Deserialize, Serialize};

/// Shapes nearer than this are the same: 1366x768 is 16:9.
const SAME_SHAPE: f64 = 0.01;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl Size {
    /// Width before height, in pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// How far its shape is from that of another, in steps, so that nearly the same is the same:
    /// 0.
    pub(crate) fn unlike(self, other: Self) -> f64 {
        let aspect = |size: Self| f64::from(size.width.max(1)) / f64::from(size.height.max(1));
        ((aspect(self) / aspect(other)).ln().abs() / SAME_SHAPE).floor()
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// An axis-aligned box: left and top edge, width and height, in pixels.
/// Edges are real numbers: the pixel in column `i` reaches from `i` to `i + 1`. Width and
/// height are never negative where a box was made by [`Rect::from_edges`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// The left edge, from the picture's left, in pixels.
    pub x: f32,
    /// The top edge, from the picture's top, in pixels.
    pub y: f32,
    /// Pixels, not negative.
    pub width: f32,
    /// Pixels, not negative.
    pub height: f32,
}

impl Rect {
    /// From the left and top edge, width and height, in pixels.
    pub const fn new(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self { x, y, width, height }
    }

    /// From the left, top, right and bottom edges; empty where they are the wrong way round.
    pub fn from_edges(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self::new(left, top, (right - left).max(0.0), (bottom - top).max(0.0))
    }

    /// The same where left and right are exchanged in a picture of this width.
    pub fn mirrored(self, width: f32) -> Self {
        Self { x: width - self.right(), ..self }
    }

    /// The right edge, in pixels.
    pub fn right(&self) -> f32 {
        self.x + self.width
    }

    /// The bottom edge, in pixels.
    pub fn bottom(&self) -> f32 {
        self.y + self.height
    }

    /// The middle, x before y, in pixels.
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// What two boxes have in common, in square pixels.
    pub fn intersection(&self, other: &Rect) -> f32 {
        let width = self.right().min(other.right()) - self.x.max(other.x);
        let height = self.bottom().min(other.bottom()) - self.y.max(other.y);
        if width <= 0.0 || height <= 0.0 { 0.0 } else { width * height }
    }

    /// Intersection over union, 0 to 1; 0 where either box is empty.
    pub fn iou(&self, other: &Rect) -> f32 {
        let intersection = self.intersection(other);
        if intersection <= 0.0 {
            return 0.0;
        }
        intersection / (self.area() + other.area() - intersection)
    }

    /// The share of this box that lies in the other one, 0 to 1; 0 where it is empty.
    pub fn share_in(&self, other: &Rect) -> f32 {
        let intersection = self.intersection(other);
        if intersection <= 0.0 { 0.0 } else { (intersection / self.area()).min(1.0) }
    }

    /// The part of the box that lies inside a picture of this size.
    pub fn clipped(&self, size: Size) -> Rect {
        let (width, height) = (size.width as f32, size.height as f32);
        Rect::from_edges(
            self.x.clamp(0.0, width),
            self.y.clamp(0.0, height),
            self.right().clamp(0.0, width),
            self.bottom().clamp(0.0, height),
        )
    }
}

/// Whole pixels of the upright picture: what a look takes in. Regions that are made here
/// lie within their picture and are not empty, as pictures are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    /// Pixels between the picture's left edge and its own.
    pub left: u32,
    /// Pixels between the picture's top edge and its own.
    pub top: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl Region {
    /// All of a picture.
    pub const fn whole(picture: Size) -> Self {
        Self { left: 0, top: 0, width: picture.width, height: picture.height }
    }

    /// A square of `side` pixels around a point: cut down to the picture where that is
    /// smaller, and moved into it.
    pub fn around((x, y): (f32, f32), side: u32, picture: Size) -> Self {
        let place = |centre: f32, length: u32, all: u32| {
            // `as` saturates, so a point far outside or not a number ends at an edge.
            ((centre - length as f32 / 2.0).round() as u32).min(all - length)
        };
        let width = side.clamp(1, picture.width);
        let height = side.clamp(1, picture.height);
        let (left, top) = (place(x, width, picture.width), place(y, height, picture.height));
        Self { left, top, width, height }
    }

    /// Its size, in pixels.
    pub const fn size(self) -> Size {
        Size::new(self.width, self.height)
    }

    /// The longer side, in pixels.
    pub fn side(self) -> u32 {
        self.width.max(self.height)
    }

    /// The same as a box.
    pub const fn rect(self) -> Rect {
        Rect::new(self.left as f32, self.top as f32, self.width as f32, self.height as f32)
    }

    /// Whether it lies within a picture of this size and is not empty.
    pub fn is_within(self, picture: Size) -> bool {
        let within = |start: u32, length: u32, all: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= all)
        };
        within(self.left, self.width, picture.width)
            && within(self.top, self.height, picture.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_region_around_any_point_lies_within_the_picture(
            x in -1e6f32..1e6, y in -1e6f32..1e6, side in 0u32..5000,
            width in 1u32..4000, height in 1u32..4000,
        ) {
            let picture = Size::new(width, height);
            let region = Region::around((x, y), side, picture);
            prop_assert!(region.is_within(picture), "{region:?}");
            prop_assert!(region.side() <= side.max(1));
        }
    }

    #[test]
    fn iou_of_equal_half_and_disjoint_boxes() {
        let a = Rect::new(0.0, 0.0, 10.0, 10.0);
        assert_eq!(a.iou(&a), 1.0);
        assert!((a.iou(&Rect::new(5.0, 0.0, 10.0, 10.0)) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.iou(&Rect::new(10.0, 0.0, 10.0, 10.0)), 0.0);
        assert_eq!(a.iou(&Rect::default()), 0.0);
    }

    #[test]
    fn clipping_never_leaves_the_picture() {
        let size = Size::new(100, 50);
        let all = Rect::new(-10.0, -10.0, 500.0, 500.0).clipped(size);
        assert_eq!(all, Rect::new(0.0, 0.0, 100.0, 50.0));
        assert_eq!(Rect::new(200.0, 0.0, 10.0, 10.0).clipped(size).area(), 0.0);
    }
}
