//! A model from a package is first run in a process of its own: one that takes the
//! process down, or never comes back, would else take the daemon down at every start,
//! and nobody is there to remove it.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::ModelError;

/// For one: many times what loading and the self-test take on a slow board.
const LIMIT: Duration = Duration::from_secs(30);
/// For all of one start, however many models are passed over: the unit's TimeoutStartSec=90 is
/// for the model that runs then, too.
const LIMIT_OF_ALL: Duration = Duration::from_secs(60);
/// From one look whether the process has ended to the next.
const POLL: Duration = Duration::from_millis(20);
/// The exit code of a Rust program that panicked: here, too, the daemon would.
const PANICKED: i32 = 101;

/// The trials of one start.
pub(super) struct Trials {
    /// Time for those to come.
    left: Duration,
}

impl Default for Trials {
    fn default() -> Self {
        Self { left: LIMIT_OF_ALL }
    }
}

impl Trials {
    /// Runs `expressiond model verify` on it. What that refuses is no error here: whoever
    /// loads the model meets the same reason, in better words.
    pub(super) fn run(&mut self, model: &Path, threads: usize) -> Result<(), ModelError> {
        // Not the program's path: after an upgrade another program stands there.
        let mut command = Command::new("/proc/self/exe");
        let threads = threads.to_string();
        command.args(["model", "verify", "--config", "/dev/null", "--threads", &threads]);
        self.judge(command.arg(model))
    }

    fn judge(&mut self, command: &mut Command) -> Result<(), ModelError> {
        if self.left.is_zero() {
            let all = LIMIT_OF_ALL.as_secs();
            return Err(ModelError::Trial(format!("those before have taken all of {all} s")));
        }
        let begun = Instant::now();
        let outcome = judge(command, LIMIT.min(self.left));
        self.left = self.left.saturating_sub(begun.elapsed());
        outcome
    }
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
    sacrifice(&child);
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

/// Where memory is short the kernel ends the child, and not the daemon that shares the unit's
/// MemoryMax= with it: 1000 is the first to go (proc_pid_oom_score_adj(5)). That the rest goes on
/// is the unit's OOMPolicy=continue.
fn sacrifice(child: &Child) {
    let path = format!("/proc/{}/oom_score_adj", child.id());
    if let Err(error) = std::fs::write(&path, "1000") {
        log::debug!("{path}: {error}");
    }
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

    #[test]
    fn what_has_no_memory_is_the_trial_and_not_the_daemon() {
        let until_it_is = "until grep -qx 1000 /proc/$$/oom_score_adj; do sleep 0.01; done";
        assert_eq!(judged(until_it_is, LIMIT), Ok(()));
    }

    #[test]
    fn the_units_let_the_daemon_go_on_and_give_it_time() {
        for unit in [
            include_str!("../../deploy/systemd/expressiond.service"),
            include_str!("../../deploy/systemd/expressiond@.service"),
        ] {
            assert!(unit.lines().any(|line| line == "OOMPolicy=continue"));
            let limit = unit.lines().find_map(|line| line.strip_prefix("TimeoutStartSec="));
            let limit = Duration::from_secs(limit.expect("set").parse().expect("seconds"));
            // The model that runs then takes no longer than a trial may.
            assert!(LIMIT_OF_ALL + LIMIT <= limit);
        }
    }

    #[test]
    fn models_that_hang_take_no_longer_together_than_a_start_may() {
        let mut trials = Trials { left: Duration::from_millis(1) };
        let mut judge = |script: &str| {
            let mut command = Command::new("sh");
            trials.judge(command.args(["-c", script])).map_err(|error| error.to_string())
        };
        assert!(judge("exec sleep 600").unwrap_err().contains("no end"));
        assert!(judge("exit 0").unwrap_err().contains("all of 60 s"));
    }
}
