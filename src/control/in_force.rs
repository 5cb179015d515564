//! Whose word counts: the settings file, the device's groups, or a command.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::GroupSettings;
use super::overrides::Overrides;
use crate::contract::in_force::{Author, Given, InForce};
use crate::contract::tuning::Tuning;
use crate::name::Name;

/// What the settings file says of everything that can be changed while the device runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// Numbers.
    pub tuning: Tuning,
    /// Whether pictures may leave.
    pub snapshots: bool,
    /// Whether each zone holds, by its name.
    pub zones: BTreeMap<String, bool>,
    /// The names of those that are masks.
    pub masks: BTreeSet<String>,
}

impl InForce {
    /// The later one wins: what the settings file says (`settled`), `groups` in the
    /// order in which the device lists them, a command to this device. A pause only
    /// adds up: the camera is open while neither its owner nor any group wants it
    /// closed. Pictures leave only where the file lets them and no command holds them
    /// back.
    pub fn of(settled: &Settled, groups: &[Name], runtime: &Overrides) -> Self {
        let by_group: Vec<(&str, &GroupSettings)> = groups
            .iter()
            .filter_map(|group| Some((group.as_str(), runtime.groups.get(group.as_str())?)))
            .collect();
        let choose = |number: fn(&Tuning) -> Option<f32>| {
            let by_command = number(&runtime.tuning);
            let file = Given { value: number(&settled.tuning), from: Author::File };
            later_word(&by_group, by_command, |settings| number(&settings.tuning))
                .map_or(file, |Given { value, from }| Given { value: Some(value), from })
        };
        let zone = |(name, enabled): (&String, &bool)| {
            let by_command = runtime.zones.get(name).copied();
            let file = Given { value: *enabled, from: Author::File };
            let said = |settings: &GroupSettings| settings.zones.get(name).copied();
            (name.clone(), later_word(&by_group, by_command, said).unwrap_or(file))
        };
        let zones = settled.zones.iter().map(zone).collect();
        let closed = by_group.iter().find(|(_, settings)| settings.paused);
        let paused = match closed {
            _ if runtime.paused => Given { value: true, from: Author::Command },
            Some((group, _)) => Given { value: true, from: Author::Group((*group).to_owned()) },
            None => Given { value: false, from: Author::File },
        };
        let withheld = runtime.snapshots_withheld;
        let snapshots = Given {
            value: settled.snapshots && !withheld,
            from: if withheld { Author::Command } else { Author::File },
        };
        Self {
            threshold: choose(|tuning| tuning.threshold),
            max_fps: choose(|tuning| tuning.max_fps),
            paused,
            snapshots,
            zones,
        }
    }
}

/// The command's word, else that of the last group that says one.
fn later_word<T>(
    groups: &[(&str, &GroupSettings)],
    by_command: Option<T>,
    said: impl Fn(&GroupSettings) -> Option<T>,
) -> Option<Given<T>> {
    let by_command = by_command.map(|value| Given { value, from: Author::Command });
    by_command.or_else(|| {
        groups.iter().rev().find_map(|(name, settings)| {
            Some(Given { value: said(settings)?, from: Author::Group((*name).to_owned()) })
        })
    })
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

    fn file() -> Settled {
        let tuning = Tuning { threshold: Some(0.7), max_fps: Some(15.0) };
        Settled { tuning, ..Settled::default() }
    }

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
        let shown = |runtime: &Overrides| InForce::of(&file(), &groups, runtime).to_string();
        let five = "max_fps 5 (group:building), not paused (file)";
        assert_eq!(shown(&runtime), format!("threshold 0.6 (group:hall), {five}"));
        runtime.tuning.threshold = Some(0.9);
        assert_eq!(shown(&runtime), format!("threshold 0.9 (command), {five}"));
        runtime.groups.clear();
        let file = "threshold 0.9 (command), max_fps 15 (file), not paused (file)";
        assert_eq!(shown(&runtime), file);
    }

    #[test]
    fn a_zone_is_switched_by_the_later_word_and_unknown_ones_are_passed_over() {
        let groups = names(&["building", "hall"]);
        let zones = BTreeMap::from([("desk".to_owned(), true), ("tv".to_owned(), false)]);
        let settled = Settled { zones, ..file() };
        let mut runtime = Overrides {
            groups: by_group(&[
                ("building", r#"{"zones":{"desk":false,"tv":true,"pool":true}}"#),
                ("hall", r#"{"zones":{"desk":true,"tv":null}}"#),
            ]),
            ..Overrides::default()
        };
        let shown = |runtime: &Overrides| {
            let shown = InForce::of(&settled, &groups, runtime).to_string();
            shown.split_once("not paused (file), ").expect("zones").1.to_owned()
        };
        assert_eq!(shown(&runtime), "zone desk on (group:hall), zone tv on (group:building)");
        runtime.zones = BTreeMap::from([("tv".to_owned(), false), ("pool".to_owned(), true)]);
        assert_eq!(shown(&runtime), "zone desk on (group:hall), zone tv off (command)");
        runtime.groups.clear();
        assert_eq!(shown(&runtime), "zone desk on (file), zone tv off (command)");
    }

    #[test]
    fn no_group_opens_a_camera_that_its_owner_closed() {
        let groups = names(&["building", "hall"]);
        let paused = |owner: bool, pairs: &[(&str, &str)]| {
            let runtime =
                Overrides { paused: owner, groups: by_group(pairs), ..Overrides::default() };
            let paused = InForce::of(&file(), &groups, &runtime).paused;
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
            let settled = Settled { snapshots, ..file() };
            InForce::of(&settled, &names(&["hall"]), runtime).is_private()
        };
        let own = Overrides::default();
        assert!(!private(true, &own));
        assert!(!private(false, &own), "the page has a switch of its own in the file");
        assert!(private(false, &Overrides { paused: true, ..own.clone() }));
        let group = by_group(&[("hall", r#"{"paused":true}"#)]);
        assert!(private(false, &Overrides { groups: group, ..own.clone() }));
        let withheld = Overrides { snapshots_withheld: true, ..own };
        assert!(private(true, &withheld));
        assert!(private(false, &withheld), "the page shows pictures all the same");
    }

    #[test]
    fn a_command_holds_pictures_back_and_lets_out_none() {
        let snapshots = |allowed: bool, snapshots_withheld: bool| {
            let runtime = Overrides { snapshots_withheld, ..Overrides::default() };
            let settled = Settled { snapshots: allowed, ..file() };
            let snapshots = InForce::of(&settled, &[], &runtime).snapshots;
            (snapshots.value, snapshots.from)
        };
        assert_eq!(snapshots(true, false), (true, Author::File));
        assert_eq!(snapshots(true, true), (false, Author::Command));
        assert_eq!(snapshots(false, false), (false, Author::File));
        assert_eq!(snapshots(false, true), (false, Author::Command));
    }
}
