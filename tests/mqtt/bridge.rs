//! `deploy/mosquitto/bridge.conf`: a site's broker joined to a central one.

use std::path::Path;

use expressiond::mqtt::message::Class;

use crate::access::{LIST, PASSWORD, broker_for, device, observer};
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::support::{camera, event, first_sightings, publisher, settings};

const BRIDGE: &str = include_str!("../../deploy/mosquitto/bridge.conf");
/// The one that the file names, and another.
const SITES: [&str; 2] = ["site-1", "site-2"];

/// A broker with the committed access list, and sites that have the rights that the file names.
fn centre(folder: &Path) -> Mosquitto {
    let rights: Vec<_> = BRIDGE.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let [first, second] = SITES.map(|site| format!("user {site}\n{}\n", rights.join("\n")));
    let users = ["admin", "homeassistant", SITES[0], SITES[1]];
    broker_for(folder, &users, &format!("{LIST}\n{first}{second}"))
}

/// The committed lines, to that broker and without its certificate.
fn site(centre: &Mosquitto, name: &str) -> Mosquitto {
    let lines: Vec<_> = BRIDGE.lines().filter(|line| !line.starts_with("bridge_cafile")).collect();
    let here = format!("127.0.0.1:{}\nrestart_timeout 1", centre.port);
    let lines = lines.join("\n").replace("broker.example:8883", &here);
    let lines = lines.replace("change-me", PASSWORD).replace(SITES[0], name);
    Mosquitto::with(&format!("allow_anonymous true\n{lines}\n"))
}

#[tokio::test]
async fn the_centre_hears_everything_also_what_happened_while_the_line_was_down() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut centre = centre(folder.path());
    let site = site(&centre, SITES[0]);
    let (device, _received) = publisher(settings(site.port));
    let hearing = observer(&centre, "admin").await;
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

/// Also where their hosts have one name, as here.
#[tokio::test]
async fn two_sites_do_not_throw_each_other_out() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let centre = centre(folder.path());
    let hearing = observer(&centre, "admin").await;
    let sites = SITES.map(|name| site(&centre, name));
    let devices = [device(&sites[0], folder.path(), "d1"), device(&sites[1], folder.path(), "d2")];
    for name in ["d1", "d2"] {
        hearing.latest(&format!("expressiond/{name}/availability"), "online").await;
    }
    assert!(!centre.log().contains("already connected"), "{}", centre.log());
    for device in devices {
        device.shutdown().await;
    }
}

#[tokio::test]
async fn what_the_centre_says_to_devices_and_groups_reaches_the_site() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let centre = centre(folder.path());
    let site = site(&centre, SITES[0]);
    let listening = Observer::at(site.port).await;
    let home = device(&centre, folder.path(), "homeassistant");
    home.set_retained(Class::State, "homeassistant/private".into(), b"secret".to_vec())
        .expect("taken");
    // There before the settings are sent.
    observer(&centre, "homeassistant").await.latest("homeassistant/private", "secret").await;
    let admin = device(&centre, folder.path(), "admin");
    let settings_of_hall = "expressiond/groups/hall/settings";
    let slower = br#"{"max_fps":5}"#;
    admin.set_retained(Class::State, settings_of_hall.into(), slower.to_vec()).expect("taken");
    listening.latest(settings_of_hall, r#"{"max_fps":5}"#).await;
    // Sent before it, so it would have come.
    assert!(listening.seen().iter().all(|seen| seen.payload != b"secret"));
    let newcomer = Observer::at(site.port).await;
    assert!(newcomer.latest(settings_of_hall, r#"{"max_fps":5}"#).await.retained);
    home.shutdown().await;
    admin.shutdown().await;
}

#[tokio::test]
async fn a_site_tells_no_device_what_to_do_and_sends_no_pictures() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let centre = centre(folder.path());
    let hearing = observer(&centre, "admin").await;
    // Somebody who has taken the site's broker over, and with it this login.
    let thief = device(&centre, folder.path(), "site-1");
    let foreign =
        ["expressiond/d9/command", "expressiond/groups/hall/settings", "expressiond/d9/a/snapshot"];
    for topic in foreign {
        thief.set_retained(Class::State, topic.into(), b"forged".to_vec()).expect("queued");
    }
    hearing.latest("expressiond/site-1/availability", "online").await;
    // Acknowledged after the forgeries, whose fate is settled then.
    thief.shutdown().await;
    hearing.latest("expressiond/site-1/availability", "offline").await;
    assert!(hearing.seen().iter().all(|seen| seen.payload != b"forged"), "{:?}", hearing.seen());
}
