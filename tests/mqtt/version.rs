//! Which MQTT is spoken, and what MQTT 5 adds.

use std::io::{Read, Write};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use expressiond::mqtt::message::Class;
use expressiond::mqtt::protocol::Protocol;
use expressiond::mqtt::protocol::Version;
use expressiond::name::Name;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

use crate::certificates::text;
use crate::fake::{
    ACCEPTED, ACCEPTED_V5, accept, acknowledge, listen, packet, publish_id, welcome,
};
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::running::LIMIT;
use crate::support::{
    AnyBroker, begin, camera, event, first_sightings, publisher, settings, speaking, until,
};

#[tokio::test]
async fn the_newest_is_taken_that_the_broker_has() {
    let [mosquitto, inside] = AnyBroker::both();
    for (broker, version, protocol) in [
        (&mosquitto, Version::Auto, Protocol::V5),
        (&mosquitto, Version::V5, Protocol::V5),
        (&mosquitto, Version::V311, Protocol::V311),
        (&inside, Version::Auto, Protocol::V311),
    ] {
        let (publisher, _received) = publisher(speaking(version, broker.port()));
        let stats = until(&publisher, "connected", |stats| stats.connected).await;
        assert_eq!(stats.protocol, Some(protocol), "{version:?}");
        publisher.shutdown().await;
        assert_eq!(publisher.stats().protocol, None);
    }
    let (publisher, _received) = publisher(speaking(Version::V5, inside.port()));
    let stats = until(&publisher, "refused", |stats| stats.last_error.is_some()).await;
    assert_eq!(stats.connections, 0, "5 was asked for, so 3.1.1 is not tried");
    assert!(stats.last_error.expect("just seen").contains("mqtt.version"));
    publisher.shutdown().await;
}

/// What a broker of MQTT 3.1.1 answers to MQTT 5: its own CONNACK with return code 1
/// (3.1.2.2), and the end.
#[tokio::test]
async fn a_broker_that_refuses_5_is_asked_again_in_3_1_1() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        [[0x20, 2, 0, 1], ACCEPTED].map(|answer| {
            let mut peer = accept(&listening);
            let (_, connect) = packet(&mut peer).expect("CONNECT");
            peer.write_all(&answer).expect("it listens");
            if answer[3] == 0 {
                // Accepted: it stays until the client leaves.
                peer.read_to_end(&mut Vec::new()).expect("the end");
            }
            connect
        })
    });
    settles_for_3_1_1(port, broker).await;
}

/// Some brokers of MQTT 3.1.1 wait for the rest of a CONNECT that they do not understand.
#[tokio::test]
async fn a_broker_that_never_answers_5_is_asked_again_in_3_1_1() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut silent = accept(&listening);
        let (_, connect) = packet(&mut silent).expect("CONNECT");
        let mut peer = accept(&listening);
        let (_, again) = packet(&mut peer).expect("CONNECT");
        peer.write_all(&ACCEPTED).expect("it listens");
        while packet(&mut peer).is_some() {}
        [connect, again]
    });
    settles_for_3_1_1(port, broker).await;
}

/// With a broker that ends by telling the two CONNECTs that it got.
async fn settles_for_3_1_1(port: u16, broker: JoinHandle<[Vec<u8>; 2]>) {
    let (publisher, _received) = publisher(settings(port));
    let stats = until(&publisher, "connected", |stats| stats.connected).await;
    assert_eq!(stats.protocol, Some(Protocol::V311));
    publisher.shutdown().await;
    let connects = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    // Protocol Level follows the name: two bytes of length, "MQTT".
    assert_eq!(connects.expect("joined").map(|connect| connect[6]), [5, 4]);
}

/// Server Keep Alive 0 (3.2.2.3.14) switches probes off; ours go on, at our pace.
#[tokio::test]
async fn a_broker_that_wants_no_probes_gets_ours_at_their_pace() {
    probes_go_on_where_the_broker_wants(0).await;
}

#[tokio::test]
async fn a_broker_that_wants_probes_seldom_gets_ours_at_their_pace() {
    probes_go_on_where_the_broker_wants(u16::MAX).await;
}

/// The pace is counted from before the client can begin to count: whatever is slow makes it only
/// longer. Probes that do not come at all do not come in time.
async fn probes_go_on_where_the_broker_wants(seconds: u16) {
    let (listening, port) = listen();
    let [high, low] = seconds.to_be_bytes();
    let broker = std::thread::spawn(move || {
        let mut peer = accept(&listening);
        packet(&mut peer).expect("CONNECT");
        let begun = Instant::now();
        peer.write_all(&[0x20, 6, 0, 0, 3, 0x13, high, low]).expect("it listens");
        let mut probes = 0;
        while probes < 2 {
            let (first, body) = packet(&mut peer).expect("a whole packet");
            // One that acknowledged nothing would be left.
            if let Some(id) = publish_id(first, &body) {
                acknowledge(&mut peer, id);
            }
            // An empty body is a PINGREQ.
            if body.is_empty() {
                peer.write_all(&[0xd0, 0]).expect("it listens");
                probes += 1;
            }
        }
        begun.elapsed()
    });
    let settings = speaking(Version::V5, port);
    let two_probes = Duration::from_secs(2 * u64::from(settings.keep_alive_s));
    let (publisher, _received) = publisher(settings);
    let took = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await.expect("joined");
    assert!(took >= two_probes, "{took:?}");
    assert_eq!(publisher.stats().connections, 1);
    publisher.shutdown().await;
}

/// Somebody who listens in MQTT 5 and sees the properties.
struct Reader(
    EventLoop,
    #[expect(dead_code, reason = "its end would end the event loop")] AsyncClient,
);

impl Reader {
    async fn at(port: u16) -> Self {
        let mut options = MqttOptions::new("reader", "127.0.0.1", port);
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut events) = AsyncClient::new(options, 10);
        client.try_subscribe("#", QoS::AtLeastOnce).expect("room for a request");
        let subscribed = async {
            while !matches!(events.poll().await, Ok(Event::Incoming(Packet::SubAck(_)))) {}
        };
        tokio::time::timeout(LIMIT, subscribed).await.expect("subscribed in time");
        Self(events, client)
    }

    /// The next message on a topic that ends so.
    async fn next(&mut self, ending: &str) -> Publish {
        let wait = async {
            loop {
                if let Event::Incoming(Packet::Publish(publish)) =
                    self.0.poll().await.expect("the broker stays")
                    && publish.topic.ends_with(ending.as_bytes())
                {
                    return publish;
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("seen in time")
    }
}

#[tokio::test]
async fn messages_say_what_they_are_and_when_they_are_over() {
    let broker = Mosquitto::start();
    let mut reader = Reader::at(broker.port).await;
    let mut start = begin(speaking(Version::V5, broker.port));
    start.settings.outbox.max_age_s = 1000;
    let (kill, killed) = tokio::sync::oneshot::channel::<()>();
    let daemon = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("runtime");
        let publisher = runtime.block_on(async {
            let (publisher, _received) =
                expressiond::publish::Publisher::start(start).expect("starts");
            publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
            until(&publisher, "the event", |stats| stats.delivered == 2).await;
            publisher.publish_snapshot(&camera(), vec![0xff, 0xd8]).expect("connected");
            killed.await.expect("the test goes on");
            publisher
        });
        drop(runtime);
        drop(publisher);
    });
    let device = ("device".to_owned(), "d1".to_owned());
    let schema = ("schema".to_owned(), "1".to_owned());

    let online = reader.next("d1/availability").await.properties.expect("has some");
    assert_eq!(online.content_type.as_deref(), Some("text/plain"));
    assert_eq!(online.payload_format_indicator, Some(1));
    assert_eq!(online.user_properties, std::slice::from_ref(&device));
    assert_eq!(online.message_expiry_interval, None, "a state is true until the next");

    let event = reader.next("/event").await.properties.expect("has some");
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    assert_eq!(event.user_properties, [schema, device.clone()]);
    let left = event.message_expiry_interval.expect("an event expires");
    assert!((900..=1000).contains(&left), "what is left of max_age_s: {left}");

    let picture = reader.next("/snapshot").await.properties.expect("has some");
    assert_eq!(picture.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(picture.payload_format_indicator, None, "it is no text");
    assert!(picture.message_expiry_interval.expect("a picture expires") <= 60);

    kill.send(()).expect("still running");
    let will = reader.next("d1/availability").await;
    assert_eq!(will.payload, "offline");
    let will = will.properties.expect("has some");
    assert_eq!(will.content_type.as_deref(), Some("text/plain"));
    assert_eq!(will.user_properties, [device]);
    daemon.join().expect("ended");
}

/// MQTT 3.1.1 cannot say it: there such a broker acknowledges what it throws away.
#[tokio::test]
async fn an_event_that_is_not_authorized_is_not_delivered_but_kept() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let list = folder.path().join("acl");
    std::fs::write(&list, "topic readwrite #\ntopic deny expressiond/d1/front/event\n")
        .expect("write");
    let mut broker = Mosquitto::with(&format!("allow_anonymous true\nacl_file {}\n", text(&list)));
    let observer = Observer::at(broker.port).await;
    let (publisher, _received) = publisher(speaking(Version::V5, broker.port));
    for number in 0..50 {
        publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
    }
    let stats = until(&publisher, "refused", |stats| stats.refused_by_broker > 0).await;
    assert_eq!(stats.waiting, 50);
    let reason = stats.last_error.expect("it says why");
    assert!(reason.contains("expressiond/d1/front/event: not authorized"), "{reason}");
    // States go on meanwhile.
    let state = publisher.topics().state(&camera());
    publisher.set_retained(Class::State, state.clone(), b"1".to_vec()).expect("taken");
    observer.latest(&state, "1").await;
    assert!(publisher.stats().connected);

    // The owner mends the list; the next connection delivers, in order.
    std::fs::write(&list, "topic readwrite #\n").expect("write");
    broker.stop();
    broker.resume();
    let seen = observer.until("50 events", |seen| first_sightings(seen, 1).len() == 50).await;
    assert_eq!(first_sightings(&seen, 1), (0..50).collect::<Vec<_>>());
    publisher.shutdown().await;
    assert_eq!((publisher.stats().waiting, publisher.stats().dropped), (0, Default::default()));
}

/// As after a camera was renamed, where the list has the new name only: what waits under the
/// old one used to hold up all events for up to `mqtt.outbox.max_age_s`. With a window of one,
/// it must not stand in the way there either.
#[tokio::test]
async fn what_waits_for_a_forbidden_topic_holds_up_no_other() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let list = folder.path().join("acl");
    std::fs::write(&list, "topic readwrite #\ntopic deny expressiond/d1/old/event\n")
        .expect("write");
    let broker = Mosquitto::with(&format!(
        "allow_anonymous true\nacl_file {}\nmax_inflight_messages 1\n",
        text(&list)
    ));
    let observer = Observer::at(broker.port).await;
    let (publisher, _received) = publisher(speaking(Version::V5, broker.port));
    let old = Name::camera("old").expect("valid");
    for number in 0..10 {
        publisher.publish_event(&old, "2", &event(2, number)).expect("taken");
        publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
    }
    let stats = until(&publisher, "the new name's", |stats| stats.waiting == 10).await;
    assert_eq!((stats.refused_by_broker, stats.connections), (1, 1));
    assert!(stats.last_error.expect("it says why").contains("old/event"));
    let seen = observer.until("10 events", |seen| first_sightings(seen, 1).len() == 10).await;
    assert_eq!(first_sightings(&seen, 1), (0..10).collect::<Vec<_>>());
    publisher.shutdown().await;
    assert_eq!((publisher.stats().waiting, publisher.stats().dropped), (10, Default::default()));
}

#[tokio::test]
async fn the_limits_of_the_broker_are_kept() {
    let broker =
        Mosquitto::with("allow_anonymous true\nmax_packet_size 2000\nmax_inflight_messages 1\n");
    let observer = Observer::at(broker.port).await;
    let (publisher, _received) = publisher(speaking(Version::V5, broker.port));
    let large = serde_json::json!({ "track": 1, "number": 0, "filling": "x".repeat(2000) });
    publisher.publish_event(&camera(), "1", &large).expect("taken");
    for number in 1..=100 {
        publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
    }
    let state = publisher.topics().state(&camera());
    publisher.set_retained(Class::State, state, vec![b'x'; 2000]).expect("taken");
    let seen = observer.until("100 events", |seen| first_sightings(seen, 1).len() == 100).await;
    assert_eq!(first_sightings(&seen, 1), (1..=100).collect::<Vec<_>>());
    let stats = until(&publisher, "acknowledged", |stats| stats.waiting == 0).await;
    assert_eq!((stats.dropped.oversized, stats.states_refused, stats.connections), (1, 1, 1));
    publisher.shutdown().await;
}

#[tokio::test]
async fn who_is_thrown_out_is_told_by_whom() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        // DISCONNECT with "Session taken over" (3.14.2.1).
        let mut peer = welcome(&listening, &[&ACCEPTED_V5[..], &[0xe0, 1, 0x8e]].concat());
        peer.read_to_end(&mut Vec::new()).expect("the end");
    });
    let (publisher, _received) = publisher(speaking(Version::V5, port));
    let stats = until(&publisher, "thrown out", |stats| stats.last_error.is_some()).await;
    let reason = stats.last_error.expect("just seen");
    // A connection that is just cut has another text with the same question.
    assert!(reason.contains("another client has connected"), "{reason}");
    publisher.shutdown().await;
    tokio::task::spawn_blocking(|| broker.join().expect("ended")).await.expect("joined");
}

/// DISCONNECT with "Use another server" and a Server Reference (3.14.2).
#[tokio::test]
async fn who_is_sent_away_is_told_where_to() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let away = [&[0xe0, 14, 0x9c, 12, 0x1c, 0, 9], &b"elsewhere"[..]].concat();
        let mut peer = welcome(&listening, &[&ACCEPTED_V5[..], &away[..]].concat());
        peer.read_to_end(&mut Vec::new()).expect("the end");
    });
    let (publisher, _received) = publisher(speaking(Version::V5, port));
    let stats = until(&publisher, "sent away", |stats| stats.last_error.is_some()).await;
    let reason = stats.last_error.expect("just seen");
    assert!(reason.contains("change mqtt.url (the broker: \"elsewhere\")"), "{reason}");
    publisher.shutdown().await;
    tokio::task::spawn_blocking(|| broker.join().expect("ended")).await.expect("joined");
}

#[tokio::test]
async fn a_broker_without_what_we_need_is_named() {
    for (lines, expected) in
        [("retain_available false\n", "retained messages"), ("max_qos 0\n", "QoS 0 only")]
    {
        let broker = Mosquitto::with(&format!("allow_anonymous true\n{lines}"));
        let (publisher, _received) = publisher(speaking(Version::V5, broker.port));
        let stats = until(&publisher, expected, |stats| stats.last_error.is_some()).await;
        let reason = stats.last_error.expect("just seen");
        assert!(reason.contains(expected), "{reason}");
        publisher.shutdown().await;
    }
}
