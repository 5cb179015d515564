//! Several addresses of one broker: a device moves to another by itself.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use expressiond::mqtt::message::Class;
use expressiond::mqtt::protocol::Version;
use serde_json::Value;

use crate::daemon::{preload, start_with};
use crate::fake::{ACCEPTED, accept, acknowledge, listen, packet, publish_id, welcome};
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::ports::free_port;
use crate::support::{camera, event, first_sightings, publisher, settings, until, url};

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

/// A getaddrinfo(3) by which every name has the addresses 127.0.0.1 and 127.0.0.2, which Linux
/// has without being told: what `localhost` is differs from machine to machine.
const TWO_HOSTS: &str = "\
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
static struct sockaddr_in at[2];
static struct addrinfo found[2];
int getaddrinfo(const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r) {
  for (int i = 0; i < 2; i++) {
    at[i].sin_family = found[i].ai_family = AF_INET;
    at[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
    found[i].ai_socktype = SOCK_STREAM;
    found[i].ai_addr = (struct sockaddr *)&at[i];
    found[i].ai_addrlen = sizeof at[i];
    found[i].ai_next = i == 0 ? &found[1] : NULL;
  }
  *r = found;
  return 0;
}
void freeaddrinfo(struct addrinfo *r) {}
";

/// One of the two. Whose turn comes first depends on port and device: whoever is `asked` first
/// hangs up, and the other is a broker, which tells the first status that says "connected".
fn host(listening: &TcpListener, asked: &AtomicBool) -> Option<Value> {
    // A try that another has overtaken ends without a word.
    let mut peer = loop {
        let mut peer = accept(listening);
        if packet(&mut peer).is_some() {
            break peer;
        }
    };
    if !asked.swap(true, Ordering::SeqCst) {
        return None;
    }
    peer.write_all(&ACCEPTED).expect("it listens");
    loop {
        let (first, body) = packet(&mut peer).expect("a status comes before the end");
        let Some(id) = publish_id(first, &body) else { continue };
        acknowledge(&mut peer, id);
        let (topic, payload) =
            body[2..].split_at(usize::from(u16::from_be_bytes([body[0], body[1]])));
        if topic != b"expressiond/d1/status" {
            continue;
        }
        // Behind the packet's id.
        let status: Value = serde_json::from_slice(&payload[2..]).expect("JSON");
        if status["mqtt"]["connected"] == true {
            return Some(status);
        }
    }
}

/// Of a name's hosts each is tried until one takes us, not the first that accepts; and that at
/// once, not as another try after a failure.
#[test]
fn a_host_that_hangs_up_gives_way_to_the_next_of_its_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let library = preload(folder.path(), TWO_HOSTS);
    let (first, port) = listen();
    let second = TcpListener::bind(("127.0.0.2", port)).expect("free on one address, and on two");
    let asked = Arc::new(AtomicBool::new(false));
    let hosts = [first, second].map(|listening| {
        let asked = Arc::clone(&asked);
        std::thread::spawn(move || host(&listening, &asked))
    });
    let url = format!("mqtt://broker.example:{port}");
    let environment = [("LD_PRELOAD", library.as_path())];
    let daemon = start_with(&url, folder.path(), &["mqtt.version=3.1.1"], &environment);
    let [first, second] = hosts.map(|host| host.join().expect("asked"));
    let (address, status) = match (first, second) {
        (Some(status), None) => ("127.0.0.1", status),
        (None, Some(status)) => ("127.0.0.2", status),
        both => panic!("one hangs up and one is a broker: {both:?}"),
    };
    assert_eq!(status["mqtt"]["address"], format!("{address}:{port}"));
    assert_eq!(status["mqtt"]["last_error"], Value::Null, "nothing failed: {status}");
    drop(daemon);
}
