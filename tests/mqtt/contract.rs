//! `docs/ref/mqtt.md` and the schemas beside it against what is really sent.

use std::collections::BTreeSet;

use expressiond::clock::rfc3339;
use expressiond::config::Config;
use expressiond::config::digest::digest;
use expressiond::contract::in_force::InForce;
use expressiond::contract::inventory::{FailedUpgrade, INVENTORY_SCHEMA, Inventory, Upgraded};
use expressiond::contract::payload::Counts;
use expressiond::contract::payload::{
    CameraState, DeviceStatus, Reach, Reason, ReasonCode, SCHEMA_VERSION, ZoneState,
};
use expressiond::contract::topics::Topics;
use expressiond::contract::tuning::Tuning;
use expressiond::control::groups::{GroupSettings, SettingsByGroup};
use expressiond::control::in_force::Settled;
use expressiond::control::overrides::Overrides;
use expressiond::mqtt::message::{Class, Qos};
use expressiond::mqtt::settings::Settings;
use expressiond::name::Name;
use serde_json::Value;

use crate::observer::{Observer, Seen};
use crate::reference;
use crate::support::{AnyBroker, camera, event, publisher, speaking};

const DOCUMENT: &str = include_str!("../../docs/ref/mqtt.md");

pub fn table(heading: &str) -> Vec<Vec<String>> {
    reference::table(DOCUMENT, heading)
}

pub fn placed(topic: &str) -> String {
    let place = |text: String, (name, value)| text.replace(name, value);
    [("<base>", "expressiond"), ("<device>", "d1"), ("<camera>", "front"), ("<zone>", "desk")]
        .into_iter()
        .fold(topic.to_owned(), place)
}

#[test]
fn every_topic_is_documented_with_its_quality_and_retention() {
    let documented: BTreeSet<_> = table("## Topics")
        .into_iter()
        .map(|row| (placed(&row[0]), row[2].clone(), row[3].clone()))
        .collect();
    let topics = Topics::new("expressiond", Name::new("d1").expect("valid")).expect("valid");
    let coded: BTreeSet<_> = topics
        .written(&camera())
        .into_iter()
        .map(|(topic, class)| {
            let retained = if class.retained() { "yes" } else { "no" };
            (topic, quality(class).to_owned(), retained.to_owned())
        })
        .collect();
    assert_eq!(documented, coded);
}

/// Where the settings lead, as the document has it.
fn quality(class: Class) -> &'static str {
    let with = |event_qos, state_qos| {
        u8::from(Settings { event_qos, state_qos, ..Settings::default() }.qos(class))
    };
    let (no, yes) = (Qos::AtMostOnce, Qos::AtLeastOnce);
    match [with(no, no), with(yes, no), with(no, yes), with(yes, yes)] {
        [0, 0, 0, 0] => "0",
        [1, 1, 1, 1] => "1",
        [0, 1, 0, 1] => "mqtt.event_qos",
        [0, 0, 1, 1] => "mqtt.state_qos",
        other => panic!("{class:?}: {other:?}"),
    }
}

#[test]
fn every_command_is_documented() {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/ref/command.schema.json")).expect("JSON");
    let documented: Vec<_> = table("## Commands").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(serde_json::json!(documented), schema["properties"]["command"]["enum"]);
}

#[test]
fn everything_that_a_group_can_say_is_documented() {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/ref/group-settings.schema.json"))
            .expect("JSON");
    let documented: BTreeSet<_> =
        table("## Groups").into_iter().map(|row| row[0].clone()).collect();
    let known = schema["properties"].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(documented, known);
    let topics = Topics::new("expressiond", Name::new("d1").expect("valid")).expect("valid");
    let topic = topics.group_settings(&Name::new("hall").expect("valid"));
    let described = DOCUMENT.split_once("## Groups").expect("the heading is there").1;
    let pattern = topic.replace("expressiond/", "<base>/").replace("hall", "<group>");
    assert!(described.contains(&format!("`{pattern}`")), "{pattern}");
}

#[test]
fn every_reason_is_documented() {
    let documented: Vec<_> = table("## Reasons").into_iter().map(|row| row[0].clone()).collect();
    let coded: Vec<_> = ReasonCode::ALL
        .iter()
        .map(|code| serde_json::to_value(code).expect("a string"))
        .map(|value| value.as_str().expect("a string").to_owned())
        .collect();
    assert_eq!(documented, coded);
}

#[tokio::test]
async fn what_is_sent_is_what_is_documented() {
    for (broker, version) in AnyBroker::each() {
        let observer = Observer::at(broker.port()).await;
        let mut settings = speaking(version, broker.port());
        settings.state_qos = Qos::AtMostOnce;
        let (publisher, _received) = publisher(settings);
        publisher.set_camera_available(&camera(), true);
        publisher.set_camera_state(&camera(), &state()).expect("taken");
        publisher.set_status(&status(publisher.stats())).expect("taken");
        publisher.set_inventory(&inventory()).expect("taken");
        publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
        // A picture needs a connection; a state that arrived proves one.
        observer.until("a state", |seen| seen.iter().any(|s| s.topic.ends_with("/state"))).await;
        publisher.publish_snapshot(&camera(), vec![0xff, 0xd8]).expect("connected");
        let documented: BTreeSet<_> =
            table("## Topics").into_iter().map(|row| placed(&row[0])).collect();
        let sent = |seen: &[Seen]| seen.iter().map(|s| s.topic.clone()).collect::<BTreeSet<_>>();
        let seen = observer.until("every documented topic", |seen| sent(seen) == documented).await;
        publisher.shutdown().await;
        for row in table("## Topics") {
            let expected = match row[2].as_str() {
                "mqtt.state_qos" => 0,
                "mqtt.event_qos" => 1,
                always => always.parse().expect("a number"),
            };
            // rumqttd 0.20 hands everything on at the QoS of the subscription.
            let is_told = |seen: &&Seen| {
                matches!(broker, AnyBroker::Mosquitto(_)) && seen.topic == placed(&row[0])
            };
            assert!(seen.iter().filter(is_told).all(|seen| seen.qos == expected), "{row:?}");
        }

        let payload =
            |topic: &str| seen.iter().find(|seen| seen.topic == topic).expect("was sent").json();
        let state = payload("expressiond/d1/front/state");
        conforms(include_str!("../../docs/ref/camera-state.schema.json"), &state);
        let status = payload("expressiond/d1/status");
        conforms(include_str!("../../docs/ref/status.schema.json"), &status);
        let inventory = payload("expressiond/d1/inventory");
        conforms(include_str!("../../docs/ref/inventory.schema.json"), &inventory);
    }
}

fn conforms(schema: &str, value: &Value) {
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {value:#}");
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA_VERSION);
    // The other direction: nothing is documented that is not sent.
    for required in schema["required"].as_array().expect("a list") {
        assert!(value.get(required.as_str().expect("text")).is_some(), "{required} is not sent");
    }
    for known in schema["properties"].as_object().expect("an object").keys() {
        assert!(value.get(known).is_some(), "{known} is documented but not sent");
    }
}

fn now() -> String {
    rfc3339(std::time::SystemTime::now())
}

pub fn state() -> CameraState {
    CameraState {
        schema: SCHEMA_VERSION,
        time: now(),
        faces: 1,
        expression: Some("happy".into()),
        confidence: Some(0.9),
        track: Some("0a1b2c3d-7".into()),
        zones: [
            (
                "desk".into(),
                ZoneState {
                    faces: 1,
                    expression: Some("happy".into()),
                    confidence: Some(0.9),
                    track: Some("0a1b2c3d-7".into()),
                    since: Some(now()),
                    dwell_s: Some(12.5),
                },
            ),
            (
                "door".into(),
                ZoneState {
                    faces: 0,
                    expression: None,
                    confidence: None,
                    track: None,
                    since: None,
                    dwell_s: None,
                },
            ),
        ]
        .into(),
    }
}

/// With one of everything that may fail.
pub fn inventory() -> Inventory {
    let kinds = [Upgraded::Package, Upgraded::Model, Upgraded::Settings];
    let failed = kinds.map(|what| FailedUpgrade { what, message: "why".into() });
    Inventory {
        schema: INVENTORY_SCHEMA,
        time: now(),
        version: "0.1.0".into(),
        package: Some("0.1.0-1".into()),
        architecture: std::env::consts::ARCH,
        model: Some("m@1+00".into()),
        settings: digest(&Config::default()),
        groups: vec!["hall".into()],
        failed: failed.to_vec(),
    }
}

pub fn status(mqtt: expressiond::mqtt::stats::Stats) -> DeviceStatus {
    let runtime = Overrides {
        tuning: Tuning { threshold: Some(0.75), max_fps: None },
        groups: SettingsByGroup::from([(
            "hall".into(),
            GroupSettings { paused: true, ..GroupSettings::default() },
        )]),
        ..Overrides::default()
    };
    DeviceStatus {
        schema: SCHEMA_VERSION,
        time: now(),
        version: env!("CARGO_PKG_VERSION").into(),
        model: Some("expressions-int8".into()),
        paused: false,
        identifying: false,
        runtime: runtime.tuning,
        groups: vec!["hall".into()],
        in_force: InForce::of(
            &Settled {
                tuning: Tuning { threshold: Some(0.7), max_fps: Some(15.0) },
                snapshots: true,
                zones: [("desk".into(), true)].into(),
                ..Settled::default()
            },
            &[Name::new("hall").expect("valid")],
            &runtime,
        ),
        uptime_s: 12,
        reasons: vec![Reason {
            code: ReasonCode::NoFace,
            camera: Some("front".into()),
            message: "no face is in the picture".into(),
        }],
        frames_per_second: 4.5,
        inference_ms: Some(180.0),
        frame_age_ms: Some(190.0),
        idle: false,
        reach: Some(Reach { wanted_m: 6.5, sees_m: 3.7, face_px: 24.0 }),
        low_light: false,
        temperature_c: Some(51.5),
        viewers: 1,
        frames: Counts::default(),
        mqtt,
    }
}
