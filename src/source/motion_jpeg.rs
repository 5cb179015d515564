//! Pictures in a file of JPEGs one after the other, as cameras' streams are recorded.
//!
//! Such a file may be larger than the memory: it is passed through once to learn where its
//! pictures lie, and each is read when it is due.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::frame_source::SourceError;
use crate::geometry::Size;
use crate::pixels::frame::{Frame, Orientation, PixelFormat};
use crate::pixels::markers::{self, EOI, Outline, SOI, SOS};

/// Bytes that are read at once while pictures are looked for.
const PIECE: usize = 64 << 10;
/// Bytes of the largest picture that is read. The largest that is decoded has 16384x16384
/// pixels, of mostly less than two bits each; what is longer is a start without an end.
const LARGEST: usize = 64 << 20;

/// A file of pictures that is open.
#[derive(Debug)]
pub(super) struct MotionJpeg {
    path: PathBuf,
    file: File,
    /// Device and inode, by which a file that took its place is told apart.
    identity: (u64, u64),
    pictures: Vec<Range<u64>>,
}

impl MotionJpeg {
    /// Opens the file and looks for its pictures, which takes as long as reading it.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
        }
        let pictures = split(BufReader::with_capacity(PIECE, &file))?;
        Ok(Self { path: path.to_owned(), identity: identity(&metadata), file, pictures })
    }

    /// How many pictures it has.
    pub(super) fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Reads picture `number`, from 0 on and less than [`Self::len`], into `frame`; its times
    /// are the caller's.
    ///
    /// # Errors
    ///
    /// [`SourceError::BadFrame`]: this picture is none. [`SourceError::Lost`]: the file is not
    /// the one any more that was opened.
    pub(super) fn read_into(&self, number: usize, frame: &mut Frame) -> Result<(), SourceError> {
        let (path, shown) = (self.path.display(), number + 1);
        let lost = |reason: &dyn std::fmt::Display| SourceError::Lost(format!("{path}: {reason}"));
        let bad = |reason: &str| SourceError::BadFrame(format!("{path}: picture {shown} {reason}"));
        let now = fs::metadata(&self.path).map_err(|error| lost(&error))?;
        if identity(&now) != self.identity {
            return Err(lost(&"another file took its place while it was played"));
        }
        let Range { start, end } = self.pictures[number];
        let length = usize::try_from(end - start).ok().filter(|length| *length <= LARGEST);
        let length = length.ok_or_else(|| {
            let (has, may) = ((end - start) >> 20, LARGEST >> 20);
            bad(&format!("has {has} MiB, and {may} MiB are the most: it has no end"))
        })?;
        frame.data.resize(length, 0);
        self.file.read_exact_at(&mut frame.data, start).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => lost(&"it became shorter while it was played"),
            _ => lost(&error),
        })?;
        // As `split` found it.
        if !frame.data.starts_with(&[0xFF, SOI]) {
            return Err(lost(&"it was written anew while it was played"));
        }
        frame.format = PixelFormat::Mjpeg;
        frame.orientation = Orientation::default();
        frame.stride = 0;
        frame.size = size(&frame.data).ok_or_else(|| bad("has no size"))?;
        Ok(())
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Where the pictures lie; what is between them is skipped. A picture without an end
/// marker ends where the next one begins, or with the file.
///
/// Passes through the input once, with no more of it in memory than its buffer holds.
///
/// # Errors
///
/// Those of the input.
pub fn split(input: impl BufRead + Seek) -> io::Result<Vec<Range<u64>>> {
    let mut walk = MarkerWalk::over(input)?;
    let mut pictures = Vec::new();
    // Where the picture that is walked through began, and whether its pixels did.
    let mut picture: Option<(u64, bool)> = None;
    while let Some(marker) = walk.next()? {
        let here = walk.at;
        match (marker, picture) {
            (SOI, Some((start, true))) => {
                pictures.push(start..here - 2);
                picture = walk.is_at_marker()?.then_some((here - 2, false));
            }
            // Twice, as some cameras write it.
            (SOI, Some((_, false))) => picture = Some((here - 2, false)),
            (SOI, None) => picture = walk.is_at_marker()?.then_some((here - 2, false)),
            (EOI, Some((start, _))) => {
                pictures.push(start..here);
                picture = None;
            }
            (_, None) => {}
            (_, Some(_)) if markers::stands_alone(marker) => {}
            (_, Some((start, pixels))) => {
                picture = walk.pass_segment()?.then_some((start, pixels || marker == SOS));
            }
        }
    }
    if let Some((start, true)) = picture {
        pictures.push(start..walk.at);
    }
    Ok(pictures)
}

/// The size that a picture's frame header states, in pixels.
pub fn size(jpeg: &[u8]) -> Option<Size> {
    Outline::of(jpeg).ok().map(|outline| outline.size)
}

/// Goes from marker to marker, as [`markers`] does in a picture that is in memory.
struct MarkerWalk<R> {
    input: R,
    /// Bytes that were passed, and how many there are.
    at: u64,
    length: u64,
}

impl<R: BufRead + Seek> MarkerWalk<R> {
    fn over(mut input: R) -> io::Result<Self> {
        let length = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        Ok(Self { input, at: 0, length })
    }

    /// Passes over the next marker; bytes in front of it, fill bytes and stuffed zeros are
    /// passed over with it.
    fn next(&mut self) -> io::Result<Option<u8>> {
        loop {
            self.at += self.input.skip_until(0xFF)? as u64;
            let mut byte = self.byte()?;
            while byte == Some(0xFF) {
                byte = self.byte()?;
            }
            if byte != Some(0) {
                return Ok(byte);
            }
        }
    }

    /// Passes over the segment whose marker was passed last. A length that cannot be is not
    /// believed: then nothing is passed, and false.
    fn pass_segment(&mut self) -> io::Result<bool> {
        let begin = self.at;
        let (Some(high), Some(low)) = (self.byte()?, self.byte()?) else { return Ok(false) };
        let length = u16::from_be_bytes([high, low]);
        let possible = length >= 2 && begin + u64::from(length) <= self.length;
        // From behind the length on, to its segment's end or back.
        self.input.seek_relative(if possible { i64::from(length) - 2 } else { -2 })?;
        self.at = if possible { begin + u64::from(length) } else { begin };
        Ok(possible)
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.input.by_ref().bytes().next().transpose()?;
        self.at += u64::from(byte.is_some());
        Ok(byte)
    }

    /// Whether the next byte may begin a marker.
    fn is_at_marker(&mut self) -> io::Result<bool> {
        Ok(self.input.fill_buf()?.first() == Some(&0xFF))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::at;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};

    fn jpeg(w: u32, h: u32) -> Vec<u8> {
        let picture =
            image::RgbImage::from_fn(w, h, |x, y| image::Rgb([(x * 7) as u8, (y * 13) as u8, 99]));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture).unwrap();
        bytes
    }

    /// The same picture with another inside a comment, as a camera's thumbnail is.
    fn with_thumbnail(whole: &[u8]) -> Vec<u8> {
        let inner = jpeg(8, 8);
        let mut bytes = vec![0xFF, SOI, 0xFF, 0xFE];
        bytes.extend((inner.len() as u16 + 2).to_be_bytes());
        bytes.extend(inner);
        bytes.extend(&whole[2..]);
        bytes
    }

    /// Where the pictures lie that stand in memory, read at once.
    fn split(bytes: &[u8]) -> Vec<Range<usize>> {
        let found = super::split(Cursor::new(bytes)).unwrap();
        found.into_iter().map(|range| range.start as usize..range.end as usize).collect()
    }

    fn split_in_pieces(bytes: &[u8], piece: usize) -> Vec<Range<usize>> {
        let found = super::split(BufReader::with_capacity(piece, Cursor::new(bytes))).unwrap();
        found.into_iter().map(|range| range.start as usize..range.end as usize).collect()
    }

    #[test]
    fn pictures_are_found_with_rubbish_between_and_thumbnails_inside() {
        let (a, b) = (jpeg(40, 30), with_thumbnail(&jpeg(64, 16)));
        let file = [b"--boundary\r\n".as_slice(), &a, b"\r\n\xFF\xD8", &b, b"end"].concat();
        let found = split(&file);
        assert_eq!(found.len(), 2);
        assert_eq!((&file[found[0].clone()], &file[found[1].clone()]), (&a[..], &b[..]));
        assert_eq!(size(&a), Some(Size::new(40, 30)));
        assert_eq!(size(&b), Some(Size::new(64, 16)));
    }

    #[test]
    fn a_picture_without_an_end_ends_where_the_next_begins() {
        let (a, b) = (jpeg(40, 30), jpeg(64, 16));
        let endless = &a[..a.len() - 2];
        let twice = [&[0xFF, SOI], &*b].concat();
        let file = [endless, &*twice, endless].concat();
        let found = split(&file);
        let lengths: Vec<usize> = found.iter().map(Range::len).collect();
        assert_eq!(lengths, [endless.len(), b.len(), endless.len()]);
        assert_eq!(size(&file[found[1].clone()]), Some(Size::new(64, 16)));
    }

    /// A picture that is larger than any piece has its parts in several.
    #[test]
    fn pictures_are_the_same_wherever_the_pieces_of_the_file_end() {
        let (a, b) = (jpeg(16, 8), with_thumbnail(&jpeg(24, 8)));
        let endless = &b[..b.len() - 2];
        let impossible = [0xFF, SOI, 0xFF, 0xE0, 0xFF];
        let file =
            [b"\r\n\xFF", &*a, endless, &[0xFF, SOI], &*a, b"\xFF\xD8 ", &*b, &impossible, &*a];
        let file = file.concat();
        let whole = split(&file);
        let lengths: Vec<usize> = whole.iter().map(Range::len).collect();
        assert_eq!(lengths, [a.len(), endless.len(), a.len(), b.len(), a.len()]);
        for piece in 1..=file.len() {
            assert_eq!(split_in_pieces(&file, piece), whole, "pieces of {piece}");
        }
    }

    /// One after the other in a file, and that file.
    fn recorded(folder: &Path, pictures: &[&[u8]]) -> PathBuf {
        let path = folder.join("film.mjpeg");
        fs::write(&path, pictures.concat()).unwrap();
        path
    }

    fn reason(error: SourceError) -> String {
        assert!(matches!(error, SourceError::Lost(_)), "to be opened again: {error:?}");
        error.to_string()
    }

    #[test]
    fn a_file_that_changes_while_it_is_played_is_told_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (jpeg(40, 30), jpeg(64, 16));
        let path = recorded(folder.path(), &[&a, &b]);
        let open = || MotionJpeg::open(&path).unwrap();
        let mut frame = Frame::empty(at(0));
        let film = open();
        film.read_into(1, &mut frame).unwrap();
        assert_eq!((&frame.data, frame.size), (&b, Size::new(64, 16)));
        // What is still being recorded grows.
        File::options().append(true).open(&path).unwrap().write_all(&a).unwrap();
        film.read_into(0, &mut frame).unwrap();
        assert_eq!((&frame.data, frame.size), (&a, Size::new(40, 30)));

        File::options().write(true).open(&path).unwrap().set_len(a.len() as u64 + 9).unwrap();
        film.read_into(0, &mut frame).unwrap();
        let error = reason(film.read_into(1, &mut frame).unwrap_err());
        assert!(error.contains("film.mjpeg: it became shorter"), "{error}");

        fs::write(&path, [b"in front".as_slice(), &b, &b, &b].concat()).unwrap();
        let error = reason(film.read_into(1, &mut frame).unwrap_err());
        assert!(error.contains("film.mjpeg: it was written anew"), "{error}");

        let film = open();
        fs::write(folder.path().join("new"), &a).unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let error = reason(film.read_into(0, &mut frame).unwrap_err());
        assert!(error.contains("film.mjpeg: another file took its place"), "{error}");
        let film = open();
        fs::remove_file(&path).unwrap();
        let error = reason(film.read_into(0, &mut frame).unwrap_err());
        assert!(error.contains("film.mjpeg: No such file"), "{error}");
    }

    #[test]
    fn a_picture_without_an_end_is_not_read_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (jpeg(40, 30), jpeg(64, 16));
        let path = recorded(folder.path(), &[&b, &a[..a.len() - 2]]);
        // A hole, which costs no disk.
        File::options().write(true).open(&path).unwrap().set_len(200 << 20).unwrap();
        let film = MotionJpeg::open(&path).unwrap();
        let mut frame = Frame::empty(at(0));
        assert_eq!(film.len(), 2);
        film.read_into(0, &mut frame).unwrap();
        let error = film.read_into(1, &mut frame).unwrap_err();
        assert!(
            matches!(&error, SourceError::BadFrame(why)
            if why.contains("picture 2 has 199 MiB")),
            "{error:?}"
        );
        assert!(frame.data.capacity() < 1 << 20);
    }

    /// Those pictures, with what a device may write between two of them.
    fn recording() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
        let (a, b) = (jpeg(16, 8), with_thumbnail(&jpeg(24, 8)));
        let pictures = prop_oneof![Just(a), Just(b)];
        let between = proptest::collection::vec(0u8..0xFF, 0..20);
        proptest::collection::vec((between, pictures), 0..6)
    }

    proptest! {
        #[test]
        fn whole_pictures_are_found_in_pieces_of_any_size(parts in recording(), piece in 1usize..300) {
            let (mut file, mut expected) = (Vec::new(), Vec::new());
            for (between, picture) in parts {
                file.extend(between);
                expected.push(file.len()..file.len() + picture.len());
                file.extend(picture);
            }
            prop_assert_eq!(split(&file), expected.clone());
            prop_assert_eq!(split_in_pieces(&file, piece), expected);
        }

        #[test]
        fn any_bytes_are_split_alike_in_pieces_of_any_size(bytes in proptest::collection::vec(
            prop_oneof![Just(0xFFu8), Just(SOI), Just(EOI), Just(SOS), Just(0), any::<u8>()], 0..400),
            piece in 1usize..40) {
            prop_assert_eq!(split_in_pieces(&bytes, piece), split(&bytes));
        }

        #[test]
        fn any_bytes_are_split_without_harm(bytes in proptest::collection::vec(
            prop_oneof![Just(0xFFu8), Just(SOI), Just(EOI), Just(SOS), any::<u8>()], 0..400)) {
            for picture in split(&bytes) {
                prop_assert!(picture.end <= bytes.len());
                let _ = size(&bytes[picture]);
            }
        }
    }
}
