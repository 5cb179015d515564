//! Boxes and labels drawn on a picture, for people.

use std::path::Path;

use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{
    PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment,
};
use embedded_graphics::text::{Baseline, Text};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageError, RgbImage};

use crate::error;
use crate::error::{Error, Kind};
use crate::geometry::Rect;

/// Makes the folder that annotated copies go to, with those above it.
///
/// # Errors
///
/// [`Kind::Output`], with the folder's name.
pub fn make_folder(folder: &Path) -> error::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let what = format!("cannot make the folder {}", folder.display());
        Error::caused(Kind::Output, what, error)
    })
}

/// Writes a picture into a JPEG file.
///
/// # Errors
///
/// A picture that is too large for a JPEG, or a file that cannot be written.
pub fn save(picture: &RgbImage, path: &Path) -> Result<(), ImageError> {
    // `RgbImage::save` drops a buffer without flushing it: on a full disk the end of the
    // file would be missing and nobody told.
    let mut bytes = Vec::new();
    JpegEncoder::new(&mut bytes).encode_image(picture)?;
    Ok(std::fs::write(path, bytes)?)
}

/// One box to draw.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    /// In pixels of the picture; what lies outside is not drawn.
    pub rect: Rect,
    /// Chooses the colour.
    pub shows: Shows,
    /// One line of ASCII; other characters become question marks.
    pub label: &'a str,
}

/// What a mark is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// A face with the expression of this class number.
    Class(usize),
    /// A face whose expression is not clear.
    Undecided,
    /// A region that was looked at.
    Region,
}

impl Shows {
    fn colour(self) -> Rgb888 {
        match self {
            Self::Class(number) => CLASSES[number % CLASSES.len()],
            Self::Undecided => Rgb888::new(255, 255, 255),
            Self::Region => Rgb888::new(128, 128, 128),
        }
    }
}

/// Okabe and Ito's palette (2008), whose colours colour-blind people can tell apart.
const CLASSES: [Rgb888; 7] = [
    Rgb888::new(230, 159, 0),
    Rgb888::new(86, 180, 233),
    Rgb888::new(0, 158, 115),
    Rgb888::new(240, 228, 66),
    Rgb888::new(0, 114, 178),
    Rgb888::new(213, 94, 0),
    Rgb888::new(204, 121, 167),
];

struct Canvas<'a>(&'a mut RgbImage);

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                pixel.0 = [colour.r(), colour.g(), colour.b()];
            }
        }
        Ok(())
    }
}

/// Draws every mark; line and letters grow with the picture.
pub fn draw(picture: &mut RgbImage, marks: &[Mark]) {
    let side = picture.width().min(picture.height());
    let line = (side / 160).clamp(1, 6);
    let font: &MonoFont = if side < 320 { &FONT_6X10 } else { &FONT_10X20 };
    let mut canvas = Canvas(picture);
    for mark in marks {
        draw_mark(&mut canvas, mark, line, font);
    }
}

fn draw_mark(canvas: &mut Canvas, mark: &Mark, line: u32, font: &MonoFont) {
    let colour = mark.shows.colour();
    let corner = Point::new(mark.rect.x as i32, mark.rect.y as i32);
    let size = Size::new(mark.rect.width as u32, mark.rect.height as u32);
    let stroke = PrimitiveStyleBuilder::new()
        .stroke_color(colour)
        .stroke_width(line)
        .stroke_alignment(StrokeAlignment::Inside)
        .build();
    let letters = font.character_size;
    let plate =
        Size::new(letters.width * mark.label.chars().count() as u32 + 4, letters.height + 2);
    // The label goes above the box where there is room, else into it, and never beyond
    // the picture's right edge.
    let above = corner.y - plate.height as i32;
    let right = canvas.size().width as i32 - plate.width as i32;
    let place = Point::new(corner.x.min(right).max(0), if above >= 0 { above } else { corner.y });
    let text = Text::with_baseline(
        mark.label,
        place + Point::new(2, 1),
        MonoTextStyle::new(font, Rgb888::BLACK),
        Baseline::Top,
    );
    let drawn = Rectangle::new(corner, size)
        .into_styled(stroke)
        .draw(canvas)
        .and_then(|()| {
            Rectangle::new(place, plate).into_styled(PrimitiveStyle::with_fill(colour)).draw(canvas)
        })
        .and_then(|()| text.draw(canvas));
    match drawn {
        Ok(_) => {}
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_at_the_edge_is_drawn_and_nothing_outside() {
        let mut picture = RgbImage::new(60, 40);
        let rect = Rect::new(50.0, 0.0, 500.0, 500.0);
        draw(&mut picture, &[Mark { rect, shows: Shows::Class(1), label: "happy 0.97" }]);
        assert_eq!(picture.get_pixel(50, 39).0, [86, 180, 233]);
        assert_eq!(picture.get_pixel(20, 30).0, [0, 0, 0]);
    }

    /// Seven classes use up the palette.
    #[test]
    fn neither_a_region_nor_an_undecided_face_looks_like_a_class() {
        let of_classes: Vec<_> = (0..20).map(|number| Shows::Class(number).colour()).collect();
        assert!(!of_classes.contains(&Shows::Undecided.colour()));
        assert!(!of_classes.contains(&Shows::Region.colour()));
        assert_ne!(Shows::Undecided.colour(), Shows::Region.colour());
    }
}
