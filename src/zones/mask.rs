//! What must not be seen: grey to the network, black in pictures for people.

use image::{Rgb, RgbImage};

use super::polygon::{MOST_POINTS, Polygon};
use crate::geometry::{Rect, Region, Size};
use crate::pixels::letterbox::{Letterbox, PAD};
use crate::pixels::tensor::{InputSpec, TensorBuffer};

/// Which part of a picture a part of a tensor shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// In pixels of the tensor.
    pub tensor: Rect,
    /// In shares of the picture's width and height.
    pub picture: Rect,
}

impl From<&Letterbox> for View {
    fn from(letterbox: &Letterbox) -> Self {
        let (content, region, whole) = (letterbox.content, letterbox.region, letterbox.picture);
        let (left, top) = (letterbox.left as f32, letterbox.top as f32);
        let tensor = Rect::new(left, top, content.width as f32, content.height as f32);
        let (across, down) = (whole.width as f32, whole.height as f32);
        let picture = Rect::new(
            region.left as f32 / across,
            region.top as f32 / down,
            region.width as f32 / across,
            region.height as f32 / down,
        );
        Self { tensor, picture }
    }
}

/// Parts of the picture that must not be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Masks(Vec<Polygon>);

impl Masks {
    pub(super) fn new(polygons: impl Iterator<Item = Polygon>) -> Self {
        Self(polygons.collect())
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Greys what lies in a mask in a `tensor` of `spec`, which shows the picture as `view`
    /// says. The grey is the letterbox's: the model has learnt that nothing is there.
    pub fn grey(&self, tensor: &mut TensorBuffer, spec: &InputSpec, view: View) {
        let grey = spec.encoding.integer(PAD);
        match tensor {
            TensorBuffer::Int8(values) => self.fill(values, 3, grey as i8, spec.size, view),
            TensorBuffer::UInt8(values) => self.fill(values, 3, grey as u8, spec.size, view),
            TensorBuffer::Float32(values) => {
                self.fill(values, 3, f32::from(PAD) / 255.0, spec.size, view);
            }
        }
    }

    /// Replaces `out` by which pixels of an image of `size` lie in a mask, when it shows the
    /// picture as `view` says; it is empty where there is no mask.
    pub fn stencil(&self, size: Size, view: View, out: &mut Vec<bool>) {
        out.clear();
        if self.is_empty() {
            return;
        }
        out.resize(size.area(), false);
        self.fill(out, 1, true, size, view);
    }

    /// Whether nothing is to be seen in a region of a picture of this size.
    pub fn hide(&self, region: Region, picture: Size) -> bool {
        const GRID: Size = Size::new(32, 32);
        let mut hidden = Vec::new();
        let view = View::from(&Letterbox::of(picture, region, GRID));
        self.stencil(GRID, view, &mut hidden);
        let inside = |at: usize| {
            let (x, y) = ((at % 32) as f32 + 0.5, (at / 32) as f32 + 0.5);
            (view.tensor.x..view.tensor.right()).contains(&x)
                && (view.tensor.y..view.tensor.bottom()).contains(&y)
        };
        !self.is_empty() && hidden.iter().enumerate().all(|(at, hidden)| *hidden || !inside(at))
    }

    /// Blackens what lies in a mask in an upright picture.
    pub fn blacken(&self, picture: &mut RgbImage) {
        let size = Size::new(picture.width(), picture.height());
        let whole = Rect::new(0.0, 0.0, size.width as f32, size.height as f32);
        let view = View { tensor: whole, picture: Rect::new(0.0, 0.0, 1.0, 1.0) };
        self.rows(size, view, |row, columns| {
            for column in columns {
                picture.put_pixel(column as u32, row as u32, Rgb([0, 0, 0]));
            }
        });
    }

    /// Sets what lies in a mask, in an image of so many parts a pixel.
    fn fill<T: Copy>(&self, values: &mut [T], parts: usize, value: T, size: Size, view: View) {
        let width = size.width as usize;
        self.rows(size, view, |row, columns| {
            let (from, to) = (row * width + columns.start, row * width + columns.end);
            if let Some(run) = values.get_mut(from * parts..to * parts) {
                run.fill(value);
            }
        });
    }

    /// Hands each run of pixels of an image of `size` that touches a mask to `paint`: its
    /// row and its columns.
    fn rows(&self, size: Size, view: View, mut paint: impl FnMut(usize, std::ops::Range<usize>)) {
        let View { tensor, picture } = view;
        if tensor.area() <= 0.0 || picture.area() <= 0.0 {
            return;
        }
        let across = |share: f32| tensor.x + (share - picture.x) / picture.width * tensor.width;
        let down = |row: f32| picture.y + (row - tensor.y) / tensor.height * picture.height;
        let up = |share: f32| tensor.y + (share - picture.y) / picture.height * tensor.height;
        let (left, right) = (tensor.x.max(0.0), tensor.right().min(size.width as f32));
        let (top, bottom) = (tensor.y.max(0.0), tensor.bottom().min(size.height as f32));
        let mut crossings = [0.0; MOST_POINTS];
        for polygon in &self.0 {
            let bounds = polygon.bounds();
            let first = up(bounds.y).max(top).floor() as usize;
            let last = up(bounds.bottom()).min(bottom).ceil() as usize;
            for row in first..last {
                // The border row's middle may lie beyond the polygon, which it still touches.
                let middle = down(row as f32 + 0.5);
                let low = bounds.y + bounds.height * 1e-4;
                let high = bounds.bottom() - bounds.height * 1e-4;
                let count = polygon.crossings(middle.clamp(low, high), &mut crossings);
                for pair in crossings[..count].chunks_exact(2) {
                    let from = across(pair[0]).clamp(left, right).floor() as usize;
                    let to = across(pair[1]).clamp(left, right).ceil() as usize;
                    if from < to {
                        paint(row, from..to);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixels::tensor::Encoding;

    const INPUT: Size = Size::new(32, 32);

    fn masks(points: &[[f32; 2]]) -> Masks {
        Masks::new([Polygon::new(points)].into_iter())
    }

    fn right_half() -> Masks {
        masks(&[[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]])
    }

    /// Which pixels are grey, in a tensor that was white.
    fn greyed(masks: &Masks, view: View) -> Vec<bool> {
        let spec = InputSpec { size: INPUT, encoding: Encoding::Float32 };
        let mut tensor = TensorBuffer::Float32(vec![1.0; spec.len()]);
        masks.grey(&mut tensor, &spec, view);
        let TensorBuffer::Float32(values) = tensor else { unreachable!("made above") };
        let pixels = values.chunks_exact(3);
        pixels
            .map(|pixel| {
                assert!(pixel.iter().all(|value| *value == pixel[0]), "all three colours");
                pixel[0] < 1.0
            })
            .collect()
    }

    #[test]
    fn the_mask_lies_where_the_letterbox_has_put_the_picture() {
        let letterbox = Letterbox::new(Size::new(640, 320), INPUT);
        let grey = greyed(&right_half(), View::from(&letterbox));
        for y in 0..32 {
            for x in 0..32 {
                let masked = (8..24).contains(&y) && x >= 16;
                assert_eq!(grey[y * 32 + x], masked, "at {x},{y}");
            }
        }
    }

    #[test]
    fn a_region_of_the_picture_shows_its_part_of_the_mask() {
        let tensor = Rect::new(0.0, 0.0, 32.0, 32.0);
        let grey = |x: f32| {
            let view = View { tensor, picture: Rect::new(x, 0.25, 0.25, 0.25) };
            greyed(&right_half(), view).iter().filter(|grey| **grey).count()
        };
        assert_eq!((grey(0.0), grey(0.375), grey(0.75)), (0, 16 * 32, 32 * 32));
    }

    #[test]
    fn quantized_inputs_get_the_letterbox_s_grey() {
        let (scale, letterbox) = (1.0 / 255.0, Letterbox::new(INPUT, INPUT));
        let spec = |encoding| InputSpec { size: INPUT, encoding };
        let signed = spec(Encoding::Int8 { scale, zero_point: -128 });
        let mut tensor = TensorBuffer::new(&signed);
        right_half().grey(&mut tensor, &signed, View::from(&letterbox));
        let TensorBuffer::Int8(values) = &tensor else { panic!("another type") };
        assert_eq!((values[0], values[31 * 3]), (0, -14));
        let unsigned = spec(Encoding::UInt8 { scale, zero_point: 0 });
        let mut tensor = TensorBuffer::new(&unsigned);
        right_half().grey(&mut tensor, &unsigned, View::from(&letterbox));
        let TensorBuffer::UInt8(values) = &tensor else { panic!("another type") };
        assert_eq!((values[0], values[31 * 3]), (0, PAD));
    }

    #[test]
    fn pictures_are_black_there_and_nowhere_else() {
        let mut picture = RgbImage::from_pixel(10, 4, Rgb([9, 9, 9]));
        right_half().blacken(&mut picture);
        for (x, _, pixel) in picture.enumerate_pixels() {
            assert_eq!(pixel.0 == [0, 0, 0], x >= 5, "at {x}");
        }
    }

    #[test]
    fn a_region_is_hidden_by_several_masks_together_and_by_no_part_of_one() {
        let picture = Size::new(1280, 720);
        let half = |left: f32, right: f32| {
            Polygon::new(&[[left, 0.2], [right, 0.2], [right, 0.8], [left, 0.8]])
        };
        let region = |left, width| Region { left, top: 200, width, height: 240 };
        let screen = Masks::new([half(0.1, 0.3), half(0.3, 0.5)].into_iter());
        assert!(screen.hide(region(200, 320), picture));
        assert!(!screen.hide(region(100, 320), picture));
        assert!(!screen.hide(Region::whole(picture), picture));
        assert!(!Masks::default().hide(region(200, 320), picture));
    }

    proptest! {
        /// What is hidden lies in a mask, but for a seam narrower than a thirtieth of it.
        #[test]
        fn what_is_hidden_lies_in_the_mask(
            points in proptest::collection::vec([0f32..=1.0, 0f32..=1.0], 3..6),
            // Between three corners, or hardly any region would lie in the mask.
            shares in [0.1f32..1.0, 0.1f32..1.0, 0.1f32..1.0],
            side in 10u32..120, at in (0f32..1.0, 0f32..1.0),
        ) {
            let picture = Size::new(1000, 1000);
            let middle = |axis: usize| {
                let sum: f32 = (0..3).map(|corner| shares[corner] * points[corner][axis]).sum();
                1000.0 * sum / shares.iter().sum::<f32>()
            };
            let region = Region::around((middle(0), middle(1)), side, picture);
            let side = region.width;
            let polygon = Polygon::new(&points);
            let hidden = Masks::new([polygon.clone()].into_iter()).hide(region, picture);
            let point = (
                region.left as f32 + at.0 * side as f32,
                region.top as f32 + at.1 * side as f32,
            );
            let depth = polygon.depth(point, picture);
            prop_assert!(!hidden || depth > -2.0 * side as f32 / 32.0, "{} at {:?}", depth, point);
        }

        /// Whatever is drawn and whatever the tensor shows of it: no pixel whose middle lies
        /// in the mask is seen.
        #[test]
        fn nothing_in_a_mask_is_seen(
            points in proptest::collection::vec([0f32..=1.0, 0f32..=1.0], 3..8),
            x in 0f32..0.9, y in 0f32..0.9, w in 0.1f32..1.0, h in 0.1f32..1.0,
            left in 0u8..16, top in 0u8..16,
        ) {
            let (left, top) = (f32::from(left), f32::from(top));
            let view = View {
                tensor: Rect::new(left, top, 32.0 - 2.0 * left, 32.0 - 2.0 * top),
                picture: Rect::new(x, y, w, h),
            };
            let polygon = Polygon::new(&points);
            let grey = greyed(&Masks::new([polygon.clone()].into_iter()), view);
            for (index, grey) in grey.into_iter().enumerate() {
                let (column, row) = ((index % 32) as f32 + 0.5, (index / 32) as f32 + 0.5);
                let shown = (view.tensor.x..view.tensor.right()).contains(&column)
                    && (view.tensor.y..view.tensor.bottom()).contains(&row);
                let at = (
                    x + (column - view.tensor.x) / view.tensor.width * w,
                    y + (row - view.tensor.y) / view.tensor.height * h,
                );
                let deep = polygon.depth((at.0 * 1e4, at.1 * 1e4), Size::new(10_000, 10_000)) > 1.0;
                prop_assert!(!shown || !deep || grey, "{} {}", column, row);
                prop_assert!(shown || !grey, "the padding is nobody's: {} {}", column, row);
            }
        }
    }
}
