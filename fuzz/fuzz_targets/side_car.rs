//! What stands beside a model, and what some exporters append to it.
#![no_main]

use expressiond::detector::sidecar::SideCar;
use expressiond::detector::zip_tail::class_names;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = SideCar::parse(text);
    }
    let _ = class_names(data);
});
