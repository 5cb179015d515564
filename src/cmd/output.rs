//! Standard output, where commands put their results.
//!
//! `println!` panics where it cannot write, on a full disk for one; here that is an error
//! with an exit code of its own (`docs/ref/exit-codes.md`). A reader that has gone away is
//! none: it ends the command quietly, as it ends any other program.

use std::fmt::Display;
use std::io::{self, Write};

use rustix::process::{Signal, getpid, kill_process};
use serde::Serialize;

use expressiond::error::{Error, Kind, Result};
use expressiond::printable;

/// Writes a result for people. It may name what commands a terminal, as a file's name may.
///
/// # Errors
///
/// Standard output cannot be written.
pub(crate) fn text(result: impl Display) -> Result<()> {
    as_it_is(&printable::lines(&result.to_string()))
}

/// Writes a result for a program.
pub(crate) fn as_it_is(result: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    // What stands behind the last end of a line is kept back, and its error with it, until
    // it is flushed.
    out.write_all(result.as_bytes()).and_then(|()| out.flush()).map_err(cannot_write)
}

/// The same for people, and ends the line.
pub(crate) fn line(result: impl Display) -> Result<()> {
    text(format_args!("{result}\n"))
}

/// Writes a result as JSON, for people to read, too.
pub(crate) fn json(result: &impl Serialize) -> Result<()> {
    as_it_is(&(serde_json::to_string_pretty(result).map_err(no_json)? + "\n"))
}

/// Writes one of many results as JSON on one line.
pub(crate) fn json_line(result: &impl Serialize) -> Result<()> {
    as_it_is(&(serde_json::to_string(result).map_err(no_json)? + "\n"))
}

/// How a command ends whose result cannot be written.
pub(crate) fn cannot_write(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        end_by_sigpipe();
    }
    Error::caused(Kind::Output, "cannot write the result", error)
}

/// A reader has seen enough (`| head`). Rust's start-up code has the signal ignored, and it stays
/// so until here: a broker that hangs up while it is written to would end the command as well.
fn end_by_sigpipe() {
    sigpipe::reset();
    // It may be kept from us (seccomp); then the command ends with what cannot be written.
    let _ = kill_process(getpid(), Signal::PIPE);
}

fn no_json(error: serde_json::Error) -> Error {
    Error::caused(Kind::Internal, "cannot write JSON", error)
}
