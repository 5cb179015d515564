//! What a broker may send: an accepted command or word of a group is short and changes
//! numbers only to such that survive the state folder's file.
#![no_main]

use expressiond::publish::command::{Command, LONGEST};
use expressiond::publish::groups::Said;
use expressiond::publish::runtime::{Runtime, Tuning};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(said) = Said::parse(data) {
        survives(Runtime { groups: [("g".to_owned(), said)].into(), ..Runtime::default() });
    }
    let Ok(command) = Command::parse(data) else { return };
    assert!(data.len() <= LONGEST);
    if let Command::Set { threshold, max_fps, snapshots } = command {
        assert!(threshold.is_some() || max_fps.is_some() || snapshots.is_some());
        let tuning = Tuning::default().changed(threshold, max_fps);
        survives(Runtime { tuning, ..Runtime::default() });
    }
});

fn survives(kept: Runtime) {
    let text = serde_json::to_vec(&kept).expect("JSON");
    assert_eq!(serde_json::from_slice::<Runtime>(&text).expect("reads back"), kept);
}
