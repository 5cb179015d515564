//! What systemd knows of the service that uses these settings: whether it runs, what
//! it said last, where its state and its secrets are. Without systemd: nothing.

use std::path::{Path, PathBuf};

use super::handed_over::{HandedOver, Origin};
use crate::config::DEFAULT_FILE;
use crate::config::instance::{in_unit, plain};
use crate::process::printed;

/// The unit whose command line names the settings that are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// `expressiond.service` or `expressiond@<instance>.service`.
    pub name: String,
    /// `active`, `activating`, `failed`, `inactive` (systemctl(1)).
    pub active: String,
    /// `running`, `auto-restart`, `dead`, ...
    pub sub: String,
    /// The line that `systemctl status` shows.
    pub status: String,
    /// Enabled, or started by udev when its camera is plugged in (`expressiond@`).
    pub starts_at_boot: bool,
    /// Its process, also while it starts; none while it waits for a restart.
    pub main_pid: Option<u32>,
    /// How often systemd has started it again by itself (`NRestarts`).
    pub restarts: u32,
    /// Exit code of the last process; 0 while the first one runs. Of a process that a signal
    /// ended it is the signal's number (`ExecMainStatus`).
    pub exit_code: u8,
    /// How the last process ended: `success`, `exit-code`, `signal`, `oom-kill`, `watchdog`, ...
    pub result: String,
    /// `StateDirectory=`, below `/var/lib`; of several the first.
    pub state_dir: Option<PathBuf>,
    /// The secrets that it gets.
    pub credentials: HandedOver,
    /// Instances that run beside it (`expressiond@door.service`).
    pub others: Vec<String>,
    /// Whether systemd has yet to do what it was told about this unit (`Job`).
    pub waits: bool,
}

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,StatusText,UnitFileState,MainPID,\
                          NRestarts,ExecMainStatus,Result,ExecStart,StateDirectory,Job";

impl Unit {
    /// Whether it should run, and has no process that does.
    pub(crate) fn is_failing(&self) -> bool {
        self.main_pid.is_none() && !["active", "inactive"].contains(&&*self.active)
    }

    /// The unit that runs with these settings; none where systemd does not run or knows
    /// none.
    pub(crate) fn find(settings: &Path, instance: Option<&str>) -> Option<Self> {
        // `expressiond@*` matches only loaded units, and an instance that was stopped is not
        // loaded any more: the wanted one is named as well.
        let ours = match instance {
            Some(instance) => format!("expressiond@{}.service", in_unit(instance)),
            None => "expressiond.service".to_owned(),
        };
        let properties = format!("--property={PROPERTIES}");
        let text = systemctl(&[
            "show",
            &properties,
            &ours,
            "expressiond.service",
            "expressiond@*.service",
        ])?;
        let mut unit = Self::choose(&text, settings, instance)?;
        let text = systemctl(&["cat", &unit.name]).unwrap_or_default();
        unit.credentials = HandedOver::of(&text, &unit.name);
        Some(unit)
    }

    /// The one in `systemctl show`'s answer that is installed and names these settings.
    fn choose(text: &str, settings: &Path, instance: Option<&str>) -> Option<Self> {
        let (mut others, instance) = (Vec::new(), instance.map(plain));
        let found = text.split("\n\n").filter_map(|block| {
            let value = |key: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                    .unwrap_or("")
            };
            let words: Vec<String> = value("ExecStart").split_whitespace().map(unquoted).collect();
            // Without --config it is the usual file, as for whoever asks.
            let usual = || words.iter().any(|word| word == "run").then_some(DEFAULT_FILE);
            let file = option(&words, "--config").or_else(usual);
            let of = option(&words, "--instance").map(plain);
            let ours = file.is_some_and(|file| same(Path::new(file), settings)) && of == instance;
            let (id, runs) = (value("Id"), value("ActiveState") == "active");
            if !ours && runs && !others.iter().any(|other| other == id) {
                others.push(id.to_owned());
            }
            (value("LoadState") == "loaded" && ours).then(|| Self {
                name: value("Id").to_owned(),
                active: value("ActiveState").to_owned(),
                sub: value("SubState").to_owned(),
                status: value("StatusText").to_owned(),
                starts_at_boot: value("UnitFileState") == "enabled"
                    || value("Id").starts_with("expressiond@"),
                main_pid: value("MainPID").parse().ok().filter(|pid| *pid != 0),
                restarts: value("NRestarts").parse().unwrap_or(0),
                exit_code: value("ExecMainStatus").parse().unwrap_or(0),
                result: value("Result").to_owned(),
                state_dir: value("StateDirectory")
                    .split_whitespace()
                    .next()
                    .map(|name| Path::new("/var/lib").join(name)),
                credentials: HandedOver::default(),
                others: Vec::new(),
                waits: value("Job").parse().is_ok_and(|job: u32| job != 0),
            })
        });
        let chosen = found.reduce(|first, _| first)?;
        Some(Self { others, ..chosen })
    }

    /// Replaces a credential's name by the file that systemd takes it from:
    /// `$CREDENTIALS_DIRECTORY`, where the daemon finds it, exists for the service alone.
    pub(crate) fn place(&self, name: &mut String) {
        if let Some(Origin::File(path)) = self.credentials.origin(name) {
            *name = path.display().to_string();
        }
    }

    /// Why a credential that the service gets cannot be read from here, if it cannot.
    pub(crate) fn hides(&self, name: &str) -> Option<&'static str> {
        match self.credentials.origin(name)? {
            Origin::Hidden(why) => Some(why),
            Origin::File(_) => None,
        }
    }
}

/// What follows an option of a command line, as a word of its own or behind `=`.
fn option<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(name)? {
        "" => words.get(at + 1).map(String::as_str),
        more => more.strip_prefix('='),
    })
}

/// Whether both name one file, by whatever way.
fn same(one: &Path, other: &Path) -> bool {
    // What is missing, or may not be looked at, has its whole path at least.
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    one == other || whole(one).is_ok_and(|one| whole(other).is_ok_and(|other| one == other))
}

/// A word of a command line as it was meant: some versions of systemctl print one with backslashes
/// in quotes, each backslash twice.
fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    inner.map_or_else(|| word.to_owned(), |inner| inner.replace(r"\\", r"\"))
}

fn systemctl(arguments: &[&str]) -> Option<String> {
    printed("systemctl", &[&["--no-pager"], arguments].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::doctor::files;

    /// As systemd 252 prints it, shortened.
    const SHOWN: &str = "\
Id=expressiond@door.service
LoadState=loaded
ActiveState=failed
SubState=failed
ExecStart={ path=/usr/bin/expressiond ; argv[]=/usr/bin/expressiond run --config /etc/expressiond/expressiond.toml --instance door ; ignore_errors=no }
ExecMainStatus=78
Result=exit-code
MainPID=0
StateDirectory=expressiond/door

Id=expressiond.service
LoadState=loaded
ActiveState=active
SubState=running
StatusText=14 frames/s; connected to the broker
UnitFileState=enabled
MainPID=812
NRestarts=2
ExecMainStatus=0
ExecStart={ path=/usr/bin/expressiond ; argv[]=/usr/bin/expressiond run --config /etc/expressiond/expressiond.toml ; ignore_errors=no }
StateDirectory=expressiond
";

    #[test]
    fn the_unit_is_the_one_with_these_settings() {
        let unit = |file: &str, instance| Unit::choose(SHOWN, Path::new(file), instance);
        let settings = "/etc/expressiond/expressiond.toml";
        let usual = unit(settings, None).expect("found");
        assert_eq!((usual.name.as_str(), usual.main_pid), ("expressiond.service", Some(812)));
        assert_eq!(usual.state_dir.as_deref(), Some(Path::new("/var/lib/expressiond")));
        assert!(usual.starts_at_boot && usual.restarts == 2);
        let door = unit(settings, Some("door")).expect("found");
        assert_eq!(
            (&*door.name, &door.others[..]),
            ("expressiond@door.service", &[usual.name][..])
        );
        assert_eq!((door.exit_code, door.main_pid, &*door.active), (78, None, "failed"));
        assert_eq!(door.result, "exit-code");
        assert_eq!((unit("/home/me/mine.toml", None), unit(settings, Some("hall"))), (None, None));
    }

    #[test]
    fn an_instance_is_found_by_either_way_to_write_its_name() {
        let settings = Path::new("/etc/expressiond/expressiond.toml");
        let shown = |word: &str| {
            let command =
                format!("expressiond run --config {} --instance {word}", settings.display());
            format!(
                "Id=expressiond@Cam\\xc2\\xae.service\nLoadState=loaded\nActiveState=inactive\n\
                     Job=1297\nExecStart={{ path=/x ; argv[]={command} ; ignore_errors=no }}\n"
            )
        };
        for word in [r"Cam\xc2\xae", r#""Cam\\xc2\\xae""#] {
            for name in ["Cam®", r"Cam\xc2\xae"] {
                let unit = Unit::choose(&shown(word), settings, Some(name)).expect("found");
                assert_eq!((&*unit.name, unit.waits), (r"expressiond@Cam\xc2\xae.service", true));
            }
            assert_eq!(Unit::choose(&shown(word), settings, None), None);
        }
    }

    #[test]
    fn settings_are_the_same_however_they_are_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let [file, link] = ["e.toml", "link.toml"].map(|name| folder.path().join(name));
        std::fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        let finds = |arguments: &str, settings: &Path| {
            let unit = format!(
                "Id=expressiond.service\nLoadState=loaded\n\
                 ExecStart={{ path=/x ; argv[]=/x run {arguments} ; ignore_errors=no }}\n"
            );
            Unit::choose(&unit, settings, None).is_some()
        };
        let shown = file.display();
        assert!(finds(&format!("--config {shown}"), &link));
        assert!(finds(&format!("--config={shown}"), &folder.path().join("./e.toml")));
        assert!(finds(&format!("--config {}", link.display()), &file));
        assert!(finds("", Path::new(DEFAULT_FILE)) && !finds("", &file));
        // A relative path is one of the folder in which this is run.
        let here = std::path::absolute("a.toml").expect("a folder");
        assert!(finds(&format!("--config {}", here.display()), Path::new("a.toml")));
        assert!(!finds("--config a.toml", &file));
    }

    #[test]
    fn secrets_are_named_by_where_they_come_from() {
        let units = "[Service]\nLoadCredential=mqtt-password:expressiond-mqtt-password\n\
                     # /etc/systemd/system/expressiond.service.d/override.conf\n[Service]\n\
                     LoadCredential=mqtt-password:/etc/expressiond/mqtt-password\n\
                     LoadCredential=device.key:/keys/%p.key\nSetCredential=ca:x\n";
        let credentials = HandedOver::of(units, "expressiond.service");
        let unit = Unit { credentials, ..Unit::default() };
        let mut config = Config::default();
        config.mqtt.password_file = "mqtt-password".into();
        config.mqtt.tls.key_file = "device.key".into();
        config.mqtt.tls.ca_file = "ca".into();
        config.preview.key_file = "device.key".into();
        files::named(&mut config).into_iter().for_each(|(_, name)| unit.place(name));
        assert_eq!(config.mqtt.password_file, "/etc/expressiond/mqtt-password");
        assert_eq!(
            (config.mqtt.tls.key_file.as_str(), config.mqtt.tls.ca_file.as_str()),
            ("/keys/expressiond.key", "ca")
        );
        assert_eq!(config.preview.key_file, "/keys/expressiond.key");
        assert!(unit.hides("ca").is_some() && unit.hides("device.key").is_none());
    }
}
