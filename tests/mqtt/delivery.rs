//! Events arrive, states stay, availability tells the truth.

use expressiond::mqtt::message::{Class, PACKET_OVERHEAD};
use expressiond::mqtt::protocol::Version;

use crate::contract;
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::ports::free_port;
use crate::support::{
    AnyBroker, VERSIONS, begin, camera, event, first_sightings, publisher, settings, speaking,
    until,
};

const AVAILABILITY: &str = "expressiond/d1/availability";

#[tokio::test]
async fn events_and_states_arrive() {
    for (broker, version) in AnyBroker::each() {
        let observer = Observer::at(broker.port()).await;
        let (publisher, _received) = publisher(speaking(version, broker.port()));
        for number in 0..100 {
            publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
        }
        let seen = observer.until("100 events", |seen| first_sightings(seen, 1).len() == 100).await;
        assert_eq!(first_sightings(&seen, 1), (0..100).collect::<Vec<_>>());
        assert_eq!(seen[0].topic, AVAILABILITY, "online comes before events");
        assert_eq!(seen[0].text(), "online");

        // Who joins late gets the latest state and no old event.
        publisher.set_camera_available(&camera(), true);
        let topic = publisher.topics().state(&camera());
        for text in ["old", "new"] {
            let state = text.as_bytes().to_vec();
            publisher.set_retained(Class::State, topic.clone(), state).expect("taken");
        }
        observer.latest(&topic, "new").await;
        let late = Observer::at(broker.port()).await;
        assert!(late.latest(&topic, "new").await.retained);
        assert!(late.latest(AVAILABILITY, "online").await.retained);
        assert!(late.seen().iter().all(|seen| !seen.topic.ends_with("/event")));
        publisher.shutdown().await;
    }
}

#[tokio::test]
async fn a_clean_shutdown_delivers_the_rest_and_says_offline() {
    for (broker, version) in AnyBroker::each() {
        let observer = Observer::at(broker.port()).await;
        let (publisher, _received) = publisher(speaking(version, broker.port()));
        observer.latest(AVAILABILITY, "online").await;
        for number in 0..50 {
            publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
        }
        publisher.shutdown().await;
        assert_eq!(publisher.stats().waiting, 0, "shutdown waits for the acknowledgements");
        observer.latest(AVAILABILITY, "offline").await;
        assert_eq!(first_sightings(&observer.seen(), 1).len(), 50);
        let late = Observer::at(broker.port()).await;
        assert!(late.latest(AVAILABILITY, "offline").await.retained);
    }
}

#[tokio::test]
async fn a_killed_daemon_is_declared_offline_by_its_last_will() {
    for (broker, version) in AnyBroker::each() {
        let observer = Observer::at(broker.port()).await;
        let (kill, killed) = tokio::sync::oneshot::channel::<()>();
        let port = broker.port();
        let daemon = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("runtime");
            let publisher = runtime.block_on(async {
                let publisher = publisher(speaking(version, port));
                killed.await.expect("the test goes on");
                publisher
            });
            // The socket closes without a DISCONNECT, as when the process is killed.
            drop(runtime);
            drop(publisher);
        });
        observer.latest(AVAILABILITY, "online").await;
        kill.send(()).expect("still running");
        observer.latest(AVAILABILITY, "offline").await;
        let late = Observer::at(broker.port()).await;
        assert!(late.latest(AVAILABILITY, "offline").await.retained);
        daemon.join().expect("ended");
    }
}

/// A broker that notices late that an earlier connection broke says its last will after the
/// `online` of this one, here or over a bridge. It stood for as long as this one lasted.
#[tokio::test]
async fn a_last_will_that_comes_late_does_not_stand() {
    let broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let (device, _received) = publisher(settings(broker.port));
    observer.latest(AVAILABILITY, "online").await;
    let mut other = begin(settings(broker.port));
    other.device = expressiond::name::Name::new("other").expect("valid");
    let (other, _none) = expressiond::publish::Publisher::start(other).expect("starts");
    other
        .set_retained(Class::Availability, AVAILABILITY.into(), b"offline".to_vec())
        .expect("taken");
    observer.latest(AVAILABILITY, "offline").await;
    device.set_status(&contract::status(device.stats())).expect("taken");
    observer.latest(AVAILABILITY, "online").await;
    let newcomer = Observer::at(broker.port).await;
    assert!(newcomer.latest(AVAILABILITY, "online").await.retained);
    device.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_comes_back_hears_everything_in_order() {
    for version in VERSIONS {
        come_back_three_times(version).await;
    }
}

async fn come_back_three_times(version: Version) {
    let mut broker = Mosquitto::start();
    let observer = Observer::at(broker.port).await;
    let (publisher, _received) = publisher(speaking(version, broker.port));
    let state = publisher.topics().state(&camera());
    let mut number = 0;
    let mut burst = |count| {
        for _ in 0..count {
            publisher.publish_event(&camera(), "a", &event(number % 3, number)).expect("taken");
            number += 1;
        }
    };
    burst(30);
    observer.latest(AVAILABILITY, "online").await;
    for outage in 0..3 {
        if outage == 1 {
            // Killed, it forgets what it has not written: let it be idle.
            let all = |seen: &[_]| (0..3).map(|t| first_sightings(seen, t).len()).sum::<usize>();
            let sent = 30 + 60 * outage as usize;
            observer.until("everything so far", |seen| all(seen) >= sent).await;
            broker.kill();
        } else {
            broker.stop();
        }
        burst(30);
        let text = format!("state {outage}").into_bytes();
        publisher.set_retained(Class::State, state.clone(), text).expect("taken");
        broker.resume();
        observer.latest(&state, &format!("state {outage}")).await;
        burst(30);
    }
    let total = 30 + 3 * 60;
    let seen = observer
        .until("every event", |seen| (0..3).all(|t| first_sightings(seen, t).len() == total / 3))
        .await;
    for track in 0..3 {
        let numbers = first_sightings(&seen, track);
        assert!(numbers.is_sorted(), "track {track} out of order: {numbers:?}");
    }
    assert!(publisher.stats().connections >= 4);
    publisher.shutdown().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_harms_nothing() {
    for (broker, version) in AnyBroker::each() {
        let observer = Observer::at(broker.port()).await;
        let mut small = speaking(version, broker.port());
        small.max_packet_bytes = 8192;
        let (publisher, _received) = publisher(small);
        publisher.publish_event(&camera(), "1", &event(1, 0)).expect("taken");
        let huge = "x".repeat(10_000);
        let refused = publisher.publish_event(&camera(), "1", &huge).expect_err("too large");
        assert!(refused.to_string().contains("mqtt.max_packet_bytes"), "{refused}");
        // The largest that is taken must also pass: the limit is exact enough.
        let topic = publisher.topics().state(&camera());
        let fits = vec![b'x'; 8192 - topic.len() - PACKET_OVERHEAD];
        publisher.set_retained(Class::State, topic.clone(), fits.clone()).expect("just fits");
        publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
        let seen = observer.until("both events", |seen| first_sightings(seen, 1).len() == 2).await;
        assert!(seen.iter().any(|seen| seen.payload == fits));
        let stats = publisher.stats();
        assert_eq!((stats.connections, stats.dropped.oversized), (1, 1));
        publisher.shutdown().await;
    }
}

#[tokio::test]
async fn without_a_broker_nothing_blocks_and_the_bound_holds() {
    let mut bounded = settings(free_port());
    bounded.outbox.max_events = 10;
    let (publisher, _received) = publisher(bounded);
    for number in 0..1000 {
        publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
    }
    let stats = publisher.stats();
    assert_eq!((stats.waiting, stats.dropped.full, stats.connected), (10, 990, false));
    publisher.shutdown().await;
}

#[tokio::test]
async fn with_nothing_configured_a_broker_is_inside() {
    let mut embedded = settings(0);
    embedded.url = "".into();
    let (publisher, _received) = publisher(embedded);
    assert_eq!(publisher.brokers()[0].host, "127.0.0.1");
    let observer = Observer::at(publisher.brokers()[0].port).await;
    observer.latest(AVAILABILITY, "online").await;
    publisher.shutdown().await;
}

#[tokio::test]
async fn subscriptions_are_restored_after_an_outage() {
    for version in VERSIONS {
        hear_before_and_after(version).await;
    }
}

async fn hear_before_and_after(version: Version) {
    let mut broker = Mosquitto::start();
    let mut start = begin(speaking(version, broker.port));
    start.subscriptions.lasting = vec!["homeassistant/status".into()];
    let (publisher, mut received) = expressiond::publish::Publisher::start(start).expect("starts");
    let (other, _none) = expressiond::publish::Publisher::start({
        let mut start = begin(speaking(version, broker.port));
        start.device = expressiond::name::Name::new("other").expect("valid");
        start
    })
    .expect("starts");
    for text in ["first", "second"] {
        let topic = "homeassistant/status".to_owned();
        other.set_retained(Class::State, topic, text.into()).expect("taken");
        let wait =
            async { while received.recv().await.expect("running").payload != text.as_bytes() {} };
        tokio::time::timeout(crate::running::LIMIT, wait).await.expect("heard");
        broker.kill();
        broker.resume();
    }
    publisher.shutdown().await;
    other.shutdown().await;
}

/// MQTT 5 tells the broker what is too large, and it is left out.
#[tokio::test]
async fn with_mqtt_5_a_huge_message_does_not_even_arrive() {
    let broker = Mosquitto::start();
    let topic = "expressiond/d1/command";
    let (other, _none) = publisher(settings(broker.port));
    other.set_retained(Class::State, topic.into(), vec![b'x'; 100_000]).expect("taken");
    until(&other, "the huge message is there", |stats| stats.delivered >= 2).await;

    let mut start = begin(speaking(Version::V5, broker.port));
    start.device = expressiond::name::Name::new("d2").expect("valid");
    start.settings.max_packet_bytes = 8192;
    start.subscriptions.lasting = vec![topic.into()];
    let (publisher, mut received) = expressiond::publish::Publisher::start(start).expect("starts");
    until(&publisher, "online", |stats| stats.delivered >= 1).await;
    other.set_retained(Class::State, topic.into(), b"small".to_vec()).expect("taken");
    let heard = tokio::time::timeout(crate::running::LIMIT, received.recv()).await;
    assert_eq!(heard.expect("in time").expect("running").payload, b"small");
    assert_eq!(publisher.stats().connections, 1);
    publisher.shutdown().await;
    other.shutdown().await;
}

/// A link over which nothing goes any more, not even out: both sides of the socket
/// are full. The keep-alive of the library does not see that.
#[tokio::test]
async fn a_broker_that_freezes_is_noticed_and_nothing_is_lost() {
    for version in VERSIONS {
        let broker = Mosquitto::start();
        let mut large = speaking(version, broker.port);
        large.outbox.max_bytes = 64 << 20;
        let (publisher, _received) = publisher(large);
        until(&publisher, "online", |stats| stats.delivered >= 1).await;
        broker.freeze();
        let filling = "x".repeat(200_000);
        for number in 0..100 {
            let event = serde_json::json!({ "track": 1, "number": number, "filling": filling });
            publisher.publish_event(&camera(), "1", &event).expect("taken");
        }
        let stats = until(&publisher, "the loss", |stats| !stats.connected).await;
        assert_eq!(stats.waiting, 100);
        broker.thaw();
        let stats = until(&publisher, "all delivered", |stats| stats.waiting == 0).await;
        assert_eq!(stats.dropped, Default::default());
        publisher.shutdown().await;
    }
}
