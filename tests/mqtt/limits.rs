//! What a broker refuses or throws at us, one message or the whole connection, costs that
//! message and no other.

use std::io::Write;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use expressiond::mqtt::message::{Class, Subscriptions};
use expressiond::mqtt::protocol::Version;
use expressiond::publish::Publisher;
use tokio::time::timeout;

use crate::fake::{
    ACCEPTED, ACCEPTED_V5, SUBSCRIBE, UNSUBSCRIBE, acknowledge, answer_subscribe, listen, packet,
    publish_id, welcome,
};
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::running::LIMIT;
use crate::support::{VERSIONS, begin, camera, event, first_sightings, publisher, speaking, until};

/// What a stop may take: systemd kills who takes longer (`TimeoutStopSec=` of the unit). Under an
/// emulator nothing is known of how long anything takes.
const KILLED_AFTER: Duration =
    if cfg!(target_arch = "x86_64") { Duration::from_secs(10) } else { LIMIT };

/// A message that is too large, once sent and once kept by the broker: what is heard
/// beside it must still be heard. In 3.1.1 the device used to subscribe to nothing any
/// more, and so could not be paused.
#[tokio::test]
async fn what_is_too_large_for_us_does_not_make_us_deaf() {
    for version in VERSIONS {
        let broker = Mosquitto::start();
        let topic = "expressiond/d1/command";
        let send = |arguments: &[&str]| {
            let mut program = Command::new("mosquitto_pub");
            program.args(["-p", &broker.port.to_string(), "-q", "1", "-t", topic]);
            assert!(program.args(arguments).status().expect("comes with mosquitto").success());
        };
        let huge = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(huge.path(), vec![b'x'; 100_000]).expect("write");
        let huge = huge.path().display().to_string();
        send(&["-r", "-f", &huge]);
        let mut start = begin(speaking(version, broker.port));
        start.settings.max_packet_bytes = 8192;
        start.subscriptions.lasting = vec![topic.into()];
        let (publisher, mut received) = Publisher::start(start).expect("starts");
        let stats = until(&publisher, "connected", |stats| stats.connected).await;
        if version == Version::V311 {
            // In MQTT 5 the broker was told our limit and keeps it.
            let stats = until(&publisher, "passed over", |stats| stats.commands_dropped == 1).await;
            let reason = stats.last_error.expect("it says why");
            assert!(reason.contains(topic) && reason.contains("max_packet_bytes"), "{reason}");
        }
        assert_eq!(stats.connections, 1);
        send(&["-f", &huge]);
        send(&["-m", r#"{"command":"pause"}"#]);
        let heard = tokio::time::timeout(LIMIT, received.recv()).await.expect("in time");
        assert_eq!(heard.expect("it goes on").payload, br#"{"command":"pause"}"#);
        assert_eq!(publisher.stats().connections, 1, "the connection stood it");
        publisher.shutdown().await;
    }
}

/// Nobody is to be looked for who writes there.
#[tokio::test]
async fn what_an_earlier_run_left_is_not_somebody_elses() {
    let broker = Mosquitto::start();
    let topic = "homeassistant/device/expressiond_d1/config";
    let (earlier, _received) = publisher(speaking(Version::V311, broker.port));
    earlier.set_retained(Class::Discovery, topic.into(), vec![b'x'; 10_000]).expect("taken");
    until(&earlier, "the broker has it", |stats| stats.delivered >= 2).await;
    earlier.shutdown().await;
    let mut start = begin(speaking(Version::V311, broker.port));
    start.settings.max_packet_bytes = 8192;
    start.subscriptions.sweep = vec![topic.into()];
    let (publisher, _received) = Publisher::start(start).expect("starts");
    let stats = until(&publisher, "passed over", |stats| stats.commands_dropped == 1).await;
    let reason = stats.last_error.expect("it says why");
    assert!(reason.contains("an earlier run") && reason.contains("by hand"), "{reason}");
    publisher.shutdown().await;
}

/// Mosquitto's `message_size_limit` is not announced: it answers PUBACK 0x95.
#[tokio::test]
async fn what_is_too_large_for_the_broker_is_dropped_and_counted() {
    let broker = Mosquitto::with("allow_anonymous true\nmessage_size_limit 4000\n");
    let observer = Observer::at(broker.port).await;
    let (publisher, _received) = publisher(speaking(Version::V5, broker.port));
    let announcement = vec![b'x'; 7600];
    publisher.set_retained(Class::Discovery, "d/config".into(), announcement).expect("taken");
    let large = serde_json::json!({ "track": 2, "number": 0, "filling": "x".repeat(5000) });
    publisher.publish_event(&camera(), "2", &large).expect("taken");
    for number in 0..50 {
        publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
    }
    let seen = observer.until("50 events", |seen| first_sightings(seen, 1).len() == 50).await;
    let stats = until(&publisher, "acknowledged", |stats| stats.waiting == 0).await;
    assert_eq!((stats.dropped.oversized, stats.states_refused, stats.connections), (1, 1, 1));
    let reason = stats.last_error.expect("it says why");
    assert!(reason.contains("too large for the broker"), "{reason}");
    let events = seen.iter().filter(|seen| seen.topic.ends_with("/event")).count();
    assert_eq!(events, 50, "none of them twice");
    publisher.shutdown().await;
}

/// A broker that ends the connection over a large packet, without having announced a
/// limit. The same packet would end every connection to come.
#[tokio::test]
async fn a_limit_that_ends_the_connection_is_learned() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut connections = 0;
        loop {
            let mut peer = welcome(&listening, &ACCEPTED_V5);
            connections += 1;
            let mut ended = false;
            while let Some((first, body)) = packet(&mut peer) {
                if body.len() > 3000 {
                    ended = true;
                    let _ = peer.write_all(&[0xe0, 1, 0x95]);
                    break;
                }
                if let Some(id) = publish_id(first, &body) {
                    acknowledge(&mut peer, id);
                }
            }
            if !ended {
                return connections;
            }
        }
    });
    let (publisher, _received) = publisher(speaking(Version::V5, port));
    let large = serde_json::json!({ "track": 1, "number": 0, "filling": "x".repeat(5000) });
    publisher.publish_event(&camera(), "1", &large).expect("taken");
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    let state = publisher.topics().state(&camera());
    publisher.set_retained(Class::State, state, vec![b'x'; 6000]).expect("taken");
    let stats = until(&publisher, "the small event", |stats| stats.waiting == 0).await;
    assert_eq!(stats.dropped.oversized, 1);
    assert!(stats.states_refused >= 1, "{stats:?}");
    publisher.shutdown().await;
    let connections = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    // One for each of the two that are too large, at most.
    assert!(connections.expect("joined") <= 3);
}

/// A code that no standard knows is a refusal like any other: the event waits.
#[tokio::test]
async fn an_unknown_code_refuses_one_message_and_ends_nothing() {
    let (listening, port) = listen();
    let (refuse, refused) = mpsc::channel();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED_V5);
        while let Some((first, body)) = packet(&mut peer) {
            let Some(id) = publish_id(first, &body) else { continue };
            let is_event = body.windows(6).any(|part| part == b"/event");
            let code = if is_event { 0xf0 } else { 0 };
            peer.write_all(&[0x40, 3, id[0], id[1], code]).expect("it listens");
            if is_event {
                refuse.send(()).expect("the test waits");
            }
        }
    });
    let (publisher, _received) = publisher(speaking(Version::V5, port));
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    let stats = until(&publisher, "refused", |stats| stats.refused_by_broker == 1).await;
    assert!(stats.last_error.expect("it says why").contains("0xf0"));
    assert_eq!((stats.waiting, stats.connections, stats.connected), (1, 1, true));
    publisher.shutdown().await;
    tokio::task::spawn_blocking(|| broker.join().expect("ended")).await.expect("joined");
    assert_eq!(refused.iter().count(), 1, "it was not sent again at once");
}

/// DISCONNECT as Mosquitto sends it: a code and no properties (3.14.2.2.1).
#[tokio::test]
async fn a_reason_of_one_byte_is_told() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        welcome(&listening, &[&ACCEPTED_V5[..], &[0xe0, 1, 0x98]].concat());
    });
    let (publisher, _received) = publisher(speaking(Version::V5, port));
    let stats = until(&publisher, "ended", |stats| stats.last_error.is_some()).await;
    let reason = stats.last_error.expect("just seen");
    assert!(reason.contains("an administrator"), "{reason}");
    publisher.shutdown().await;
    tokio::task::spawn_blocking(|| broker.join().expect("ended")).await.expect("joined");
}

/// A broker that stops reading: the stop must not wait for it.
#[tokio::test]
async fn a_broker_that_takes_nothing_does_not_hold_up_the_end() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || welcome(&listening, &ACCEPTED_V5));
    let (publisher, _received) = publisher(speaking(Version::V5, port));
    until(&publisher, "connected", |stats| stats.connected).await;
    let peer = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await.expect("joined");
    for number in 0..1000 {
        let filled = serde_json::json!({ "n": number, "filling": "x".repeat(4000) });
        publisher.publish_event(&camera(), "1", &filled).expect("taken");
    }
    timeout(KILLED_AFTER, publisher.shutdown()).await.expect("a second is its limit");
    drop(peer);
}

/// A cluster that elects a leader refuses a subscription and takes it a moment later
/// (NATS 2.9, tests/cluster). The device used to be deaf until its next connection.
#[tokio::test]
async fn a_subscription_that_was_refused_is_asked_for_again() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED);
        let mut subscribed = 0;
        while let Some((first, body)) = packet(&mut peer) {
            if first >> 4 != SUBSCRIBE {
                continue;
            }
            subscribed += 1;
            // At QoS 1 a cluster keeps queues that a device does not get back from a dead node.
            assert_eq!(body.last(), Some(&0), "QoS");
            answer_subscribe(&mut peer, &body, subscribed > 1);
            if subscribed == 2 {
                peer.write_all(b"\x30\x08\x00\x04toldyo").expect("it listens");
                return Some(peer);
            }
        }
        None
    });
    let lasting = vec!["told".to_owned()];
    let mut start = begin(speaking(Version::V311, port));
    start.subscriptions = Subscriptions { lasting, ..Subscriptions::default() };
    let (publisher, mut received) = Publisher::start(start).expect("starts");
    let heard = timeout(LIMIT, received.recv()).await.expect("in time").expect("it runs");
    assert_eq!((heard.topic.as_str(), &heard.payload[..]), ("told", &b"yo"[..]));
    assert!(publisher.stats().last_error.expect("it was refused").contains("told"));
    let peer = broker.join().expect("no assertion of the broker failed");
    drop(peer.expect("it was asked twice"));
    publisher.shutdown().await;
}

/// Wildcard Subscription Available 0 (MQTT 5, 3.2.2.3.11): over a filter with one, such a broker
/// ends the connection (0xA2). The device used to come back for ever and to be of no use.
#[tokio::test]
async fn a_broker_without_wildcards_is_asked_for_none() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &[0x20, 5, 0, 0, 2, 0x28, 0]);
        let mut filters = Vec::new();
        while let Some((first, body)) = packet(&mut peer) {
            if let Some(id) = publish_id(first, &body) {
                acknowledge(&mut peer, id);
            }
            // SUBSCRIBE and UNSUBSCRIBE: id, no properties, filter.
            if [SUBSCRIBE, UNSUBSCRIBE].contains(&(first >> 4)) {
                let length = usize::from(body[4]);
                filters.push(String::from_utf8(body[5..5 + length].to_vec()).expect("text"));
            }
            if first >> 4 == SUBSCRIBE {
                peer.write_all(&[0x90, 4, body[0], body[1], 0, 0]).expect("it listens");
            }
        }
        filters
    });
    let mut start = begin(speaking(Version::V5, port));
    start.subscriptions.lasting = vec!["command".into()];
    start.subscriptions.sweep = vec!["+/state".into(), "config".into(), "a/#".into()];
    let (publisher, _received) = Publisher::start(start).expect("starts");
    // It is held back until the sweep is over, which ends with an UNSUBSCRIBE.
    publisher.set_retained(Class::Discovery, "d/config".into(), vec![b'x']).expect("taken");
    until(&publisher, "discovery", |stats| stats.delivered == 2).await;
    publisher.shutdown().await;
    assert_eq!(publisher.stats().connections, 1);
    let filters = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    assert_eq!(filters.expect("joined"), ["command", "config", "config"]);
}

/// A DISCONNECT would make the broker discard the will, and `online` would stand for ever.
#[tokio::test]
async fn where_our_last_word_is_refused_the_will_is_left_to_the_broker() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED_V5);
        let mut last = None;
        while let Some((first, body)) = packet(&mut peer) {
            if let Some(id) = publish_id(first, &body) {
                // Quota exceeded.
                let code = if body.ends_with(b"offline") { 0x97 } else { 0 };
                peer.write_all(&[0x40, 3, id[0], id[1], code]).expect("it listens");
            }
            last = Some((first, body));
        }
        last.expect("it said something")
    });
    let (publisher, _received) = publisher(speaking(Version::V5, port));
    until(&publisher, "online", |stats| stats.delivered == 1).await;
    publisher.shutdown().await;
    let last = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    let (first, body) = last.expect("joined");
    assert!(first >> 4 == 3 && body.ends_with(b"offline"), "{first:#x} came after it");
}

/// Maximum Packet Size 5000 (MQTT 5, 3.2.2.3.6): what is made for a packet is made for that. And
/// a picture that is still on its way when the connection breaks was asked for in vain.
#[tokio::test]
async fn a_picture_that_did_not_leave_is_counted() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let small = welcome(&listening, &[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0x13, 0x88]);
        (small, listening)
    });
    let mut start = begin(speaking(Version::V5, port));
    start.settings.max_packet_bytes = 16 << 20;
    let (publisher, _received) = Publisher::start(start).expect("starts");
    until(&publisher, "connected", |stats| stats.connected).await;
    assert_eq!(publisher.largest_packet(), 5000);
    let joined = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    let (small, listening) = joined.expect("joined");
    drop(small);
    // This one reads nothing: what does not fit into the kernel's buffers stays with us.
    let next = tokio::task::spawn_blocking(move || welcome(&listening, &ACCEPTED_V5));
    let peer = next.await.expect("joined");
    until(&publisher, "again", |stats| stats.connections == 2 && stats.connected).await;
    assert_eq!(publisher.largest_packet(), 16 << 20);
    publisher.publish_snapshot(&camera(), vec![0xff; 15 << 20]).expect("taken");
    let began = |publisher: &Publisher| !publisher.withdraw_snapshot();
    while !began(&publisher) {
        publisher.publish_snapshot(&camera(), vec![0xff; 15 << 20]).expect("taken");
        tokio::task::yield_now().await;
    }
    assert_eq!(publisher.stats().commands_refused, 0);
    drop(peer);
    let stats = until(&publisher, "broken", |stats| !stats.connected).await;
    assert_eq!(stats.commands_refused, 1, "{stats:?}");
    publisher.shutdown().await;
}
