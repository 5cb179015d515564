//! What the broker keeps of an earlier run is read before it is replaced, also where the broker
//! does not let the device hear it at once.

use std::io::Write;

use expressiond::mqtt::message::{Class, Received, Subscriptions};
use expressiond::mqtt::protocol::Version;
use expressiond::mqtt::received::Receiver;
use expressiond::publish::Publisher;
use tokio::time::timeout;

use crate::fake::{
    ACCEPTED, SUBSCRIBE, UNSUBSCRIBE, acknowledge, answer_subscribe, listen, packet, publish_id,
    welcome,
};
use crate::running::LIMIT;
use crate::support::{begin, speaking};

/// A retained PUBLISH at QoS 0 to the topic `config`: what an earlier run announced.
const EARLIER: &[u8] = b"\x31\x0b\x00\x06configold";

/// What this run announces there.
const OURS: &[u8] = b"new";

/// A device that sweeps `sweep`.
fn start(port: u16, sweep: &[&str]) -> (Publisher, Receiver) {
    let sweep = sweep.iter().map(ToString::to_string).collect();
    let mut start = begin(speaking(Version::V311, port));
    start.subscriptions = Subscriptions { sweep, ..Subscriptions::default() };
    let (publisher, received) = Publisher::start(start).expect("starts");
    publisher.set_retained(Class::Discovery, "config".into(), OURS.to_vec()).expect("taken");
    (publisher, received)
}

async fn hears_what_an_earlier_run_announced(received: &mut Receiver) {
    let heard = timeout(LIMIT, received.recv()).await.expect("in time").expect("it runs");
    let (topic, payload) = ("config".to_owned(), b"old".to_vec());
    assert_eq!(heard, Received { topic, payload, retained: true });
}

/// The filter of a SUBSCRIBE: after its id, and the length in front of it.
fn filter(subscribe: &[u8]) -> String {
    let length = usize::from(u16::from_be_bytes([subscribe[2], subscribe[3]]));
    String::from_utf8(subscribe[4..4 + length].to_vec()).expect("text")
}

#[tokio::test]
async fn what_was_refused_once_is_read_before_it_is_replaced() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED);
        let mut asked = 0;
        while let Some((first, body)) = packet(&mut peer) {
            if first >> 4 == SUBSCRIBE {
                asked += 1;
                answer_subscribe(&mut peer, &body, asked > 1);
            }
            if first >> 4 == SUBSCRIBE && asked > 1 {
                peer.write_all(EARLIER).expect("it listens");
            }
            if body.ends_with(OURS) {
                break;
            }
        }
        asked
    });
    let (publisher, mut received) = start(port, &["config"]);
    hears_what_an_earlier_run_announced(&mut received).await;
    let asked = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    assert_eq!(asked.expect("joined"), 2, "before it was replaced");
    publisher.shutdown().await;
}

#[tokio::test]
async fn what_is_refused_is_asked_for_on_the_next_connection() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        [false, true].map(|taken| {
            let mut peer = welcome(&listening, &ACCEPTED);
            let mut asked = Vec::new();
            while let Some((first, body)) = packet(&mut peer) {
                if let Some(id) = publish_id(first, &body) {
                    acknowledge(&mut peer, id);
                }
                if first >> 4 == SUBSCRIBE {
                    let filter = filter(&body);
                    answer_subscribe(&mut peer, &body, taken || filter != "config");
                    asked.push(filter);
                }
                if first >> 4 == SUBSCRIBE && taken {
                    peer.write_all(EARLIER).expect("it listens");
                }
                // Nothing more is waited for.
                if body.ends_with(OURS) && !taken {
                    break;
                }
            }
            asked
        })
    });
    let (publisher, mut received) = start(port, &["+/state", "config"]);
    hears_what_an_earlier_run_announced(&mut received).await;
    publisher.shutdown().await;
    let asked = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    let [first, second] = asked.expect("joined");
    assert_eq!(first.iter().filter(|filter| *filter == "+/state").count(), 1, "{first:?}");
    assert_eq!(second, ["config"], "what was heard on the first is not asked for again");
}

/// A broker that is slow: what it keeps is still heard, and from then on nothing.
#[tokio::test]
async fn what_is_answered_late_is_heard_and_then_left() {
    let (listening, port) = listen();
    let broker = std::thread::spawn(move || {
        let mut peer = welcome(&listening, &ACCEPTED);
        let (_, subscribe) = packet(&mut peer).expect("SUBSCRIBE");
        while let Some((first, body)) = packet(&mut peer) {
            if let Some(id) = publish_id(first, &body) {
                acknowledge(&mut peer, id);
            }
            if body.ends_with(OURS) {
                answer_subscribe(&mut peer, &subscribe, true);
                peer.write_all(EARLIER).expect("it listens");
            }
            if first >> 4 == UNSUBSCRIBE {
                return false;
            }
        }
        true
    });
    let (publisher, mut received) = start(port, &["config"]);
    hears_what_an_earlier_run_announced(&mut received).await;
    let kept = tokio::task::spawn_blocking(|| broker.join().expect("ended")).await;
    assert!(!kept.expect("joined"), "it would only hear itself");
    publisher.shutdown().await;
}
