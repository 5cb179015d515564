//! A file of pictures: where each lies, and its stated size.
#![no_main]

use expressiond::source::motion_jpeg::{size, split};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut end = 0;
    for range in split(std::io::Cursor::new(data)).expect("memory can be read") {
        let range = range.start as usize..range.end as usize;
        assert!(range.start >= end && range.end <= data.len() && !range.is_empty());
        let _ = size(&data[range.clone()]);
        end = range.end;
    }
    let _ = size(data);
});
