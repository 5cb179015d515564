//! A model from a package is first run in a process of its own: one that takes the
//! process down, or never comes back, would else take the daemon down at every start,
//! and nobody is there to remove it.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::ModelError;

/// Many times what loading and the self-test take on a slow board; less than the unit's
/// TimeoutStartSec.
const LIMIT: Duration = Duration::from_secs(60);
/// From one look whether the process has ended to the next.
const POLL: Duration = Duration::from_millis(20);
/// The exit code of a Rust program that panicked: here, too, the daemon would.
const PANICKED: i32 = 101;

/// Runs `expressiond model verify` on it. What that refuses is no error here: whoever
/// loads the model meets the same reason, in better words.
pub(super) fn run(model: &Path, threads: usize) -> Result<(), ModelError> {
    // Not the program's path: after an upgrade another program stands there.
    let mut command = Command::new("/proc/self/exe");
    command.args(["model", "verify", "--config", "/dev/null", "--threads", &threads.to_string()]);
    judge(command.arg(model), LIMIT)
}

fn judge(command: &mut Command, limit: Duration) -> Result<(), ModelError> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = match wait(command, limit) {
        Ok(status) => status,
        Err(error) => {
            log::warn!("a new model could not be tried in a process of its own: {error}");
            return Ok(());
        }
    };
    match status {
        Some(status) if status.code() == Some(PANICKED) => {
            Err(ModelError::Trial("its process panicked".to_owned()))
        }
        Some(status) if status.code().is_some() => Ok(()),
        Some(status) => Err(ModelError::Trial(format!("its process was ended by {status}"))),
        None => Err(ModelError::Trial(format!("no end after {} s", limit.as_secs()))),
    }
}

/// How it ended; nothing when the limit came first.
fn wait(command: &mut Command, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(script: &str, limit: Duration) -> Result<(), String> {
        let mut command = Command::new("sh");
        judge(command.args(["-c", script]), limit).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_dies_or_hangs_fails() {
        assert_eq!(judged("exit 0", LIMIT), Ok(()));
        assert_eq!(judged("exit 70", LIMIT), Ok(()));
        let panicked = judged("exit 101", LIMIT).unwrap_err();
        assert!(panicked.contains("panicked"), "{panicked}");
        let died = judged("kill -SEGV $$", LIMIT).unwrap_err();
        assert!(died.contains("signal: 11"), "{died}");
        let hangs = judged("exec sleep 600", Duration::ZERO).unwrap_err();
        assert!(hangs.contains("no end"), "{hangs}");
    }
}
