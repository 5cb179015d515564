//! Somebody else who hears every event of the fleet, as an automation would.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::broker::Broker;
use super::ledger::Ledger;
use super::options::{BASE, LIMIT};
use crate::error::{Error, Kind, Result};
use crate::events;

/// Ends with its value.
pub struct Listener(JoinHandle<()>);

impl Listener {
    /// Returns when the broker has confirmed the subscription. The session is kept at
    /// the broker, so that nothing passes it by.
    pub async fn start(broker: &Broker, ledger: Arc<Ledger>) -> Result<Self> {
        let id = format!("{BASE}-listener-{}", std::process::id());
        let mut options = MqttOptions::new(id, broker.url.host.clone(), broker.url.port);
        options.set_clean_session(false).set_max_packet_size(1 << 20, 1 << 20);
        let (client, eventloop) = AsyncClient::new(options, 10);
        let subscribed = Arc::new(Notify::new());
        let task = tokio::spawn(listen(client, eventloop, ledger, Arc::clone(&subscribed)));
        timeout(LIMIT, subscribed.notified()).await.map_err(|_| {
            Error::new(Kind::Unavailable, format!("{} takes no subscription", broker.url))
        })?;
        Ok(Self(task))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(
    client: AsyncClient,
    mut eventloop: EventLoop,
    ledger: Arc<Ledger>,
    subscribed: Arc<Notify>,
) {
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) if !ack.session_present => {
                let filter = format!("{BASE}/+/+/event");
                // It fails only when the event loop, which is ours, is gone.
                let _ = client.subscribe(filter, QoS::AtLeastOnce).await;
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => subscribed.notify_one(),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                match serde_json::from_slice::<events::Event>(&publish.payload) {
                    Ok(event) => ledger.heard(&event),
                    Err(error) => log::error!("{}: {error}", publish.topic),
                }
            }
            Ok(_) => {}
            // The broker is away: a listener has no patience to learn.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
