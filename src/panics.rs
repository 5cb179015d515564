//! What is left of a panic: one line in the log with the thread and the place.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::Cell;
use std::fmt::Display;
use std::io::Write;
use std::panic::{PanicHookInfo, set_hook};
use std::thread;

use log::{Level, LevelFilter};

thread_local! {
    /// Whether somebody on this thread is prepared for a panic, and tells what comes of it.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// From now on a panic is logged, with thread and place, before its thread ends.
/// Standard error keeps it where no log was started. With `RUST_BACKTRACE=1` a
/// backtrace follows.
pub fn log_panics() {
    set_hook(Box::new(|panic| {
        let line = describe(thread::current().name(), panic);
        if level() != Level::Error {
            log::log!(level(), "{line}");
            return;
        }
        let backtrace = Backtrace::capture();
        if log::max_level() == LevelFilter::Off {
            say(&format!("expressiond: {line}"));
        } else {
            log::error!("{line}");
        }
        if backtrace.status() == BacktraceStatus::Captured {
            say(&backtrace);
        }
    }));
}

/// Does what may panic and is caught: an error record of it would tell of a fault of this
/// program's, for what whoever catches it tells in words.
pub(crate) fn expected<T>(work: impl FnOnce() -> T) -> T {
    /// Also where the panic goes on.
    struct Until(bool);
    impl Drop for Until {
        fn drop(&mut self) {
            EXPECTED.set(self.0);
        }
    }
    let _until = Until(EXPECTED.replace(true));
    work()
}

/// How loudly a panic of this thread is told now.
pub(crate) fn level() -> Level {
    if EXPECTED.get() { Level::Debug } else { Level::Error }
}

/// Not `eprintln!`, which panics where it cannot write: a panic within a panic aborts.
fn say(what: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn describe(thread: Option<&str>, panic: &PanicHookInfo) -> String {
    let thread = thread.unwrap_or("without a name");
    let words = panic.payload_as_str().unwrap_or("no words");
    match panic.location() {
        Some(place) => format!("thread {thread} panicked at {place}: {words}"),
        None => format!("thread {thread} panicked: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn thread_and_place_are_named_and_what_is_caught_is_no_error() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (hear, before) = (Arc::clone(&heard), std::panic::take_hook());
        set_hook(Box::new(move |panic| {
            let line = describe(thread::current().name(), panic);
            hear.lock().expect("whole").push((level(), line));
            before(panic);
        }));
        let named = thread::Builder::new().name("panicking".into());
        let both = || {
            assert!(expected(|| catch_unwind(|| panic!("on purpose {}", 6))).is_err());
            panic!("on purpose {}", 7)
        };
        let ended = named.spawn(both).expect("started").join();
        drop(std::panic::take_hook());
        assert!(ended.is_err());
        let heard = heard.lock().expect("whole");
        // Other tests may panic on purpose meanwhile.
        let ours = |(_, line): &&(Level, String)| line.starts_with("thread panicking panicked at ");
        let [(quiet, first), (loud, line)] = &heard.iter().filter(ours).collect::<Vec<_>>()[..]
        else {
            panic!("two: {heard:?}")
        };
        assert_eq!((quiet, loud), (&Level::Debug, &Level::Error));
        assert!(first.ends_with(": on purpose 6"), "{first}");
        assert!(line.contains("panics.rs:") && line.ends_with(": on purpose 7"), "{line}");
    }
}
