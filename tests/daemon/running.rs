//! A process that a test starts, and how long it may take for anything.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for anything; nothing here takes a tenth of it on an idle machine.
/// Under an emulator (`make arm-test`) on a busy one a frame has been seen to take six seconds.
pub const LIMIT: Duration =
    Duration::from_secs(if cfg!(target_arch = "x86_64") { 60 } else { 600 });

/// A process that does not outlive its test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Ends it as systemd does.
    pub fn terminate(&self) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// The exit code, once it has ended.
    pub fn code(&mut self) -> Option<i32> {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end within {LIMIT:?}");
    }
}
