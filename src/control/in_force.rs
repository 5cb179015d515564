//! Whose word counts: the settings file, the device's groups, or a command.

use super::groups::GroupSettings;
use super::overrides::Overrides;
use crate::contract::in_force::{Author, Given, InForce};
use crate::contract::tuning::Tuning;
use crate::name::Name;

impl InForce {
    /// The later one wins: what the settings file says (`settled`), `groups` in the
    /// order in which the device lists them, a command to this device. A pause only
    /// adds up: the camera is open while neither its owner nor any group wants it
    /// closed. Pictures leave only where the file lets them (`snapshots`) and no
    /// command holds them back.
    pub fn of(settled: Tuning, snapshots: bool, groups: &[Name], runtime: &Overrides) -> Self {
        let by_group: Vec<(&str, &GroupSettings)> = groups
            .iter()
            .filter_map(|group| Some((group.as_str(), runtime.groups.get(group.as_str())?)))
            .collect();
        let author = |group: &str| Author::Group(group.to_owned());
        let choose = |number: fn(&Tuning) -> Option<f32>| {
            let group = by_group
                .iter()
                .rev()
                .find_map(|(name, settings)| Some((number(&settings.tuning)?, author(name))));
            let by_command = number(&runtime.tuning).map(|value| (value, Author::Command));
            match by_command.or(group) {
                Some((value, from)) => Given { value: Some(value), from },
                None => Given { value: number(&settled), from: Author::File },
            }
        };
        let closed = by_group.iter().find(|(_, settings)| settings.paused);
        let paused = match closed {
            _ if runtime.paused => Given { value: true, from: Author::Command },
            Some((group, _)) => Given { value: true, from: author(group) },
            None => Given { value: false, from: Author::File },
        };
        let snapshots = if snapshots && runtime.snapshots_withheld {
            Given { value: false, from: Author::Command }
        } else {
            Given { value: snapshots, from: Author::File }
        };
        Self {
            threshold: choose(|tuning| tuning.threshold),
            max_fps: choose(|tuning| tuning.max_fps),
            paused,
            snapshots,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::groups::SettingsByGroup;

    fn settings(text: &str) -> GroupSettings {
        GroupSettings::parse(text.as_bytes()).expect("understood")
    }

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| Name::new(*name).expect("valid")).collect()
    }

    fn by_group(pairs: &[(&str, &str)]) -> SettingsByGroup {
        pairs.iter().map(|(group, text)| ((*group).to_owned(), settings(text))).collect()
    }

    const FILE: Tuning = Tuning { threshold: Some(0.7), max_fps: Some(15.0) };

    #[test]
    fn the_later_word_wins_and_its_author_is_named() {
        let groups = names(&["building", "hall"]);
        let mut runtime = Overrides {
            groups: by_group(&[
                ("building", r#"{"threshold":0.5,"max_fps":5}"#),
                ("hall", r#"{"threshold":0.6}"#),
                ("another", r#"{"threshold":0.1,"paused":true}"#),
            ]),
            ..Overrides::default()
        };
        let shown = |runtime: &Overrides| InForce::of(FILE, false, &groups, runtime).to_string();
        let five = "max_fps 5 (group:building), not paused (file)";
        assert_eq!(shown(&runtime), format!("threshold 0.6 (group:hall), {five}"));
        runtime.tuning.threshold = Some(0.9);
        assert_eq!(shown(&runtime), format!("threshold 0.9 (command), {five}"));
        runtime.groups.clear();
        let file = "threshold 0.9 (command), max_fps 15 (file), not paused (file)";
        assert_eq!(shown(&runtime), file);
    }

    #[test]
    fn no_group_opens_a_camera_that_its_owner_closed() {
        let groups = names(&["building", "hall"]);
        let paused = |owner: bool, pairs: &[(&str, &str)]| {
            let runtime =
                Overrides { paused: owner, groups: by_group(pairs), ..Overrides::default() };
            let paused = InForce::of(FILE, false, &groups, &runtime).paused;
            (paused.value, paused.from.to_string())
        };
        let word = |author: &str| author.to_owned();
        assert_eq!(paused(false, &[]), (false, word("file")));
        assert_eq!(paused(true, &[("hall", r#"{"paused":false}"#)]), (true, word("command")));
        assert_eq!(paused(false, &[("hall", r#"{"paused":true}"#)]), (true, word("group:hall")));
        let both = [("building", r#"{"paused":true}"#), ("hall", r#"{"paused":false}"#)];
        assert_eq!(paused(false, &both), (true, word("group:building")));
    }

    #[test]
    fn the_live_picture_is_private_while_anybody_wants_it_so() {
        let private = |snapshots: bool, runtime: &Overrides| {
            InForce::of(FILE, snapshots, &names(&["hall"]), runtime).is_private()
        };
        let own = Overrides::default();
        assert!(!private(true, &own));
        assert!(!private(false, &own), "the page has a switch of its own in the file");
        assert!(private(false, &Overrides { paused: true, ..own.clone() }));
        let group = by_group(&[("hall", r#"{"paused":true}"#)]);
        assert!(private(false, &Overrides { groups: group, ..own.clone() }));
        assert!(private(true, &Overrides { snapshots_withheld: true, ..own }));
    }

    #[test]
    fn a_command_holds_pictures_back_and_lets_out_none() {
        let snapshots = |allowed: bool, snapshots_withheld: bool| {
            let runtime = Overrides { snapshots_withheld, ..Overrides::default() };
            let snapshots = InForce::of(FILE, allowed, &[], &runtime).snapshots;
            (snapshots.value, snapshots.from)
        };
        assert_eq!(snapshots(true, false), (true, Author::File));
        assert_eq!(snapshots(true, true), (false, Author::Command));
        assert_eq!(snapshots(false, false), (false, Author::File));
        assert_eq!(snapshots(false, true), (false, Author::File));
    }
}
