//! The JPEG front: compressed bytes to planes, or a reason why not.
//!
//! libjpeg-turbo would paint what is missing of a picture grey and only warn; here
//! a warning is an error, because a grey half face is worse than no frame. Frames
//! of Motion-JPEG cameras that lack their Huffman tables are completed by the
//! library with those of ITU-T T.81 annex K.

use turbojpeg::{Colorspace, Decompressor, ScalingFactor, Subsamp, YuvImage};

use super::PixelError;
use super::frame::{Matrix, Range};
use super::planes::{Colours, Component, MAX_SIDE, Planes, Strip};
use crate::geometry::Size;

/// More scans than any camera or editor makes: what a hostile progressive file
/// would burn time with (libjpeg-turbo, "JPEG decompression bombs").
const SCAN_LIMIT: u32 = 100;

/// Size and kind of a JPEG picture, read without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub size: Size,
    subsamp: Subsamp,
    colour: Colorspace,
}

/// A decoder with its buffer, both reused from picture to picture.
pub struct JpegDecoder {
    turbo: Decompressor,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for JpegDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JpegDecoder").field("buffer", &self.pixels.len()).finish()
    }
}

fn broken(error: impl std::fmt::Display) -> PixelError {
    PixelError::Jpeg(error.to_string())
}

/// The picture within `data`: from its start marker to its last end marker.
/// Cameras pad frames, so bytes behind the end are cut off; a picture without an
/// end was cut off itself.
pub fn trim(data: &[u8]) -> Result<&[u8], PixelError> {
    if !data.starts_with(&[0xFF, 0xD8]) {
        return Err(broken("it does not begin with a start marker (FF D8)"));
    }
    match data.windows(2).rposition(|pair| pair == [0xFF, 0xD9]) {
        Some(end) => Ok(&data[..end + 2]),
        None => Err(broken("it has no end marker (FF D9): cut off")),
    }
}

impl JpegDecoder {
    pub fn new() -> Result<Self, PixelError> {
        let mut turbo = Decompressor::new().map_err(broken)?;
        turbo.set_scan_limit(SCAN_LIMIT).map_err(broken)?;
        Ok(Self { turbo, pixels: Vec::new() })
    }

    /// Size and kind of the picture.
    pub fn header(&mut self, data: &[u8]) -> Result<Header, PixelError> {
        let header = self.turbo.read_header(data).map_err(broken)?;
        let side = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let size = Size::new(side(header.width), side(header.height));
        if size.width > MAX_SIDE || size.height > MAX_SIDE || size.area() == 0 {
            return Err(PixelError::Size(size));
        }
        if header.is_lossless {
            return Err(broken("lossless JPEG is not supported"));
        }
        Ok(Header { size, subsamp: header.subsamp, colour: header.colorspace })
    }

    /// Decodes at the smallest of the library's scales that is still at least
    /// `least` in both directions: most of the inverse transforms are saved.
    /// The bytes that the planes describe follow them.
    pub fn decode(&mut self, data: &[u8], least: Size) -> Result<(Planes, &[u8]), PixelError> {
        let data = trim(data)?;
        let header = self.header(data)?;
        let scale = scale_for(header.size, least);
        self.turbo.set_scaling_factor(scale).map_err(broken)?;
        let (w, h) =
            (scale.scale(header.size.width as usize), scale.scale(header.size.height as usize));
        let size = Size::new(w as u32, h as u32);
        let planes = match header.colour {
            Colorspace::YCbCr | Colorspace::Gray => self.decode_yuv(data, size, header.subsamp)?,
            _ => self.decode_rgb(data, size)?,
        };
        Ok((planes, &self.pixels))
    }

    fn decode_yuv(
        &mut self,
        data: &[u8],
        size: Size,
        subsamp: Subsamp,
    ) -> Result<Planes, PixelError> {
        let (w, h) = (size.width as usize, size.height as usize);
        let needed = turbojpeg::yuv_pixels_len(w, 1, h, subsamp).map_err(broken)?;
        self.pixels.resize(needed, 0);
        let image =
            YuvImage { pixels: self.pixels.as_mut_slice(), width: w, align: 1, height: h, subsamp };
        let (luma, chroma) = (image.y_size(), image.uv_size());
        self.turbo.decompress_to_yuv(data, image).map_err(broken)?;
        let strip = |offset, (row, rows)| Strip { offset, stride: row, row, rows };
        let y = strip(0, luma);
        let part = |strip, samples| Component { strip, first: 0, step: 1, samples };
        if subsamp == Subsamp::Gray {
            let colours = Colours::Grey(Range::Full);
            return Ok(Planes::new(size, &[y], [part(0, w); 3], 1, colours));
        }
        let u = strip(luma.0 * luma.1, chroma);
        let v = strip(u.offset + chroma.0 * chroma.1, chroma);
        // The library pads planes to whole blocks; only real samples count.
        let (samples, rows) = (w.div_ceil(subsamp.width()), h.div_ceil(subsamp.height()));
        let y = Strip { rows: h, ..y };
        let (u, v) = (Strip { rows, ..u }, Strip { rows, ..v });
        let components = [part(0, w), part(1, samples), part(2, samples)];
        Ok(Planes::new(size, &[y, u, v], components, 3, Colours::Yuv(Range::Full, Matrix::Bt601)))
    }

    /// The rare JPEG that stores red, green and blue. (The library refuses CMYK.)
    fn decode_rgb(&mut self, data: &[u8], size: Size) -> Result<Planes, PixelError> {
        let (w, h) = (size.width as usize, size.height as usize);
        self.pixels.resize(w * h * 3, 0);
        let image = turbojpeg::Image {
            pixels: self.pixels.as_mut_slice(),
            width: w,
            pitch: 3 * w,
            height: h,
            format: turbojpeg::PixelFormat::RGB,
        };
        self.turbo.decompress(data, image).map_err(broken)?;
        let strip = Strip { offset: 0, stride: 3 * w, row: 3 * w, rows: h };
        let components = [0, 1, 2].map(|first| Component { strip: 0, first, step: 3, samples: w });
        Ok(Planes::new(size, &[strip], components, 3, Colours::Rgb))
    }
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
