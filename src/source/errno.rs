//! The kernel's errors, in an owner's words.

use std::io;

use rustix::io::Errno;

/// An error of the kernel in an owner's words, with the remedy where there is one.
pub(super) fn explain(error: &io::Error) -> String {
    let known = [
        (Errno::BUSY, "another program uses it; close that one"),
        (Errno::ACCESS, "no permission; add the user to the group video"),
        (Errno::PERM, "no permission; the service needs DeviceAllow=char-video4linux"),
        (Errno::NODEV, "it was unplugged"),
        (Errno::NXIO, "it was unplugged"),
        (Errno::NOENT, "it is not there; is it plugged in?"),
        (Errno::IO, "the driver reports an input/output error"),
        (Errno::NOSPC, "its USB bus is full; another port, or a smaller size"),
        (Errno::PIPE, "nothing is connected to it; a CSI camera goes through libcamera"),
        (Errno::NOTTY, "it knows nothing of cameras"),
    ];
    if error.kind() == io::ErrorKind::TimedOut {
        return "it delivers no frames".to_owned();
    }
    let code = error.raw_os_error();
    let found = known.iter().find(|(errno, _)| Some(errno.raw_os_error()) == code);
    found.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}
