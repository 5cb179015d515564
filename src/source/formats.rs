//! What a driver's format means for reading its bytes.

use v4l::format::{Colorspace, Quantization};
use v4l::{Format, FourCC};

use crate::pixels::frame::{Matrix, PixelFormat, Range};

/// Formats that can be read, by their four letters (linux/include/uapi/linux/videodev2.h).
pub const FORMATS: [([u8; 4], PixelFormat); 38] = [
    (*b"YUYV", PixelFormat::Yuyv),
    (*b"NV12", PixelFormat::Nv12),
    (*b"YU12", PixelFormat::I420),
    (*b"UYVY", PixelFormat::Uyvy),
    (*b"YVYU", PixelFormat::Yvyu),
    (*b"VYUY", PixelFormat::Vyuy),
    (*b"NV21", PixelFormat::Nv21),
    (*b"YV12", PixelFormat::Yv12),
    (*b"NV16", PixelFormat::Nv16),
    (*b"NV61", PixelFormat::Nv61),
    (*b"422P", PixelFormat::Yuv422p),
    (*b"NV24", PixelFormat::Nv24),
    (*b"NV42", PixelFormat::Nv42),
    (*b"P010", PixelFormat::P010),
    (*b"RGB3", PixelFormat::Rgb24),
    (*b"BGR3", PixelFormat::Bgr24),
    (*b"XR24", PixelFormat::Bgrx32),
    (*b"AR24", PixelFormat::Bgrx32),
    (*b"BGR4", PixelFormat::Bgrx32),
    (*b"XB24", PixelFormat::Rgbx32),
    (*b"AB24", PixelFormat::Rgbx32),
    (*b"BX24", PixelFormat::Xrgb32),
    (*b"BA24", PixelFormat::Xrgb32),
    (*b"RGB4", PixelFormat::Xrgb32),
    (*b"RX24", PixelFormat::Xbgr32),
    (*b"RA24", PixelFormat::Xbgr32),
    (*b"RGBP", PixelFormat::Rgb565),
    (*b"RGBR", PixelFormat::Rgb565Be),
    (*b"RGBO", PixelFormat::Rgb555),
    (*b"XR15", PixelFormat::Rgb555),
    (*b"AR15", PixelFormat::Rgb555),
    (*b"GREY", PixelFormat::Grey),
    (*b"Y10 ", PixelFormat::Grey10),
    (*b"Y12 ", PixelFormat::Grey12),
    (*b"Y14 ", PixelFormat::Grey14),
    (*b"Y16 ", PixelFormat::Grey16),
    (*b"MJPG", PixelFormat::Mjpeg),
    (*b"JPEG", PixelFormat::Mjpeg),
];

/// The letters of a format as v4l2-ctl has them: in a big-endian one bit 31 is set
/// (`v4l2_fourcc_be`, linux/include/uapi/linux/videodev2.h), with which they are no text.
pub(super) fn letters(fourcc: FourCC) -> String {
    let [first, second, third, fourth] = fourcc.repr;
    let text = String::from_utf8_lossy(&[first, second, third, fourth & 0x7F]).into_owned();
    if fourth & 0x80 == 0 { text } else { text + "-BE" }
}

/// How a format's four letters are read, if they can be.
pub(super) fn known(fourcc: FourCC) -> Option<PixelFormat> {
    FORMATS.iter().find(|(letters, _)| fourcc.repr == *letters).map(|(_, format)| *format)
}

/// The four letters that somebody means who writes `yuyv`, or `Y16` without the blank.
pub(super) fn by_name(name: &str) -> Option<[u8; 4]> {
    let letters = FORMATS.iter().map(|(letters, _)| *letters);
    let written = name.trim_end().as_bytes();
    letters.into_iter().find(|letters| letters.trim_ascii_end().eq_ignore_ascii_case(written))
}

/// The numbers of black and white. What a driver leaves open follows from the colour
/// space (`V4L2_MAP_QUANTIZATION_DEFAULT` in linux/videodev2.h).
pub(super) fn range(format: &Format) -> Range {
    use PixelFormat::{Grey, Grey10, Grey12, Grey14, Grey16};
    let grey = known(format.fourcc)
        .is_some_and(|format| [Grey, Grey10, Grey12, Grey14, Grey16].contains(&format));
    match (format.quantization, format.colorspace) {
        (Quantization::LimitedRange, _) => Range::Limited,
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => Range::Full,
        _ if grey => Range::Full,
        _ => Range::Limited,
    }
}

/// How colours were made into differences: the encoding that goes with the colour space
/// (`V4L2_MAP_YCBCR_ENC_DEFAULT`); the crate does not read another that a driver names.
/// BT.2020, which no such camera has, is nearest to BT.709.
pub(super) fn matrix(format: &Format) -> Matrix {
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
        for grey in [b"GREY", b"Y16 "] {
            let format = format(grey, Colorspace::SRGB, Quantization::Default);
            assert_eq!(range(&format), Range::Full);
            let said = Format { quantization: Quantization::LimitedRange, ..format };
            assert_eq!(range(&said), Range::Limited, "as the driver says");
        }
    }

    #[test]
    fn names_are_taken_as_people_write_them() {
        assert_eq!(by_name("yuyv"), Some(*b"YUYV"));
        assert_eq!(by_name("Y16"), Some(*b"Y16 "));
        assert_eq!(by_name("y16 "), Some(*b"Y16 "));
        assert_eq!(by_name("H264"), None);
        assert_eq!(by_name(""), None);
    }

    #[test]
    fn formats_of_the_other_byte_order_have_a_name_and_are_not_read() {
        assert_eq!(letters(FourCC::new(b"Y16 ")), "Y16 ");
        let big_endian = FourCC::new(b"Y16\xA0");
        assert_eq!((letters(big_endian), known(big_endian)), ("Y16 -BE".to_owned(), None));
        assert_eq!(letters(FourCC::new(b"A\xFFB ")), "A\u{FFFD}B ");
    }

    #[test]
    fn no_letters_stand_twice() {
        let mut letters = FORMATS.map(|(letters, _)| letters);
        letters.sort_unstable();
        assert!(letters.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
