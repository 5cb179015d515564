//! The board: its clock, its heat and its power.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::finding::{Check, Finding};
use super::installed::Unit;
use crate::board::{TIMESYNC, Throttling, clock_trouble, temperature, throttling};
use crate::clock::rfc3339;
use crate::contract::payload::ReasonCode;
use crate::process::printed;

const CLOCK_REMEDY: &str = "timedatectl status says who should set it; without network at boot a \
                            board needs a clock of its own (RTC)";

/// Whether the times of events can be right.
pub(crate) fn clock() -> Finding {
    let now = SystemTime::now();
    let wrong = |words: &str| {
        let message = format!("{words}; it says {}", rfc3339(now));
        Finding::warning(Check::Clock, message, CLOCK_REMEDY).because(ReasonCode::ClockNotSet)
    };
    if let Some(trouble) = clock_trouble(now) {
        return wrong(trouble);
    }
    if Path::new(TIMESYNC).is_dir() {
        return Finding::ok(Check::Clock, "set by systemd-timesyncd");
    }
    match synchronized().as_deref() {
        Some("yes") => Finding::ok(Check::Clock, "set and kept by NTP"),
        Some("no") => wrong("no NTP keeps the wall clock"),
        _ => Finding::skipped(
            Check::Clock,
            format!("it says {}; nothing here tells whether NTP keeps it", rfc3339(now)),
        ),
    }
}

/// `yes` or `no`: whether NTP keeps the clock, as the kernel tells systemd-timedated, and
/// whichever NTP client runs; none without systemd-timedated.
fn synchronized() -> Option<String> {
    let arguments = ["show", "--property=NTPSynchronized", "--value"];
    printed("timedatectl", &arguments).map(|text| text.trim().to_owned())
}

/// Whether heat or the power supply slow the board down; `hot_c` is `pace.hot_c`, in °C.
/// `unit` is the service, whose memory should be limited.
pub(crate) fn board(hot_c: f32, unit: Option<&Unit>) -> Finding {
    let mut found = judge(temperature(), throttling(), hot_c);
    let controllers = unit.and_then(|_| fs::read_to_string(CONTROLLERS).ok());
    if controllers.is_some_and(|controllers| !limits_memory(&controllers)) {
        found.message += UNLIMITED;
    }
    found
}

/// What a kernel can limit (linux/Documentation/admin-guide/cgroup-v2.rst).
const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";
/// No warning: it is so on each board with Raspberry Pi OS, and the daemon needs little.
const UNLIMITED: &str = "; this kernel limits no memory, and MemoryMax= of the service does nothing \
                         (on Raspberry Pi OS: cgroup_enable=memory in /boot/firmware/cmdline.txt)";

fn limits_memory(controllers: &str) -> bool {
    controllers.split_whitespace().any(|controller| controller == "memory")
}

fn judge(degrees: Option<f32>, throttling: Throttling, hot_c: f32) -> Finding {
    let strained = |why: String, remedy| {
        let message = format!("{why}: it looks around half as often");
        Finding::warning(Check::Board, message, remedy).because(ReasonCode::Throttled)
    };
    // Most boards tell nothing of it, which is no reason to say that they are not.
    let not = match throttling {
        Throttling::No => ", not throttled",
        Throttling::Powered => ", enough power",
        Throttling::Unknown | Throttling::Yes(_) => "",
    };
    match (throttling, degrees) {
        (Throttling::Yes(why), _) => strained(
            why.to_owned(),
            "use the power supply made for this board, a short cable, and a heat sink; `vcgencmd \
             get_throttled` shows what has happened",
        ),
        (_, Some(degrees)) if degrees >= hot_c => strained(
            format!("the processor has {degrees:.0} °C, pace.hot_c is {hot_c:.0}"),
            "a heat sink, air, or a lower pace.max_fps",
        ),
        (_, Some(degrees)) => {
            Finding::ok(Check::Board, format!("{degrees:.0} °C, {} processors{not}", processors()))
        }
        (_, None) => Finding::ok(
            Check::Board,
            format!("{} processors{not}; it tells no temperature", processors()),
        ),
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn heat_and_weak_power_are_warnings_with_the_status_topic_s_code() {
        let weak = Throttling::Yes("under-voltage");
        for (degrees, throttling) in [(Some(85.0), Throttling::No), (Some(40.0), weak)] {
            let finding = judge(degrees, throttling, 80.0);
            assert_eq!(finding.verdict, Verdict::Warning, "{finding:?}");
            assert_eq!(finding.reason, Some(ReasonCode::Throttled));
        }
    }

    #[test]
    fn a_kernel_without_the_controller_limits_no_memory() {
        assert!(limits_memory("cpuset cpu io memory hugetlb pids rdma misc\n"));
        assert!(!limits_memory("cpuset cpu io pids\n"), "Raspberry Pi OS");
        assert!(!limits_memory("memory_other"));
    }

    #[test]
    fn only_a_board_that_tells_is_called_not_throttled() {
        for degrees in [Some(40.0), None] {
            let found = |throttling| judge(degrees, throttling, 80.0);
            let powered = found(Throttling::Powered).message;
            assert!(powered.contains("power") && !powered.contains("throttled"), "{powered}");
            let (told, untold) = (found(Throttling::No), found(Throttling::Unknown));
            assert_eq!((told.verdict, untold.verdict), (Verdict::Ok, Verdict::Ok));
            assert!(told.message.contains("not throttled"), "{told:?}");
            assert!(!untold.message.contains("throttled"), "{untold:?}");
        }
    }
}
