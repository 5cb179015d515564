//! What a command that was given something else than it takes says, and how it ends: by
//! docs/ref/exit-codes.md, with what is wrong and what is wanted.

#[path = "daemon/program.rs"]
mod program;
#[path = "daemon/running.rs"]
mod running;

use std::fs;
use std::process::Output;

use program::program;
use rustix::fs::{CWD, Mode, mknodat};

/// The exit code of `arguments`, and what standard error says.
fn told(arguments: &[&str]) -> (Option<i32>, String) {
    of(program(arguments).output().expect("runs"))
}

fn of(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn threads_are_from_1_to_64_wherever_they_are_asked_for() {
    for threads in ["0", "65"] {
        for command in [
            &["detect", "models/self-test.jpg"][..],
            &["evaluate", "data.yaml"],
            &["bench"],
            &["model", "verify", "models/expression-yolo12n.tflite"],
        ] {
            let (code, words) = told(&[command, &["--threads", threads]].concat());
            assert_eq!(code, Some(2), "{command:?}: {words}");
            assert!(words.contains("1..=64"), "{command:?}: {words}");
        }
    }
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_2() {
    let frames = |number| ["bench", "--frames", number];
    for (arguments, wanted) in [
        (&frames("0")[..], "1..=1000000"),
        (&frames("18446744073709551615"), "1..=1000000"),
        (&["check-config", "--set", "camera.fps"], "KEY=VALUE"),
    ] {
        let (code, words) = told(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {words}");
        assert!(words.contains(wanted), "{arguments:?}: {words}");
    }
}

#[test]
fn several_numbers_of_threads_are_given_as_the_help_shows_them() {
    let frames = ["bench", "--frames", "1", "--inputs", "yuyv", "--no-still", "--threads"];
    for threads in [&["1", "2"][..], &["1,2"]] {
        let (code, words) = told(&[&frames[..], threads].concat());
        assert_eq!(code, Some(0), "{threads:?}: {words}");
    }
}

#[test]
fn a_folder_is_no_picture_and_no_set() {
    let (code, words) = told(&["detect", "tests/demo"]);
    assert_eq!(code, Some(65), "{words}");
    assert!(words.contains("tests/demo: is a folder: name its pictures"), "{words}");
    let (code, words) = told(&["evaluate", "tests/demo"]);
    assert_eq!(code, Some(65), "{words}");
    assert!(words.contains("tests/demo: is a folder: name its data.yaml"), "{words}");
}

#[test]
fn a_model_that_is_none_says_how_to_name_one() {
    let (code, words) = told(&["model", "verify", "models/expression-yolo12n.json"]);
    assert_eq!(code, Some(70), "{words}");
    assert!(words.contains("is it the side-car"), "{words}");
    let (code, words) = told(&["detect", "--model", "absent", "models/self-test.jpg"]);
    assert_eq!(code, Some(70), "{words}");
    assert!(words.contains("--model for detect"), "{words}");
}

/// Whoever opens a pipe waits for its writer: the camera would hang.
#[test]
fn a_pipe_in_a_folder_of_pictures_is_passed_over() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name);
    for name in ["a.jpg", "c.jpg"] {
        fs::copy("models/self-test.jpg", path(name)).expect("copied");
    }
    mknodat(CWD, path("b.jpg"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .expect("made");
    let source = format!("camera.source={}", folder.path().display());
    let state = format!("device.state_dir={}", path("state").display());
    let (code, words) = of(running::output(&mut program(&[
        "run",
        "--config",
        "/dev/null",
        "--set",
        &source,
        "--set",
        &state,
        "--set",
        "camera.repeat=false",
        "--set",
        "camera.fps=30",
        "--set",
        "device.id=test",
    ])));
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("b.jpg, is no file"), "{words}");
}
