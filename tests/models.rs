//! Models from packages: the newest that passes every check runs, one that fails is
//! passed over with its reason, and a running daemon takes a new one on SIGHUP. Keys
//! and signatures are openssl's, made as docs/guide/upgrade.md says.

mod daemon;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use daemon::program::models;
use daemon::{LIMIT, Running};
use expressiond::detector::{Detection, Detector, Settings};
use expressiond::geometry::{Rect, Size};
use expressiond::pixels::frame::{Frame, Orientation};
use expressiond::source::picture::read;
use expressiond::zones::{self, Masks, Zones};
use rustix::process::{Pid, Signal, kill_process};
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

fn flip_a_byte(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(file, bytes).unwrap();
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
    let guide = include_str!("../docs/guide/upgrade.md");
    let inventory = include_str!("../deploy/ansible/inventory.example.yml");
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

/// Each way to be wrong, its words, and that the own model runs then.
#[test]
fn what_fails_a_check_is_passed_over_with_its_reason() {
    type Spoil = fn(&Board, &Path);
    type SpoilCard = fn(&mut Value, &Path);
    let after_signing: [(&str, Spoil); 7] = [
        ("needs a signature", |_, folder| {
            fs::remove_file(folder.join(format!("{NAME}.sig"))).unwrap();
        }),
        ("none of the 1 public keys", |board, folder| {
            board.make_key("stranger", "ed25519");
            board.sign(folder, "stranger");
        }),
        ("none of the 1 public keys", |_, folder| {
            flip_a_byte(&folder.join(format!("{NAME}.json")));
        }),
        ("none of the 1 public keys", |_, folder| {
            fs::write(folder.join(format!("{NAME}.sig")), "not a signature").unwrap();
        }),
        ("none of the 0 public keys", |board, _| {
            fs::remove_dir_all(board.path("keys")).unwrap();
        }),
        ("another kind than Ed25519", |board, _| {
            board.make_key("other", "x25519");
            fs::copy(board.path("other.pub"), board.path("keys/other.pem")).unwrap();
        }),
        ("its side-car says", |_, folder| flip_a_byte(&folder.join(format!("{NAME}.tflite")))),
    ];
    for (words, spoil) in after_signing {
        let board = Board::new();
        let folder = board.install("90.0.0", |_, _| {});
        spoil(&board, &folder);
        expect_own(&board, words);
    }
    let before_signing: [(&str, SpoilCard); 4] = [
        ("self-test failed", |card, _| {
            card["self_test"]["expect"][0]["class"] = "not_happy".into();
        }),
        ("needs a self-test", |card, _| {
            card.as_object_mut().unwrap().remove("self_test");
        }),
        ("a folder for expression-yolo12n-90.0.0", |card, _| card["version"] = "91.0.0".into()),
        ("TensorFlow Lite refuses it", |card, folder| {
            // The checksum and the signature are right, the file is not.
            let file = folder.join(format!("{NAME}.tflite"));
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
            card["sha256"] = sha256(&file).into();
        }),
    ];
    for (words, spoil) in before_signing {
        let board = Board::new();
        board.install("90.0.0", spoil);
        expect_own(&board, words);
    }
}

fn expect_own(board: &Board, words: &str) {
    let (version, refused) = board.chosen();
    assert_eq!(version, own_version(), "{words}");
    assert_eq!(refused.len(), 1, "{words}: {refused:?}");
    assert!(refused[0].contains(words) && refused[0].contains("90.0.0"), "{words}: {refused:?}");
}

/// What has no place in an order of versions is not taken, and not passed over in silence.
#[test]
fn a_package_without_a_semantic_version_is_refused_by_name() {
    let board = Board::new();
    board.install("1.2", |_, _| {});
    let folder = board.install("90.0.0", |_, _| {});
    fs::rename(&folder, folder.with_file_name(format!("{NAME}-latest"))).unwrap();
    let (version, refused) = board.chosen();
    assert_eq!((version, refused.len()), (own_version(), 2), "{refused:?}");
    for words in [
        "version is \"1.2\", it must be a semantic version",
        "a folder for expression-yolo12n-latest",
    ] {
        assert!(refused.iter().any(|reason| reason.contains(words)), "{words}: {refused:?}");
    }
}

#[test]
fn the_builder_of_packages_names_what_boards_would_refuse() {
    let board = Board::new();
    let folder = board.install("1.2", |_, _| {});
    let output = Command::new("deploy/model-package/build")
        .args([folder.join(format!("{NAME}.tflite")), board.path("signer.key")])
        .env("EXPRESSIOND", env!("CARGO_BIN_EXE_expressiond"))
        .env("OUT", board.path("out"))
        .env("SOURCE_DATE_EPOCH", "0")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{message}");
    assert!(message.contains("a board would refuse it"), "{message}");
    assert!(message.contains("version is \"1.2\"") && !message.contains("raise"), "{message}");
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

#[test]
fn where_none_works_the_exit_code_is_70_and_every_reason_is_told() {
    let board = Board::new();
    let output = board.show(&["--set", "model.name=nobody"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(70), "{message}");
    assert!(message.contains("none is called nobody"), "{message}");
    for version in ["1.0.0", "2.0.0"] {
        fs::create_dir(board.path(&format!("models.d/nobody-{version}"))).unwrap();
    }
    let output = board.show(&["--set", "model.name=nobody"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(70), "{message}");
    let place = |version| message.find(&format!("nobody-{version}/nobody.tflite")).unwrap();
    assert!(place("2.0.0") < place("1.0.0"), "{message}");
}

/// The daemon and the lines of its log.
struct Daemon {
    process: Running,
    lines: Receiver<String>,
}

impl Daemon {
    fn start(board: &Board) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_expressiond"))
            .args(["run", "--config"])
            .arg(board.path("settings.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            log.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Self { process: Running(child), lines }
    }

    fn reload(&self) {
        kill_process(Pid::from_child(&self.process.0), Signal::HUP).unwrap();
    }

    /// The first line from now on that has `text` in it.
    fn until(&self, text: &str) -> String {
        let end = Instant::now() + LIMIT;
        let mut all = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("not told '{text}' within {LIMIT:?}, but {all:#?}");
            };
            if line.contains(text) {
                return line;
            }
            all.push(line);
        }
    }
}

/// What a subscriber of the daemon's own broker is told as status.
fn status(port: &str) -> Value {
    let output = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", port, "-t", "expressiond/test/status", "-C", "1"])
        .args(["-W", &LIMIT.as_secs().to_string()])
        .output()
        .expect("mosquitto_sub is installed by `make setup`");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_running_daemon_takes_a_new_model_and_says_which_it_refused() {
    let board = Board::new();
    let daemon = Daemon::start(&board);
    daemon.until(&format!("model: {NAME}@{}", own_version()));
    daemon.until("broker: ");
    board.install("90.0.0", |_, _| {});
    daemon.reload();
    daemon.until(&format!("model: {NAME}@90.0.0"));
    let broker = daemon.until("broker: ");
    board.install("90.1.0", |card, _| card["self_test"]["expect"][0]["box"] = json!([0, 0, 9, 9]));
    daemon.reload();
    let told = daemon.until("model refused");
    assert!(told.contains("90.1.0") && told.contains("self-test failed"), "{told} after {broker}");
    daemon.until(&format!("model: {NAME}@90.0.0"));
    let broker = daemon.until("broker: ");
    let port = broker.split("127.0.0.1:").nth(1).unwrap().split(|c: char| !c.is_ascii_digit());
    let status = status(port.clone().next().unwrap());
    assert!(status["model"].as_str().unwrap().starts_with(&format!("{NAME}@90.0.0")), "{status}");
    let reasons = status["reasons"].as_array().unwrap();
    let refused = reasons.iter().find(|reason| reason["code"] == "model_refused").unwrap();
    assert!(refused["message"].as_str().unwrap().contains("90.1.0"), "{status}");
}

/// It is the settings that see nobody.
#[test]
fn a_floor_above_every_face_makes_no_model_blind() {
    let picture = read(Path::new("models/self-test.jpg")).unwrap();
    for (floor, sees) in [(0.3, true), (0.999, false)] {
        let mut detector = Detector::load(&Settings { floor, ..models() }).unwrap();
        assert!(detector.info().self_tested);
        let mut found = Vec::new();
        detector.detect(&picture, &mut found).unwrap();
        assert_eq!(!found.is_empty(), sees, "above {floor}: {found:?}");
    }
}

/// What lies in a mask is not looked at, wherever the daemon gets the picture from.
#[test]
fn a_masked_face_is_not_seen() {
    let picture = read(Path::new("models/self-test.jpg")).unwrap();
    let mut detector = Detector::load(&models()).unwrap();
    let mut found = Vec::new();
    detector.detect(&picture, &mut found).unwrap();
    let face = found.first().expect("the self-test's face").rect;
    detector.set_masks(mask_of(&face, picture.upright_size()));
    detector.detect(&picture, &mut found).unwrap();
    assert!(!is_seen(&face, &found), "{found:?}");
    look_mirrored(&mut detector, &picture, &mut found);
    assert!(!is_seen(&face, &found), "{found:?}");
}

/// A mirrored look sees what the mirrored picture shows, and tells it where the picture has it.
#[test]
fn a_mirrored_look_is_told_in_the_places_of_the_picture() {
    let picture = read(Path::new("models/self-test.jpg")).unwrap();
    let mut detector = Detector::load(&models()).unwrap();
    let (mut plain, mut mirrored, mut turned) = (Vec::new(), Vec::new(), Vec::new());
    detector.detect(&picture, &mut plain).unwrap();
    look_mirrored(&mut detector, &picture, &mut mirrored);
    let orientation = Orientation { mirror: true, ..picture.orientation };
    detector.detect(&Frame { orientation, ..picture.clone() }, &mut turned).unwrap();
    let [plain, mirrored, turned] = [plain[0], mirrored[0], turned[0]];
    assert!(mirrored.rect.iou(&plain.rect) > 0.7, "{mirrored:?} {plain:?}");
    let back = turned.rect.mirrored(picture.upright_size().width as f32);
    assert!(mirrored.rect.iou(&back) > 0.95, "{mirrored:?} {back:?}");
    assert!((mirrored.confidence - turned.confidence).abs() < 0.05, "{mirrored:?} {turned:?}");
    assert_eq!((mirrored.class, plain.class), (turned.class, turned.class));
}

fn look_mirrored(detector: &mut Detector, picture: &Frame, found: &mut Vec<Detection>) {
    let prepared = detector.prepare(picture).unwrap().mirrored(true);
    detector.look(&prepared, found).unwrap();
}

fn is_seen(face: &Rect, found: &[Detection]) -> bool {
    found.iter().any(|seen| seen.rect.iou(face) > 0.5 && seen.confidence > 0.5)
}

fn mask_of(face: &Rect, size: Size) -> Masks {
    let (w, h) = (size.width as f32, size.height as f32);
    let (left, right) = ((face.x / w).max(0.0), (face.right() / w).min(1.0));
    let (top, bottom) = ((face.y / h).max(0.0), (face.bottom() / h).min(1.0));
    let mask = zones::Settings {
        name: "face".to_owned(),
        kind: zones::Kind::Mask,
        points: vec![[left, top], [right, top], [right, bottom], [left, bottom]],
        enabled: true,
    };
    Zones::new(&[mask]).masks()
}
