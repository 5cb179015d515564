//! What was changed while running: by commands to this device and by its groups.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::command::{Command, NewValue};
use super::groups::SettingsByGroup;
use super::in_force::Settled;
use super::overrides::Overrides;
use super::switches::ZoneSwitches;
use crate::contract::in_force::InForce;
use crate::contract::tuning::Tuning;
use crate::geometry::Size;
use crate::name::Name;
use crate::storage::{Worker, WriteErrors};
use crate::zones::{self, Kind};

/// What was changed and what is in force of it, as the status tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ControlState {
    /// The groups that the device belongs to, the one whose word counts most last.
    pub groups: Vec<String>,
    /// Numbers set by a command.
    pub runtime: Tuning,
    /// What the settings file, groups and commands make together.
    pub in_force: InForce,
}

/// Every change is kept for the next start.
pub(crate) struct Changes {
    runtime: Overrides,
    /// What the settings file says.
    settled: Settled,
    /// The one whose word counts most last.
    groups: Vec<Name>,
    /// None where there is no place in which they survive.
    kept: Option<Kept>,
}

/// Where changes survive.
struct Kept {
    folder: PathBuf,
    /// The thread that writes them there.
    worker: Worker,
    errors: Arc<Mutex<WriteErrors>>,
}

impl Changes {
    /// With what an earlier run kept, except of groups that the device has left and of
    /// zones that are gone.
    pub(crate) fn load(settled: Settled, groups: Vec<Name>, state_dir: Option<PathBuf>) -> Self {
        let kept_before = state_dir.as_deref().map(Overrides::load).unwrap_or_default();
        let mut runtime = kept_before.clone();
        runtime.groups.retain(|known, _| groups.iter().any(|group| group.as_str() == known));
        forget_other_zones(&mut runtime, &settled);
        let kept = state_dir.and_then(|folder| match Worker::start("changes") {
            Ok(worker) => Some(Kept { folder, worker, errors: Arc::default() }),
            Err(error) => {
                log::error!("changes will not survive a restart, there is no thread: {error}");
                None
            }
        });
        let changes = Self { runtime, settled, groups, kept };
        // Or what is forgotten now would be back with the next start that has a group or a
        // zone of that name again.
        if changes.runtime != kept_before {
            changes.keep();
        }
        changes
    }

    pub(crate) fn in_force(&self) -> InForce {
        InForce::of(&self.settled, &self.groups, &self.runtime)
    }

    /// All of it, for the status.
    pub(crate) fn state(&self) -> ControlState {
        ControlState {
            groups: self.groups.iter().map(Name::to_string).collect(),
            runtime: self.runtime.tuning,
            in_force: self.in_force(),
        }
    }

    /// Takes over what a command says for longer than this run; nothing of the others.
    pub(crate) fn follow(&mut self, command: Command) {
        match command {
            Command::Pause {} => self.runtime.paused = true,
            Command::Resume {} => self.runtime.paused = false,
            Command::Set { threshold, max_fps, snapshots, zones } => {
                self.set(threshold, max_fps, snapshots, zones);
            }
            Command::Identify {} | Command::Snapshot {} | Command::Restart {} => return,
        }
        self.keep();
    }

    /// The settings file says something else now, or will: whoever tries settings on the
    /// page sees them at once, unless a group or a command has said otherwise.
    pub(crate) fn settle(&mut self, tuning: Tuning) {
        self.settled.tuning = tuning;
    }

    /// `snapshots` as the settings file says, or (false) none.
    fn set(
        &mut self,
        threshold: Option<NewValue>,
        max_fps: Option<NewValue>,
        snapshots: Option<bool>,
        zones: Option<ZoneSwitches>,
    ) {
        self.runtime.tuning = self.runtime.tuning.changed(threshold, max_fps);
        if let Some(snapshots) = snapshots {
            self.runtime.snapshots_withheld = !snapshots;
        }
        if let Some(zones) = zones {
            zones.apply(&mut self.runtime.zones);
            remember_masks(&mut self.runtime, &self.settled);
        }
    }

    /// The camera sends pictures of this size. Where the masks lay over one of another shape last,
    /// says so, once: other shapes are usually cut out of what the sensor sees
    /// (docs/design/cameras.md), and what a mask hid may lie beside it.
    pub(crate) fn follow_picture(&mut self, picture: Size) {
        if self.settled.masks.is_empty() {
            return;
        }
        let is_like = |before: Size| before.unlike(picture) < 1.0;
        if self.runtime.masked_picture.is_some_and(is_like) {
            return;
        }
        if let Some(before) = self.runtime.masked_picture.replace(picture) {
            log::warn!("{}", uncovered(before, picture));
        }
        self.keep();
    }

    /// Takes over settings of groups; true when any of them changed.
    pub(crate) fn take_over(&mut self, settings: SettingsByGroup) -> bool {
        let before = self.runtime.groups.clone();
        self.runtime.groups.extend(settings);
        let news = self.runtime.groups != before;
        if news {
            self.keep();
        }
        news
    }

    /// Writes it down, off this thread: a pause closes the camera now, not when the card
    /// has answered. Of changes that follow each other faster than that, the last is kept. On a
    /// full disk it is tried again: after the next start a paused camera would film.
    fn keep(&self) {
        let Some(Kept { folder, worker, errors }) = &self.kept else { return };
        let (runtime, folder, errors) = (self.runtime.clone(), folder.clone(), Arc::clone(errors));
        worker.insist("changes", move || {
            let outcome = runtime.save(&folder);
            let words = format_args!("cannot keep the last change in {} yet", folder.display());
            errors.lock().expect(UNHARMED).note(&outcome, words);
            outcome.is_ok()
        });
    }

    /// Waits until all changes are written down, as far as the disk answers in time.
    pub(crate) async fn end(&self) {
        if let Some(kept) = &self.kept {
            kept.worker.end().await;
        }
    }

    /// How often a change could not be written down.
    pub(crate) fn store_errors(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.errors.lock().expect(UNHARMED).count())
    }
}

const UNHARMED: &str = "nothing panics under this lock";

/// Leaves out what is kept of zones that are gone, or switches off a mask and was said of a
/// zone in which faces were counted: its owner has drawn the mask since, to hide what is there.
fn forget_other_zones(runtime: &mut Overrides, settled: &Settled) {
    // A file of an earlier version names no masks. What it switches off may have been one, and
    // hiding more than its owner wants lets nobody be seen.
    let kind = |masks: &BTreeSet<String>, zone: &str| {
        if masks.contains(zone) { Kind::Mask } else { Kind::Count }
    };
    let masks = &runtime.masks;
    runtime.zones.retain(|zone, on| {
        let lapses = zones::lapses(*on, kind(masks, zone), kind(&settled.masks, zone));
        if lapses {
            log::info!("zone {zone} was switched off before it was a mask: the mask holds");
        }
        settled.zones.contains_key(zone) && !lapses
    });
    if settled.masks.is_empty() {
        runtime.masked_picture = None;
    }
    remember_masks(runtime, settled);
}

/// What to say where the masks, which lay over a picture of `before`, lie over another.
fn uncovered(before: Size, picture: Size) -> String {
    format!(
        "the camera's pictures are {picture} now and were {before} when masks were used last: \
         another shape may show another part of the room. Look whether the masks still hide what \
         they are to hide, and draw them again, or pin camera.width and camera.height"
    )
}

/// Notes which of the zones that were switched are masks.
fn remember_masks(runtime: &mut Overrides, settled: &Settled) {
    let switched = runtime.zones.keys().filter(|zone| settled.masks.contains(*zone));
    runtime.masks = switched.cloned().collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::in_force::Author;
    use crate::control::groups::GroupSettings;

    /// The settings file has these groups and zones; it says that the zones hold.
    fn changes(groups: &[&str], zones: &[&str], folder: &std::path::Path) -> Changes {
        let tuning = Tuning { threshold: Some(0.7), max_fps: Some(15.0) };
        let zones = zones.iter().map(|zone| ((*zone).to_owned(), true)).collect();
        let settled = Settled { tuning, snapshots: false, zones, ..Settled::default() };
        let groups = groups.iter().map(|group| Name::new(*group).expect("valid"));
        Changes::load(settled, groups.collect(), Some(folder.to_owned()))
    }

    /// The settings file has one zone, `desk`, of this kind; it says that it holds.
    fn with_desk(kind: Kind, folder: &std::path::Path) -> Changes {
        let desk = || "desk".to_owned();
        let masks = (kind == Kind::Mask).then(desk).into_iter().collect();
        let settled = Settled { zones: [(desk(), true)].into(), masks, ..Settled::default() };
        Changes::load(settled, Vec::new(), Some(folder.to_owned()))
    }

    fn switched_off(zone: &str) -> Command {
        let zones = [(zone.to_owned(), Some(false))].into_iter().collect();
        Command::Set {
            threshold: None,
            max_fps: None,
            snapshots: None,
            zones: Some(ZoneSwitches::Each(zones)),
        }
    }

    #[test]
    fn what_a_group_said_survives_until_the_device_leaves_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let closed = GroupSettings { paused: true, ..GroupSettings::default() };
        let mut first = changes(&["hall"], &[], folder.path());
        assert!(first.take_over(SettingsByGroup::from([("hall".to_owned(), closed.clone())])));
        assert!(
            !first.take_over(SettingsByGroup::from([("hall".to_owned(), closed)])),
            "no news, no write"
        );
        // Its end waits for what is being written.
        drop(first);
        let again = changes(&["hall"], &[], folder.path()).in_force().paused;
        assert_eq!((again.value, again.from), (true, Author::Group("hall".to_owned())));
        assert!(!changes(&["floor2"], &[], folder.path()).in_force().paused.value);
        let back = changes(&["hall"], &[], folder.path()).in_force().paused;
        assert!(!back.value, "what it says now, the broker says");
    }

    #[test]
    fn a_zone_that_was_switched_off_stays_off_and_one_that_is_gone_is_forgotten() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut first = changes(&[], &["desk", "gone"], folder.path());
        first.follow(switched_off("desk"));
        first.follow(switched_off("gone"));
        drop(first);
        let again = changes(&[], &["desk"], folder.path()).in_force();
        assert!(!again.holds("desk"));
        assert_eq!(again.zones["desk"].from, Author::Command);
        // Another one of that name is drawn later.
        let later = changes(&[], &["desk", "gone"], folder.path()).in_force();
        assert!(!later.holds("desk") && later.holds("gone"));
    }

    /// Its owner had drawn it to hide what is there, and it was looked at and told.
    #[test]
    fn a_zone_that_was_switched_off_while_faces_were_counted_in_it_holds_as_a_mask() {
        for (said_of, now, holds) in [
            (Kind::Count, Kind::Mask, true),
            (Kind::Mask, Kind::Mask, false),
            (Kind::Count, Kind::Count, false),
        ] {
            let folder = tempfile::tempdir().expect("temporary folder");
            let mut first = with_desk(said_of, folder.path());
            first.follow(switched_off("desk"));
            assert!(!first.in_force().holds("desk"));
            drop(first);
            for start in 1..=2 {
                let in_force = with_desk(now, folder.path()).in_force();
                assert_eq!(in_force.holds("desk"), holds, "{said_of:?}, {now:?}, start {start}");
            }
        }
    }

    #[test]
    fn another_shape_under_the_masks_is_noticed_at_the_next_start_too() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let see = |kind, width, height| {
            let mut changes = with_desk(kind, folder.path());
            changes.follow_picture(Size::new(width, height));
            changes.runtime.masked_picture
        };
        assert_eq!(see(Kind::Mask, 1280, 720), Some(Size::new(1280, 720)));
        assert_eq!(see(Kind::Mask, 640, 360), Some(Size::new(1280, 720)), "the same shape");
        assert_eq!(see(Kind::Mask, 640, 480), Some(Size::new(640, 480)), "another one");
        assert_eq!(see(Kind::Count, 640, 480), None, "there is no mask any more");
        let words = uncovered(Size::new(1280, 720), Size::new(640, 480));
        assert!(words.contains("are 640x480 now and were 1280x720"), "{words}");
    }

    #[test]
    fn a_file_that_does_not_tell_masks_apart_switches_none_off() {
        for (kind, on, holds) in
            [(Kind::Mask, false, true), (Kind::Mask, true, true), (Kind::Count, false, false)]
        {
            let folder = tempfile::tempdir().expect("temporary folder");
            let text = format!(r#"{{"paused":true,"zones":{{"desk":{on}}}}}"#);
            std::fs::write(folder.path().join("runtime.json"), text).expect("written");
            let in_force = with_desk(kind, folder.path()).in_force();
            assert_eq!((in_force.holds("desk"), in_force.paused.value), (holds, true), "{kind:?}");
        }
    }

    /// Stood for by a folder that has the new file's name. The camera would be open after the
    /// next start.
    #[test]
    fn a_pause_on_a_full_disk_is_kept_when_there_is_room() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let in_the_way = folder.path().join("runtime.new");
        std::fs::create_dir(&in_the_way).expect("made");
        let mut paused = changes(&[], &[], folder.path());
        paused.follow(Command::Pause {});
        let kept = paused.kept.as_ref().expect("a place");
        assert!(kept.worker.finish(std::time::Duration::from_secs(60)), "it was tried");
        assert_eq!(paused.store_errors(), 1);
        assert!(!Overrides::load(folder.path()).paused, "and could not be kept");
        std::fs::remove_dir(&in_the_way).expect("removed");
        // Tried again, as it would be by itself some seconds later.
        drop(paused);
        assert!(Overrides::load(folder.path()).paused);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("runtime.json");
        std::fs::write(&file, "{").expect("written");
        drop(changes(&[], &[], folder.path()));
        assert_eq!(std::fs::read_to_string(file).expect("there"), "{");
    }
}
