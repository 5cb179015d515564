//! A process that a test starts, and how long it may take for anything.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
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
    #[track_caller]
    pub fn code(&mut self) -> Option<i32> {
        self.status().code()
    }

    #[track_caller]
    fn status(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end within {LIMIT:?}");
    }
}

/// What [`Command::output`] gives, of one that may hang where something is wrong.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let stdout = reading(running.0.stdout.take().unwrap());
    let stderr = reading(running.0.stderr.take().unwrap());
    let status = running.status();
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// All that comes. Whoever does not read holds up whoever writes.
fn reading(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).unwrap();
        all
    })
}
