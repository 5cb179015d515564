//! Settings from the environment, and from `--set` where it reads the same.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{check_among, check_with, settings};

#[test]
fn groups_can_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "");
    let check =
        |groups: &str| check_among(&[("EXPRESSIOND__DEVICE__GROUPS", groups.as_ref())], &file, &[]);
    let text = String::from_utf8(check("hall,floor2").stdout).unwrap();
    assert!(text.contains(r#"device.groups = ["hall", "floor2"]"#), "{text}");
    let refused = check("hall,a/b");
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78));
    assert!(message.contains("EXPRESSIOND__DEVICE__GROUPS: device.groups"), "{message}");
}

/// Ids and names that look like numbers, dates or switches stay what they are.
#[test]
fn text_from_the_environment_and_the_command_line_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "");
    for (key, variable) in
        [("device.id", "EXPRESSIOND__DEVICE__ID"), ("mqtt.username", "EXPRESSIOND__MQTT__USERNAME")]
    {
        for text in ["007", "007123", "123456e78901", "1_000", "1e5", "0x1F", "true", "inf", "0b1"]
        {
            let wanted = format!("{key} = \"{text}\"");
            let (code, told) = check_with(&file, &[(variable, text.as_ref())], &[]);
            assert!(code == Some(0) && told.contains(&wanted), "{variable}={text}: {told}");
            let (code, told) = check_with(&file, &[], &["--set", &format!("{key}={text}")]);
            assert!(code == Some(0) && told.contains(&wanted), "--set {key}={text}: {told}");
        }
    }
    for text in ["1.0", "1979-05-27", "[a]", "{}", " blank ", "a,b", "#", "\\"] {
        let (code, told) =
            check_with(&file, &[("EXPRESSIOND__MQTT__USERNAME", text.as_ref())], &["--all"]);
        let told: toml::Table = toml::from_str(&told).unwrap();
        assert_eq!((code, told["mqtt"]["username"].as_str()), (Some(0), Some(text)));
    }
    for (text, value) in [("5", "5"), ("\"5\"", "5"), ("3.1.1", "3.1.1")] {
        let (code, told) = check_with(
            &file,
            &[],
            &["--set", &format!("mqtt.version={text}"), "--set", "mqtt.url=mqtt://broker"],
        );
        assert!(code == Some(0) && told.contains(&format!("mqtt.version = \"{value}\"")), "{told}");
    }
}

#[test]
fn what_a_variable_cannot_be_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "");
    for (variable, text, words) in [
        ("EXPRESSIOND__LOG__LEVEL", "INFO", vec!["INFO", "`error`, `warn`, `info`"]),
        ("EXPRESSIOND__CAMERA__FPS", "many", vec!["camera.fps must be a whole number"]),
        ("EXPRESSIOND__CAMERA__FPS", "-5", vec!["camera.fps must be a whole number, 0 or more"]),
        ("EXPRESSIOND__CAMERA__FPS", "0", vec!["camera.fps", "1 to 240"]),
        ("EXPRESSIOND__CAMERA__MIRROR", "perhaps", vec!["true or false"]),
        ("EXPRESSIOND__CAMERA__FSP", "5", vec!["no key camera.fsp", "camera has", "fps"]),
        ("EXPRESSIOND_CAMERA_FPS", "5", vec!["EXPRESSIOND__CAMERA__FPS"]),
        ("EXPRESSIOND__CAMERA_FPS", "5", vec!["no key camera_fps", "camera.fps is meant"]),
        ("EXPRESSIOND_CAMERA__FPS", "5", vec!["EXPRESSIOND__CAMERA__FPS"]),
        ("EXPRESSIOND_CAMERA_CONTROLS", "{}", vec!["EXPRESSIOND__CAMERA__CONTROLS"]),
        ("EXPRESSIOND_CAMERA__CONTROLS__GAIN", "7", vec!["EXPRESSIOND__CAMERA__CONTROLS"]),
        ("expressiond__camera__fps", "5", vec!["EXPRESSIOND__CAMERA__FPS"]),
        ("EXPRESSIOND__CAMERA", "5", vec!["camera must be set key by key", "a section"]),
    ] {
        let (code, told) = check_with(&file, &[(variable, text.as_ref())], &[]);
        assert_eq!(code, Some(78), "{variable}={text}: {told}");
        let all = [&*words, &[variable]].concat();
        assert!(all.iter().all(|word| told.contains(word)), "{variable}={text}: {told}");
        assert_eq!(told.trim().lines().count(), 1, "{told}");
    }
    // no key of ours: what Kubernetes sets for a service called expressiond
    for (variable, text) in [("EXPRESSIOND_PORT", "tcp://10.0.0.1:80"), ("EXPRESSIOND_X_Y", "1")] {
        let (code, told) = check_with(&file, &[(variable, text.as_ref())], &[]);
        assert_eq!(code, Some(0), "{told}");
    }
}

#[test]
fn lists_and_switches_as_people_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "[device]\ngroups = ['attic']\n");
    for (variable, text, told) in [
        ("EXPRESSIOND__DEVICE__GROUPS", "", "[]"),
        ("EXPRESSIOND__DEVICE__GROUPS", "007, 1e5", "['007', '1e5']"),
        ("EXPRESSIOND__DEVICE__GROUPS", "[\"hall\"]", "['hall']"),
        ("EXPRESSIOND__CAMERA__MIRROR", "on", "true"),
        ("EXPRESSIOND__CAMERA__MIRROR", "Yes", "true"),
        ("EXPRESSIOND__CAMERA__FPS", " 7 ", "7"),
        ("EXPRESSIOND__PACE__MAX_FPS", "7", "7.0"),
        ("EXPRESSIOND__CAMERA__CONTROLS__GAIN", "7", "7"),
        ("EXPRESSIOND__CAMERA__CONTROLS__POWER_LINE_FREQUENCY", "50 Hz", "'50 Hz'"),
    ] {
        let (code, all) = check_with(&file, &[(variable, text.as_ref())], &["--all"]);
        assert_eq!(code, Some(0), "{variable}={text}: {all}");
        let shown: toml::Value = toml::from_str(&all).unwrap();
        let key = variable.strip_prefix("EXPRESSIOND__").unwrap().to_lowercase();
        let value = key.split("__").fold(&shown, |table, name| &table[name]);
        let told: toml::Table = toml::from_str(&format!("told = {told}")).unwrap();
        assert_eq!(value, &told["told"], "{variable}={text}");
    }
}

/// Nothing but a variable of ours has to be UTF-8, and that one is named.
#[test]
fn variables_and_folders_that_are_not_utf8_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), "");
    let latin = OsStr::from_bytes(b"b\xfcro");
    for name in ["FOO", "PWD", "HOME", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "LANG"] {
        let (code, told) = check_with(&file, &[(name, latin)], &[]);
        assert_eq!(code, Some(0), "{name}: {told}");
    }
    let (code, told) = check_with(&file, &[("EXPRESSIOND__DEVICE__ID", latin)], &[]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("EXPRESSIOND__DEVICE__ID") && told.contains("not UTF-8"), "{told}");
    let inner = folder.path().join(latin);
    std::fs::create_dir_all(inner.join("conf.d")).unwrap();
    let file = settings(&inner, "");
    std::fs::write(inner.join("conf.d").join(latin).with_extension("toml"), "[camera]\nfps = 9\n")
        .unwrap();
    let (code, told) = check_with(&file, &[], &[]);
    assert!(code == Some(0) && told.contains("camera.fps = 9"), "{told}");
}
