//! What must be readable or writable: secrets, device nodes, the state folder.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::finding::{Check, Finding};
use super::installed::Unit;
use crate::board::forgets;
use crate::config::Config;
use crate::control::overrides::Unreadable;
use crate::error::Kind;
use crate::hexadecimal::hexadecimal;
use crate::mqtt::StartError;
use crate::mqtt::access::Access;
use crate::mqtt::credentials::Credentials;
use crate::source::devices;
use crate::{preview, random};

/// What to do about a file that only the service's user may read.
const SUDO: &str = "run it with sudo to see what the service sees";

/// The settings that name files with secrets and certificates, and what they name.
pub(crate) fn named(config: &mut Config) -> [(&'static str, &mut String); 6] {
    let (mqtt, page) = (&mut config.mqtt, &mut config.preview);
    [
        ("mqtt.password_file", &mut mqtt.password_file),
        ("mqtt.tls.ca_file", &mut mqtt.tls.ca_file),
        ("mqtt.tls.cert_file", &mut mqtt.tls.cert_file),
        ("mqtt.tls.key_file", &mut mqtt.tls.key_file),
        ("preview.cert_file", &mut page.cert_file),
        ("preview.key_file", &mut page.key_file),
    ]
}

/// Of those, what nobody else may read.
const SECRET: [&str; 3] = ["mqtt.password_file", "mqtt.tls.key_file", "preview.key_file"];

/// Whether the password, keys and certificates that the settings name can be read and used;
/// `named` is what [`named`] gives of `config`.
pub(crate) fn credentials(
    config: &Config,
    named: &[(&'static str, String)],
    credentials: &Credentials,
    unit: Option<&Unit>,
) -> Finding {
    let (mut read, mut open_to_all, mut hidden) = (Vec::new(), None, None);
    for (key, name) in named.iter().filter(|(_, name)| !name.is_empty()) {
        let path = credentials.path(name);
        let hides = |unit: &Unit| Some((unit.name.clone(), unit.hides(name)?));
        if let Some((unit, why)) = unit.filter(|_| path.is_relative()).and_then(hides) {
            let message = format!("{key}: {unit} gets {name}, which cannot be read from here");
            hidden.get_or_insert(format!("{message}: {why}"));
            continue;
        }
        match File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if SECRET.contains(key) && metadata.permissions().mode() & 0o004 != 0 => {
                open_to_all = Some(path);
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let message = format!("{key}: this user may not read {}", path.display());
                let remedy = "give the file to the user that runs the daemon (sudo chown), with \
                              mode 600";
                return denied(Check::Credentials, unit, Kind::Config, message, remedy);
            }
            Err(error) => {
                let message = format!("{key}: cannot read {}: {error}", path.display());
                let message = message + &not_handed_over(&path, credentials, unit);
                let remedy = "put the file there, or name another; docs/guide/secure.md shows how \
                              to hand secrets to the service";
                return Finding::problem(Check::Credentials, Kind::Config, message, remedy);
            }
        }
        read.push(*key);
    }
    if let Some(why) = hidden {
        return Finding::skipped(Check::Credentials, why);
    }
    if let Err(message) = usable(config, credentials) {
        let remedy = "mend the file that is named, or name another; docs/guide/secure.md, and for \
                      the page docs/guide/preview.md";
        return Finding::problem(Check::Credentials, Kind::Config, message, remedy);
    }
    if let Some(path) = open_to_all {
        let path = path.display();
        let message = format!("everybody on this machine may read {path}");
        let remedy = format!("sudo chmod 600 {path}, and LoadCredential= in the unit");
        return Finding::warning(Check::Credentials, message, remedy);
    }
    if read.is_empty() {
        return Finding::ok(Check::Credentials, "none are needed: no user, no own certificates");
    }
    Finding::ok(Check::Credentials, format!("readable: {}", read.join(", ")))
}

/// That nobody hands this file over, which has a name and no path.
fn not_handed_over(path: &Path, credentials: &Credentials, unit: Option<&Unit>) -> String {
    match unit {
        _ if !credentials.wants_systemd(path) => String::new(),
        Some(unit) => format!("; nothing in {} hands it over", unit.name),
        None => "; systemd hands over no credentials here, as no service has these settings".into(),
    }
}

/// What this user may not touch: the service may, where there is one. Without one this user
/// runs the daemon, which then ends with the code of `kind`.
pub(crate) fn denied(
    check: Check,
    unit: Option<&Unit>,
    kind: Kind,
    message: String,
    remedy: &str,
) -> Finding {
    match unit {
        Some(_) => Finding::skipped(check, format!("{message}; {SUDO}")),
        None => Finding::problem(check, kind, message, remedy),
    }
}

/// Whether the daemon could use what is in these files: what is tried is what it tries at its
/// start, also where the broker is away.
fn usable(config: &Config, credentials: &Credentials) -> Result<(), String> {
    match Access::read(&config.mqtt, credentials) {
        // No file is to blame, and the broker's own check says so.
        Ok(_) | Err(StartError::NoBroker) => {}
        Err(error) => return Err(error.to_string()),
    }
    let page = preview::server_config(&config.preview, credentials);
    page.map(drop).map_err(|error| error.to_string())
}

const JOIN_VIDEO: &str = "sudo usermod -aG video $USER, then log in again";
/// Where that would not help.
const OPEN_TO_VIDEO: &str = "a udev rule with GROUP=\"video\", MODE=\"0660\" for this device; in a \
                             container the device must be passed in";

/// Whether the nodes that may be the camera can be opened, by us and by the service.
pub(crate) fn permissions(config: &Config, unit: Option<&Unit>) -> Finding {
    let source = Path::new(&config.camera.source);
    if config.camera.is_recorded() {
        return Finding::skipped(Check::Permissions, "recorded pictures need no device");
    }
    let nodes = if source.is_absolute() { vec![source.to_owned()] } else { devices::paths() };
    let nodes: Vec<PathBuf> = nodes.into_iter().filter(|node| node.exists()).collect();
    if nodes.is_empty() {
        return Finding::skipped(Check::Permissions, "there is no video device to open");
    }
    let group = group_id("video");
    for node in &nodes {
        let served = fs::metadata(node).is_ok_and(|node| {
            Some(node.gid()) == group && node.permissions().mode() & 0o060 == 0o060
        });
        let (ours, shown) = (File::options().read(true).write(true).open(node), node.display());
        match ours {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                if unit.is_some() && served {
                    let why = format!("the service may open {shown}, this user may not; {SUDO}");
                    return Finding::skipped(Check::Permissions, why);
                }
                let message = format!("this user may not open {shown}");
                let remedy = if served { JOIN_VIDEO } else { OPEN_TO_VIDEO };
                return Finding::problem(Check::Permissions, Kind::Permission, message, remedy);
            }
            _ if unit.is_some() && !served => {
                let message =
                    format!("{shown} is not open to the group video, which the service has");
                return Finding::warning(Check::Permissions, message, OPEN_TO_VIDEO);
            }
            _ => {}
        }
    }
    let names: Vec<String> = nodes.iter().map(|node| node.display().to_string()).collect();
    Finding::ok(Check::Permissions, format!("may be opened: {}", names.join(", ")))
}

/// A group's number, from the file of group(5).
fn group_id(name: &str) -> Option<u32> {
    let text = fs::read_to_string("/etc/group").ok()?;
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.into_iter().find(|fields| fields[0] == name)?.get(2)?.parse().ok()
}

/// Whether the outbox and changes made while running can be kept, and whether those of an
/// earlier run can be read.
pub(crate) fn state(
    config: &Config,
    folder: Option<&Path>,
    unreadable: Option<&Unreadable>,
    unit: Option<&Unit>,
) -> Finding {
    let Some(folder) = folder else {
        let message = "there is no folder for state: events that wait are lost with the process";
        return Finding::warning(Check::State, message, "set device.state_dir");
    };
    let shown = folder.display();
    if let Err(error) = try_to_write(folder) {
        return match error.kind() {
            ErrorKind::PermissionDenied => {
                let message = format!("this user may not write in {shown}");
                let remedy = "give the folder to the user that runs the daemon (sudo chown), or \
                              set device.state_dir to one of its own";
                denied(Check::State, unit, Kind::Output, message, remedy)
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                let message = format!("{shown} is full: {error}; events wait in memory only");
                let remedy = format!(
                    "make room (`journalctl --vacuum-size=50M`, `apt clean`), or {}",
                    elsewhere(unit)
                );
                Finding::problem(Check::State, Kind::Output, message, remedy)
            }
            _ => {
                let message = format!("cannot write in {shown}: {error}");
                let remedy = format!("make the folder writable, or {}", elsewhere(unit));
                Finding::problem(Check::State, Kind::Output, message, remedy)
            }
        };
    }
    // Whoever may write here and not read it runs a daemon that cannot read it either.
    if let Some(unreadable) = unreadable {
        let (message, remedy) = (unreadable.to_string(), Unreadable::REMEDY);
        return Finding::problem(Check::State, Kind::Output, message, remedy);
    }
    if let Some(why) = forgets(existing(folder), unit.is_some()) {
        let message = format!(
            "{shown} can be written, and is empty after each restart of the machine: {why}. Events \
             that wait are lost then, and a paused camera is opened again"
        );
        return Finding::warning(Check::State, message, elsewhere(unit));
    }
    let Ok(disk) = statvfs(existing(folder)) else {
        return Finding::ok(Check::State, format!("{shown} can be written"));
    };
    judge_space(&shown.to_string(), disk.f_bavail * disk.f_frsize, config.mqtt.outbox.max_bytes)
}

/// How state comes to another disk. A service with `DynamicUser=` and `ProtectSystem=strict` may
/// write nowhere but in the folder that systemd makes for it (systemd.exec(5)), and would end
/// with 74 again and again.
fn elsewhere(unit: Option<&Unit>) -> String {
    let Some(unit) = unit else { return "set device.state_dir to a folder on another disk".into() };
    let name =
        unit.state_dir.as_deref().and_then(Path::file_name).unwrap_or("expressiond".as_ref());
    let folder = Path::new("/var/lib/private").join(name);
    format!(
        "mount another disk at {}; for device.state_dir the unit needs DynamicUser=no, User= and \
         ReadWritePaths=",
        folder.display()
    )
}

/// Whether `free` bytes hold the outbox twice: its file is compacted by writing a new one
/// beside the old one, each of at most `outbox` bytes.
fn judge_space(folder: &str, free: u64, outbox: usize) -> Finding {
    let (needed, mib) = (2 * outbox as u64 + (1 << 20), |bytes: u64| bytes >> 20);
    if free < needed {
        let message = format!(
            "{folder} has {} MiB free, a full outbox needs up to {}",
            mib(free),
            mib(needed)
        );
        return Finding::warning(
            Check::State,
            message,
            "make room, or lower mqtt.outbox.max_bytes",
        );
    }
    Finding::ok(Check::State, format!("{folder} can be written, {} MiB free", mib(free)))
}

/// Writes and removes a small file, or, where the folder is yet to be made, finds out
/// whether it could be.
fn try_to_write(folder: &Path) -> io::Result<()> {
    // The folder is the service's, and this is run by root: no name that a link could have been
    // made for before, and O_EXCL would not follow it (open(2)).
    let name = format!(".doctor-{}", hexadecimal(&random::bytes::<8>()));
    let path = existing(folder).join(name);
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let outcome = file.write_all(&[0; 4096]).and_then(|()| file.sync_all());
    // Whether it can be removed does not say whether it can be written.
    let _ = fs::remove_file(&path);
    outcome
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use crate::doctor::handed_over::HandedOver;

    #[test]
    fn little_room_is_told_before_it_hurts() {
        assert_eq!(judge_space("/s", 8 << 20, 4 << 20).verdict, Verdict::Warning);
        assert_eq!(judge_space("/s", 10 << 20, 4 << 20).verdict, Verdict::Ok);
    }

    #[test]
    fn what_is_tried_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for state in [folder.path().to_owned(), folder.path().join("yet/to/be/made")] {
            let finding = state_of(&state);
            assert_eq!(finding.verdict, Verdict::Ok, "{finding:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let finding = state_of(&file);
        assert_eq!(finding.kind, Some(Kind::Output), "{finding:?}");
    }

    #[test]
    fn what_this_user_may_not_touch_is_a_problem_where_no_service_may() {
        let service = Unit::default();
        let found = |unit| denied(Check::State, unit, Kind::Output, "may not".into(), "chown");
        let skipped = found(Some(&service));
        assert_eq!((skipped.verdict, skipped.kind), (Verdict::Skipped, None));
        assert!(skipped.message.ends_with(SUDO), "{skipped:?}");
        let problem = found(None);
        assert_eq!((problem.kind, &*problem.message), (Some(Kind::Output), "may not"));
    }

    #[test]
    fn a_name_that_nobody_hands_over_is_told_as_such() {
        let name = "mqtt-password".to_owned();
        let mut config = Config::default();
        config.mqtt.password_file.clone_from(&name);
        let named = [("mqtt.password_file", name)];
        let found = |unit| credentials(&config, &named, &Credentials::default(), unit).message;
        assert!(found(None).contains("hands over no credentials"), "{}", found(None));
        let service = Unit { name: "expressiond.service".into(), ..Unit::default() };
        let message = found(Some(&service));
        assert!(message.contains("nothing in expressiond.service hands it over"), "{message}");
    }

    #[test]
    fn what_is_hidden_is_no_problem_and_hides_none() {
        let text = "SetCredentialEncrypted=mqtt-password: x\n";
        let unit = Unit {
            name: "expressiond.service".into(),
            credentials: HandedOver::of(text, "expressiond.service"),
            ..Unit::default()
        };
        let names = |cert: &str| {
            [("mqtt.password_file", "mqtt-password".into()), ("preview.cert_file", cert.into())]
        };
        let found = |cert| {
            let (config, none) = (Config::default(), Credentials::default());
            credentials(&config, &names(cert), &none, Some(&unit))
        };
        let skipped = found("");
        assert_eq!((skipped.verdict, skipped.kind), (Verdict::Skipped, None), "{skipped:?}");
        assert!(skipped.message.contains("SetCredentialEncrypted="), "{skipped:?}");
        assert_eq!(found("/absent/cert").kind, Some(Kind::Config));
    }

    #[test]
    fn a_service_s_state_goes_to_another_disk_by_a_mount() {
        assert!(elsewhere(None).contains("device.state_dir"));
        let door = Unit { state_dir: Some("/var/lib/expressiond@door".into()), ..Unit::default() };
        let says = elsewhere(Some(&door));
        assert!(says.contains("/var/lib/private/expressiond@door"), "{says}");
        assert!(says.contains("ReadWritePaths="), "{says}");
    }

    fn state_of(folder: &Path) -> Finding {
        state(&Config::default(), Some(folder), None, None)
    }
}
