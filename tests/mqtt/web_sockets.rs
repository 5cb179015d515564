//! MQTT inside WebSockets, as a web server's port or a cloud wants it.

use std::io::{Read, Write};

use expressiond::mqtt::message::{Class, Subscriptions};
use expressiond::mqtt::settings::Settings;
use expressiond::publish::Publisher;

use crate::certificates::{Authority, text};
use crate::fake::{accept, listen};
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::ports::free_port;
use crate::support::{
    VERSIONS, begin, camera, event, first_sightings, publisher, settings, speaking, until,
};

/// A broker with a plain listener for observers and another with these lines.
fn broker(web: u16, more: &str) -> Mosquitto {
    Mosquitto::with(&format!(
        "allow_anonymous true\nlistener {web} 127.0.0.1\nprotocol websockets\n{more}"
    ))
}

#[tokio::test]
async fn everything_arrives_through_a_web_socket_both_ways() {
    for version in VERSIONS {
        let web = free_port();
        let broker = broker(web, "");
        let observer = Observer::at(broker.port).await;
        let mut start = begin(Settings {
            url: format!("ws://127.0.0.1:{web}").into(),
            ..speaking(version, web)
        });
        start.subscriptions =
            Subscriptions { lasting: vec!["to/d1".into()], ..Subscriptions::default() };
        let (publisher, mut received) = Publisher::start(start).expect("starts");
        // Larger than a message of WebSocket that any side would send in one piece.
        let large = vec![b'x'; 200_000];
        publisher.set_retained(Class::State, "large".into(), large.clone()).expect("taken");
        for number in 1..=50 {
            publisher.publish_event(&camera(), "1", &event(1, number)).expect("taken");
        }
        observer.until("the large one", |seen| seen.iter().any(|s| s.payload == large)).await;
        observer
            .until("all events in order", |seen| {
                first_sightings(seen, 1) == (1..=50).collect::<Vec<_>>()
            })
            .await;
        let (other, _) = crate::support::publisher(settings(broker.port));
        other.set_retained(Class::State, "to/d1".into(), vec![b'y'; 100_000]).expect("taken");
        let heard = tokio::time::timeout(crate::running::LIMIT, received.recv()).await;
        assert_eq!(heard.expect("in time").expect("a message").payload.len(), 100_000);
        let stats = publisher.stats();
        assert_eq!(stats.broker, Some(format!("ws://127.0.0.1:{web}/mqtt")));
        other.shutdown().await;
        publisher.shutdown().await;
        observer.latest("expressiond/d1/availability", "offline").await;
    }
}

#[tokio::test]
async fn a_web_socket_through_tls_is_vouched_for_like_any_other() {
    let authority = Authority::new("Our CA");
    let server = authority.issue("broker", "DNS:localhost");
    let (ca, cert, key) = (text(&authority.ca()), text(&server.cert), text(&server.key));
    let web = free_port();
    let _broker = broker(web, &format!("cafile {ca}\ncertfile {cert}\nkeyfile {key}\n"));
    let mut settings = settings(web);
    settings.url = format!("wss://localhost:{web}/mqtt").into();
    settings.tls.ca_file = ca;
    let (trusting, _) = publisher(settings.clone());
    until(&trusting, "connected", |stats| stats.connected).await;
    trusting.shutdown().await;
    let another = Authority::new("Another CA");
    settings.tls.ca_file = text(&another.ca());
    let (doubting, _) = publisher(settings);
    let stats = until(&doubting, "a refusal", |stats| stats.last_error.is_some()).await;
    assert!(stats.last_error.expect("just seen").contains("mqtt.tls.ca_file"));
    doubting.shutdown().await;
}

#[tokio::test]
async fn a_web_server_without_mqtt_is_named_as_such() {
    let (listening, port) = listen();
    let server = std::thread::spawn(move || {
        let mut peer = accept(&listening);
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            peer.read_exact(&mut byte).expect("a request");
            request.extend(byte);
        }
        peer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").expect("it listens");
        String::from_utf8(request).expect("text")
    });
    let mut settings = settings(port);
    settings.url = format!("ws://127.0.0.1:{port}/wrong?a=b").into();
    let (publisher, _received) = publisher(settings);
    let stats = until(&publisher, "a refusal", |stats| stats.last_error.is_some()).await;
    let reason = stats.last_error.expect("just seen");
    assert!(reason.contains("404") && reason.contains("path in mqtt.url"), "{reason}");
    publisher.shutdown().await;
    let request =
        tokio::task::spawn_blocking(|| server.join().expect("ended")).await.expect("joined");
    assert!(request.starts_with("GET /wrong?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("sec-websocket-protocol: mqtt\r\n"), "{request}");
}
