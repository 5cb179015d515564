//! What a broker may send: an accepted command is short and changes numbers only to
//! such that survive the state folder's file.
#![no_main]

use expressiond::publish::command::{Command, LONGEST};
use expressiond::publish::runtime::{Runtime, Tuning};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(command) = Command::parse(data) else { return };
    assert!(data.len() <= LONGEST);
    if let Command::Set { threshold, max_fps } = command {
        assert!(threshold.is_some() || max_fps.is_some());
        let tuning = Tuning::default().changed(threshold, max_fps);
        let kept = Runtime { paused: false, tuning };
        let text = serde_json::to_vec(&kept).expect("JSON");
        assert_eq!(serde_json::from_slice::<Runtime>(&text).expect("reads back"), kept);
    }
});
