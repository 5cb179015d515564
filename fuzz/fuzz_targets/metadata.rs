//! What exporters append to a model: an archive, and the description in it. The fuzzer
//! seldom makes an archive that can be opened, so a description is read by itself, too.
#![no_main]

use expressiond::detector::metadata::{ENTRIES, describe, read};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = read(data);
    for entry in ENTRIES {
        if let Ok(about) = describe(entry, data) {
            assert!(about.classes.len() <= data.len());
        }
    }
});
