//! The access list in `deploy/mosquitto`: its own topics and no others.

use std::path::Path;
use std::process::Command;

use expressiond::mqtt::message::Class;
use expressiond::mqtt::settings::Settings;
use expressiond::name::Name;
use expressiond::publish::Publisher;
use rumqttc::MqttOptions;

use crate::certificates::text;
use crate::contract;
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::support::{begin, camera, event, first_sightings, settings};

pub const LIST: &str = include_str!("../../deploy/mosquitto/fleet.acl");
/// Everybody's.
pub const PASSWORD: &str = "of-the-test";
const USERS: [&str; 5] = ["d1", "d2", "homeassistant", "admin", "observer"];

/// A broker with the committed access list.
fn broker(folder: &Path) -> Mosquitto {
    broker_for(folder, &USERS, LIST)
}

/// A broker's file of these users, each with [`PASSWORD`].
pub fn write_passwords(file: &Path, users: &[&str]) {
    std::fs::write(file, "").expect("write");
    for user in users {
        let made = Command::new("mosquitto_passwd")
            .args(["-b", &text(file), user, PASSWORD])
            .status()
            .expect("mosquitto_passwd comes with mosquitto");
        assert!(made.success());
    }
}

/// A broker with these users and this access list.
pub fn broker_for(folder: &Path, users: &[&str], list: &str) -> Mosquitto {
    let (passwords, rights) = (folder.join("passwords"), folder.join("rights"));
    write_passwords(&passwords, users);
    std::fs::write(folder.join("password"), PASSWORD).expect("write");
    std::fs::write(&rights, list).expect("write");
    Mosquitto::with(&format!(
        "allow_anonymous false\npassword_file {}\nacl_file {}\n",
        text(&passwords),
        text(&rights)
    ))
}

pub fn device(broker: &Mosquitto, folder: &Path, name: &str) -> Publisher {
    let login = Settings {
        username: name.into(),
        password_file: text(&folder.join("password")),
        ..settings(broker.port)
    };
    let mut start = begin(login);
    start.device = Name::new(name).expect("valid");
    Publisher::start(start).expect("starts").0
}

/// Its session is kept at the broker, as that of [`Observer::at`].
pub async fn observer(broker: &Mosquitto, user: &str) -> Observer {
    let mut options = MqttOptions::new(format!("watching-as-{user}"), "127.0.0.1", broker.port);
    options.set_credentials(user, PASSWORD).set_clean_session(false);
    Observer::with(options).await
}

#[tokio::test]
async fn a_device_writes_its_own_topics_and_no_others() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let broker = broker(folder.path());
    let watching = observer(&broker, "homeassistant").await;
    let collecting = observer(&broker, "observer").await;
    let devices = ["d1", "d2"].map(|name| device(&broker, folder.path(), name));
    let [first, second] = &devices;

    // d1 tries everything of d2 and of nobody; then its own.
    let foreign = ["expressiond/d2/status", "expressiond/d2/front/state", "expressiond/x"];
    for topic in foreign {
        first.set_retained(Class::State, topic.into(), b"forged".to_vec()).expect("queued");
    }
    let stats = first.stats();
    first.set_camera_available(&camera(), true);
    first.set_camera_state(&camera(), &contract::state()).expect("taken");
    first.set_status(&contract::status(stats)).expect("taken");
    first.set_inventory(&contract::inventory()).expect("taken");
    first.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    second.publish_event(&camera(), "1", &event(2, 2)).expect("taken");

    // A picture needs a connection; a state that arrived proves one.
    watching
        .until("a state of d1", |seen| seen.iter().any(|s| s.topic == "expressiond/d1/front/state"))
        .await;
    first.publish_snapshot(&camera(), vec![0xff, 0xd8]).expect("connected");

    let own = first.topics().written(&camera());
    let seen = watching
        .until("everything of d1 and the event of d2", |seen| {
            let has = |topic: &str| seen.iter().any(|seen| seen.topic == topic);
            own.iter().all(|(topic, _)| has(topic)) && has("expressiond/d2/front/event")
        })
        .await;
    assert!(seen.iter().all(|seen| seen.payload != b"forged"), "{seen:?}");

    // Who collects numbers sees no pictures: what is said after that one comes, and all else.
    let picture = first.topics().snapshot(&camera());
    first.publish_event(&camera(), "1", &event(1, 3)).expect("taken");
    let seen = collecting
        .until("the rest of d1", |seen| {
            let has = |topic: &String| seen.iter().any(|seen| seen.topic == *topic);
            let mut rest = own.iter().map(|(topic, _)| topic).filter(|topic| **topic != picture);
            first_sightings(seen, 1).contains(&3) && rest.all(has)
        })
        .await;
    assert!(seen.iter().all(|seen| seen.topic != picture), "{seen:?}");
    for publisher in &devices {
        publisher.shutdown().await;
    }
}

#[tokio::test]
async fn a_device_reads_its_own_commands_and_no_others() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let broker = broker(folder.path());
    // Subscribed to everything, as somebody would who has taken a device over.
    let thief = observer(&broker, "d2").await;
    let home = device(&broker, folder.path(), "homeassistant");
    let say = |topic: &str| {
        home.set_retained(Class::State, topic.into(), b"say".to_vec()).expect("queued");
    };
    for topic in ["expressiond/d1/command", "homeassistant/status", "expressiond/d2/command"] {
        say(topic);
    }
    thief.latest("expressiond/d2/command", "say").await;
    thief.latest("homeassistant/status", "say").await;
    assert!(thief.seen().iter().all(|seen| seen.topic != "expressiond/d1/command"));
    home.shutdown().await;
}

#[tokio::test]
async fn settings_of_groups_are_read_by_devices_and_written_by_the_admin_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let broker = broker(folder.path());
    let reading = observer(&broker, "d2").await;
    let topic = "expressiond/groups/hall/settings";
    let others = ["d1", "homeassistant"].map(|name| device(&broker, folder.path(), name));
    for publisher in &others {
        publisher.set_retained(Class::State, topic.into(), b"forged".to_vec()).expect("queued");
        // Acknowledged after the forgery, whose fate is settled then.
        publisher.shutdown().await;
    }
    let admin = device(&broker, folder.path(), "admin");
    let real = br#"{"paused":true}"#;
    admin.set_retained(Class::State, topic.into(), real.to_vec()).expect("queued");
    reading.latest(topic, r#"{"paused":true}"#).await;
    assert!(reading.seen().iter().all(|seen| seen.payload != b"forged"));
    let newcomer = observer(&broker, "d1").await;
    assert!(newcomer.latest(topic, r#"{"paused":true}"#).await.retained);
    admin.shutdown().await;
}
