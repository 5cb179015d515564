//! The JPEG front: compressed bytes to planes, or a reason why not.
//!
//! libjpeg-turbo paints what is missing of a picture grey and only warns; here a
//! warning is an error, because a grey half face is worse than no frame. Where it warns
//! of a picture that is whole but for stray bytes or for what its header states wrongly,
//! [`scan`] takes out the ones and mends the other, and then it must not warn any more. Frames of Motion-JPEG cameras that lack their Huffman tables
//! are completed by the library with those of ITU-T T.81 annex K.

use turbojpeg::{Colorspace, Decompressor, ScalingFactor, Subsamp, YuvImage};

use super::error::PixelError;
use super::frame::{Matrix, Range};
use super::markers::{self, Outline};
use super::planes::{Colours, Component, Planes, Strip, check_sides};
use super::scan::{self, Tables};
use crate::geometry::Size;

/// More scans than any camera or editor makes: what a hostile progressive file
/// would burn time with (libjpeg-turbo, "JPEG decompression bombs").
const SCAN_LIMIT: u32 = 100;

/// A decoder with its buffers, all reused from picture to picture.
pub(crate) struct JpegDecoder {
    turbo: Decompressor,
    pixels: Vec<u8>,
    /// A picture without its stray bytes, and with a right header.
    mended: Vec<u8>,
    /// Whether the last picture needed that. Cameras that send such pictures do so in frame
    /// after frame: the next one is mended at once, instead of being decoded twice.
    mends: bool,
    /// The tables of annex K, read once they are needed.
    standard: Option<Tables>,
}

impl std::fmt::Debug for JpegDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JpegDecoder").field("buffer", &self.pixels.len()).finish()
    }
}

fn broken(error: impl std::fmt::Display) -> PixelError {
    PixelError::Jpeg(error.to_string())
}

/// Megapixels of the largest picture that is decoded: telephones make up to 108. Whatever the
/// size of its file, one of all pixels that the sides allow would take more than a gigabyte.
const LARGEST: usize = 120;

/// Finds the picture within `data`, without decoding it.
///
/// # Errors
///
/// There is none, not even all of its header, or it is larger than 16384 pixels to a
/// side or 120 megapixels.
pub(crate) fn outline(data: &[u8]) -> Result<Outline, PixelError> {
    let outline = Outline::of(data)?;
    let size = outline.size;
    check_sides(size, 0)?;
    if size.area() > LARGEST * 1_000_000 {
        return Err(PixelError::Area { size, most: LARGEST });
    }
    Ok(outline)
}

impl JpegDecoder {
    /// # Errors
    ///
    /// The library has no memory.
    pub(crate) fn new() -> Result<Self, PixelError> {
        let turbo = decompressor()?;
        Ok(Self { turbo, pixels: Vec::new(), mended: Vec::new(), mends: false, standard: None })
    }

    /// Decodes the picture that [`outline`] found in `data`, at the smallest of the
    /// library's scales that is still at least `least` in both directions: most of the
    /// inverse transforms are saved. The planes describe [`pixels`](Self::pixels).
    ///
    /// # Errors
    ///
    /// The picture is not whole, or of a kind that the library does not read.
    pub(crate) fn decode(
        &mut self,
        data: &[u8],
        outline: &Outline,
        least: Size,
    ) -> Result<Planes, PixelError> {
        if self.mends
            && let Ok(planes) = self.decode_mended(data, outline, least)
        {
            return Ok(planes);
        }
        let direct = match outline.end {
            Some(end) => self.attempt(&data[outline.start..end], outline.size, least),
            None => Err(broken("it has no end marker (FF D9)")),
        };
        direct.or_else(|reason| {
            self.decode_mended(data, outline, least).map_err(|why| {
                let unmarked = || broken(format!("it has no end marker (FF D9) and {why}"));
                if outline.end.is_none() { unmarked() } else { reason }
            })
        })
    }

    /// The bytes of the picture that was decoded last.
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The same with a picture that has bytes too many, no end or a wrong header.
    fn decode_mended(
        &mut self,
        data: &[u8],
        outline: &Outline,
        least: Size,
    ) -> Result<Planes, scan::Reason> {
        let standard = self.standard.get_or_insert_with(standard_tables);
        let mut mended = std::mem::take(&mut self.mended);
        let planes = scan::mend(data, outline, standard, &mut mended)
            .and_then(|()| self.attempt(&mended, outline.size, least).map_err(|_| "is damaged"));
        let as_it_was = outline.end.is_some_and(|end| data[outline.start..end] == mended[..]);
        self.mends = planes.is_ok() && !as_it_was;
        self.mended = mended;
        planes
    }

    fn attempt(&mut self, data: &[u8], size: Size, least: Size) -> Result<Planes, PixelError> {
        let planes = self.decode_clean(data, size, least);
        if planes.is_err() {
            // After an error in a header the library goes on within that header when it is
            // given the next picture: every later one would be broken, too.
            self.turbo = decompressor()?;
        }
        planes
    }

    fn decode_clean(&mut self, data: &[u8], size: Size, least: Size) -> Result<Planes, PixelError> {
        let header = self.turbo.read_header(data).map_err(broken)?;
        if (header.width, header.height) != (size.width as usize, size.height as usize) {
            return Err(broken("it states two sizes"));
        }
        if header.is_lossless {
            return Err(broken("lossless JPEG is not supported"));
        }
        let scale = scale_for(size, least);
        self.turbo.set_scaling_factor(scale).map_err(broken)?;
        let scaled = |side: u32| scale.scale(side as usize) as u32;
        let size = Size::new(scaled(size.width), scaled(size.height));
        // Of the scales in use none enlarges.
        let pixels = scale.denom() as u32;
        match (header.colorspace, header.subsamp) {
            // Samples in proportions that the library has no name for (3:1, say) come
            // out as red, green and blue only.
            (Colorspace::RGB, _) | (_, Subsamp::Unknown) => {
                self.decode_packed(data, size, turbojpeg::PixelFormat::RGB)?;
                Ok(rgb_planes(size, pixels))
            }
            (Colorspace::CMYK | Colorspace::YCCK, _) => {
                self.decode_inks(data, size)?;
                Ok(rgb_planes(size, pixels))
            }
            (_, subsamp) => self.decode_yuv(data, size, pixels, subsamp),
        }
    }

    /// `size` is that of the brightness, each sample of which stands for `pixels` in a row.
    fn decode_yuv(
        &mut self,
        data: &[u8],
        size: Size,
        pixels: u32,
        subsamp: Subsamp,
    ) -> Result<Planes, PixelError> {
        let (w, h) = (size.width as usize, size.height as usize);
        let needed = turbojpeg::yuv_pixels_len(w, 1, h, subsamp).map_err(broken)?;
        self.pixels.resize(needed, 0);
        let image =
            YuvImage { pixels: self.pixels.as_mut_slice(), width: w, align: 1, height: h, subsamp };
        let (luma, chroma) = (image.y_size(), image.uv_size());
        self.turbo.decompress_to_yuv(data, image).map_err(broken)?;
        let strip = |offset, (row, rows), height: usize| Strip {
            offset,
            stride: row,
            row,
            rows,
            height: pixels * height as u32,
        };
        let y = strip(0, luma, 1);
        let part = |strip, samples, width: usize| Component {
            strip,
            first: 0,
            step: 1,
            samples,
            width: pixels * width as u32,
        };
        if subsamp == Subsamp::Gray {
            let colours = Colours::Grey(Range::Full);
            return Ok(Planes::new(size, &[y], [part(0, w, 1); 3], 1, colours));
        }
        let (across, down) = (subsamp.width(), subsamp.height());
        let u = strip(luma.0 * luma.1, chroma, down);
        let v = strip(u.offset + chroma.0 * chroma.1, chroma, down);
        // The library pads planes to whole blocks; only real samples count.
        let (samples, rows) = (w.div_ceil(across), h.div_ceil(down));
        let y = Strip { rows: h, ..y };
        let (u, v) = (Strip { rows, ..u }, Strip { rows, ..v });
        let components = [part(0, w, 1), part(1, samples, across), part(2, samples, across)];
        Ok(Planes::new(size, &[y, u, v], components, 3, Colours::Yuv(Range::Full, Matrix::Bt601)))
    }

    /// A picture for a printer, in cyan, magenta, yellow and black, as red, green and blue: close
    /// enough to the colours that a screen would show. Adobe's programs store how much paper is left
    /// instead of how much ink there is, and say so by their marker.
    fn decode_inks(&mut self, data: &[u8], size: Size) -> Result<(), PixelError> {
        self.decode_packed(data, size, turbojpeg::PixelFormat::CMYK)?;
        let outline = Outline::of(data)?;
        let mut segments = outline.segments(data);
        let is_adobe = |content: &[u8]| content.starts_with(b"Adobe");
        let paper = segments.any(|(marker, content)| marker == markers::APP14 && is_adobe(content));
        let left = |value: u8| u32::from(if paper { value } else { 255 - value });
        for index in 0..size.area() {
            let [c, m, y, k] = [0, 1, 2, 3].map(|ink| left(self.pixels[4 * index + ink]));
            let rgb = [c, m, y].map(|ink| (ink * k / 255) as u8);
            self.pixels[3 * index..][..3].copy_from_slice(&rgb);
        }
        Ok(())
    }

    fn decode_packed(
        &mut self,
        data: &[u8],
        size: Size,
        format: turbojpeg::PixelFormat,
    ) -> Result<(), PixelError> {
        let (width, height) = (size.width as usize, size.height as usize);
        let pitch = format.size() * width;
        self.pixels.resize(pitch * height, 0);
        let pixels = self.pixels.as_mut_slice();
        let image = turbojpeg::Image { pixels, width, pitch, height, format };
        self.turbo.decompress(data, image).map_err(broken)
    }
}

fn decompressor() -> Result<Decompressor, PixelError> {
    let mut turbo = Decompressor::new().map_err(broken)?;
    turbo.set_scan_limit(SCAN_LIMIT).map_err(broken)?;
    Ok(turbo)
}

/// Three bytes for each `pixels` in a row and in a column, without padding.
fn rgb_planes(size: Size, pixels: u32) -> Planes {
    let (w, h) = (size.width as usize, size.height as usize);
    let strip = Strip { offset: 0, stride: 3 * w, row: 3 * w, rows: h, height: pixels };
    let component = |first| Component { strip: 0, first, step: 3, samples: w, width: pixels };
    let components = [0, 1, 2].map(component);
    Planes::new(size, &[strip], components, 3, Colours::Rgb)
}

/// The tables of annex K, which the library writes into every picture that it makes.
fn standard_tables() -> Tables {
    let image = turbojpeg::Image {
        pixels: [0; 3].as_slice(),
        width: 1,
        pitch: 3,
        height: 1,
        format: turbojpeg::PixelFormat::RGB,
    };
    // Without them only pictures that lack their tables cannot be mended.
    turbojpeg::compress(image, 75, Subsamp::None)
        .map(|picture| Tables::of(&picture))
        .unwrap_or_default()
}

/// Halvings only: their inverse transforms are the ones with SIMD code.
fn scale_for(size: Size, least: Size) -> ScalingFactor {
    let enough = |factor: &ScalingFactor| {
        factor.scale(size.width as usize) >= least.width as usize
            && factor.scale(size.height as usize) >= least.height as usize
    };
    [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
        .into_iter()
        .find(enough)
        .unwrap_or(ScalingFactor::ONE)
}
