//! Models from packages: the newest that passes every check runs, one that fails is
//! passed over with its reason, and a running daemon takes a new one on SIGHUP. Keys
//! and signatures are openssl's, made as docs/guide/upgrade.md says.

#[path = "../daemon/mod.rs"]
mod daemon;
mod looks;
mod refused;
mod reload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const NAME: &str = "expression-yolo12n";

/// A board: its packages, the keys that it trusts, and somebody who signs.
struct Board {
    folder: TempDir,
}

impl Board {
    fn new() -> Self {
        let board = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["models.d", "keys"] {
            fs::create_dir(board.path(name)).unwrap();
        }
        fs::write(board.path("settings.toml"), board.settings()).unwrap();
        board.make_key("signer", "ed25519");
        fs::copy(board.path("signer.pub"), board.path("keys/signer.pem")).unwrap();
        board
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "[model]\npackages = \"{folder}/models.d\"\nkeys = \"{folder}/keys\"\n\
             [device]\nid = \"test\"\nstate_dir = \"{folder}/state\"\n\
             [camera]\nsource = \"/dev/video-none\"\n"
        )
    }

    fn make_key(&self, name: &str, algorithm: &str) {
        let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
        self.openssl(&["genpkey", "-algorithm", algorithm, "-out", &private]);
        self.openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The committed model as a package of that version, signed; what is special about
    /// it is done before that.
    fn install(&self, version: &str, spoil: impl Fn(&mut Value, &Path)) -> PathBuf {
        self.install_of(NAME, version, spoil)
    }

    /// The same of another committed model.
    fn install_of(&self, name: &str, version: &str, spoil: impl Fn(&mut Value, &Path)) -> PathBuf {
        let folder = self.path("models.d").join(format!("{name}-{version}"));
        fs::create_dir(&folder).unwrap();
        for file in [&format!("{name}.tflite"), "self-test.jpg", "self-test-close.jpg"] {
            fs::copy(Path::new("models").join(file), folder.join(file)).unwrap();
        }
        let text = fs::read_to_string(format!("models/{name}.json")).unwrap();
        let mut card: Value = serde_json::from_str(&text).unwrap();
        card["version"] = version.into();
        spoil(&mut card, &folder);
        fs::write(folder.join(format!("{name}.json")), card.to_string()).unwrap();
        self.sign(&folder, "signer");
        folder
    }

    fn sign(&self, folder: &Path, signer: &str) {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let mut cards = files.filter(|file| file.extension().is_some_and(|end| end == "json"));
        let card = cards.next().unwrap();
        let key = format!("{signer}.key");
        let (card, signature) = (card.display(), card.with_extension("sig"));
        let (card, signature) = (card.to_string(), signature.display().to_string());
        let what = ["-in", &card, "-out", &signature];
        self.openssl(&[["pkeyutl", "-sign", "-rawin", "-inkey", &*key].as_slice(), &what].concat());
    }

    fn show(&self, more: &[&str]) -> Output {
        self.ask(&[&["model", "show", "--json"], more].concat())
    }

    /// A command with the board's settings.
    fn ask(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_expressiond"))
            .args(arguments)
            .arg("--config")
            .arg(self.path("settings.toml"))
            .output()
            .unwrap()
    }

    /// The version that runs, and why newer ones do not.
    fn chosen(&self) -> (String, Vec<String>) {
        let output = self.show(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let version = shown["model"]["version"].as_str().unwrap().to_owned();
        (version, serde_json::from_value(shown["refused"].clone()).unwrap())
    }
}

fn own_version() -> String {
    let text = fs::read_to_string(format!("models/{NAME}.json")).unwrap();
    let card: Value = serde_json::from_str(&text).unwrap();
    card["version"].as_str().unwrap().to_owned()
}

#[test]
fn the_newest_signed_model_runs_and_without_it_the_own() {
    let board = Board::new();
    board.install("90.0.0", |_, _| {});
    let newest = board.install("90.1.0", |_, _| {});
    assert_eq!(board.chosen(), ("90.1.0".to_owned(), vec![]));
    fs::remove_dir_all(newest).unwrap();
    assert_eq!(board.chosen(), ("90.0.0".to_owned(), vec![]));
    // `model.path` is the owner's own word: no signature is asked for
    let own = format!("models/{NAME}.tflite");
    let output = board.show(&["--set", &format!("model.path={own}")]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["model"]["version"], own_version());
}

/// What looks closely comes in the model's version or not at all, and it is told which.
#[test]
fn a_new_model_needs_its_close_network_and_the_guide_packages_both() {
    let board = Board::new();
    let close = || -> Value {
        let shown: Value = serde_json::from_slice(&board.show(&[]).stdout).unwrap();
        shown["close"]["id"].clone()
    };
    let told = |arguments: &[&str]| String::from_utf8(board.ask(arguments).stdout).unwrap();
    board.install("90.0.0", |_, _| {});
    assert_eq!(close(), json!(null));
    for command in [&["model", "show"][..], &["doctor"]] {
        let text = told(command);
        assert!(text.contains("model.close has none in version 90.0.0"), "{text}");
    }
    let text = told(&["model", "show", "--set", "model.close="]);
    assert!(text.contains("the model itself (model.close is empty)"), "{text}");

    let name = format!("{NAME}-close");
    board.install_of(&name, "90.0.0", |_, _| {});
    let id = close().as_str().unwrap().to_owned();
    assert!(id.starts_with(&format!("{name}@90.0.0")), "{id}");
    for command in [&["model", "show"][..], &["doctor"]] {
        assert!(told(command).contains(&id));
    }
    let guide = include_str!("../../docs/guide/upgrade.md");
    let inventory = include_str!("../../deploy/ansible/inventory.example.yml");
    for name in [NAME, &name] {
        assert!(guide.contains(&format!("MODEL=out/model/{name}.tflite")), "{name}");
        let package = format!("expressiond-model-{name}");
        for command in ["apt install", "apt remove"] {
            let lines = guide.lines().filter(|line| line.contains(command));
            let mut packages = lines.flat_map(str::split_whitespace);
            assert!(packages.any(|word| word == package), "{command} {name}");
        }
        let models = inventory.lines().find(|line| line.contains("expressiond_models:")).unwrap();
        assert!(models.split([' ', '[', ']', ',']).any(|word| word == name), "{models}");
    }
}
