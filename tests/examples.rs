//! What help texts and the guide to models tell people to type works as written.

#[path = "daemon/program.rs"]
mod program;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use expressiond::detector::Settings;
use program::{MODEL, WITHOUT_SETTINGS, apart};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_expressiond");
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");
/// Where the package puts the models that stand in `models` here.
const INSTALLED: &str = "/usr/share/expressiond/models";

/// A folder with what the examples name.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let picture = Path::new(CHECKOUT).join("models/self-test.jpg");
    fs::copy(&picture, path("family.jpg")).unwrap();
    symlink(Path::new(CHECKOUT).join("models"), path("models")).unwrap();
    for (set, names) in [
        ("faces", "[happy, not_happy]"),
        ("faces7", "[neutral, happy, sad, surprise, fear, disgust, anger]"),
    ] {
        for kind in ["images", "labels"] {
            fs::create_dir_all(path(set).join(kind).join("val")).unwrap();
        }
        fs::copy(&picture, path(set).join("images/val/a.jpg")).unwrap();
        fs::write(path(set).join("labels/val/a.txt"), "0 0.5 0.5 0.5 0.5\n").unwrap();
        let yaml = format!("val: images/val\nnames: {names}\n");
        fs::write(path(set).join("data.yaml"), yaml).unwrap();
    }
    folder
}

/// As it is typed; but where no model is named, it is this checkout's and none that packages
/// have brought.
fn sh(script: &str, folder: &Path) -> Output {
    let programs = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let script = script.replace(INSTALLED, &format!("{CHECKOUT}/models"));
    let unnamed = WITHOUT_SETTINGS.map(|name| format!("' {name} '*")).join(" | ");
    let script = format!(
        "expressiond() {{ case \" $* \" in
             *' --model '*) command expressiond \"$@\" ;;
             {unnamed}) command expressiond \"$@\" --model '{MODEL}' ;;
             *) command expressiond \"$@\" ;;
         esac }}
         {script}"
    );
    let mut command = Command::new("sh");
    apart(&mut command).args(["-e", "-c", &script]).env("PATH", path);
    command.current_dir(folder).output().unwrap()
}

fn help(command: &str) -> String {
    String::from_utf8(Command::new(PROGRAM).args([command, "--help"]).output().unwrap().stdout)
        .unwrap()
}

/// What jq makes of a result is jq's affair, and it need not be there.
fn without_jq(script: &str) -> String {
    let line = |line: &str| line.split(" | jq ").next().unwrap_or_default().to_owned() + "\n";
    script.lines().map(line).collect()
}

#[test]
fn the_examples_of_help_texts_work() {
    let folder = folder();
    for (command, count) in [("detect", 3), ("evaluate", 3)] {
        let help = without_jq(&help(command).replace("\\\n", " "));
        let begin = format!("expressiond {command} ");
        let examples = help.lines().map(str::trim).filter(|line| line.starts_with(&begin));
        let examples: Vec<&str> = examples.collect();
        assert_eq!(examples.len(), count, "{help}");
        for example in examples {
            let output = sh(example, folder.path());
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{example}: {words}");
            assert!(!output.stdout.is_empty(), "{example}");
        }
    }
}

#[test]
fn the_examples_of_the_guide_to_models_work() {
    let guide = include_str!("../docs/guide/models.md");
    let scripts: Vec<&str> =
        guide.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!scripts.is_empty());
    let folder = folder();
    for script in scripts {
        let output = sh(&without_jq(script), folder.path());
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What ffmpeg makes of a film is played at another rate than the film had: then faces stay for
/// twice as long as they did.
#[test]
fn films_become_pictures_at_the_rate_at_which_they_are_played() {
    let camera = expressiond::source::Settings::default();
    let film = expressiond::source::Settings { source: "film.mp4".into(), ..camera.clone() };
    let (_, refused) = film.check().unwrap_err();
    let guide = include_str!("../docs/guide/cameras.md");
    for (place, words) in [("the guide", guide), ("the refusal", &*refused)] {
        let commands =
            words.split("ffmpeg -i ").skip(1).filter_map(|rest| rest.split(['`', '\n']).next());
        let commands: Vec<&str> =
            commands.filter(|words| words.to_lowercase().starts_with("film")).collect();
        let rate = format!(" -r {} ", camera.fps);
        let all = !commands.is_empty() && commands.iter().all(|command| command.contains(&rate));
        assert!(all, "{place}: {commands:?}");
        assert!(words.contains("camera.fps"), "{place}");
    }
    assert!(guide.contains("/%05d.jpg"), "names are sorted by their bytes");
}

#[test]
fn the_default_of_model_is_the_one_that_is_told() {
    let told = format!("default: the newest {},", Settings::default().name);
    for command in ["detect", "evaluate", "bench"] {
        let words = help(command).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&told), "{command}: {words}");
    }
}
