//! What stands beside a model.
#![no_main]

use expressiond::detector::sidecar::SideCar;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = SideCar::parse(text);
    }
});
