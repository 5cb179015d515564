use super::*;
use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Toy {
    camera: Camera,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Camera {
    source: String,
    fps: u32,
}

fn layers(texts: &[&str]) -> Layers {
    let files = texts.iter().enumerate().map(|(number, text)| Layer {
        path: PathBuf::from(format!("{number}.toml")),
        text: (*text).to_owned(),
    });
    Layers { files: files.collect(), ..Layers::default() }
}

#[test]
fn a_file_that_is_not_written_yet_counts_in_its_place() {
    let before = layers(&["[camera]\nfps = 1\n", "[camera]\nfps = 2\n", "[camera]\nfps = 3\n"]);
    let fps = |part: &str, text| {
        let layers = before.clone().with_part(Path::new(part), text).expect("small");
        let fps = layers.merge::<Toy>().expect("right").camera.fps;
        (fps, layers.files().count())
    };
    assert_eq!(fps("2.toml", Some("[camera]\nfps = 4\n")), (4, 3));
    assert_eq!(fps("2.toml", None), (2, 2));
    assert_eq!(fps("15.toml", Some("[camera]\nfps = 4\n")), (3, 4));
    assert_eq!(fps("3.toml", Some("[camera]\nfps = 4\n")), (4, 4));
    let large = " ".repeat((1 << 20) + 1);
    assert!(before.with_part(Path::new("2.toml"), Some(&large)).is_err());
}

#[test]
fn later_layers_win_and_each_value_knows_its_place() {
    let layers = layers(&["[camera]\nsource = 'a'\nfps = 1\n", "[camera]\nfps = 2\n"])
        .with_environment(
            [("EXPRESSIOND__CAMERA__FPS", "3"), ("OTHER", "4")]
                .map(|(name, value)| (name.into(), value.into()))
                .into_iter(),
        );
    let toy: Toy = layers.merge().unwrap();
    assert_eq!(toy, Toy { camera: Camera { source: "a".into(), fps: 3 } });
    assert_eq!(layers.origin("camera.source").to_string(), "0.toml:2");
    assert_eq!(
        layers.origin("camera.fps").to_string(),
        "environment variable EXPRESSIOND__CAMERA__FPS"
    );
    let layers = layers.with_override("camera.fps", "4");
    assert_eq!(layers.merge::<Toy>().unwrap().camera.fps, 4);
    assert_eq!(layers.origin("camera.fps").to_string(), "--set camera.fps");
    assert_eq!(layers.origin("camera.none").to_string(), "built-in default");
}

#[test]
fn of_a_table_and_its_entry_the_later_wins_and_each_has_its_place() {
    let variable = |value: &str| [("EXPRESSIOND__CONTROLS".into(), value.into())].into_iter();
    let file = "[controls]\nfocus = 1\ngain = 1\n";
    // Overrides of one source would be set in the order of a hash map: another each time.
    for _ in 0..20 {
        let layers = layers(&[file])
            .with_environment(variable("{ gain = 3 }"))
            .with_override("controls.gain", "4")
            .with_override("controls.gain", "5");
        let controls = layers.merge::<Controlled>().unwrap().controls;
        assert_eq!(controls, BTreeMap::from([("focus".into(), 1), ("gain".into(), 5)]));
        assert_eq!(layers.origin("controls.gain").to_string(), "--set controls.gain");
        assert_eq!(layers.origin("controls.focus").to_string(), "0.toml:2");
    }
    let layers = layers(&[file]).with_environment(variable("{ gain = 3 }"));
    assert_eq!(
        layers.origin("controls.gain").to_string(),
        "environment variable EXPRESSIOND__CONTROLS"
    );
    let layers = Layers::default().with_override("camera.fps", "3");
    assert_eq!(layers.origin("camera").to_string(), "--set camera.fps");
}

/// Settings with names that are not known beforehand.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Controlled {
    controls: BTreeMap<String, i64>,
}

#[test]
fn mistakes_name_file_line_and_key() {
    for (text, line, word) in [
        ("[camera]\nfsp = 1\n", 2, "fsp"),
        ("[camera]\nsource = 'a'\nfps = 'many'\n", 3, "fps"),
        ("[kamera]\n", 1, "kamera"),
        ("[camera\n", 1, "camera"),
    ] {
        let message = layers(&[text]).merge::<Toy>().unwrap_err().to_string();
        assert!(message.starts_with(&format!("0.toml:{line}: ")), "{message}");
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn no_mistake_tells_a_value_which_may_be_a_secret() {
    for text in [
        "[camera]\npassword = \"hunter2\"\n",
        "[camera]\nfps = \"hunter2\"\n",
        "[camera]\nfps = 'say \"hunter2\", expected or not'\n",
        "camera = { password = \"hunter2\" }\n",
        "[camera]\npassword hunter2\n",
        "[camera]\nsource = [\n  \"hunter2\",\n]\n",
        "[camera]\nsource = \"hunter2\n",
    ] {
        let message = layers(&[text]).merge::<Toy>().unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
        assert!(message.starts_with("0.toml:") && message.len() > 40, "{message}");
    }
}

#[test]
fn a_name_may_have_dots() {
    let layers = layers(&["[a]\n\"b.c\" = 1\nb.d = 2\n"]);
    assert_eq!(layers.origin("a.b.c").to_string(), "0.toml:2");
    assert_eq!(layers.origin("a.b.d").to_string(), "0.toml:3");
    assert_eq!(layers.origin("a.b.e").to_string(), "built-in default");
}

#[test]
fn unknown_variables_are_mistakes_too() {
    let variable = ("EXPRESSIOND__CAMERA__FSP".into(), "3".into());
    let layers = Layers::default().with_environment([variable].into_iter());
    let message = layers.merge::<Toy>().unwrap_err().to_string();
    assert!(message.contains("fsp") && message.contains("environment"), "{message}");
}
