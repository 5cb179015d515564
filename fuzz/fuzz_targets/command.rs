//! What a broker may send: an accepted command or word of a group is short and changes
//! numbers only to such that survive the state folder's file. Whatever it has kept as our
//! announcement, the next one has all that is there now, and takes back what is not.
#![no_main]

use expressiond::contract::topics::Topics;
use expressiond::contract::tuning::Tuning;
use expressiond::control::command::{Command, LONGEST};
use expressiond::control::groups::GroupSettings;
use expressiond::control::overrides::Overrides;
use expressiond::home_assistant::{About, Hardware, Settings};
use expressiond::name::Name;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    announced_after(data);
    if let Ok(said) = GroupSettings::parse(data) {
        survives(Overrides { groups: [("g".to_owned(), said)].into(), ..Overrides::default() });
    }
    let Ok(command) = Command::parse(data) else { return };
    assert!(data.len() <= LONGEST);
    if let Command::Set { threshold, max_fps, snapshots, zones } = command {
        assert!(threshold.is_some() || max_fps.is_some() || snapshots.is_some() || zones.is_some());
        let tuning = Tuning::default().changed(threshold, max_fps);
        let mut kept = Overrides { tuning, ..Overrides::default() };
        if let Some(zones) = zones {
            zones.apply(&mut kept.zones);
        }
        survives(kept);
    }
});

/// An announcement from an earlier run takes nothing from this one's, under whatever key, and no
/// key goes to another platform.
fn announced_after(before: &[u8]) {
    let about = About {
        settings: Settings::default(),
        topics: Topics::new("expressiond", Name::new("d1").expect("a name")).expect("a topic"),
        cameras: vec![Name::camera("door").expect("a name")],
        classes: vec!["happy".into(), "not_happy".into()],
        snapshots: false,
        zones: Vec::new(),
        page: None,
        hardware: Hardware::default(),
    };
    let (new, again) = (about.payload(None), about.payload(Some(before)));
    let components = again["cmps"].as_object().expect("an object");
    for (key, component) in new["cmps"].as_object().expect("an object") {
        assert!(components.values().any(|other| other == component), "{key}");
    }
    let before: Value = serde_json::from_slice(before).unwrap_or_default();
    for (key, component) in components {
        let earlier = before["cmps"][key].as_object().filter(|earlier| earlier.len() > 1);
        if let Some(platform) = earlier.and_then(|earlier| earlier.get("p")?.as_str()) {
            assert_eq!(component["p"], platform, "{key}");
        }
    }
}

fn survives(kept: Overrides) {
    let text = serde_json::to_vec(&kept).expect("JSON");
    assert_eq!(serde_json::from_slice::<Overrides>(&text).expect("reads back"), kept);
}
