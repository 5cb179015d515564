//! Which files are pictures, and what those are called that are not read here, with the remedy.

use std::path::Path;

/// What a file is that is not read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A film: needs a decoder for video.
    Film(&'static str),
    /// A single picture of another kind.
    Picture(&'static str),
}

impl std::fmt::Display for Medium {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Film(name) => write!(
                f,
                "{name} film, and films are not read: make pictures of it with \
                 `ffmpeg -i FILM -r 15 -c:v mjpeg -q:v 3 PICTURES.mjpeg`, as many a second as are \
                 played (camera.fps)"
            ),
            Self::Picture(name) => write!(
                f,
                "{name} picture, and only JPEG and PNG are read: convert it, for example with \
                 `ffmpeg -i FILE FILE.png` (HEIC: `heif-convert FILE FILE.jpg`)"
            ),
        }
    }
}

use Medium::{Film, Picture};

/// Endings of the names of pictures that are read, in lower case.
const READ: [&str; 6] = ["jpg", "jpeg", "jpe", "jfif", "mpo", "png"];

/// Endings of what is not.
const ENDINGS: [(&[&str], Medium); 18] = [
    (&["mp4", "m4v"], Film("an MP4")),
    (&["mov", "qt"], Film("a QuickTime")),
    (&["avi"], Film("an AVI")),
    (&["mkv", "webm"], Film("a Matroska")),
    (&["mpg", "mpeg", "ts", "m2ts", "mts", "vob"], Film("an MPEG")),
    (&["wmv", "asf"], Film("a Windows Media")),
    (&["flv"], Film("a Flash")),
    (&["h264", "264", "h265", "265", "hevc"], Film("an H.264 or H.265")),
    (&["webp"], Picture("a WebP")),
    (&["heic", "heif", "hif"], Picture("a HEIC")),
    (&["avif"], Picture("an AVIF")),
    (&["gif"], Picture("a GIF")),
    (&["bmp", "dib"], Picture("a BMP")),
    (&["tif", "tiff"], Picture("a TIFF")),
    (&["jxl"], Picture("a JPEG XL")),
    (&["jp2"], Picture("a JPEG 2000")),
    (&["ppm", "pgm"], Picture("a Netpbm")),
    (&["dng"], Picture("a raw DNG")),
];

/// Whether a file's name ends in one of these, in lower case.
fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.contains(&&*ending)
}

/// Whether a file's name is that of a picture that is read.
pub(super) fn is_read(path: &Path) -> bool {
    ends_in(path, &READ)
}

/// Whether a file's name is that of a Motion-JPEG recording.
pub(super) fn is_motion_jpeg(path: &Path) -> bool {
    ends_in(path, &["mjpeg", "mjpg"])
}

/// What the ending of a file's name says that is not read.
pub(super) fn by_name(path: &Path) -> Option<Medium> {
    ENDINGS.iter().find(|(endings, _)| ends_in(path, endings)).map(|(_, medium)| *medium)
}

/// Whether a file's name is that of a picture, also of one that is not read.
pub(crate) fn is_picture(path: &Path) -> bool {
    is_read(path) || matches!(by_name(path), Some(Picture(_)))
}

/// What a file's first bytes say.
pub(super) fn by_content(bytes: &[u8]) -> Option<Medium> {
    let at =
        |from: usize, text: &[u8]| bytes.get(from..).is_some_and(|rest| rest.starts_with(text));
    if at(4, b"ftyp") {
        let brand = bytes.get(8..12).unwrap_or_default();
        return Some(match brand {
            b"avif" | b"avis" => Picture("an AVIF"),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
                Picture("a HEIC")
            }
            b"qt  " => Film("a QuickTime"),
            _ => Film("an MP4"),
        });
    }
    if at(0, b"RIFF") {
        return match bytes.get(8..12)? {
            b"WEBP" => Some(Picture("a WebP")),
            b"AVI " => Some(Film("an AVI")),
            _ => None,
        };
    }
    let beginnings: [(&[u8], Medium); 10] = [
        (b"GIF8", Picture("a GIF")),
        (b"BM", Picture("a BMP")),
        (b"II*\0", Picture("a TIFF")),
        (b"MM\0*", Picture("a TIFF")),
        (b"\xFF\x0A", Picture("a JPEG XL")),
        (b"\0\0\0\x0CJXL ", Picture("a JPEG XL")),
        (b"\0\0\0\x0CjP  ", Picture("a JPEG 2000")),
        (b"\x1A\x45\xDF\xA3", Film("a Matroska")),
        (b"\0\0\x01\xBA", Film("an MPEG")),
        (b"FLV\x01", Film("a Flash")),
    ];
    beginnings.iter().find(|(beginning, _)| at(0, beginning)).map(|(_, medium)| *medium)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_name_and_by_content() {
        assert_eq!(by_name(Path::new("a/Film.MP4")), Some(Film("an MP4")));
        assert_eq!(by_name(Path::new("x.heic")), Some(Picture("a HEIC")));
        assert_eq!(by_name(Path::new("x.jpg")), None);
        assert_eq!(by_name(Path::new("mp4")), None);
        for name in ["x.JPG", "x.mpo", "x.heic", "x.jp2", "x.Dng"] {
            assert!(is_picture(Path::new(name)), "{name}");
        }
        assert!(!is_picture(Path::new("x.mp4")) && !is_picture(Path::new("x.txt")));
        assert_eq!(by_content(b"RIFF\x10\0\0\0WEBPVP8 "), Some(Picture("a WebP")));
        assert_eq!(by_content(b"\0\0\0\x18ftypheic\0\0\0\0"), Some(Picture("a HEIC")));
        assert_eq!(by_content(b"\0\0\0\x20ftypavif"), Some(Picture("an AVIF")));
        assert_eq!(by_content(b"\0\0\0\x20ftypisom"), Some(Film("an MP4")));
        assert_eq!(by_content(b"RIFF\x10\0\0\0AVI LIST"), Some(Film("an AVI")));
        assert_eq!(by_content(b"RIFF"), None);
        assert_eq!(by_content(b"no picture"), None);
        assert_eq!(by_content(b""), None);
    }
}
