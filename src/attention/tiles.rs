//! Pieces of a picture, large enough together to miss nothing of it.

use super::look::{Inputs, READABLE};
use crate::geometry::{Region, Size};

/// Neighbours share at least this much of their side, so that what one cuts is whole in
/// the next.
const OVERLAP: f32 = 0.25;

/// Below this input, in pixels, a piece holds no larger faces than the next smaller piece
/// does (from [`READABLE`] to half of it), and there would be no end of pieces.
const LEAST_INPUT: f32 = 3.0 * READABLE;

/// Appends pieces of this size that cover the picture, row by row.
fn cover(picture: Size, piece: Size, out: &mut Vec<Region>) {
    let width = piece.width.clamp(1, picture.width.max(1));
    let height = piece.height.clamp(1, picture.height.max(1));
    for top in starts(picture.height, height) {
        for left in starts(picture.width, width) {
            out.push(Region { left, top, width, height });
        }
    }
}

/// Where pieces of `side` begin that cover `length`, evenly spread.
fn starts(length: u32, side: u32) -> impl Iterator<Item = u32> {
    let beyond = length.saturating_sub(side);
    let step = side as f32 * (1.0 - OVERLAP);
    let gaps = (beyond as f32 / step).ceil() as u32;
    let place = move |number: u32| {
        let place = u64::from(beyond) * u64::from(number) / u64::from(gaps.max(1));
        u32::try_from(place).unwrap_or(beyond)
    };
    (0..=gaps).map(place)
}

/// Replaces `out` by pieces in which faces from `face` pixels on are found by the main
/// network, in as many sizes as it takes to leave no face between a piece and the whole
/// picture; none where a look at the whole picture finds them all, or where the input has
/// no room for faces of several sizes.
pub(crate) fn tiles(picture: Size, face: f32, inputs: Inputs, out: &mut Vec<Region>) {
    out.clear();
    let input = inputs.main.width.min(inputs.main.height) as f32;
    if input < LEAST_INPUT {
        return;
    }
    let whole_finds = inputs.whole_finds(picture);
    let mut smallest = face.max(1.0);
    while smallest < whole_finds {
        let scale = smallest / READABLE;
        let length = |pixels: u32| (pixels as f32 * scale) as u32;
        cover(picture, Size::new(length(inputs.main.width), length(inputs.main.height)), out);
        // Faces larger than half of a piece may be cut by all of them.
        smallest = input * scale / 2.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLOSE: Size = Size::new(128, 128);
    const SQUARE: Inputs = Inputs::sized(Size::new(224, 224), CLOSE);
    const WIDE: Inputs = Inputs::sized(Size::new(288, 192), CLOSE);

    fn inputs() -> impl Strategy<Value = Inputs> {
        prop_oneof![Just(SQUARE), Just(WIDE)]
    }

    proptest! {
        #[test]
        fn every_pixel_lies_in_a_piece(
            width in 1u32..3000, height in 1u32..3000, face in 20f32..200.0, inputs in inputs(),
        ) {
            let picture = Size::new(width, height);
            let mut out = Vec::new();
            tiles(picture, face, inputs, &mut out);
            prop_assume!(!out.is_empty());
            prop_assert!(out.iter().all(|tile| tile.is_within(picture)));
            for (x, y) in (0..40).flat_map(|i| (0..40).map(move |j| (i, j))) {
                let (x, y) = ((width - 1) * x / 39, (height - 1) * y / 39);
                let inside = |tile: &Region| {
                    (tile.left..tile.left + tile.width).contains(&x)
                        && (tile.top..tile.top + tile.height).contains(&y)
                };
                prop_assert!(out.iter().any(inside), "{x},{y} of {picture}");
            }
        }

        /// Of each size that is looked for, at every place.
        #[test]
        fn every_face_lies_whole_in_a_piece_that_finds_it(
            x in 0f32..1.0, y in 0f32..1.0, face in 30f32..110.0, inputs in inputs(),
        ) {
            let picture = Size::new(1280, 720);
            let mut out = Vec::new();
            tiles(picture, 28.0, inputs, &mut out);
            let (x, y) = (x * (1280.0 - face), y * (720.0 - face));
            let rect = crate::geometry::Rect::new(x, y, face * 0.8, face);
            prop_assert!(out.iter().any(|tile| inputs.tile(*tile).covers(&rect, picture)));
        }
    }

    #[test]
    fn a_picture_that_one_look_takes_in_has_none() {
        let mut out = Vec::new();
        for (inputs, small) in [(SQUARE, Size::new(224, 168)), (WIDE, Size::new(256, 192))] {
            tiles(small, 20.0, inputs, &mut out);
            assert_eq!(out, []);
            tiles(Size::new(1280, 720), 28.0, inputs, &mut out);
            assert!((10..=24).contains(&out.len()), "{}", out.len());
        }
    }

    #[test]
    fn pieces_have_the_shape_of_the_input() {
        let mut out = Vec::new();
        tiles(Size::new(1280, 720), 28.0, WIDE, &mut out);
        assert_eq!((out[0].width, out[0].height), (403, 268));
    }

    #[test]
    fn a_small_input_ends_as_well() {
        let mut out = Vec::new();
        for side in 1..400 {
            let inputs = Inputs::sized(Size::new(side, side), Size::new(side, side));
            tiles(Size::new(640, 480), 20.0, inputs, &mut out);
            assert!(out.len() < 300, "{side}: {}", out.len());
        }
    }
}
