//! The page of the real daemon over HTTP: what is seen, who is let in, what is changed,
//! and that nobody who watches holds anything up.

#[path = "../daemon/mod.rs"]
mod daemon;

mod limits;
mod metrics;
mod saves;
mod secrets;
mod tuning;

use daemon::Broker;
use daemon::http::{Live, Part, ask, get};
use daemon::page::{Device, Picture, settings};
use tempfile::TempDir;

/// A device with its page, its broker and its folder. Kept whole: a field that is left out of
/// a pattern would be dropped at once, and with it the broker or the folder.
pub struct Setup {
    pub device: Device,
    pub broker: Broker,
    pub folder: TempDir,
}

pub fn start(more: &str) -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    let device = Device::start(settings(folder.path(), broker.port, more));
    Setup { device, broker, folder }
}

#[test]
fn whoever_watches_sees_pictures_faces_and_events() {
    let setup = start("");
    let (device, broker) = (&setup.device, &setup.broker);
    let mut live = Live::watch(device.port, &[]);
    let about = live.until("picture", |about| about["faces"].as_array().unwrap().len() == 1);
    assert_eq!((&about["width"], &about["height"]), (&640.into(), &480.into()));
    let face = &about["faces"][0];
    let shares: Vec<f64> =
        face["shares"].as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).collect();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 0.01, "{shares:?}");
    assert!(
        face["rect"]
            .as_array()
            .unwrap()
            .iter()
            .all(|edge| (0.0..=1.0).contains(&edge.as_f64().unwrap()))
    );
    let Part::Jpeg(picture) = live.part() else { panic!("a picture follows what is said of it") };
    assert_eq!(image::load_from_memory(&picture).unwrap().width(), 640);
    // Whoever comes later is told of what was before.
    let told = Live::watch(device.port, &[]).until("state", |_| true);
    assert_eq!(told["events"][0]["event_type"], "face_appeared", "{told}");
    let told = live.until("state", |state| state["watching"] == 1);
    assert_eq!(told["watching"], 1);
    // Others are told as well.
    broker.until(|topic, text| topic.ends_with("/status") && text.contains("\"viewers\":1"));
    drop(live);
    broker.until(|topic, text| topic.ends_with("/status") && text.contains("\"viewers\":0"));
    device.says("watches no more");
}

#[test]
fn a_pause_is_privacy_here_too() {
    let setup = start("");
    let (device, broker) = (&setup.device, &setup.broker);
    let mut live = Live::watch(device.port, &[]);
    live.until("picture", |_| true);
    // Only then does it hear commands.
    broker.until(|topic, text| topic == "expressiond/test/availability" && text == "online");
    broker.say("expressiond/test/command", r#"{"command":"pause"}"#);
    live.until("state", |state| state["private"] == true);
    // Whatever was on its way has come; from now on there is the state and nothing else.
    live.until("state", |_| true);
    for _ in 0..3 {
        let Part::Json(state) = live.part() else { panic!("a picture while paused") };
        assert_eq!(state["kind"], "state");
    }
    broker.say("expressiond/test/command", r#"{"command":"resume"}"#);
    live.until("picture", |_| true);
}

#[test]
fn of_a_camera_that_is_lost_nothing_is_shown_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    let camera = Picture::instead(folder.path());
    let device = Device::start(settings(folder.path(), broker.port, ""));
    let mut live = Live::watch(device.port, &[]);
    live.until("picture", |_| true);
    let available = |word: &str| {
        broker.until(|topic, text| topic == "expressiond/test/door/availability" && text == word)
    };
    available("online");
    camera.lose();
    let told = live.until("state", |state| state["blind"] == true);
    assert_eq!(told["status"]["reasons"][0]["code"], "no_camera", "{told}");
    available("offline");
    for _ in 0..3 {
        let Part::Json(state) = live.part() else { panic!("a picture of what is over") };
        assert_eq!(state["kind"], "state");
    }
    camera.put();
    live.until("picture", |_| true);
    live.until("state", |state| state["blind"] == false);
    available("online");
}

#[test]
fn the_page_comes_with_its_files_and_its_policy() {
    let setup = start("");
    let device = &setup.device;
    for (path, kind) in [
        ("/", "text/html"),
        ("/login", "text/html"),
        ("/style.css", "text/css"),
        ("/app.js", "text/javascript"),
        ("/words.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = get(device.port, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(get(device.port, "/../etc/passwd").status, 404);
    let put = ask(device.port, "PUT", "/", &[], "");
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
    let head = daemon::http::open(device.port, "HEAD", "/", &[], "").1;
    assert_eq!(head.status, 200);
}
