//! Errors of the kernel in an owner's words.

use std::io;

use rustix::io::Errno;

const USB: &str = "its USB connection is bad; another cable or port, a powered hub, or a stronger \
                   power supply";
const STALLED: &str = "a USB camera refuses what it is asked for: plug it in again, at another \
                       port; of a board's own receiver: nothing is connected to it, and a CSI \
                       camera goes through libcamera";

/// What the numbers mean: the V4L2 reference ("Generic Error Codes"), and of those that come from
/// below it linux/Documentation/driver-api/usb/error-codes.rst.
const KNOWN: [(Errno, &str); 19] = [
    (Errno::BUSY, "another program uses it; close that one"),
    (Errno::ACCESS, "no permission; add the user to the group video"),
    (Errno::PERM, "no permission; the service needs DeviceAllow=char-video4linux"),
    (Errno::NODEV, "it was unplugged"),
    (Errno::NXIO, "it was unplugged"),
    (Errno::SHUTDOWN, "it was unplugged"),
    (Errno::NOENT, "it is not there; is it plugged in?"),
    (
        Errno::IO,
        "the driver reports an input/output error; plug it in again, at another port or with \
         another cable",
    ),
    (
        Errno::NOSPC,
        "its USB bus is full; another port, a smaller size, or camera.format = \"MJPG\"",
    ),
    (Errno::PIPE, STALLED),
    // Bits that got lost on the way, no answer in time, more bytes than were asked for.
    (Errno::PROTO, USB),
    (Errno::ILSEQ, USB),
    (Errno::TIME, USB),
    (Errno::TIMEDOUT, USB),
    (Errno::COMM, USB),
    (Errno::OVERFLOW, USB),
    (Errno::NOTTY, "it knows nothing of cameras"),
    (Errno::NOLINK, "no signal; is its cable plugged in, and the other end switched on?"),
    (Errno::NOLCK, "the signal is not steady; another cable"),
];

/// What an error of a video device means, with the remedy where there is one.
pub(super) fn explain(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else {
        // It was waited for here: no driver gave up.
        return match error.kind() {
            io::ErrorKind::TimedOut => "it delivers no frames".to_owned(),
            _ => error.to_string(),
        };
    };
    let found = KNOWN.iter().find(|(errno, _)| errno.raw_os_error() == code);
    found.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that whoever reads the reason finds what to do.
    #[test]
    fn the_guide_names_each() {
        let guide = include_str!("../../docs/guide/cameras.md");
        let (_, rows) = guide.split_once("## When there is no picture").expect("a table");
        for (_, words) in KNOWN {
            let reason = words.split([';', ':', ',']).next().expect("words");
            assert!(rows.contains(reason), "{reason}");
        }
    }

    #[test]
    fn a_bad_connection_is_not_a_camera_that_delivers_nothing() {
        let says = |errno: Errno| explain(&errno.into());
        for errno in [Errno::PROTO, Errno::OVERFLOW, Errno::ILSEQ, Errno::TIMEDOUT] {
            assert!(says(errno).contains("USB connection"), "{errno:?}: {}", says(errno));
        }
        let waited = io::Error::new(io::ErrorKind::TimedOut, "VIDIOC_DQBUF");
        assert_eq!(explain(&waited), "it delivers no frames");
        for words in ["USB camera", "libcamera"] {
            assert!(says(Errno::PIPE).contains(words), "{}", says(Errno::PIPE));
        }
        assert_eq!(explain(&io::Error::other("the driver's own")), "the driver's own");
    }
}
