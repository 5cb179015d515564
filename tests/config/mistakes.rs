//! A mistake is told with its place and ends with 78.

use super::{check, settings};

/// Settings, words on the command line, and what is said of them.
type Mistake = (&'static str, &'static [&'static str], &'static [&'static str]);

const MISTAKES: [Mistake; 23] = [
    ("[camera]\nsorce = 'x'\n", &[], &["e.toml:2", "sorce"]),
    ("[camera]\nfps = 'many'\n", &[], &["e.toml:2", "fps"]),
    ("[camera]\n\nfps = 0\n", &[], &["e.toml:3", "camera.fps", "1 to 240"]),
    ("[expression]\nenter = 0.3\n", &[], &["e.toml:2", "expression.enter", "0.5 to 1"]),
    (
        "[log]\n[expression.groups]\nsmile = ['happy', 'Happy']\n",
        &[],
        &["e.toml:2: expression.groups", "put happy into smile twice"],
    ),
    (
        "[expression.groups]\na = ['sad']\nb = ['SAD']\n",
        &[],
        &["e.toml:1", "put sad into both a and b"],
    ),
    ("[expression.groups]\na = []\n", &[], &["e.toml:1", "have a without a class"]),
    ("[expression.groups]\n'a ' = ['sad']\n", &[], &["e.toml:1", "name a , which has"]),
    ("[expression.groups]\na = ['*']\nb = ['*']\n", &[], &["e.toml:1", "put * into both a and b"]),
    ("[expression]\ngroups = ['a', 'A']\n", &[], &["e.toml:2", "name A for the second time"]),
    (
        "[expression]\ngroups = ['None']\n",
        &[],
        &["e.toml:2", "name None, which means that there is no expression"],
    ),
    (
        "",
        &["--set", "expression.groups={a=['sad'],b=['sad']}"],
        &["--set expression.groups: expression.groups put sad into both"],
    ),
    ("[mqtt]\nurl = 'http://x'\n", &[], &["e.toml:2", "mqtt.url"]),
    ("[camera\n", &[], &["e.toml:1"]),
    ("\n[[zone]]\nname = 'a'\npoints = [[0, 0]]\n", &[], &["e.toml:2", "zone 'a'", "1 corners"]),
    ("[[zone]]\nname = 'a'\npoints = [[0, 0, 1]]\n", &[], &["e.toml:3", "a corner is [x, y]"]),
    ("[[zone]]\nname = 'a'\nkind = 'x'\npoints = []\n", &[], &["e.toml:3", "`count`"]),
    ("[zone]\nname = 'a'\n", &[], &["e.toml:1", "[[zone]], in double brackets"]),
    ("[mqtt]\nclient_id = \"\\u0000\"\n", &[], &["e.toml:2: mqtt.client_id", "U+0000"]),
    ("", &["--instance", ""], &["--instance \"\"", "a name"]),
    ("", &["--instance", "../e"], &["--instance \"../e\"", "a name"]),
    ("", &["--set", "zone=[]"], &["--set zone", "in a file only"]),
    ("", &["--set", "camera.fps=0"], &["--set camera.fps", "1 to 240"]),
];

#[test]
fn every_kind_of_mistake_names_its_place_and_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    for (text, more, words) in MISTAKES {
        let file = settings(folder.path(), text);
        let output = check(&file, more);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{text}{more:?}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{text}{more:?}: {message}");
    }
    let output = check(&folder.path().join("none.toml"), &[]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn a_mistake_in_one_of_several_zones_has_the_line_of_that_zone() {
    let folder = tempfile::tempdir().unwrap();
    let points = "points = [[0, 0], [1, 0], [1, 1]]\n";
    let zone = |name: &str| format!("[[zone]]\nname = '{name}'\n{points}\n");
    for (text, line, words) in [
        (format!("[log]\n\n{}{}", zone("desk"), zone("a b")), 7, "zone number 2: name holds ' '"),
        (format!("{}{}", zone("desk"), zone("desk")), 5, "zone number 2: name is 'desk'"),
        (format!("{}{}", zone("a/b"), zone("desk")), 1, "zone number 1: name holds '/'"),
        ("\n[camera]\nlow_light = { exposure = 0.5 }\n".to_owned(), 3, "without a fraction"),
        ("[camera.controls]\ngain = [1]\n".to_owned(), 2, "without a fraction"),
    ] {
        let file = settings(folder.path(), &text);
        let checked = check(&file, &[]);
        assert_eq!(checked.status.code(), Some(78), "{text}");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(said.contains(&format!("e.toml:{line}: ")) && said.contains(words), "{said}");
    }
}
