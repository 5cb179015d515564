//! What a driver gives, held against what it was asked for.

use std::fmt::Display;
use std::io;

use v4l::Format;

use super::formats::{known, letters};
use super::guard::guarded;
use crate::pixels::frame::PixelFormat;

/// How the pictures are to be read of a device that was given a format and has one `now`. A driver
/// takes what is asked for as advice, which a `pinned` format is not; another mode is noted.
///
/// # Errors
///
/// In words for the owner, what it gives instead.
pub(super) fn read_as(
    now: &Format,
    given: &Format,
    asked: &Format,
    pinned: bool,
    notes: &mut Vec<String>,
) -> Result<PixelFormat, String> {
    let holds = is_same(now, given) && (!pinned || now.fourcc == asked.fourcc);
    let instead = format!("gives {} instead of {}", mode(now), mode(asked));
    let Some(format) = known(now.fourcc).filter(|_| holds) else {
        return Err(format!("{instead}; set camera.format"));
    };
    if mode(now) != mode(asked) {
        notes.push(instead);
    }
    Ok(format)
}

/// Whether `ask` tells the format that was given. One that the crate cannot read is another.
///
/// # Errors
///
/// In words, what has become of it.
pub(super) fn holds(
    given: &Format,
    ask: impl FnOnce() -> io::Result<Format>,
) -> Result<(), String> {
    let changed = |to: &dyn Display| format!("another program has changed its format to {to}");
    match guarded(ask) {
        Err(error) => Err(changed(&format_args!("one that is not read: {error}"))),
        // A device that is gone says so at the next frame.
        Ok(Err(_)) => Ok(()),
        Ok(Ok(now)) if is_same(&now, given) => Ok(()),
        Ok(Ok(now)) => Err(changed(&mode(&now))),
    }
}

/// "MJPG 640x480".
pub(super) fn mode(format: &Format) -> String {
    format!("{} {}x{}", letters(format.fourcc), format.width, format.height)
}

fn is_same(a: &Format, b: &Format) -> bool {
    (a.width, a.height, a.fourcc, a.stride) == (b.width, b.height, b.fourcc, b.stride)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use v4l::FourCC;

    use super::*;

    #[test]
    fn what_a_driver_gives_instead_is_taken_where_it_is_read_and_not_pinned() {
        let format = |letters, width| Format::new(width, 480, FourCC::new(letters));
        let (asked, smaller, grey) =
            (format(b"MJPG", 640), format(b"MJPG", 320), format(b"GREY", 640));
        let read_as = |now: &Format, given: &Format, pinned| {
            let mut notes = Vec::new();
            read_as(now, given, &asked, pinned, &mut notes).map(|format| (format, notes))
        };
        assert_eq!(read_as(&asked, &asked, true), Ok((PixelFormat::Mjpeg, Vec::new())));
        let note = "gives MJPG 320x480 instead of MJPG 640x480".to_owned();
        assert_eq!(read_as(&smaller, &smaller, true), Ok((PixelFormat::Mjpeg, vec![note])));
        assert_eq!(read_as(&grey, &grey, false).map(|(format, _)| format), Ok(PixelFormat::Grey));
        assert!(read_as(&grey, &grey, true).is_err(), "pinned");
        assert!(read_as(&smaller, &asked, false).is_err(), "another program's");
        let film = format(b"H264", 640);
        let why = read_as(&film, &film, false).expect_err("not read");
        assert!(why.ends_with("set camera.format"), "{why}");
    }

    #[test]
    fn a_format_that_the_library_cannot_read_is_another_one() {
        let given = Format::new(640, 480, FourCC::new(b"MJPG"));
        assert_eq!(holds(&given, || Ok(Format::new(640, 480, FourCC::new(b"MJPG")))), Ok(()));
        assert_eq!(holds(&given, || Err(Errno::NODEV.into())), Ok(()), "told by the next frame");
        let other = holds(&given, || Ok(Format::new(320, 240, FourCC::new(b"YUYV"))));
        assert!(other.is_err_and(|reason| reason.ends_with("to YUYV 320x240")));
        let unread = holds(&given, || panic!("a colour space that is younger than the crate"));
        assert!(unread.is_err_and(|reason| reason.contains("v4l library cannot read")));
    }
}
