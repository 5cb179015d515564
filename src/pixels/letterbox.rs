//! Fitting a picture into the detector's input, and the way back for boxes.

use crate::geometry::{Rect, Region, Size};

/// The colour of what the picture does not cover, as in training.
pub const PAD: u8 = 114;

/// A region of a picture, scaled to fit and centred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// The upright picture.
    pub picture: Size,
    /// What of it is shown.
    pub region: Region,
    /// What that covers of the input.
    pub content: Size,
    /// Padding on the left, in input pixels.
    pub left: u32,
    /// Padding on top, in input pixels.
    pub top: u32,
}

impl Letterbox {
    /// Of the whole picture. Both sizes must not be empty.
    pub fn new(picture: Size, input: Size) -> Self {
        Self::of(picture, Region::whole(picture), input)
    }

    /// Of a region within the picture; neither it nor the input may be empty.
    pub fn of(picture: Size, region: Region, input: Size) -> Self {
        let scale = f64::min(
            f64::from(input.width) / f64::from(region.width),
            f64::from(input.height) / f64::from(region.height),
        );
        let fit = |side: u32, most: u32| ((f64::from(side) * scale).round() as u32).clamp(1, most);
        let content = Size::new(fit(region.width, input.width), fit(region.height, input.height));
        Self {
            picture,
            region,
            content,
            left: (input.width - content.width) / 2,
            top: (input.height - content.height) / 2,
        }
    }

    /// A box in input pixels, as a box of the picture, clipped to the region.
    pub fn to_picture(&self, rect: Rect) -> Rect {
        let x = self.region.width as f32 / self.content.width as f32;
        let y = self.region.height as f32 / self.content.height as f32;
        let (left, top) = (self.left as f32, self.top as f32);
        let inside = Rect::from_edges(
            (rect.x - left) * x,
            (rect.y - top) * y,
            (rect.right() - left) * x,
            (rect.bottom() - top) * y,
        )
        .clipped(self.region.size());
        Rect {
            x: inside.x + self.region.left as f32,
            y: inside.y + self.region.top as f32,
            ..inside
        }
    }

    /// How large the whole picture is where the region has the content's size: a decoder
    /// that gives it at least so large loses nothing that the input could show.
    pub(crate) fn least_picture(&self) -> Size {
        let scaled = |all: u32, content: u32, part: u32| {
            let exact = (u64::from(all) * u64::from(content)).div_ceil(u64::from(part));
            u32::try_from(exact).unwrap_or(u32::MAX)
        };
        Size::new(
            scaled(self.picture.width, self.content.width, self.region.width),
            scaled(self.picture.height, self.content.height, self.region.height),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_camera_frame_is_padded_above_and_below() {
        let letterbox = Letterbox::new(Size::new(640, 480), Size::new(224, 224));
        assert_eq!(letterbox.content, Size::new(224, 168));
        assert_eq!((letterbox.left, letterbox.top), (0, 28));
        let whole = letterbox.to_picture(Rect::new(0.0, 0.0, 224.0, 224.0));
        assert_eq!(whole, Rect::new(0.0, 0.0, 640.0, 480.0));
    }

    proptest! {
        #[test]
        fn the_content_maps_back_to_the_whole_picture(
            w in 1u32..5000, h in 1u32..5000, iw in 1u32..700, ih in 1u32..700,
        ) {
            let (picture, input) = (Size::new(w, h), Size::new(iw, ih));
            let letterbox = Letterbox::new(picture, input);
            prop_assert!(letterbox.left + letterbox.content.width <= iw);
            prop_assert!(letterbox.top + letterbox.content.height <= ih);
            prop_assert!(letterbox.content.width == iw || letterbox.content.height == ih);
            let rect = letterbox.to_picture(Rect::new(
                letterbox.left as f32,
                letterbox.top as f32,
                letterbox.content.width as f32,
                letterbox.content.height as f32,
            ));
            prop_assert!(rect.x.abs() < 0.01 && rect.y.abs() < 0.01);
            prop_assert!((rect.width - w as f32).abs() < 0.5 && (rect.height - h as f32).abs() < 0.5);
        }
    }
}
