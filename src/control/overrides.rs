//! What was changed while running and must survive a restart. The settings file
//! stays its owner's: this is another file, in the state folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::groups::{GroupSettings, SettingsByGroup};
use crate::contract::tuning::Tuning;
use crate::geometry::Size;
use crate::storage;

/// Changes made over MQTT.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// Whether its owner has paused the device.
    pub paused: bool,
    /// Whether a command holds back the pictures that the settings file lets out.
    pub snapshots_withheld: bool,
    /// Numbers set by a command.
    #[serde(flatten)]
    pub tuning: Tuning,
    /// Zones by their names: on or off.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub zones: BTreeMap<String, bool>,
    /// The names of those of `zones` that were masks when it was said.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub masks: BTreeSet<String>,
    /// What the masks lay over last, by which it is noticed that they lie over something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_picture: Option<Size>,
    /// What the device's groups said last, so that a restart without a broker goes on
    /// as before.
    #[serde(skip_serializing_if = "SettingsByGroup::is_empty")]
    pub groups: SettingsByGroup,
}

/// Its name in the state folder.
pub(crate) const FILE: &str = "runtime.json";

/// There is something that an earlier run kept, and it cannot be understood: nobody knows
/// whether the device's owner had paused it.
#[derive(Debug, Error)]
#[error(
    "cannot tell whether the device was paused, so it is, and pictures are held back: {}: {reason}",
    path.display()
)]
pub(crate) struct Unreadable {
    path: PathBuf,
    reason: io::Error,
}

impl Unreadable {
    /// The way out, for the log and for `doctor`.
    pub(crate) const REMEDY: &str = "send resume, and set with snapshots true to let pictures \
                                     out again, as the settings do; or stop the program and \
                                     remove the file";

    /// Whether another user may read it, whose daemon then knows.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.reason.kind() == io::ErrorKind::PermissionDenied
    }
}

impl Overrides {
    /// What an earlier run kept in `state_dir`; the default when it kept nothing.
    /// A file that cannot be understood counts as paused, and pictures as withheld: a
    /// camera that its owner may have closed is not opened by accident.
    pub fn load(state_dir: &Path) -> Self {
        Self::read(state_dir).unwrap_or_else(|unreadable| {
            log::error!("{unreadable}. The way out: {}", Unreadable::REMEDY);
            Self { paused: true, snapshots_withheld: true, ..Self::default() }
        })
    }

    /// The same for whoever only asks: what [`Self::load`] takes to be paused is an error.
    pub(crate) fn read(state_dir: &Path) -> Result<Self, Unreadable> {
        let path = state_dir.join(FILE);
        let text = match storage::read_if_there(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Self::default()),
            Err(reason) => return Err(Unreadable { path, reason }),
        };
        let kept: Self = match serde_json::from_slice(&text) {
            Ok(kept) => kept,
            Err(error) => return Err(Unreadable { path, reason: error.into() }),
        };
        let possible =
            |group: GroupSettings| GroupSettings { tuning: group.tuning.possible(), ..group };
        let groups = kept.groups.into_iter().map(|(name, group)| (name, possible(group)));
        Ok(Self { tuning: kept.tuning.possible(), groups: groups.collect(), ..kept })
    }

    /// Whether whoever goes on in the folder `next` (none: in none) forgets what is kept in
    /// `held`. A file of an earlier time there is no copy of it.
    pub(crate) fn would_be_forgotten(held: &Path, next: Option<&Path>) -> bool {
        // Of the picture under the masks nobody has said anything.
        let said = |kept: Self| Self { masked_picture: None, ..kept };
        let kept = |folder: &Path| Self::read(folder).ok().map(said);
        let held = kept(held);
        held != Some(Self::default()) && (held.is_none() || next.and_then(kept) != held)
    }

    /// Keeps it for the next run. Waits for the disk.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be written; what was there stays.
    pub fn save(&self, state_dir: &Path) -> io::Result<()> {
        storage::make_folder(state_dir)?;
        storage::replace(&state_dir.join(FILE), &serde_json::to_vec(self)?, storage::PRIVATE)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn changes_survive() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let state = folder.path().join("state");
        assert_eq!(Overrides::load(&state), Overrides::default());
        let tuning = Tuning { threshold: Some(0.7), max_fps: Some(0.1) };
        let zones = BTreeMap::from([("desk".to_owned(), false)]);
        let masks = BTreeSet::from(["desk".to_owned()]);
        let hall = GroupSettings {
            tuning: Tuning { threshold: None, ..tuning },
            paused: true,
            zones: zones.clone(),
        };
        let groups = SettingsByGroup::from([("hall".to_owned(), hall)]);
        for changed in [
            Overrides {
                paused: true,
                snapshots_withheld: true,
                tuning,
                zones,
                masks,
                masked_picture: Some(Size::new(1280, 720)),
                groups,
            },
            Overrides::default(),
        ] {
            changed.save(&state).expect("saved");
            assert_eq!(Overrides::load(&state), changed);
        }
    }

    #[test]
    fn a_pause_is_forgotten_in_another_folder_unless_that_has_the_same_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (held, next) = (folder.path().join("held"), folder.path().join("next"));
        let forgotten = |next| Overrides::would_be_forgotten(&held, next);
        assert!(!forgotten(None) && !forgotten(Some(&next)), "nothing was kept");
        let paused = Overrides { paused: true, ..Overrides::default() };
        paused.save(&held).expect("saved");
        assert!(forgotten(None) && forgotten(Some(&next)));
        Overrides::default().save(&next).expect("saved");
        assert!(forgotten(None) && forgotten(Some(&next)), "of an earlier time");
        fs::copy(held.join(FILE), next.join(FILE)).expect("copied");
        assert!(forgotten(None) && !forgotten(Some(&next)));
        let masked_picture = Some(Size::new(640, 480));
        Overrides { masked_picture, ..paused }.save(&held).expect("saved");
        assert!(!forgotten(Some(&next)), "the camera sends another picture meanwhile");
        let masked_picture = Some(Size::new(1280, 720));
        Overrides { masked_picture, ..Overrides::default() }.save(&held).expect("saved");
        assert!(!forgotten(None), "it goes on as it would in a new folder");
    }

    #[test]
    fn impossible_numbers_are_left_out_and_older_files_are_read() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for text in [r#"{"paused":true}"#, r#"{"paused":true,"threshold":7,"max_fps":-1}"#] {
            fs::write(folder.path().join(FILE), text).expect("written");
            let expected = Overrides { paused: true, ..Overrides::default() };
            assert_eq!(Overrides::load(folder.path()), expected, "{text}");
        }
        let text = r#"{"groups":{"hall":{"threshold":7,"paused":true}}}"#;
        fs::write(folder.path().join(FILE), text).expect("written");
        let hall = Overrides::load(folder.path()).groups["hall"].clone();
        assert_eq!(hall, GroupSettings { paused: true, ..GroupSettings::default() });
    }

    /// It would be waited for, for ever, by whoever asks: `doctor`, as root.
    #[test]
    fn a_pipe_is_no_file_that_was_kept() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(FILE);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
        let error = Overrides::read(folder.path()).expect_err("no file").to_string();
        assert!(error.contains("it is no file"), "{error}");
    }

    #[test]
    fn a_broken_file_does_not_open_the_camera() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for text in ["", "{", "\"paused\"", r#"{"paused":1}"#] {
            fs::write(folder.path().join(FILE), text).expect("written");
            let kept = Overrides::load(folder.path());
            assert!(kept.paused && kept.snapshots_withheld, "{text}");
        }
    }
}
