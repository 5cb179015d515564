//! Several addresses of one broker: a device moves to another by itself.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use expressiond::mqtt::message::Class;
use expressiond::mqtt::protocol::Version;

use crate::fake::{ACCEPTED, accept, listen, packet, welcome};
use crate::mosquitto::{Mosquitto, free_port};
use crate::observer::Observer;
use crate::support::{camera, event, first_sightings, publisher, settings, until};

fn url(port: u16) -> String {
    format!("mqtt://127.0.0.1:{port}")
}

#[tokio::test]
async fn a_device_moves_to_the_node_that_lives_and_says_everything_again() {
    let mut nodes = [Mosquitto::start(), Mosquitto::start()];
    let observers = [Observer::at(nodes[0].port).await, Observer::at(nodes[1].port).await];
    let mut both = settings(nodes[0].port);
    // One that was never there besides.
    let urls = [url(free_port()), url(nodes[0].port), url(nodes[1].port)];
    both.url = urls.join(",").as_str().into();
    let (publisher, _received) = publisher(both);
    publisher
        .set_retained(Class::State, "expressiond/d1/status".into(), b"1".to_vec())
        .expect("taken");
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    let stats = until(&publisher, "delivery", |stats| stats.waiting == 0).await;
    let first = nodes.iter().position(|node| stats.broker == Some(url(node.port))).expect("a node");
    let address = stats.address.expect("connected");
    assert_eq!(address.to_string(), format!("127.0.0.1:{}", nodes[first].port));
    observers[first].latest("expressiond/d1/status", "1").await;

    nodes[first].kill();
    until(&publisher, "the loss", |stats| stats.broker != Some(url(nodes[first].port))).await;
    publisher.publish_event(&camera(), "1", &event(1, 2)).expect("taken");
    let other = 1 - first;
    observers[other].latest("expressiond/d1/status", "1").await;
    observers[other].latest("expressiond/d1/availability", "online").await;
    observers[other].until("the event", |seen| first_sightings(seen, 1) == [2]).await;
    let stats = until(&publisher, "connected", |stats| stats.connected).await;
    assert_eq!(stats.broker, Some(url(nodes[other].port)));
    publisher.shutdown().await;
}

/// It takes connections, as a kernel does for a process that hangs, and says nothing.
#[tokio::test]
async fn a_node_that_hangs_is_left_for_one_that_answers() {
    let (hanging, port) = listen();
    let node = Mosquitto::start();
    let mut both = settings(node.port);
    both.url = format!("{},{}", url(port), url(node.port)).as_str().into();
    let held = std::thread::spawn(move || {
        hanging.set_nonblocking(true).expect("set");
        let mut held = Vec::new();
        let end = std::time::Instant::now() + crate::running::LIMIT;
        while std::time::Instant::now() < end && held.len() < 2 {
            held.extend(hanging.accept().ok());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
    let (publisher, _received) = publisher(both);
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    let stats = until(&publisher, "delivery", |stats| stats.delivered > 1).await;
    assert_eq!(stats.broker, Some(url(node.port)));
    publisher.shutdown().await;
    drop(held);
}

/// It answers probes and acknowledges nothing, as a node without a disk or a majority does.
#[tokio::test]
async fn a_node_that_acknowledges_nothing_is_left_for_one_that_does() {
    let (listening, port) = listen();
    let node = Mosquitto::start();
    let mut both = settings(node.port);
    both.version = Version::V311;
    both.url = format!("{},{}", url(port), url(node.port)).as_str().into();
    let deaf = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED);
        while let Some((first, body)) = packet(&mut peer) {
            let answer = match first >> 4 {
                8 => vec![0x90, 3, body[0], body[1], 1],
                12 => vec![0xd0, 0],
                _ => continue,
            };
            if peer.write_all(&answer).is_err() {
                break;
            }
        }
    });
    // The one that works is not there until the other was tried.
    node.freeze();
    let (publisher, _received) = publisher(both);
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    until(&publisher, "a connection", |stats| stats.broker == Some(url(port))).await;
    node.thaw();
    let stats = until(&publisher, "delivery", |stats| stats.waiting == 0).await;
    assert_eq!(stats.broker, Some(url(node.port)));
    assert!(stats.last_error.expect("of the first").contains("acknowledges nothing"));
    publisher.shutdown().await;
    tokio::task::spawn_blocking(|| deaf.join().expect("ended")).await.expect("joined");
}

/// Of a name's hosts each is tried until one takes us, not the first that accepts.
#[tokio::test]
async fn a_host_that_hangs_up_gives_way_to_the_next_of_its_name() {
    // Both families at one port, of which IPv4 hangs up at once; the other is a broker.
    let (listening, port) = listen();
    let hosts: Vec<_> = ("localhost", port).to_socket_addrs().expect("it has one").collect();
    let both_kinds = hosts.iter().any(SocketAddr::is_ipv6) && hosts.iter().any(SocketAddr::is_ipv4);
    let other = TcpListener::bind(("::1", port)).ok().filter(|_| both_kinds);
    let Some(other) = other else {
        eprintln!("localhost has one address here: nothing to test");
        return;
    };
    let mut both = settings(port);
    both.url = format!("mqtt://localhost:{port}").into();
    both.version = Version::V311;
    let hanging_up = std::thread::spawn(move || drop(accept(&listening)));
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&other, &ACCEPTED);
        while packet(&mut peer).is_some() {}
    });
    let (publisher, _received) = publisher(both);
    let stats = until(&publisher, "connected", |stats| stats.connected).await;
    assert_eq!(stats.address.expect("connected").to_string(), format!("[::1]:{port}"));
    publisher.shutdown().await;
    tokio::task::spawn_blocking(|| broker.join().expect("ended")).await.expect("joined");
    // It is not asked where IPv6 is tried first.
    drop(hanging_up);
}
