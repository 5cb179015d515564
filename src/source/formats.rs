//! What a driver's format means for reading its bytes.

use v4l::format::{Colorspace, Quantization};
use v4l::{Format, FourCC};

use crate::pixels::frame::{Matrix, PixelFormat, Range};

/// Formats that can be read.
pub const FORMATS: [(&[u8; 4], PixelFormat); 9] = [
    (b"YUYV", PixelFormat::Yuyv),
    (b"NV12", PixelFormat::Nv12),
    (b"YU12", PixelFormat::I420),
    (b"UYVY", PixelFormat::Uyvy),
    (b"GREY", PixelFormat::Grey),
    (b"RGB3", PixelFormat::Rgb24),
    (b"BGR3", PixelFormat::Bgr24),
    (b"MJPG", PixelFormat::Mjpeg),
    (b"JPEG", PixelFormat::Mjpeg),
];

/// How a format's four letters are read, if they can be.
pub fn known(fourcc: FourCC) -> Option<PixelFormat> {
    FORMATS.iter().find(|(letters, _)| fourcc.repr == **letters).map(|(_, format)| *format)
}

/// The numbers of black and white. What a driver leaves open follows from the colour
/// space (`V4L2_MAP_QUANTIZATION_DEFAULT` in linux/videodev2.h).
pub fn range(format: &Format) -> Range {
    let grey = known(format.fourcc) == Some(PixelFormat::Grey);
    match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => Range::Full,
        _ if grey => Range::Full,
        _ => Range::Limited,
    }
}

/// How colours were made into differences: the encoding that goes with the colour space
/// (`V4L2_MAP_YCBCR_ENC_DEFAULT`); the crate does not read another that a driver names.
/// BT.2020, which no such camera has, is nearest to BT.709.
pub fn matrix(format: &Format) -> Matrix {
    match format.colorspace {
        Colorspace::Rec709 | Colorspace::DCIP3 | Colorspace::Rec2020 => Matrix::Bt709,
        _ => Matrix::Bt601,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_and_matrix_follow_what_the_driver_says() {
        let format = |letters, colorspace, quantization| Format {
            colorspace,
            quantization,
            ..Format::new(640, 480, FourCC::new(letters))
        };
        let usual = format(b"YUYV", Colorspace::SRGB, Quantization::Default);
        assert_eq!((range(&usual), matrix(&usual)), (Range::Limited, Matrix::Bt601));
        let jpeg = format(b"YUYV", Colorspace::JPEG, Quantization::Default);
        assert_eq!((range(&jpeg), matrix(&jpeg)), (Range::Full, Matrix::Bt601));
        let limited = format(b"YUYV", Colorspace::JPEG, Quantization::LimitedRange);
        assert_eq!(range(&limited), Range::Limited);
        let television = format(b"NV12", Colorspace::Rec709, Quantization::FullRange);
        assert_eq!((range(&television), matrix(&television)), (Range::Full, Matrix::Bt709));
        assert_eq!(range(&format(b"GREY", Colorspace::SRGB, Quantization::Default)), Range::Full);
    }
}
