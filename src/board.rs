//! How the board itself is doing: heat, power and its clock.

mod mounts;
mod sensors;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::clock::never_set;
pub(crate) use mounts::forgets;
use sensors::{Chosen, HWMON, THERMAL, celsius, text, thermometer, voltage_alarm};

static THERMOMETER: Chosen = Chosen::new();
static VOLTAGE_ALARM: Chosen = Chosen::new();

/// Temperature of the processor in °C, where the kernel tells it.
pub(crate) fn temperature() -> Option<f32> {
    celsius(THERMOMETER.get(|| thermometer(THERMAL.as_ref(), HWMON.as_ref()))?)
}

/// What board this is, such as `Raspberry Pi 4 Model B Rev 1.4`, where its firmware tells
/// (Devicetree Specification 0.4, 2.3.2: `model`).
pub(crate) fn model() -> Option<String> {
    property(Path::new("/proc/device-tree/model"))
}

/// The board's serial number, where its firmware tells (`serial-number` of the root node).
pub(crate) fn serial() -> Option<String> {
    property(Path::new("/proc/device-tree/serial-number"))
}

/// Text of the device tree, which ends with a zero (the same, 2.2.4).
fn property(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}

/// What `vcgencmd get_throttled` prints, from the firmware's own file. Raspberry Pi's kernels
/// print a warning with all registers when it is read for the first time (`deprecated, use hwmon
/// sysfs instead`, drivers/firmware/raspberrypi.c there), until they took it away (their pull
/// request 6697, 2025); others, and those of a Raspberry Pi 5, have no such file. It is read where
/// there is no alarm of the voltage. What it tells besides, that the firmware throttles because
/// of heat, shows in the temperature.
const THROTTLED: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";
const WEAK: &str = "the power supply is too weak (under-voltage)";

/// Whether a Raspberry Pi's firmware slows the board down just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Throttling {
    /// Nobody here tells: other boards, and a Raspberry Pi whose kernel has no such file.
    Unknown,
    /// It does not.
    No,
    /// The power supply is strong enough; nobody tells more.
    Powered,
    /// It does; the words say why.
    Yes(&'static str),
}

/// Why a Raspberry Pi's firmware slows the board down just now, if it does.
pub(crate) fn throttled() -> Option<&'static str> {
    match throttling() {
        Throttling::Yes(why) => Some(why),
        Throttling::Unknown | Throttling::No | Throttling::Powered => None,
    }
}

/// The same, where what nobody tells must not count as a no.
pub(crate) fn throttling() -> Throttling {
    let alarm = VOLTAGE_ALARM.get(|| voltage_alarm(HWMON.as_ref()));
    alarm.map_or_else(|| throttling_at(THROTTLED.as_ref()), powered_at)
}

/// What the alarm of the voltage says.
fn powered_at(alarm: &Path) -> Throttling {
    match text(alarm).as_deref() {
        Some("0") => Throttling::Powered,
        Some("1") => Throttling::Yes(WEAK),
        _ => Throttling::Unknown,
    }
}

fn throttling_at(path: &Path) -> Throttling {
    let text = text(path).unwrap_or_default();
    let Ok(bits) = u32::from_str_radix(text.trim_start_matches("0x"), 16) else {
        return Throttling::Unknown;
    };
    // The low half is what holds now, the high half what has happened since boot
    // (Raspberry Pi documentation, "get_throttled").
    let now = [
        (1 << 0, WEAK),
        (1 << 2, "the firmware throttles the processor"),
        (1 << 3, "the processor is near its temperature limit"),
        (1 << 1, "the firmware caps the processor's clock"),
    ];
    let holds = now.iter().find(|(bit, _)| bits & bit != 0);
    holds.map_or(Throttling::No, |(_, words)| Throttling::Yes(words))
}

/// The folder that systemd-timesyncd.service(8) has while it runs; it makes the file
/// `synchronized` there once it has set the clock. adjtimex(2) would know more, but the
/// unit's `ProtectClock=` forbids that call, also for reading.
pub(crate) const TIMESYNC: &str = "/run/systemd/timesync";

/// Why the times of events may be wrong; none where nothing speaks against them.
pub(crate) fn clock_trouble(wall: SystemTime) -> Option<&'static str> {
    clock_trouble_at(wall, Path::new(TIMESYNC))
}

fn clock_trouble_at(wall: SystemTime, timesync: &Path) -> Option<&'static str> {
    if never_set(wall) {
        return Some("the wall clock was never set: check network and NTP");
    }
    let waits = timesync.is_dir() && !timesync.join("synchronized").exists();
    waits.then_some("the wall clock is not synchronized: check network and NTP (timedatectl)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_now_counts() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let says = |text: &str| {
            fs::write(file.path(), text).expect("written");
            throttling_at(file.path())
        };
        let because = |text: &str, part: &str| match says(text) {
            Throttling::Yes(words) => words.contains(part),
            Throttling::Unknown | Throttling::No | Throttling::Powered => false,
        };
        assert_eq!(says("0\n"), Throttling::No);
        assert_eq!(says("50000\n"), Throttling::No, "under-voltage has occurred, long ago");
        assert!(because("50005\n", "power supply"));
        assert!(because("0x4", "throttles"));
        assert_eq!(says("nonsense"), Throttling::Unknown);
        assert_eq!(throttling_at(Path::new("/absent")), Throttling::Unknown);
    }

    #[test]
    fn the_alarm_of_the_voltage_tells_weak_power_and_no_more() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        for (text, says) in [
            ("0\n", Throttling::Powered),
            ("1\n", Throttling::Yes(WEAK)),
            ("", Throttling::Unknown),
        ] {
            fs::write(file.path(), text).expect("written");
            assert_eq!(powered_at(file.path()), says);
        }
    }

    #[test]
    fn texts_of_the_device_tree_end_with_a_zero() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let says = |text: &str| {
            fs::write(file.path(), text).expect("written");
            property(file.path())
        };
        assert_eq!(says("Raspberry Pi 4\0").as_deref(), Some("Raspberry Pi 4"));
        assert_eq!(says("\0"), None);
        assert_eq!(property(Path::new("/absent")), None);
    }

    #[test]
    fn a_clock_that_nobody_has_set_is_told() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (timesync, now) = (folder.path().join("timesync"), SystemTime::now());
        let trouble = |wall| clock_trouble_at(wall, &timesync);
        assert!(trouble(SystemTime::UNIX_EPOCH).is_some_and(|words| words.contains("never set")));
        assert_eq!(trouble(now), None, "no timesyncd: nobody here knows better");
        fs::create_dir(&timesync).expect("made");
        assert!(trouble(now).is_some_and(|words| words.contains("not synchronized")));
        fs::write(timesync.join("synchronized"), "").expect("written");
        assert_eq!(trouble(now), None);
    }
}
