//! The description of a data set, and the labels of a picture: up to the first 0 byte one,
//! behind it the other.
#![no_main]

use expressiond::evaluate::description::Description;
use expressiond::evaluate::{labels, text};
use expressiond::geometry::Size;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (yaml, lines) = data.split_at(end);
    let _ = Description::parse(yaml, "val");
    let _ = Description::parse(data, "val");
    let Ok(text) = text::decode(lines.get(1..).unwrap_or_default()) else { return };
    for key_points in [None, Some((2, 3)), Some((usize::MAX, 2))] {
        if let Ok(faces) = labels::parse(&text, &[1, 0], key_points, Size::new(640, 480)) {
            assert!(faces.iter().all(|face| face.class < 2 && face.rect.area() > 0.0));
        }
    }
});
