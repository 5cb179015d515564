//! Files that are no plain text in a plain file: read, passed over or refused.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{check_with, settings};

/// Settings that are there and cannot be read are never passed over.
#[test]
fn what_is_there_and_cannot_be_read_is_a_mistake() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &[&str]); 8] = [
        (
            "a pipe, into which nobody may ever write",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                let pipe = Command::new("mkfifo").arg(parts.join("a.toml")).status();
                assert!(pipe.unwrap().success());
            },
            &["a.toml", "a pipe or a socket"],
        ),
        (
            "a file without an end",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                symlink("/dev/zero", parts.join("a.toml")).unwrap();
            },
            &["a.toml", "larger than 1 MiB"],
        ),
        ("a file", |parts| std::fs::write(parts, "").unwrap(), &["conf.d", "Not a directory"]),
        (
            "a link to nothing",
            |parts| symlink("none", parts).unwrap(),
            &["conf.d", "link to nothing"],
        ),
        ("links in a circle", |parts| symlink("conf.d", parts).unwrap(), &["conf.d"]),
        (
            "a folder that is called like a file",
            |parts| std::fs::create_dir_all(parts.join("a.toml")).unwrap(),
            &["a.toml", "Is a directory"],
        ),
        (
            "a link to nothing within",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                symlink("none", parts.join("a.toml")).unwrap();
            },
            &["a.toml", "link to nothing"],
        ),
        (
            "a file that is not UTF-8",
            |parts| {
                std::fs::create_dir(parts).unwrap();
                std::fs::write(parts.join("a.toml"), b"[camera]\nname = 'b\xfcro'\n").unwrap();
            },
            &["a.toml", "UTF-8"],
        ),
    ];
    for (what, spoil, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = settings(folder.path(), "");
        spoil(&folder.path().join("conf.d"));
        let (code, told) = check_with(&file, &[], &[]);
        assert_eq!(code, Some(78), "{what}: {told}");
        assert!(words.iter().all(|word| told.contains(word)), "{what}: {told}");
    }
}

/// As a shell hands over `<(...)`, and a file that was taken away by a link to nothing.
#[test]
fn settings_may_come_through_a_pipe() {
    let mut checking = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["check-config", "--config", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    checking.stdin.take().unwrap().write_all(b"[camera]\nfps = 9\n").unwrap();
    let told = checking.wait_with_output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && text.contains("camera.fps = 9  (/dev/stdin:2)"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "");
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    symlink("/dev/null", folder.path().join("conf.d/a.toml")).unwrap();
    assert_eq!(check_with(&file, &[], &[]).0, Some(0));
}

/// What editors and macOS leave beside a file is no settings.
#[test]
fn hidden_files_are_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "");
    let parts = folder.path().join("conf.d");
    std::fs::create_dir(&parts).unwrap();
    std::fs::write(parts.join("._a.toml"), b"\0\x05\x16\x07").unwrap();
    symlink("someone@host.1", parts.join(".#a.toml")).unwrap();
    std::fs::write(parts.join("a.toml"), "\u{feff}[camera]\r\nfps = 9\r\n").unwrap();
    let (code, told) = check_with(&file, &[], &[]);
    assert!(code == Some(0) && told.contains("camera.fps = 9"), "{told}");
}
