//! Results that cannot be written end a command with 74, and readers that have gone away
//! end it quietly. `/dev/full` is a disk without room (full(4)).

#[path = "daemon/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use program::program;
use rustix::process::Signal;
use tempfile::TempDir;

/// What a command may be given: `{}` stands for the folder of the test.
const COMMANDS: [&str; 21] = [
    "--help",
    "--version",
    "help model",
    "bench --frames 1 --threads 1 --inputs mjpeg --no-still",
    "cameras",
    "cameras --json",
    "check-config --config {}/settings.toml",
    "check-config --config {}/settings.toml --all",
    "completions bash",
    "detect --whole models/self-test.jpg",
    "detect --whole models/self-test.jpg --json",
    "discovery --config {}/settings.toml",
    "discovery --config {}/settings.toml --json",
    "doctor --config {}/settings.toml",
    "doctor --config {}/settings.toml --json",
    "evaluate --whole {}/data.yaml",
    "evaluate --whole {}/data.yaml --json",
    "model show --config {}/settings.toml",
    "model show --config {}/settings.toml --json",
    "model verify models/expression-yolo12n.tflite",
    "preview-token",
];
/// `run` has no result, `simulate` needs a broker.
const WITHOUT_A_RESULT: [&str; 2] = ["run", "simulate"];

/// Settings that reach nothing, and a set of one picture.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let settings = format!(
        "[device]\nid = \"test\"\nstate_dir = \"{}\"\n[camera]\nsource = \"/dev/video-none\"\n\
         [mqtt]\nurl = \"mqtt://127.0.0.1:1\"\n",
        path("state").display()
    );
    fs::write(path("settings.toml"), settings).unwrap();
    fs::create_dir_all(path("images/val")).unwrap();
    fs::create_dir_all(path("labels/val")).unwrap();
    fs::copy("models/self-test.jpg", path("images/val/a.jpg")).unwrap();
    fs::write(path("labels/val/a.txt"), "0 0.5 0.5 0.5 0.5\n").unwrap();
    fs::write(path("data.yaml"), "val: images/val\nnames: [happy, not_happy]\n").unwrap();
    folder
}

fn command(line: &str, folder: &Path) -> Command {
    let line = line.replace("{}", &folder.display().to_string());
    program(&line.split(' ').collect::<Vec<_>>())
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn code_and_words(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_result_that_cannot_be_written_ends_with_74() {
    let folder = folder();
    for line in COMMANDS {
        let output = command(line, folder.path()).stdout(full()).output().unwrap();
        let (code, words) = code_and_words(&output);
        assert_eq!(code, Some(74), "{line}: {words}");
        assert!(words.contains("cannot write the result: No space left"), "{line}: {words}");
    }
}

#[test]
fn every_command_with_a_result_is_tried() {
    let help = command("help", Path::new("")).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    // Continued descriptions are further in.
    let lines = list.lines().take_while(|line| !line.is_empty());
    let lines =
        lines.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    let names = lines.filter_map(|line| line.split(' ').next());
    let there: BTreeSet<&str> = names.filter(|name| !WITHOUT_A_RESULT.contains(name)).collect();
    let tried = COMMANDS.iter().filter_map(|line| line.split(' ').next());
    assert_eq!(there, tried.filter(|word| !word.starts_with('-')).collect());
}

#[test]
fn a_reader_that_has_gone_away_ends_a_command_quietly() {
    let folder = folder();
    for line in COMMANDS {
        if ["bench", "evaluate", "preview-token"].iter().any(|name| line.starts_with(name)) {
            // slow, or with words for standard error
            continue;
        }
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(line, folder.path()).stdout(writer).output().unwrap();
        assert_eq!(output.status.signal(), Some(Signal::PIPE.as_raw()), "{line}");
        let words = code_and_words(&output).1;
        // TensorFlow Lite tells of itself.
        let words: Vec<&str> = words.lines().filter(|line| !line.starts_with("INFO: ")).collect();
        assert!(words.is_empty(), "{line}: {words:?}");
    }
}

/// Where nobody can read the words, the code still says what was wrong.
#[test]
fn words_that_cannot_be_written_change_no_exit_code() {
    let folder = folder();
    for (line, code) in [
        ("detect --whole {}/none.jpg", 65),
        ("model show {}/none.tflite --config {}/settings.toml", 70),
        ("check-config --config {}/settings.toml --set camera.fps=0", 78),
        ("check-config --none", 2),
        // the token is a result
        ("preview-token", 74),
    ] {
        let output = command(line, folder.path()).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}");
    }
}

/// A small copy fits into a buffer, so that only writing its end fails.
#[test]
fn a_copy_that_cannot_be_written_is_no_picture_that_cannot_be_read() {
    let folder = folder();
    let (picture, out) = (folder.path().join("small.png"), folder.path().join("out"));
    image::RgbImage::new(32, 32).save(&picture).unwrap();
    fs::create_dir(&out).unwrap();
    let copy = out.join("small.annotated.jpg");
    let detect = || {
        let output = command("detect --whole {}/small.png --annotate {}/out", folder.path());
        let (code, words) = code_and_words(&{ output }.output().unwrap());
        assert_eq!(code, Some(74), "{words}");
        assert!(words.contains("small.annotated.jpg") && !words.contains("read"), "{words}");
    };
    symlink("/dev/full", &copy).unwrap();
    detect();
    fs::remove_file(&copy).unwrap();
    fs::create_dir(&copy).unwrap();
    detect();
}

#[test]
fn a_report_of_which_one_figure_cannot_be_written_is_an_error() {
    let folder = folder();
    let report = folder.path().join("report");
    for file in ["confusion.svg", "f1.svg", "index.html"] {
        fs::create_dir(&report).unwrap();
        symlink("/dev/full", report.join(file)).unwrap();
        let output = command("evaluate --whole {}/data.yaml --report {}/report", folder.path());
        let (code, words) = code_and_words(&{ output }.output().unwrap());
        assert_eq!(code, Some(74), "{file}: {words}");
        fs::remove_dir_all(&report).unwrap();
    }
}
