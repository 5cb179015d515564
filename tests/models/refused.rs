//! What is not fit to run is named, to boards, to whoever packages it, and where nothing is left.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Board, NAME, own_version};

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
            card["sha256"] = format!("{:x}", Sha256::digest(fs::read(&file).unwrap())).into();
        }),
    ];
    for (words, spoil) in before_signing {
        let board = Board::new();
        board.install("90.0.0", spoil);
        expect_own(&board, words);
    }
}

fn flip_a_byte(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(file, bytes).unwrap();
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

#[test]
fn the_size_that_a_package_names_is_that_of_its_files_on_every_file_system() {
    let board = Board::new();
    fs::create_dir_all(board.path("root/usr/lib")).unwrap();
    fs::create_dir_all(board.path("root/DEBIAN")).unwrap();
    fs::write(board.path("root/DEBIAN/control"), [0; 9000]).unwrap();
    fs::write(board.path("root/usr/lib/small"), [0; 1]).unwrap();
    // It takes no block anywhere.
    fs::File::create(board.path("root/usr/lib/sparse")).unwrap().set_len(5 * 1024 + 1).unwrap();
    let output = Command::new("deploy/deb/size").arg(board.path("root")).output().unwrap();
    // The root and two folders, and files of one and of six.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "10\n");
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
