//! Which files of the kernel tell heat and power here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Folders of thermal zones (linux/Documentation/driver-api/thermal/sysfs-api.rst).
pub(super) const THERMAL: &str = "/sys/class/thermal";
/// Folders of sensors (linux/Documentation/hwmon/sysfs-interface.rst).
pub(super) const HWMON: &str = "/sys/class/hwmon";

/// What a processor's own zone is called, the best first. The first zone may be anything: on PCs
/// it is often `acpitz`, a place on the mainboard or a number that never changes. Names are those
/// of drivers and of device trees, where the kernel may write `_` for `-`.
const ZONES: [&str; 6] = [
    "x86-pkg-temp",
    "cpu-thermal",
    "package-thermal",
    "soc-thermal",
    "bcm2835-thermal",
    "imx-thermal-zone",
];
/// Others that are of one core, `cpu0-thermal` or `CPU-therm`.
const OF_A_CORE: &str = "cpu";
/// Drivers that read a processor's own sensor, whose `temp1` is that of the whole
/// (linux/Documentation/hwmon/coretemp.rst, k10temp.rst).
const DRIVERS: [&str; 3] = ["coretemp", "k10temp", "zenpower"];
/// No zone has this or less, in m°C: what the kernel gives for one that is switched off.
const IMPOSSIBLE: i32 = -273_000;

/// A file that is looked for until there is one, and then read for good: what is asked once a
/// second lists no folders.
#[derive(Debug)]
pub(super) struct Chosen {
    path: OnceLock<PathBuf>,
    asked: AtomicU32,
}

impl Chosen {
    /// A driver may be loaded after us: of so many questions the first looks again.
    const AGAIN: u32 = 60;

    pub(super) const fn new() -> Self {
        Self { path: OnceLock::new(), asked: AtomicU32::new(0) }
    }

    /// The file, by `look` where none was found yet.
    pub(super) fn get(&self, look: impl FnOnce() -> Option<PathBuf>) -> Option<&Path> {
        if let Some(known) = self.path.get() {
            return Some(known);
        }
        if !self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(Self::AGAIN) {
            return None;
        }
        let found = look()?;
        Some(self.path.get_or_init(|| found))
    }
}

/// The file that tells the processor's temperature: a thermal zone's, else a sensor's.
pub(super) fn thermometer(thermal: &Path, hwmon: &Path) -> Option<PathBuf> {
    let mut zones: Vec<(usize, u32, PathBuf)> = entries(thermal)
        .filter_map(|zone| {
            let number = zone.file_name()?.to_str()?.strip_prefix("thermal_zone")?.parse().ok()?;
            let rank = rank(&text(&zone.join("type"))?)?;
            Some((rank, number, zone.join("temp")))
        })
        .collect();
    zones.sort();
    let zone = zones.into_iter().map(|(.., file)| file).find(|file| celsius(file).is_some());
    zone.or_else(|| {
        let mut sensors = DRIVERS.iter().filter_map(|driver| sensor(hwmon, driver, "temp1_input"));
        sensors.find(|file| celsius(file).is_some())
    })
}

/// How good a zone of this type is, the lowest is the best; none for one of something else.
fn rank(kind: &str) -> Option<usize> {
    let kind = kind.to_lowercase().replace('_', "-");
    let named = ZONES.iter().position(|zone| *zone == kind);
    named.or_else(|| kind.starts_with(OF_A_CORE).then_some(ZONES.len()))
}

/// The file that says whether a Raspberry Pi's voltage was too low within the last two seconds
/// (linux/drivers/hwmon/raspberrypi-hwmon.c).
pub(super) fn voltage_alarm(hwmon: &Path) -> Option<PathBuf> {
    sensor(hwmon, "rpi_volt", "in0_lcrit_alarm")
}

/// A file of the sensor whose driver calls itself so.
fn sensor(hwmon: &Path, driver: &str, file: &str) -> Option<PathBuf> {
    let mut files = entries(hwmon)
        .filter(|sensor| text(&sensor.join("name")).is_some_and(|name| name == driver));
    files.find_map(|sensor| Some(sensor.join(file)).filter(|file| file.exists()))
}

/// What a file of a zone or sensor tells, in °C; both are in m°C.
pub(super) fn celsius(file: &Path) -> Option<f32> {
    let millis: i32 = text(file)?.parse().ok()?;
    (millis > IMPOSSIBLE).then_some(millis as f32 / 1000.0)
}

/// What a file of the kernel's says, without the end of the line.
pub(super) fn text(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes files of a line each below a temporary folder.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, line) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, format!("{line}\n")).expect("written");
        }
        folder
    }

    fn degrees(files: &[(&str, &str)]) -> Option<f32> {
        let tree = tree(files);
        thermometer(&tree.path().join("thermal"), &tree.path().join("hwmon"))
            .and_then(|file| celsius(&file))
    }

    #[test]
    fn the_processor_s_zone_is_found_whatever_its_number() {
        let acpi =
            [("thermal/thermal_zone0/type", "acpitz"), ("thermal/thermal_zone0/temp", "27800")];
        let zone = |number: u32, kind: &'static str, temp: &'static str| {
            let at = format!("thermal/thermal_zone{number}");
            [(format!("{at}/type"), kind), (format!("{at}/temp"), temp)]
        };
        let with = |zones: &[[(String, &'static str); 2]]| {
            let files = zones.iter().flatten().map(|(name, line)| (name.as_str(), *line));
            degrees(&acpi.into_iter().chain(files).collect::<Vec<_>>())
        };
        assert_eq!(with(&[]), None, "a place on the mainboard");
        for kind in [
            "x86_pkg_temp",
            "cpu-thermal",
            "cpu_thermal",
            "soc-thermal",
            "cpu0-thermal",
            "CPU-therm",
        ] {
            assert_eq!(
                with(&[zone(10, "pch_cannonlake", "50000"), zone(2, kind, "61500")]),
                Some(61.5),
                "{kind}"
            );
        }
        let cores = [zone(10, "cpu1-thermal", "70000"), zone(9, "cpu0-thermal", "60000")];
        assert_eq!(with(&cores), Some(60.0));
        let dead = [zone(1, "cpu-thermal", "-274000"), zone(2, "cpu0-thermal", "60000")];
        assert_eq!(with(&dead), Some(60.0), "one that is switched off tells nothing");
    }

    #[test]
    fn without_a_zone_of_its_own_the_processor_s_sensor_tells() {
        for driver in DRIVERS {
            let files = [
                ("thermal/thermal_zone0/type", "acpitz"),
                ("thermal/thermal_zone0/temp", "27800"),
                ("hwmon/hwmon0/name", "nvme"),
                ("hwmon/hwmon0/temp1_input", "38850"),
                ("hwmon/hwmon3/name", driver),
                ("hwmon/hwmon3/temp1_input", "44000"),
            ];
            assert_eq!(degrees(&files), Some(44.0), "{driver}");
            assert_eq!(degrees(&files[..4]), None);
        }
        assert_eq!(degrees(&[]), None);
    }

    #[test]
    fn the_voltage_s_alarm_is_found_by_its_driver() {
        let tree = tree(&[
            ("hwmon0/name", "cpu_thermal"),
            ("hwmon0/temp1_input", "50000"),
            ("hwmon1/name", "rpi_volt"),
            ("hwmon1/in0_lcrit_alarm", "0"),
        ]);
        let file = voltage_alarm(tree.path()).expect("found");
        assert!(file.ends_with("hwmon1/in0_lcrit_alarm"), "{file:?}");
        assert_eq!(voltage_alarm(Path::new("/absent")), None);
    }

    #[test]
    fn folders_are_listed_rarely_and_no_more_once_a_file_is_found() {
        let (chosen, mut looks) = (Chosen::new(), 0);
        for _ in 0..Chosen::AGAIN {
            let found = chosen.get(|| {
                looks += 1;
                None
            });
            assert_eq!(found, None);
        }
        assert_eq!(looks, 1);
        let file = Path::new("/found");
        assert_eq!(chosen.get(|| Some(file.to_owned())), Some(file));
        assert_eq!(chosen.get(|| unreachable!("known")), Some(file));
    }
}
