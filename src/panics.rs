//! What is left of a panic: one line in the log with the thread and the place.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::Write;
use std::panic::{PanicHookInfo, set_hook};
use std::thread;

use log::LevelFilter;

/// From now on a panic is logged, with thread and place, before its thread ends.
/// Standard error keeps it where no log was started. With `RUST_BACKTRACE=1` a
/// backtrace follows.
pub fn log_panics() {
    set_hook(Box::new(|panic| {
        let line = describe(thread::current().name(), panic);
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
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn thread_and_place_are_named() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (hear, before) = (Arc::clone(&heard), std::panic::take_hook());
        set_hook(Box::new(move |panic| {
            let line = describe(thread::current().name(), panic);
            hear.lock().expect("whole").push(line);
            before(panic);
        }));
        let named = thread::Builder::new().name("panicking".into());
        let ended = named.spawn(|| panic!("on purpose {}", 7)).expect("started").join();
        drop(std::panic::take_hook());
        assert!(ended.is_err());
        let heard = heard.lock().expect("whole");
        // Other tests may panic on purpose meanwhile.
        let line = heard.iter().find(|line| line.starts_with("thread panicking panicked at "));
        let line = line.expect("told");
        assert!(line.contains("panics.rs:") && line.ends_with(": on purpose 7"), "{line}");
    }
}
