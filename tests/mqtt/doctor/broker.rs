//! Brokers that are away, that refuse, and that lack what the daemon needs.

use std::io::Write;

use serde_json::Value;

use super::Device;
use crate::access::{LIST, broker_for};
use crate::certificates::text;
use crate::fake::{accept, acknowledge, listen, packet, publish_id};
use crate::mosquitto::Mosquitto;
use crate::ports::free_port;
use crate::support::url;

#[test]
fn a_broker_that_is_not_there() {
    let port = free_port();
    let device = Device::new(&url(port), "");
    device.examine(&[]).ends_with(69, "broker", "nothing listens there");
    let unknown = device.examine(&["--set", "mqtt.url=mqtt://nowhere.invalid"]);
    unknown.ends_with(69, "broker", "nowhere.invalid is not known");
    let broker = Mosquitto::start();
    let dead = url(port);
    let several =
        format!("mqtt.url={dead},{},{}", url(broker.port), dead.replace("127.0.0.1", "localhost"));
    let report = device.examine(&["--set", &several]);
    report.is("broker", "warning", &format!("{} answers", url(broker.port)));
    report.is("broker", "warning", &format!("{dead} could not: {dead}: nothing listens there"));
    report.is("login", "ok", "anonymous");
    assert_eq!(report.0["exit_code"], 0);
    let none = format!("mqtt.url={dead},mqtt://nowhere.invalid");
    let report = device.examine(&["--set", &none]);
    report.ends_with(69, "broker", "mqtt://nowhere.invalid:1883 could not: the name");
    let inside = device.examine(&["--set", "mqtt.url="]);
    inside.is("broker", "warning", "inside the daemon");
}

/// What the daemon is refused for, in the daemon's words.
#[test]
fn a_broker_that_lacks_what_the_daemon_needs() {
    for (line, words) in [
        ("retain_available false", "the broker keeps no retained messages"),
        ("max_qos 0", "QoS 0 only"),
    ] {
        let broker = Mosquitto::with(&format!("allow_anonymous true\n{line}\n"));
        let device = Device::new(&url(broker.port), "");
        let report = device.examine(&[]);
        report.ends_with(69, "login", words);
        report.is("broker", "ok", "answers");
        // 3.1.1 has no words for it: the daemon is cut off, and so is doctor.
        let old = device.examine(&["--set", "mqtt.version=3.1.1"]);
        old.ends_with(69, "broker", "the broker cut the connection");
    }
}

/// Wildcard Subscription Available 0: over a filter with one, such a broker ends the connection
/// (MQTT 5, 3.2.2.3.11).
#[test]
fn a_broker_that_takes_no_wildcards() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut peer = accept(&listening);
        // Whoever only looks whether somebody answers says nothing.
        let connect = loop {
            match packet(&mut peer) {
                Some((_, connect)) => break connect,
                None => peer = accept(&listening),
            }
        };
        // A retained will, as the daemon's (3.1.2.3), but an empty one: whoever is interrupted
        // leaves no camera behind.
        assert_eq!(connect[7] & 0x24, 0x24, "{:#x}", connect[7]);
        assert!(!String::from_utf8_lossy(&connect).contains("offline"));
        peer.write_all(&[0x20, 5, 0, 0, 2, 0x28, 0]).unwrap();
        while let Some((first, body)) = packet(&mut peer) {
            if first >> 4 == 8 {
                assert!(!body.contains(&b'+'), "a wildcard");
                peer.write_all(&[0x90, 4, body[0], body[1], 0, 0]).unwrap();
            }
            // What is published comes back at QoS 0, which has no id.
            if let Some(id) = publish_id(first, &body) {
                acknowledge(&mut peer, id);
                let (topic, rest) = body.split_at(2 + usize::from(body[1]));
                let back = [topic, &rest[2..]].concat();
                assert!(back.len() < 128, "its length has one byte");
                peer.write_all(&[&[0x30, back.len() as u8], &back[..]].concat()).unwrap();
            }
        }
    });
    let report = Device::new(&url(port), "").examine(&[]);
    broker.join().expect("no assertion of the broker failed");
    report.is("login", "ok", "");
    report.is("topics", "ok", "may write its topics");
}

/// Access that is tied to the client id: doctor's begins with the daemon's.
#[test]
fn a_broker_that_goes_by_client_ids() {
    let with = |prefix: &str| {
        Mosquitto::with(&format!("allow_anonymous true\nclientid_prefixes {prefix}\n"))
    };
    let broker = with("expressiond-");
    Device::new(&url(broker.port), "").examine(&[]).is("topics", "ok", "d1");
    let broker = with("sensor-");
    let device = Device::new(&url(broker.port), "");
    let report = device.examine(&[]);
    report.ends_with(77, "login", "client id expressiond-d1-doctor");
    let named = device.examine(&["--set", "mqtt.client_id=sensor-hall"]);
    named.is("topics", "ok", "d1");
}

#[test]
fn an_access_list_that_denies_is_seen_although_the_broker_keeps_silent() {
    let folder = tempfile::tempdir().unwrap();
    let login = format!(
        "username = \"d1\"\npassword_file = \"{}\"\n",
        text(&folder.path().join("password"))
    );
    let with_list = |list: &str| {
        let broker = broker_for(folder.path(), &["d1"], list);
        Device::new(&url(broker.port), &login).examine(&[])
    };
    with_list(LIST).is("topics", "ok", "d1");
    with_list("user d1\ntopic read #\n").ends_with(77, "topics", "did not come back");
    with_list("user d1\ntopic write #\n").ends_with(77, "topics", "did not come back");
}

/// The daemon cannot send it, so the access list is not what keeps it from that.
#[test]
fn an_announcement_that_is_larger_than_a_packet_names_the_key() {
    let broker = Mosquitto::start();
    let device = Device::new(&url(broker.port), "max_packet_bytes = 4096\n");
    let report = device.examine(&[]);
    report.is("home_assistant", "warning", "mqtt.max_packet_bytes = 4096");
    let check = report.check("home_assistant");
    let number = |text: &Value| -> Option<usize> {
        let text = text.as_str()?;
        text.split(' ').find_map(|word| word.trim_matches(',').parse().ok())
    };
    let needed = number(&check["message"]).expect("the bytes that it needs");
    assert_eq!(number(&check["remedy"]), Some(needed), "{check:#}");
    assert!(needed > 4096, "{check:#}");
    // With so many it is sent.
    let enough = format!("max_packet_bytes = {needed}\n");
    let report = Device::new(&url(broker.port), &enough).examine(&[]);
    report.is("home_assistant", "warning", "homeassistant/device/expressiond_d1/config");
}
