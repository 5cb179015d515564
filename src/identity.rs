//! The device's id: unique by default, the same after every restart, and not
//! the machine's id.
//!
//! machine-id(5): "This ID uniquely identifies the host. It should be considered
//! confidential, and must not be exposed in untrusted environments [...] the
//! machine ID should be hashed with a cryptographic, keyed hash function, using a
//! fixed, application-specific key."

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::hexadecimal::hexadecimal;
use crate::limits::Mistake;
use crate::name::{Name, NameError};
use crate::{random, storage};

/// Section `[device]`: who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Id in topics and client ids: letters, digits, `_`, `-`, at most 64.
    /// Default: empty, which derives one from the machine id.
    pub id: String,
    /// Folder for what must survive a restart (outbox, runtime changes).
    /// Default: empty, which takes systemd's `$STATE_DIRECTORY`, else
    /// `$XDG_STATE_HOME/expressiond`, else `~/.local/state/expressiond`.
    pub state_dir: String,
    /// Groups that it belongs to, at most 8, each named like an id: their settings
    /// at the broker hold here, a later one's over an earlier one's. Default: none.
    pub groups: Vec<String>,
}

impl Settings {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        if !self.id.is_empty() {
            Name::device(&*self.id).map_err(|error| ("id", error.to_string()))?;
        }
        let groups = self.groups().map_err(|error| ("groups", error.to_string()))?;
        if groups.len() > MOST_GROUPS {
            return Err(("groups", format!("lists more than {} groups", MOST_GROUPS)));
        }
        match groups.iter().enumerate().find(|(index, group)| groups[..*index].contains(group)) {
            Some((_, twice)) => Err(("groups", format!("lists '{twice}' twice"))),
            None => Ok(()),
        }
    }

    /// The groups, the one whose word counts most last.
    ///
    /// # Errors
    ///
    /// One of them cannot be a level of a topic.
    pub fn groups(&self) -> Result<Vec<Name>, NameError> {
        self.groups.iter().map(|group| Name::new(&**group)).collect()
    }

    /// The folder for state, where the outbox and a pause survive: the configured one, or
    /// what the environment says. A folder's name need not be UTF-8.
    pub fn state_dir(&self) -> Option<PathBuf> {
        self.state_dir_of(|name| std::env::var_os(name))
    }

    fn state_dir_of(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        if !self.state_dir.is_empty() {
            return Some(PathBuf::from(&self.state_dir));
        }
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(folders) = set("STATE_DIRECTORY") {
            // systemd.exec(5): several folders are separated by colons. It escapes none in the
            // name of one, which an instance has that is named by its USB port; it has made it.
            if Path::new(&folders).is_dir() {
                return Some(folders.into());
            }
            let first = folders.as_bytes().split(|byte| *byte == b':').next();
            return first.map(|folder| OsStr::from_bytes(folder).into());
        }
        // XDG Base Directory Specification: a relative path is invalid and is ignored. What
        // survives a restart would else depend on the folder from which it is started.
        let absolute = |name| set(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
        let base =
            absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        Some(base.join("expressiond"))
    }

    /// The device's id: configured, or derived from the machine id, or made
    /// once and kept in `state_dir`.
    ///
    /// # Errors
    ///
    /// The configured one cannot be a level of a topic, or a new one cannot be kept.
    pub fn resolve(&self, machine_id: &Path, state_dir: Option<&Path>) -> Result<Name, Error> {
        match self.given(machine_id)? {
            Some(id) => Ok(id),
            None => kept_or_made(state_dir.ok_or(Error::Nothing)?),
        }
    }

    /// The same for whoever only asks: none where the device gets one at its first start.
    ///
    /// # Errors
    ///
    /// As [`Self::resolve`], but that nothing is kept.
    pub fn known(
        &self,
        machine_id: &Path,
        state_dir: Option<&Path>,
    ) -> Result<Option<Name>, Error> {
        if let Some(id) = self.given(machine_id)? {
            return Ok(Some(id));
        }
        let kept = kept(&kept_in(state_dir.ok_or(Error::Nothing)?))?;
        Ok(kept.as_deref().and_then(id_in))
    }

    /// The id that needs no place to be kept in. Containers often have no machine id, or one of
    /// the text "uninitialized".
    fn given(&self, machine_id: &Path) -> Result<Option<Name>, Error> {
        if !self.id.is_empty() {
            return Ok(Some(Name::device(&*self.id)?));
        }
        Ok(fs::read_to_string(machine_id).ok().as_deref().and_then(derive))
    }
}

/// A device is in so many groups at most: what arrives at once on a new connection
/// must fit where it waits.
const MOST_GROUPS: usize = 8;

/// systemd's place for the machine id.
pub const MACHINE_ID: &str = "/etc/machine-id";

/// Why a device has no id.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `device.id` cannot be part of a topic.
    #[error("device.id {0}")]
    Name(#[from] NameError),
    /// There is nothing to derive an id from, and no place to keep one.
    #[error(
        "no id for this device: {MACHINE_ID} is missing and so is a state folder. Set device.id"
    )]
    Nothing,
    /// An earlier run made one, and nobody knows which.
    #[error(
        "cannot read the id of this device in {}: {source}. Make it readable, or set device.id",
        path.display()
    )]
    Read {
        /// Where it is kept.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The one that was made cannot be kept.
    #[error("cannot keep an id for this device in {}: {source}. Set device.id", path.display())]
    Keep {
        /// Where it was to be kept.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Which application asks, for the keyed hash. Never change it: every device
/// would get a new id.
const APPLICATION: [u8; 16] = [
    0x8e, 0x2f, 0x61, 0x9a, 0x1b, 0x0c, 0x4d, 0x55, 0xa7, 0x43, 0x6e, 0x1d, 0x90, 0xf3, 0x2b, 0xc8,
];

/// 48 bits: with a thousand devices, a collision in one of half a billion fleets.
const DIGITS: usize = 12;

/// As `sd_id128_get_machine_app_specific(3)`: HMAC-SHA256 of the application's
/// id under the machine's id, shortened.
fn derive(machine_id: &str) -> Option<Name> {
    let machine = hex(machine_id.trim())?;
    // Any key length is valid for HMAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(&machine).ok()?;
    mac.update(&APPLICATION);
    let mut digits = hexadecimal(&mac.finalize().into_bytes());
    digits.truncate(DIGITS);
    Name::new(digits).ok()
}

/// The 16 bytes of a machine id: 32 hexadecimal digits, not all zero.
fn hex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok()?;
    (number != 0).then_some(number.to_be_bytes())
}

/// Where an id is kept that was made.
fn kept_in(state_dir: &Path) -> PathBuf {
    state_dir.join("device-id")
}

/// What an earlier run kept at `path`, if there is something.
fn kept(path: &Path) -> Result<Option<String>, Error> {
    let kept = storage::read_if_there(path);
    let kept = kept.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(kept.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The id that was kept as this, unless it is damaged.
fn id_in(kept: &str) -> Option<Name> {
    Name::new(kept.trim()).ok()
}

/// Reads the id that an earlier run made, or makes one. Another id is another device to whoever
/// listens, and the one before is never heard of again: a file that is there and cannot be read
/// is no reason for that.
fn kept_or_made(state_dir: &Path) -> Result<Name, Error> {
    let path = kept_in(state_dir);
    let before = kept(&path)?;
    if let Some(id) = before.as_deref().and_then(id_in) {
        return Ok(id);
    }
    let digits = hexadecimal(&random::bytes::<{ DIGITS / 2 }>());
    let id = Name::new(digits)?;
    if let Some(damaged) = before {
        log::warn!(
            "{} holds no id but {damaged:?}: this device is {id} from now on. Set device.id to \
             give it the one from before",
            path.display()
        );
    }
    storage::make_folder(state_dir)
        .and_then(|()| storage::replace(&path, format!("{id}\n").as_bytes(), storage::READABLE))
        .map_err(|source| Error::Keep { path, source })?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "0123456789abcdef0123456789abcdef\n";

    #[test]
    fn the_id_is_stable_and_does_not_show_the_machine_id() {
        let id = derive(MACHINE).expect("a valid machine id");
        // Computed with Python: hmac.new(machine, application, sha256).hexdigest()[:12]
        assert_eq!(id.as_str(), "965066fe56aa");
        assert!(!MACHINE.contains(id.as_str()));
    }

    #[test]
    fn another_machine_gets_another_id() {
        assert_ne!(derive(MACHINE), derive("0123456789abcdef0123456789abcdee"));
    }

    #[test]
    fn without_a_machine_id_one_is_made_once() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let machine_id = folder.path().join("machine-id");
        for useless in ["", "uninitialized\n", "00000000000000000000000000000000\n"] {
            fs::write(&machine_id, useless).expect("write");
            let state = folder.path().join("state");
            let known = || Settings::default().known(&machine_id, Some(&state)).expect("asked");
            assert_eq!(known(), None, "who only asks makes none");
            assert!(!state.exists());
            let first = Settings::default().resolve(&machine_id, Some(&state)).expect("made");
            let again = Settings::default().resolve(&machine_id, Some(&state)).expect("kept");
            assert_eq!((&first, Some(&first)), (&again, known().as_ref()));
            assert_eq!(first.as_str().len(), DIGITS);
            fs::remove_dir_all(&state).expect("removed");
        }
        assert!(matches!(Settings::default().resolve(&machine_id, None), Err(Error::Nothing)));
        assert!(matches!(Settings::default().known(&machine_id, None), Err(Error::Nothing)));
    }

    #[test]
    fn only_one_that_is_missing_or_damaged_is_made_anew() {
        let state = tempfile::tempdir().expect("temporary folder");
        let path = state.path().join("device-id");
        for damaged in [&b""[..], b"\0\0\0\0", b"\xff\xfe\n", b"a/b\n"] {
            fs::write(&path, damaged).expect("written");
            let made = kept_or_made(state.path()).expect("made anew");
            assert_eq!(kept_or_made(state.path()).expect("kept"), made);
        }
        // Stands for one that another user owns, which root reads all the same.
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("made");
        let error = kept_or_made(state.path()).expect_err("not read");
        assert!(matches!(error, Error::Read { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains("device-id") && words.contains("device.id"), "{words}");
        assert!(path.is_dir());
    }

    #[test]
    fn a_configured_id_wins_and_is_checked() {
        let settings = Settings { id: "hall".into(), ..Settings::default() };
        let id = settings.resolve(Path::new("/nowhere"), None).expect("configured");
        assert_eq!(id.as_str(), "hall");
        let settings = Settings { id: "a/b".into(), ..Settings::default() };
        assert_eq!(settings.check().expect_err("refused").0, "id");
    }

    #[test]
    fn groups_are_names_and_stand_once() {
        let wrong = |settings: Settings| settings.check().expect_err("refused");
        let of = |groups: &[&str]| Settings {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Settings::default()
        };
        assert_eq!(of(&["hall", "floor2"]).check(), Ok(()));
        assert!(wrong(of(&["hall", "a+"])).1.contains("'+'"));
        assert_eq!(wrong(of(&["hall", "hall"])), ("groups", "lists 'hall' twice".into()));
        assert!(wrong(of(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])).1.contains('8'));
        let reserved = Settings { id: "groups".into(), ..Settings::default() };
        assert_eq!(wrong(reserved).0, "id");
    }

    #[test]
    fn the_state_folder_follows_systemd_then_xdg() {
        let settings = Settings::default();
        let env = |pairs: &'static [(&str, &str)]| {
            settings.state_dir_of(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(env(&[("STATE_DIRECTORY", "/a:/b"), ("HOME", "/h")]), Some("/a".into()));
        assert_eq!(env(&[("XDG_STATE_HOME", "/x")]), Some("/x/expressiond".into()));
        assert_eq!(env(&[("HOME", "/h")]), Some("/h/.local/state/expressiond".into()));
        assert_eq!(env(&[]), None);
        let relative = env(&[("XDG_STATE_HOME", "x"), ("HOME", "/h")]);
        assert_eq!(relative, Some("/h/.local/state/expressiond".into()));
        assert_eq!(env(&[("XDG_STATE_HOME", "./x"), ("HOME", "h")]), None);
    }

    #[test]
    fn a_colon_may_be_part_of_the_state_folders_name() {
        let above = tempfile::tempdir().expect("temporary folder");
        let folder = above.path().join("expressiond@platform-xhci-hcd.0-usb-0:1.2:1.0");
        let of = |value: OsString| Settings::default().state_dir_of(move |_| Some(value.clone()));
        fs::create_dir(&folder).expect("make");
        assert_eq!(of(folder.clone().into()), Some(folder.clone()));
        // Two of them are not one.
        let two = [folder.as_os_str(), OsStr::new("/x")].join(OsStr::new(":"));
        assert_eq!(of(two), Some(above.path().join("expressiond@platform-xhci-hcd.0-usb-0")));
    }

    #[test]
    fn the_state_folder_need_not_be_utf8() {
        let of = |variable: &str| {
            let value = OsStr::from_bytes(b"/b\xfcro:/x").to_owned();
            Settings::default().state_dir_of(|name| (name == variable).then_some(value.clone()))
        };
        let folder = |bytes| Some(PathBuf::from(OsStr::from_bytes(bytes)));
        assert_eq!(of("STATE_DIRECTORY"), folder(b"/b\xfcro"));
        assert_eq!(of("HOME"), folder(b"/b\xfcro:/x/.local/state/expressiond"));
    }
}
