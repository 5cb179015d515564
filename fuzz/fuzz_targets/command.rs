//! What a broker may send: understood commands survive a round trip.
#![no_main]

use expressiond::publish::command::{Command, LONGEST};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(command) = Command::parse(data) {
        assert!(data.len() <= LONGEST);
        let again = serde_json::to_vec(&command).expect("JSON");
        assert_eq!(Command::parse(&again), Ok(command));
    }
});
