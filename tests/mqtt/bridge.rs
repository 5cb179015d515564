//! `deploy/mosquitto/bridge.conf`: a site's broker joined to a central one.

use expressiond::mqtt::message::Class;

use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::support::{camera, event, first_sightings, publisher, settings};

const BRIDGE: &str = include_str!("../../deploy/mosquitto/bridge.conf");

/// The committed lines, to a broker of this test instead of a protected one.
fn site(centre: &Mosquitto) -> Mosquitto {
    let ours = |line: &&str| !line.starts_with("bridge_cafile") && !line.starts_with("remote_");
    let lines: Vec<_> = BRIDGE.lines().filter(ours).collect();
    let here = format!("127.0.0.1:{}\nrestart_timeout 1", centre.port);
    let lines = lines.join("\n").replace("broker.example:8883", &here);
    Mosquitto::with(&format!("allow_anonymous true\n{lines}\n"))
}

#[tokio::test]
async fn the_centre_hears_everything_also_what_happened_while_the_line_was_down() {
    let mut centre = Mosquitto::start();
    let site = site(&centre);
    let (device, _received) = publisher(settings(site.port));
    let hearing = Observer::at(centre.port).await;
    device.publish_event(&camera(), "1", &event(1, 0)).expect("taken");
    hearing.until("the first event", |seen| first_sightings(seen, 1) == [0]).await;

    centre.stop();
    let local = Observer::at(site.port).await;
    for number in 1..20 {
        device.publish_event(&camera(), "1", &event(1, number)).expect("taken");
    }
    local.until("every event, at the site", |seen| first_sightings(seen, 1).len() == 19).await;
    centre.resume();
    let all = (0..20).collect::<Vec<_>>();
    hearing.until("every event, at the centre", |seen| first_sightings(seen, 1) == all).await;
    device.shutdown().await;
}

#[tokio::test]
async fn what_the_centre_says_to_devices_and_groups_reaches_the_site() {
    let centre = Mosquitto::start();
    let site = site(&centre);
    let listening = Observer::at(site.port).await;
    let (admin, _received) = publisher(settings(centre.port));
    let settings_of_hall = "expressiond/groups/hall/settings";
    for (topic, text) in [("a/private/topic", "secret"), (settings_of_hall, r#"{"max_fps":5}"#)] {
        admin.set_retained(Class::State, topic.into(), text.into()).expect("taken");
    }
    listening.latest(settings_of_hall, r#"{"max_fps":5}"#).await;
    // Sent before it, so it would have come.
    assert!(listening.seen().iter().all(|seen| seen.payload != b"secret"));
    let newcomer = Observer::at(site.port).await;
    assert!(newcomer.latest(settings_of_hall, r#"{"max_fps":5}"#).await.retained);
    admin.shutdown().await;
}
