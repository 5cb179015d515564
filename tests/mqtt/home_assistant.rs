//! What Home Assistant hears, also when it, the broker or both restart.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use expressiond::clock::SystemClock;
use expressiond::contract::topics::Topics;
use expressiond::control::command::Command;
use expressiond::control::inbox;
use expressiond::home_assistant::{About, Hardware, Page, Settings};
use expressiond::mqtt::message::Class;
use expressiond::name::Name;
use expressiond::publish::Publisher;
use expressiond::zones;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::contract;
use crate::mosquitto::Mosquitto;
use crate::observer::{Observer, Seen};
use crate::running::LIMIT;
use crate::support::{AnyBroker, begin, camera, publish, settings};

const CONFIG: &str = "homeassistant/device/expressiond_d1/config";
const COMMAND: &str = "expressiond/d1/command";
const AVAILABILITY: &str = "expressiond/d1/availability";

fn about(cameras: &[&str]) -> About {
    About {
        settings: Settings { birth_jitter_s: 0, ..Settings::default() },
        topics: Topics::new("expressiond", Name::new("d1").expect("valid")).expect("valid"),
        cameras: cameras.iter().map(|name| Name::camera(*name).expect("valid")).collect(),
        classes: vec!["happy".into(), "not_happy".into()],
        snapshots: true,
        zones: vec![zones::Settings {
            name: "desk".into(),
            kind: zones::Kind::Count,
            points: vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]],
            enabled: true,
        }],
        page: Some(Page::default()),
        hardware: Hardware::default(),
    }
}

/// A device with everything that is announced and heard.
fn device(port: u16, about: About) -> (Publisher, mpsc::Receiver<Command>) {
    let mut start = begin(settings(port));
    start.subscriptions = inbox::subscriptions(&about);
    let (publisher, received) = Publisher::start(start).expect("starts");
    let heard = inbox::start(publisher.clone(), received, about, Arc::new(SystemClock));
    (publisher, heard.commands)
}

/// Somebody else at the broker, who only writes.
struct Writer(Publisher);

impl Writer {
    fn at(port: u16) -> Self {
        let mut start = begin(settings(port));
        start.device = Name::new("writer").expect("valid");
        Self(Publisher::start(start).expect("starts").0)
    }

    fn retained(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.0.set_retained(Class::State, topic.into(), payload.into()).expect("taken");
    }
}

#[tokio::test]
async fn a_newcomer_finds_the_device_whatever_restarted() {
    let mut broker = Mosquitto::start();
    let (publisher, _commands) = device(broker.port, about(&["front"]));
    publisher.set_camera_available(&camera(), true);
    publisher.set_camera_state(&camera(), &contract::state()).expect("taken");
    publisher.set_status(&contract::status(publisher.stats())).expect("taken");
    for round in ["Home Assistant", "the broker", "a broker that keeps nothing"] {
        // Somebody who knows nothing has to be told the same each time.
        let newcomer = Observer::at(broker.port).await;
        let seen = newcomer
            .until(round, |seen| {
                let topics: BTreeSet<_> = seen.iter().map(|seen| seen.topic.as_str()).collect();
                let online = |s: &Seen| s.topic == AVAILABILITY && s.text() == "online";
                [CONFIG, "expressiond/d1/front/state", "expressiond/d1/status"]
                    .iter()
                    .all(|topic| topics.contains(topic))
                    && seen.iter().any(online)
            })
            .await;
        let config = seen.iter().find(|seen| seen.topic == CONFIG).expect("just seen").json();
        assert_eq!(config, about(&["front"]).payload(None));
        drop(newcomer);
        if round == "Home Assistant" {
            broker.stop();
        } else {
            broker.kill();
            broker.forget();
        }
        broker.resume();
    }
    publisher.shutdown().await;
}

#[tokio::test]
async fn a_birth_message_makes_the_device_say_everything_again() {
    for broker in AnyBroker::both() {
        let observer = Observer::at(broker.port()).await;
        let (publisher, _commands) = device(broker.port(), about(&["front"]));
        observer.until("the announcement", |seen| seen.iter().any(|s| s.topic == CONFIG)).await;
        publish(broker.port(), "homeassistant/status", &["offline", "online"]);
        let said = |seen: &[Seen], topic: &str| seen.iter().filter(|s| s.topic == topic).count();
        let all = [CONFIG, AVAILABILITY];
        observer.until("all twice", |seen| all.iter().all(|topic| said(seen, topic) == 2)).await;
        publisher.shutdown().await;
    }
}

#[tokio::test]
async fn what_an_earlier_run_left_behind_is_swept() {
    for broker in AnyBroker::both() {
        let old = about(&["front", "back"]).payload(None);
        let writer = Writer::at(broker.port());
        writer.retained(CONFIG, old.to_string());
        let leftovers = ["expressiond/d1/back/state", "expressiond/d1/back/availability"];
        for topic in leftovers {
            writer.retained(topic, "old");
        }
        // Others' topics look alike and are not ours.
        writer.retained("expressiond/d2/back/state", "theirs");
        let observer = Observer::at(broker.port()).await;
        observer.latest("expressiond/d2/back/state", "theirs").await;

        let (publisher, _commands) = device(broker.port(), about(&["front"]));
        for topic in leftovers {
            observer.latest(topic, "").await;
        }
        observer
            .until("back's face is taken back", |seen| {
                seen.iter()
                    .filter(|seen| seen.topic == CONFIG)
                    .any(|seen| seen.json()["cmps"]["back_face"] == json!({ "p": "binary_sensor" }))
            })
            .await;
        let late = Observer::at(broker.port()).await;
        late.latest("expressiond/d2/back/state", "theirs").await;
        assert!(late.seen().iter().all(|seen| !leftovers.contains(&seen.topic.as_str())));
        publisher.shutdown().await;
        writer.0.shutdown().await;
    }
}

#[tokio::test]
async fn commands_are_obeyed_and_nonsense_is_counted() {
    for broker in AnyBroker::both() {
        let observer = Observer::at(broker.port()).await;
        // A retained command would be carried out at every start.
        let writer = Writer::at(broker.port());
        writer.retained(COMMAND, r#"{"command":"restart"}"#);
        observer.latest(COMMAND, r#"{"command":"restart"}"#).await;
        let (publisher, mut commands) = device(broker.port(), about(&["front"]));
        observer.latest(AVAILABILITY, "online").await;
        assert_eq!(handed_over(&publisher, &mut commands, 1).await, []);
        // Who takes it away commands nothing.
        writer.retained(COMMAND, "");
        observer.latest(COMMAND, "").await;
        let long = format!("{{\"command\":\"{}\"}}", "x".repeat(1000));
        let [unknown, pause, resume] =
            ["format", "pause", "resume"].map(|name| format!("{{\"command\":\"{name}\"}}"));
        publish(broker.port(), COMMAND, &[&long, &unknown, &pause]);
        assert_eq!(handed_over(&publisher, &mut commands, 3 + 1).await, [Command::Pause {}]);
        publish(broker.port(), COMMAND, &[&*resume; 30]);
        // So many in a minute; what was refused does not count.
        let resumed = handed_over(&publisher, &mut commands, 3 + 30).await;
        assert!((26..30).contains(&resumed.len()), "{resumed:?}");
        assert!(resumed.iter().all(|command| *command == Command::Resume {}), "{resumed:?}");
        publisher.shutdown().await;
        writer.0.shutdown().await;
    }
}

/// As many as may come in a minute, before anybody takes the first: all that the log says were
/// told are carried out. Whatever came before it, and however much of it was refused, a pause
/// closes the camera.
#[tokio::test]
async fn a_pause_is_carried_out_behind_as_many_commands_as_may_come_and_more() {
    let broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let (publisher, mut commands) = device(broker.port, about(&["front"]));
    observer.latest(AVAILABILITY, "online").await;
    let (set, pause) = (r#"{"command":"set","max_fps":5}"#, r#"{"command":"pause"}"#);
    // Nothing else of this test runs meanwhile: all have arrived when the inbox looks.
    publish(broker.port, COMMAND, &[&[set; 60][..], &[pause; 2]].concat());
    // The second pause changes nothing, and is neither handed over nor refused.
    let mut told = handed_over(&publisher, &mut commands, 60 + 1).await;
    assert_eq!(told.pop(), Some(Command::Pause {}));
    assert!(told.len() >= 26, "{told:?}");
    assert!(told.iter().all(|command| matches!(command, Command::Set { .. })), "{told:?}");
    assert!(commands.try_recv().is_err(), "the second changes nothing");
    publisher.shutdown().await;
}

/// A state is not an order: its latest word counts, and however much else arrives, it has room.
#[tokio::test]
async fn settings_of_a_group_are_heard_behind_a_burst_of_commands() {
    let broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let mut about = about(&["front"]);
    let hall = Name::new("hall").expect("valid");
    about.topics = about.topics.with_groups(vec![hall]);
    let mut start = begin(settings(broker.port));
    start.subscriptions = inbox::subscriptions(&about);
    let (publisher, received) = Publisher::start(start).expect("starts");
    let clock = Arc::new(SystemClock);
    let mut heard = inbox::start(publisher.clone(), received, about, clock);
    observer.latest(AVAILABILITY, "online").await;
    // Nothing else of this test runs meanwhile, as in a daemon that is held up.
    publish(broker.port, COMMAND, &["junk"; 60]);
    let settings = "expressiond/groups/hall/settings";
    publish(
        broker.port,
        settings,
        &[&[r#"{"max_fps":5}"#; 60][..], &[r#"{"paused":true}"#]].concat(),
    );
    let paused = heard.groups.wait_for(|groups| groups.get("hall").is_some_and(|hall| hall.paused));
    tokio::time::timeout(LIMIT, paused).await.expect("in time").expect("running");
    let stats = publisher.stats();
    assert_eq!(stats.commands_refused + stats.commands_dropped, 60, "{stats:?}");
    publisher.shutdown().await;
}

/// What is handed over, once so many were refused since the start or handed over here: while
/// they are looked at, one more may be allowed. A flood may be cut off before anybody looks at
/// it; that is counted apart.
async fn handed_over(
    publisher: &Publisher,
    commands: &mut mpsc::Receiver<Command>,
    count: usize,
) -> Vec<Command> {
    let (limit, mut told) = (Instant::now() + LIMIT, Vec::new());
    loop {
        told.extend(std::iter::from_fn(|| commands.try_recv().ok()));
        let stats = publisher.stats();
        let refused = usize::try_from(stats.commands_refused + stats.commands_dropped);
        let known = told.len() + refused.expect("few");
        if known == count {
            return told;
        }
        assert!(known < count && Instant::now() < limit, "{count}: {stats:?}, {told:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The document's table has what is announced, and nothing else.
#[test]
fn every_entity_is_documented() {
    let documented: BTreeSet<_> = contract::table("## Home Assistant")
        .into_iter()
        .map(|row| {
            (contract::placed(&row[0]), row[1].clone(), contract::placed(&row[2]), row[3].clone())
        })
        .collect();
    let payload = about(&["front"]).payload(None);
    let components = payload["cmps"].as_object().expect("an object");
    let announced: BTreeSet<_> = components
        .iter()
        .map(|(key, component)| {
            let field = |name: &str| component[name].as_str().map(str::to_owned);
            let category = field("ent_cat").unwrap_or("–".into());
            let text = |name| field(name).expect("text");
            // What has no name of ours is called as Home Assistant calls its class.
            let class = || format!("*{}*", text("dev_cla"));
            (key.clone(), text("p"), field("name").unwrap_or_else(class), category)
        })
        .collect();
    assert_eq!(documented, announced);
}

/// Every template, fed with what really goes over its topic, says something that
/// Home Assistant takes.
#[test]
fn templates_understand_the_payloads() {
    let publisher_stats = expressiond::mqtt::stats::Stats::default();
    let mut status = contract::status(publisher_stats);
    let state = contract::state();
    let components = about(&["front"]).payload(None)["cmps"].clone();
    let rendered = |key: &str, payload: &Value| render(&components[key], payload);
    let with_face = json!(state);
    assert_eq!(rendered("front_expression", &with_face), "happy");
    assert_eq!(rendered("front_happy", &with_face), "ON");
    assert_eq!(rendered("front_face", &with_face), "ON");
    assert_eq!(rendered("front_faces", &with_face), "1");
    assert_eq!(rendered("front_confidence", &with_face), "90.0");
    assert_eq!(rendered("front_last_change", &with_face), state.time);
    assert_eq!(rendered("front_zone_desk_occupied", &with_face), "ON");
    assert_eq!(rendered("front_zone_desk_faces", &with_face), "1");
    assert_eq!(rendered("front_zone_desk_expression", &with_face), "happy");
    assert_eq!(rendered("front_zone_desk_dwell", &with_face), "12.5");
    let mut nobody = with_face.clone();
    nobody["zones"]["desk"] = with_face["zones"]["door"].clone();
    assert_eq!(rendered("front_zone_desk_occupied", &nobody), "OFF");
    assert_eq!(rendered("front_zone_desk_expression", &nobody), "none");
    assert_eq!(rendered("front_zone_desk_dwell", &nobody).to_lowercase(), "none");
    for key in ["expression", "confidence", "track"] {
        nobody[key] = Value::Null;
    }
    nobody["faces"] = 0.into();
    assert_eq!(rendered("front_expression", &nobody), "none");
    assert_eq!(rendered("front_happy", &nobody), "OFF");
    assert_eq!(rendered("front_face", &nobody), "OFF");
    assert_eq!(rendered("front_confidence", &nobody).to_lowercase(), "none");

    let running = json!(status);
    assert_eq!(rendered("reason", &running), "no_face");
    assert_eq!(rendered("front_tampering", &running), "OFF");
    let mut covered = running.clone();
    covered["reasons"][0]["code"] = "covered".into();
    assert_eq!(rendered("front_tampering", &covered), "ON");
    covered["reasons"][0]["camera"] = "back".into();
    assert_eq!(rendered("front_tampering", &covered), "OFF", "another camera");
    assert_eq!(rendered("active", &running), "on");
    assert_eq!(rendered("zone_desk", &running), "on");
    assert_eq!(rendered("frames_per_second", &running), "4.5");
    assert_eq!(rendered("events_lost", &running), "0");
    assert_eq!(rendered("temperature", &running), "51.5");
    assert_eq!(rendered("threshold", &running), "0.75", "set while running");
    assert_eq!(rendered("max_fps", &running), "15.0", "as the file says");
    assert_eq!(rendered("snapshots", &running), "on", "as the file says");
    assert_eq!(rendered("frames_broken", &running), "0");
    let button = |status: &Value| {
        let template = &components["take_snapshot"]["avty"][1]["val_tpl"];
        render_text(template.as_str().expect("a template"), status)
    };
    assert_eq!(button(&running), "online");
    let mut withheld = running.clone();
    withheld["in_force"]["snapshots"] = json!({ "value": false, "from": "file" });
    assert_eq!(rendered("snapshots", &withheld), "on", "the page's are not held back");
    withheld["in_force"]["snapshots"]["from"] = "command".into();
    assert_eq!(
        (rendered("snapshots", &withheld), button(&withheld)),
        ("off".into(), "offline".into())
    );
    status.reasons.clear();
    status.paused = true;
    assert_eq!(rendered("reason", &json!(status)), "ok");
    assert_eq!(rendered("active", &json!(status)), "off");

    let event = json!({ "event_type": "face_appeared", "class": "happy" });
    assert_eq!(rendered("front_event", &event), event.to_string());
    let late = json!({ "late": true, "event_type": "face_appeared" });
    assert_eq!(rendered("front_event", &late), "", "an old event triggers nothing");
}

/// What Home Assistant sends when somebody turns a number is a command.
#[test]
fn numbers_send_commands_that_are_understood() {
    let components = about(&["front"]).payload(None)["cmps"].clone();
    for (key, value, expected) in [
        ("threshold", "0.55", r#"{"command":"set","threshold":0.55}"#),
        ("max_fps", "5", r#"{"command":"set","max_fps":5}"#),
    ] {
        let template = components[key]["cmd_tpl"].as_str().expect("a template");
        let sent = minijinja::Environment::new()
            .render_str(template, minijinja::context! { value => value })
            .expect("renders");
        assert_eq!(sent, expected);
        Command::parse(sent.as_bytes()).expect("understood");
    }
    for (key, fields) in [
        ("identify", &["pl_prs"][..]),
        ("take_snapshot", &["pl_prs"]),
        ("restart", &["pl_prs"]),
        ("active", &["pl_on", "pl_off"]),
        ("snapshots", &["pl_on", "pl_off"]),
    ] {
        for field in fields {
            let sent = components[key][field].as_str().expect("a payload");
            Command::parse(sent.as_bytes()).expect("understood");
        }
    }
}

fn render(component: &Value, payload: &Value) -> String {
    render_text(component["val_tpl"].as_str().expect("a template"), payload)
}

fn render_text(template: &str, payload: &Value) -> String {
    let mut environment = minijinja::Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Lenient);
    let context = minijinja::Value::from_serialize(
        json!({ "value": payload.to_string(), "value_json": payload }),
    );
    environment.render_str(template, context).expect("renders")
}
