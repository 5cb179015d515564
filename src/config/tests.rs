//! Mistakes: their place, and the same words wherever they stand.

use super::*;

/// What is said of a file with this text, and with these `key=value` behind `--set`, without the
/// folder of the file.
fn refused(text: &str, overrides: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("k.toml");
    std::fs::write(&file, text).unwrap();
    let pair = |text: &&str| text.split_once('=').map(|(key, value)| (key.into(), value.into()));
    let overrides = overrides.iter().map(|text| pair(text).unwrap()).collect();
    let sources = Sources { file: Some(file), instance: None, overrides };
    let error = load(&sources).expect_err(text);
    assert_eq!(error.kind(), Kind::Config);
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn of_two_keys_that_do_not_go_together_one_that_was_set_is_named() {
    for (section, lines, words) in [
        (
            "mqtt",
            &["password_file = '/x'", "url = 'mqtts://h'"][..],
            "mqtt.password_file is set, and mqtt.username is empty: a password needs",
        ),
        ("mqtt", &["version = '5'"], "mqtt.version is \"5\""),
        ("expression", &["votes_of = 2"], "expression.votes_of is 2, it must be at least"),
        ("expression", &["votes = 7"], "expression.votes is 7, it must be from 1 to 6"),
        ("expression", &["leave = 0.7"], "expression.leave is 0.7, it must be from 0 to 0.65"),
        ("preview", &["listen = '0.0.0.0:80'"], "preview.listen is '0.0.0.0:80', and preview.tok"),
        (
            "mqtt",
            &["tls.cert_file = 'c'", "url = 'mqtts://h'"],
            "mqtt.tls.cert_file is set, and mqtt.tls.key_file is empty",
        ),
        (
            "mqtt",
            &["tls.key_file = 'k'", "url = 'mqtts://h'"],
            "mqtt.tls.key_file is set, and mqtt.tls.cert_file is empty",
        ),
        ("mqtt", &["tls.ca_file = 'c'"], "mqtt.tls has settings, but mqtt.url"),
        ("preview", &["cert_file = 'c'"], "preview.cert_file is set, and preview.key_file is emp"),
        ("preview", &["key_file = 'k'"], "preview.key_file is set, and preview.cert_file is emp"),
    ] {
        let told = refused(&format!("[{section}]\n{}\n", lines.join("\n")), &[]);
        assert!(told.starts_with(&format!("k.toml:2: {words}")), "{told}");
        let set: Vec<String> = lines.iter().map(|line| format!("{section}.{line}")).collect();
        let set: Vec<String> = set.iter().map(|line| line.replace(" = ", "=")).collect();
        let told = refused("", &set.iter().map(String::as_str).collect::<Vec<_>>());
        let (key, _) = set[0].split_once('=').unwrap();
        assert!(told.starts_with(&format!("--set {key}: {words}")), "{told}");
    }
}

#[test]
fn a_mistake_has_the_same_words_in_a_file_and_behind_set() {
    for (text, line, set, words) in [
        ("[mqtt]\nur = ''", 2, "mqtt.ur=", "there is no key mqtt.ur; mqtt has base_topic, "),
        ("[mqtt]\nUrl = ''", 2, "mqtt.Url=", "there is no key mqtt.Url (mqtt.url is meant?)"),
        (
            "[log]\n[Camera]\nfps = 5",
            2,
            "Camera.fps=5",
            "there is no key Camera.fps (camera.fps is meant?); the sections are attention, ",
        ),
        ("fps = 5", 1, "fps=5", "there is no key fps; the sections are "),
        ("camera = 5", 1, "camera=5", "camera must be set key by key, it is a section with cont"),
        ("[camera]\nfps = 'x'", 2, "camera.fps=x", "camera.fps must be a whole number, 0 or more"),
        ("[camera]\nfps = 1.5", 2, "camera.fps=1.5", "camera.fps must be a whole number, 0 or mo"),
        ("[camera]\nfps = -5", 2, "camera.fps=-5", "camera.fps must be a whole number, 0 or more"),
        (
            "[mqtt.outbox]\n\nmax_age_s = -1",
            3,
            "mqtt.outbox.max_age_s=-1",
            "mqtt.outbox.max_age_s must be a whole number, 0 or more",
        ),
        (
            "mqtt.embedded_port = 70000",
            1,
            "mqtt.embedded_port=70000",
            "mqtt.embedded_port is 70000, which is too large",
        ),
        ("[pace]\nmax_fps = 'x'", 2, "pace.max_fps=x", "pace.max_fps must be a number"),
        ("[camera]\nmirror = 'x'", 2, "camera.mirror=x", "camera.mirror must be true or false"),
        (
            "[device]\ngroups = [1]",
            2,
            "device.groups=[1]",
            "device.groups must be a list of texts, as in [\"a\", \"b\"]",
        ),
        ("camera.controls = 5", 1, "camera.controls=5", "camera.controls must be a table, as in"),
        (
            "[log]\nlevel = 'loud'",
            2,
            "log.level=loud",
            "log.level is `loud`, it must be one of `error`, `warn`, ",
        ),
        ("[mqtt]\nevent_qos = 2", 2, "mqtt.event_qos=2", "mqtt.event_qos: quality of service 2: 0"),
        ("[camera]\nfps = 0", 2, "camera.fps=0", "camera.fps is 0, it must be from 1 to 240"),
    ] {
        let told = refused(text, &[]);
        let of_file = told.strip_prefix(&format!("k.toml:{line}: ")).expect(&told);
        assert!(of_file.starts_with(words), "{told}");
        let (key, _) = set.split_once('=').unwrap();
        let told = refused("", &[set]);
        assert_eq!(told.strip_prefix(&format!("--set {key}: ")), Some(of_file), "{told}");
    }
}

#[test]
fn what_only_a_file_can_have_wrong() {
    for (text, told) in [
        (
            "[log]\n[zone]\nname = 'a'\n",
            "k.toml:2: zone: each zone is a section [[zone]], in double brackets",
        ),
        ("[camera]\nname = 5\n", "k.toml:2: camera.name must be text, in quotes"),
        ("[[camera]]\nfps = 5\n", "k.toml:1: camera must be set key by key"),
        ("[camera.fps]\nx = 5\n", "k.toml:1: camera.fps must be a whole number"),
        ("'camera.fps' = 5\n", "k.toml:1: camera.fps is a single name within its quotes"),
        ("[[zones]]\nname = 'a'\n", "k.toml:1: there is no key zones; the sections are "),
        // The first in the file, whatever the order of the names.
        ("[mqtt]\nx = 1\n[camera]\ny = 1\n", "k.toml:2: there is no key mqtt.x"),
        ("[kamera]\n", "k.toml:1: there is no key kamera"),
        ("[[zone]]\nnam = 'a'\n", "k.toml:2: there is no key `nam`; there are `name`, `kind`, "),
        ("[[zone]]\nname = 5\n", "k.toml:2: it must be text, in quotes (in \"name\")"),
        ("[[zone]]\nname = 'a'\npoints = 5\n", "k.toml:3: it must be a list (in \"points\")"),
        (
            "[[zone]]\nkind = 'x'\n",
            "k.toml:2: it is `x`, it must be `count` or `mask` (in \"kind\")",
        ),
    ] {
        let refused = refused(text, &[]);
        assert!(refused.starts_with(told), "{refused}");
    }
}
