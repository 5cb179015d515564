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
use super::picture;
use crate::geometry::Size;
use crate::pixels::frame::Frame;
use crate::pixels::jpeg;
use crate::pixels::markers::{self, EOI, SOI, SOS};

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
    /// Opens the file and looks for its pictures, which takes as long as reading it: for each
    /// piece of it `wanted` is asked whether to go on.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no file. The error holds [`SourceError::Unwanted`] where it was
    /// not wanted to the end.
    pub(super) fn open(path: &Path, wanted: &dyn Fn() -> bool) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
        }
        let input = WhileWanted { input: &file, wanted };
        let pictures = split(BufReader::with_capacity(PIECE, input))?;
        Ok(Self { path: path.to_owned(), identity: identity(&metadata), file, pictures })
    }

    /// How many pictures it has.
    pub(super) fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Reads picture `number`, from 0 on and less than [`Self::len`], into `frame`; its times
    /// are the caller's. It is turned as its own Exif data say, like one in a folder.
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
        picture::recognise_jpeg(frame).map_err(|error| bad(&format!("is none: {error}")))
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

/// The size that a picture's frame header states, in pixels, where it may be decoded.
pub fn size(picture: &[u8]) -> Option<Size> {
    jpeg::outline(picture).ok().map(|outline| outline.size)
}

/// An input that ends with an error once it is not wanted any more.
struct WhileWanted<'a, R> {
    input: R,
    wanted: &'a dyn Fn() -> bool,
}

impl<R: Read> Read for WhileWanted<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if (self.wanted)() {
            self.input.read(bytes)
        } else {
            Err(io::Error::other(SourceError::Unwanted))
        }
    }
}

impl<R: Seek> Seek for WhileWanted<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.input.seek(to)
    }
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
mod tests;
