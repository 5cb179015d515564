//! What the kernel knows of a process (proc_pid_status(5), proc_pid_schedstat(5)), and what one
//! prints.
//! A process is named as below `/proc`: by its id, or `self`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Largest resident memory so far (`VmHWM`) in MiB; 0 where it cannot be read.
pub fn peak_rss_mb(process: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// Time on a processor of all threads that live now, to the nanosecond; zero where it
/// cannot be read.
pub fn cpu_time(process: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let times = threads.into_iter().flatten().flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    });
    times.sum()
}

/// Files, sockets and the like that this process has open now.
pub fn open_files() -> usize {
    // One of them is the folder itself, while it is read.
    fs::read_dir("/proc/self/fd").map_or(0, |files| files.count().saturating_sub(1))
}

/// Whether a process has the file at this path, in which there is no link, open, as far as this
/// user may see.
pub(crate) fn has_open(process: &str, file: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    open.into_iter().any(|link| fs::read_link(link.path()).is_ok_and(|to| to == file))
}

/// What a program of the system prints; none where it is not there or fails.
pub(crate) fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_is_seen_to() {
        let before = cpu_time("self");
        let mut sum = 0_u64;
        while cpu_time("self") < before + Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(peak_rss_mb("self") > 1.0 && open_files() >= 3);
        assert_eq!((cpu_time("none"), peak_rss_mb("none")), (Duration::ZERO, 0.0));
    }
}
