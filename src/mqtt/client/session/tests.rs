//! A session with a broker that a test plays.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::clock::SystemClock;
use crate::mqtt::access::Access;
use crate::mqtt::client::endpoints::Endpoints;
use crate::mqtt::client::options::ConnectOptions;
use crate::mqtt::client::wire::connect;
use crate::mqtt::message::{Class, Labels, Qos};
use crate::mqtt::protocol::Version;
use crate::mqtt::queue::Queue;
use crate::mqtt::settings::Settings;
use crate::mqtt::url::BrokerUrl;
use crate::outbox::Outbox;

/// For anything that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// CONNACK of MQTT 5, without a limit (3.2.2).
const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];

/// States at QoS 0 need no answer.
fn settings() -> Settings {
    Settings { state_qos: Qos::AtMostOnce, ..Settings::default() }
}

fn options() -> ConnectOptions {
    let access = Access { brokers: Vec::new(), password: None, tls: None };
    let labels =
        Labels { device: "d1".into(), event_schema: 1, state_schema: 1, own_schemas: Vec::new() };
    ConnectOptions::new(&settings(), Version::V5, labels, access)
}

/// Accepts the next client, and listens until it says `word`.
async fn hear(listening: &TcpListener, word: &[u8]) {
    let (mut peer, _) = listening.accept().await.expect("a client");
    peer.write_all(&ACCEPTED).await.expect("it listens");
    let mut heard = Vec::new();
    while !heard.windows(word.len()).any(|part| part == word) {
        assert!(peer.read_buf(&mut heard).await.expect("it says more") > 0, "it left");
    }
}

/// It held for as long as the connection, which may be months.
#[tokio::test]
async fn what_was_learned_of_a_broker_is_tried_again_on_the_same_connection() {
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let broker = format!("mqtt://{}", listening.local_addr().expect("bound"));
    let broker: BrokerUrl = broker.parse().expect("an address");
    let outbox = Outbox::new(settings().outbox);
    let shared = Arc::new(Shared::new(Queue::new(&settings(), outbox)));
    let large = vec![b'x'; 5000];
    shared.queue().set_retained(Class::State, "large".into(), large).expect("taken");
    let (_stop, stopping) = watch::channel(false);
    let (received, _receiver) = received::channel(Vec::new());
    let mut context = Context {
        shared,
        received,
        stop: stopping,
        clock: Arc::new(SystemClock),
        jitter: || 0.0,
        told: Told::default(),
        announced: false,
    };
    let mut limit = Limit::default();
    limit.learn(3000, Instant::now() + Duration::from_millis(500));
    let served = async {
        let (connection, _) =
            connect(&broker, &mut Endpoints::new("d1"), &options()).await.expect("accepted");
        let mut subscriptions = Subscriptions::default();
        Session::run(connection, &mut context, &mut subscriptions, &mut limit, None).await
    };
    tokio::select! {
        outcome = served => panic!("it ended: {outcome:?}"),
        heard = timeout(LIMIT, hear(&listening, b"large")) => heard.expect("in time"),
    }
}
