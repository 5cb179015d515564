use super::*;

fn about(cameras: &[&str]) -> About {
    About {
        settings: Settings::default(),
        topics: Topics::new("expressiond", Name::new("d1").expect("valid")).expect("valid"),
        cameras: cameras.iter().map(|name| Name::camera(*name).expect("valid")).collect(),
        classes: vec!["happy".into(), "not_happy".into()],
        snapshots: false,
        zones: Vec::new(),
        page: None,
        hardware: Hardware::default(),
    }
}

fn zone(name: &str, kind: zones::Kind) -> zones::Settings {
    let points = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
    zones::Settings { name: name.into(), kind, points, enabled: true }
}

#[test]
fn each_zone_has_its_entities_and_a_switch() {
    let mut about = about(&["front"]);
    about.zones = vec![zone("desk", zones::Kind::Count), zone("tv", zones::Kind::Mask)];
    let payload = about.payload(None);
    let components = payload["cmps"].as_object().expect("an object");
    for (key, platform, template) in [
        ("front_zone_desk_occupied", "binary_sensor", "value_json.zones['desk'].faces > 0"),
        ("front_zone_desk_faces", "sensor", "value_json.zones['desk'].faces"),
        ("front_zone_desk_expression", "sensor", "zones['desk'].expression or 'none'"),
        ("front_zone_desk_dwell", "sensor", "value_json.zones['desk'].dwell_s"),
        ("zone_desk", "switch", "value_json.in_force.zones['desk'].value"),
        ("zone_tv", "switch", "value_json.in_force.zones['tv'].value"),
    ] {
        assert_eq!(components[key]["p"], platform, "{key}");
        let found = components[key]["val_tpl"].as_str().expect("a template");
        assert!(found.contains(template), "{key}: {found}");
    }
    assert!(!components.contains_key("front_zone_tv_faces"), "nobody is counted in a mask");
    let off: Value =
        serde_json::from_str(components["zone_tv"]["pl_off"].as_str().unwrap()).expect("a command");
    assert_eq!(off, json!({ "command": "set", "zones": { "tv": false } }));
    assert_eq!(components["front_zone_desk_faces"]["name"], "desk faces");
}

#[test]
fn a_device_has_what_home_assistant_demands() {
    let about = about(&["front"]);
    assert_eq!(about.topic(), "homeassistant/device/expressiond_d1/config");
    let payload = about.payload(None);
    assert!(payload["dev"]["ids"][0].is_string() && payload["o"]["name"].is_string());
    let components = payload["cmps"].as_object().expect("an object");
    let mut unique = std::collections::BTreeSet::new();
    for (key, component) in components {
        let id = component["uniq_id"].as_str().expect("an id");
        assert!(unique.insert(id), "{id} twice");
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!(key.chars().chain(id.chars()).all(allowed), "{key} {id}");
        let entity = component["default_entity_id"].as_str().expect("an entity id");
        let platform = component["p"].as_str().expect("a platform");
        assert!(entity.starts_with(&format!("{platform}.")), "{entity}");
    }
    assert_eq!(components["front_expression"]["ops"], json!(["happy", "not_happy", "none"]));
    assert_eq!(components["front_face"]["avty_mode"], "all");
    // A camera that closes is away before it is told who has left by that.
    assert!(components["front_event"].get("avty").is_none());
}

#[test]
fn a_model_with_other_classes_has_other_entities() {
    let mut about = about(&["front"]);
    about.classes = vec!["surprise".into()];
    let payload = about.payload(None);
    assert!(payload["cmps"].get("front_happy").is_none());
    assert_eq!(payload["cmps"]["front_expression"]["ops"], json!(["surprise", "none"]));
}

#[test]
fn the_page_is_linked_and_whether_somebody_watches_is_shown() {
    let mut about = about(&["front"]);
    assert!(about.payload(None)["dev"].get("cu").is_none());
    assert!(about.payload(None)["cmps"].get("watched").is_none());
    about.page = Some(Page { url: Some("http://door.lan:8080/".into()) });
    about.hardware = Hardware { model: Some("Pi".into()), serial: Some("42".into()) };
    let payload = about.payload(None);
    assert_eq!(payload["dev"]["cu"], "http://door.lan:8080/");
    assert_eq!((&payload["dev"]["hw"], &payload["dev"]["sn"]), (&json!("Pi"), &json!("42")));
    assert_eq!(payload["cmps"]["watched"]["p"], "binary_sensor");
}

#[test]
fn an_owner_gets_a_binary_sensor_for_each_expression_asked_for() {
    let mut about = about(&["front"]);
    about.classes = vec!["positive".into(), "it's \"neutral\"".into(), "négative".into()];
    about.settings.binary_sensors = vec!["Positive".into(), "négative".into()];
    assert_eq!(about.settings.check_sensors(&about.classes), Ok(()));
    let payload = about.payload(None);
    let components = payload["cmps"].as_object().expect("an object");
    let sensor = |key: &str| components[key]["val_tpl"].as_str().expect("a template").to_owned();
    assert!(sensor("front_is_positive").contains(r#"== "positive""#));
    assert!(sensor("front_is_n-c3-a9gative").contains(r#"== "négative""#));
    assert!(!components.contains_key("front_happy"));
    about.settings.binary_sensors = vec!["angry".into()];
    let why = about.settings.check_sensors(&about.classes).expect_err("not told");
    assert!(why.contains("angry") && why.contains("positive"), "{why}");
    // Whatever a class is called, its text cannot end the template's.
    about.settings.binary_sensors = vec!["it's \"neutral\"".into()];
    let payload = about.payload(None);
    let template = payload["cmps"]["front_is_it-27s-20-22neutral-22"]["val_tpl"].to_string();
    assert!(template.contains("it's"), "{template}");
}

/// Neither two names that are written alike in an id, nor two words for a smile.
#[test]
fn no_binary_sensor_takes_anothers_place() {
    let sensors = |classes: &[&str], asked: &[&str]| {
        let mut about = about(&["front"]);
        about.classes = classes.iter().map(|class| (*class).to_owned()).collect();
        about.settings.binary_sensors = asked.iter().map(|name| (*name).to_owned()).collect();
        let text = about.payload(None);
        let components = text["cmps"].as_object().expect("an object").iter();
        let sensor = |(key, value): (&String, &Value)| {
            let template = value["val_tpl"].as_str()?;
            let told = template.strip_prefix("{{ 'ON' if value_json.expression == ")?;
            Some(format!("{key} {} {}", value["name"], told.split(' ').next()?))
        };
        components.filter_map(sensor).collect::<Vec<_>>()
    };
    let both = ["front_happy \"Happy\" \"joy\"", "front_is_smiling \"smiling\" \"smiling\""];
    assert_eq!(sensors(&["joy", "smiling"], &["joy", "smiling"]), both);
    assert_eq!(sensors(&["joy", "smiling"], &[]), both);
    assert_eq!(sensors(&["joy", "smiling"], &["smiling"]), both[1..]);
    // What is called so comes before what only means it.
    assert_eq!(sensors(&["joy", "happy"], &[]), ["front_happy \"Happy\" \"happy\""]);
    for pair in [["a b", "a20b"], ["a-b", "a2db"], ["é", "c3a9"], ["a-20b", "a b"]] {
        assert_eq!(sensors(&pair, &pair).len(), 2, "{pair:?}");
    }
    // Another word of the same meaning asks for it as well.
    assert_eq!(sensors(&["anger"], &["angry"]), ["front_is_anger \"anger\" \"anger\""]);
}

#[test]
fn pictures_are_only_offered_where_the_owner_lets_them_out() {
    let mut about = about(&["front"]);
    assert!(about.payload(None)["cmps"].get("front_snapshot").is_none());
    about.snapshots = true;
    let components = about.payload(None)["cmps"].clone();
    assert_eq!(components["front_snapshot"]["image_topic"], "expressiond/d1/front/snapshot");
    assert_eq!(components["take_snapshot"]["p"], "button");
    // It can be pressed only while the camera is there.
    let there = components["take_snapshot"]["avty"].as_array().unwrap();
    assert!(there.contains(&json!({ "t": "expressiond/d1/front/availability" })), "{there:?}");
    // Switched off again, what an earlier run announced is taken back.
    let before = about.payload(None).to_string();
    about.snapshots = false;
    let after = about.payload(Some(before.as_bytes()));
    assert_eq!(after["cmps"]["front_snapshot"], json!({ "p": "image" }));
    assert_eq!(after["cmps"]["snapshots"], json!({ "p": "switch" }));
    // The page's pictures are held back by the same switch, and it is the way back.
    about.page = Some(Page::default());
    let with_page = about.payload(Some(before.as_bytes()));
    assert_eq!(with_page["cmps"]["snapshots"]["name"], "Snapshots");
    assert_eq!(with_page["cmps"]["take_snapshot"], json!({ "p": "button" }));
}

/// Whatever a camera is called, it takes no entity away, its own or the device's.
#[test]
fn no_name_of_a_camera_takes_an_entity_away() {
    // Of these a camera called `zone` has entities of the same name.
    let zones = ["face", "happy", "desk"].map(|name| zone(name, zones::Kind::Count));
    let with_all = |cameras: &[&str]| {
        let (snapshots, zones) = (true, zones.to_vec());
        About { snapshots, zones, ..about(cameras) }
    };
    let count = |cameras: &[&str]| {
        let payload = with_all(cameras).payload(None);
        let components = payload["cmps"].as_object().expect("an object").clone();
        let platforms: std::collections::BTreeSet<_> = components
            .values()
            .map(|component| (component["p"].to_string(), component["uniq_id"].to_string()))
            .collect();
        assert_eq!(platforms.len(), components.len(), "{cameras:?}");
        components.len()
    };
    let expected = count(&["door"]);
    let device = about(&["door"]).device_components();
    let ends = ["snapshot", "face", "faces", "event", "happy", "last_change", "expression"];
    let prefixes = device
        .keys()
        .flat_map(|key| ends.iter().filter_map(|end| key.strip_suffix(end)?.strip_suffix('_')));
    let names = ["take", "camera", "camera_take", "max", "frames", "reason", "last", "zone"];
    for name in prefixes.chain(names) {
        assert_eq!(count(&[name]), expected, "{name}");
    }
    for (camera, key, of_device, of_camera) in [
        ("take", "take_snapshot", "button", "image"),
        ("zone", "zone_face", "switch", "binary_sensor"),
    ] {
        let components = with_all(&[camera]).payload(None)["cmps"].clone();
        assert_eq!(components[key]["p"], of_device);
        let other = &components[&format!("camera_{key}")];
        assert_eq!(other["p"], of_camera);
        // As before, so that it is the same entity to Home Assistant.
        assert_eq!(other["uniq_id"], format!("expressiond_d1_{key}"));
    }
    assert_eq!(count(&["take", "camera_take"]), count(&["a", "b"]));
}

/// Home Assistant knows a component by platform and key: under a key that has another platform
/// now, nobody could take the one before back.
#[test]
fn a_key_never_goes_to_another_platform() {
    let mut with_zone = about(&["zone"]);
    let before = with_zone.payload(None).to_string();
    with_zone.zones = vec![zone("face", zones::Kind::Count)];
    let components = with_zone.payload(Some(before.as_bytes()))["cmps"].clone();
    assert_eq!(components["zone_face"]["dev_cla"], "occupancy", "it was there first");
    assert_eq!(components["camera_zone_face"]["p"], "switch");
    // The camera's new name frees the key, once what had it is taken back.
    let before = json!({ "cmps": components }).to_string();
    let mut renamed = about(&["hall"]);
    renamed.zones = with_zone.zones;
    let components = renamed.payload(Some(before.as_bytes()))["cmps"].clone();
    assert_eq!(components["zone_face"], json!({ "p": "binary_sensor" }));
    assert_eq!(components["camera_zone_face"]["uniq_id"], "expressiond_d1_zone_face");
    let before = about(&["zone"]).payload(None).to_string();
    let components = renamed.payload(Some(before.as_bytes()))["cmps"].clone();
    assert_eq!(components["zone_face"], json!({ "p": "binary_sensor" }));
    assert_eq!(components["camera_zone_face"]["p"], "switch");
}

#[test]
fn a_camera_that_is_gone_is_removed_once() {
    let old = about(&["front", "back"]).payload(None).to_string();
    let next = about(&["front"]).payload(Some(old.as_bytes()));
    assert_eq!(next["cmps"]["back_face"], json!({ "p": "binary_sensor" }));
    assert!(next["cmps"]["front_face"].get("uniq_id").is_some());
    let after = about(&["front"]).payload(Some(next.to_string().as_bytes()));
    assert!(after["cmps"].get("back_face").is_none(), "said once, then forgotten");
}

#[test]
fn what_others_wrote_there_is_no_harm() {
    for text in ["", "[]", "{", r#"{"cmps":[]}"#, r#"{"cmps":{"a":1,"b":{"x":1,"y":2}}}"#] {
        assert_eq!(
            about(&["front"]).payload(Some(text.as_bytes())),
            about(&["front"]).payload(None)
        );
    }
}

#[test]
fn impossible_settings_name_their_key() {
    let wrong = Settings { discovery_prefix: "a/#".into(), ..Settings::default() };
    assert_eq!(wrong.check().expect_err("refused").0, "discovery_prefix");
    assert_eq!(Settings::default().check(), Ok(()));
}
