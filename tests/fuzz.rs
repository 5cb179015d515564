//! The fuzz targets of `fuzz/` without a fuzzer, so that they are compiled, and hold what they
//! claim, whenever the tests run. A name that changes in the library used to be missed only by
//! the next `make fuzz`.

// Of files that are programs there.
#![allow(unused_attributes)]

use std::collections::BTreeSet;

/// What the targets call the fuzzer by.
extern crate self as libfuzzer_sys;

/// A function instead of a program that is told what to read.
#[macro_export]
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:block) => {
        pub fn fuzz($data: &[u8]) $body
    };
}

#[path = "../fuzz/fuzz_targets"]
mod targets {
    pub mod command;
    pub mod data_yaml;
    pub mod jpeg;
    pub mod metadata;
    pub mod motion_jpeg;
    pub mod page;
    pub mod picture;
    pub mod raw;
    pub mod side_car;
    pub mod wire;
}

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 10] = [
    ("command", targets::command::fuzz),
    ("data_yaml", targets::data_yaml::fuzz),
    ("jpeg", targets::jpeg::fuzz),
    ("metadata", targets::metadata::fuzz),
    ("motion_jpeg", targets::motion_jpeg::fuzz),
    ("page", targets::page::fuzz),
    ("picture", targets::picture::fuzz),
    ("raw", targets::raw::fuzz),
    ("side_car", targets::side_car::fuzz),
    ("wire", targets::wire::fuzz),
];

const INPUTS: [&[u8]; 12] = [
    b"",
    include_bytes!("../models/self-test.jpg"),
    include_bytes!("pictures/restart.jpg"),
    include_bytes!("../models/expression-yolo12n.json"),
    br#"{"command":"set","threshold":0.7,"max_fps":null}"#,
    // Components that are gone, one of which was removed already and one that is none.
    br#"{"cmps":{"old":{"p":"sensor","n":1},"door_face":{"p":"light","n":1},"x":{"p":"a"},"y":2}}"#,
    br#"{"path":"/dev/video0"}"#,
    br#"{"tracking.start_confidence":0.5,"camera.rotate":90}"#,
    b"door.local:80\nhttp://door.local:80\nsame-origin\nBearer 0123\nexpressiond_80=0123; a=b",
    // MQTT 5 in pieces of 3: CONNACK without wildcards, a refused SUBACK and PUBACK, a message,
    // a PINGRESP, and a DISCONNECT with its reason.
    b"\x07\x20\x05\0\0\x02\x28\0\x90\x03\0\x01\x87\x40\x03\0\x02\x95\
      \x31\x06\0\x01t\0hi\xd0\0\xe0\x08\x98\x06\x1f\0\x03off",
    // MQTT 3.1.1 byte by byte: a message that is too large to read, one behind it, and a length
    // of five bytes.
    b"\x02\x20\x02\0\0\x30\x50\0\x01t0123456789012345678901234567890123456789\
      0123456789012345678901234567890123456\x30\x05\0\x01thi\x30\xff\xff\xff\xff\x01",
    // Faces so small that their area was none.
    b"val: images\nnames: [a, b]\n\x000 0 0 1e-30 1e-30\n1 .5 .5 .2 .2",
];

#[test]
fn every_target_reads_what_the_others_are_for() {
    for (name, read) in TARGETS {
        for input in INPUTS {
            eprintln!("{name}: {} bytes", input.len());
            read(input);
        }
    }
}

#[test]
fn no_target_is_left_out() {
    let manifest: toml::Table = toml::from_str(include_str!("../fuzz/Cargo.toml")).unwrap();
    let programs = manifest["bin"].as_array().unwrap();
    let there: BTreeSet<&str> =
        programs.iter().map(|program| program["name"].as_str().unwrap()).collect();
    assert_eq!(there, TARGETS.iter().map(|(name, _)| *name).collect());
}
