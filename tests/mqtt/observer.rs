//! Somebody else who listens at the broker.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::running::LIMIT;

#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retained: bool,
    pub qos: u8,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = String::from_utf8_lossy(&self.payload).chars().take(80).collect();
        write!(f, "{} {} retained={}", self.topic, text, self.retained)
    }
}

impl Seen {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("JSON")
    }
}

#[derive(Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    changed: Notify,
}

pub struct Observer {
    log: Arc<Log>,
    task: JoinHandle<()>,
}

impl Observer {
    /// Subscribes to everything; returns when the broker has confirmed it. The
    /// session is kept at the broker, so that nothing passes it by.
    pub async fn at(port: u16) -> Self {
        let id = format!("observer-{}", uuid::Uuid::now_v7().simple());
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_clean_session(false).set_max_packet_size(1 << 20, 1 << 20);
        Self::with(options).await
    }

    pub async fn with(options: MqttOptions) -> Self {
        let (client, eventloop) = AsyncClient::new(options, 10);
        let log = Arc::new(Log::default());
        let subscribed = Arc::new(Notify::new());
        let task =
            tokio::spawn(listen(client, eventloop, Arc::clone(&log), Arc::clone(&subscribed)));
        tokio::time::timeout(LIMIT, subscribed.notified()).await.expect("subscribed in time");
        Self { log, task }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().expect("not poisoned").clone()
    }

    /// Waits until `done` holds for what was seen; fails with what it was.
    pub async fn until(&self, what: &str, done: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let wait = async {
            loop {
                let changed = self.log.changed.notified();
                let seen = self.seen();
                if done(&seen) {
                    return seen;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(LIMIT, wait).await {
            Ok(seen) => seen,
            Err(_) => panic!("not seen in time: {what}; seen: {:#?}", self.seen()),
        }
    }

    /// Waits for this text on this topic as the latest.
    pub async fn latest(&self, topic: &str, text: &str) -> Seen {
        let seen = self
            .until(&format!("{topic} = {text}"), |seen| {
                let last = seen.iter().rev().find(|seen| seen.topic == topic);
                last.is_some_and(|last| last.payload == text.as_bytes())
            })
            .await;
        seen.iter().rev().find(|seen| seen.topic == topic).expect("just found").clone()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    client: AsyncClient,
    mut eventloop: EventLoop,
    log: Arc<Log>,
    subscribed: Arc<Notify>,
) {
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) if !ack.session_present => {
                client.subscribe("#", QoS::AtLeastOnce).await.expect("room for a request");
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => subscribed.notify_one(),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                log.seen.lock().expect("not poisoned").push(Seen {
                    topic: publish.topic,
                    payload: publish.payload.to_vec(),
                    retained: publish.retain,
                    qos: publish.qos as u8,
                });
                log.changed.notify_waiters();
            }
            Ok(_) => {}
            // The broker is away: an observer has no patience to learn.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
