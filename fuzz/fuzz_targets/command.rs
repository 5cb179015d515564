//! What a broker may send: an accepted command or word of a group is short and changes
//! numbers only to such that survive the state folder's file.
#![no_main]

use expressiond::contract::tuning::Tuning;
use expressiond::control::command::{Command, LONGEST};
use expressiond::control::groups::GroupSettings;
use expressiond::control::overrides::Overrides;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
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

fn survives(kept: Overrides) {
    let text = serde_json::to_vec(&kept).expect("JSON");
    assert_eq!(serde_json::from_slice::<Overrides>(&text).expect("reads back"), kept);
}
