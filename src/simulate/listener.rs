//! A client of its own that receives every event of the fleet, as an automation would.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, SubscribeReasonCode};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::broker::FleetBroker;
use super::ledger::Ledger;
use super::options::{BASE, LIMIT};
use crate::error::{Error, Kind, Result};
use crate::events;
use crate::mqtt::url::BrokerUrl;
use crate::mqtt::urls::Listed;

/// Before a subscription that was refused is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a broker may take to forget a session.
const FORGETS_WITHIN: Duration = Duration::from_secs(5);

/// The client's task, which ends when this is dropped.
pub(crate) struct Listener {
    task: JoinHandle<()>,
    id: String,
    brokers: Vec<BrokerUrl>,
    subscribed: Arc<Notify>,
}

impl Listener {
    /// The broker, which need not be there yet, keeps the session: what devices publish while
    /// the listener reconnects is not missed. Whoever starts one makes it [`leave`](Self::leave),
    /// whatever has come in between.
    pub(crate) fn start(broker: &FleetBroker, ledger: Arc<Ledger>) -> Self {
        let id = format!("{BASE}-listener-{}", std::process::id());
        let subscribed = Arc::new(Notify::new());
        let brokers = broker.brokers.clone();
        let heard = listen(id.clone(), brokers.clone(), ledger, Arc::clone(&subscribed));
        Self { task: tokio::spawn(heard), id, brokers, subscribed }
    }

    /// Returns when the broker has confirmed the subscription, after [`LIMIT`] at most.
    pub(crate) async fn subscribed(&self) -> Result<()> {
        timeout(LIMIT, self.subscribed.notified()).await.map_err(|_| {
            let brokers = Listed(&self.brokers);
            Error::new(Kind::Unavailable, format!("{brokers} takes no subscription"))
        })
    }

    /// Ends it, and its sessions at the brokers, which would keep all events of later runs.
    pub(crate) async fn leave(self) {
        self.task.abort();
        for broker in &self.brokers {
            let mut options = MqttOptions::new(&self.id, &broker.host, broker.port);
            options.set_clean_session(true);
            let (client, mut eventloop) = AsyncClient::new(options, 1);
            // MQTT 3.1.1, 3.1.2.4: the session is gone with the connection that asks for it.
            let forgotten = async {
                let mut answered = false;
                while let Ok(event) = eventloop.poll().await {
                    if matches!(event, Event::Incoming(Packet::ConnAck(_))) {
                        answered = true;
                        // Fails only where the event loop is gone, and that is ours.
                        let _ = client.disconnect().await;
                    }
                }
                answered
            };
            if !timeout(FORGETS_WITHIN, forgotten).await.unwrap_or(false) {
                log::warn!("{broker} may keep the session of {}", self.id);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// At one address after the other, for as long as each lasts.
async fn listen(id: String, brokers: Vec<BrokerUrl>, ledger: Arc<Ledger>, subscribed: Arc<Notify>) {
    for broker in brokers.iter().cycle() {
        let mut options = MqttOptions::new(&id, &broker.host, broker.port);
        options.set_clean_session(false).set_max_packet_size(1 << 20, 1 << 20);
        // A node that is silent is left within twice that, before the devices leave it.
        options.set_keep_alive(Duration::from_secs(5));
        let (client, eventloop) = AsyncClient::new(options, 10);
        connected(client, eventloop, &ledger, &subscribed).await;
        // The broker is away. A constant wait, so that the listener is back before the
        // devices are.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn connected(
    client: AsyncClient,
    mut eventloop: EventLoop,
    ledger: &Ledger,
    subscribed: &Notify,
) {
    let filter = format!("{BASE}/+/+/event");
    while let Ok(event) = eventloop.poll().await {
        match event {
            // Also where the broker has kept the session: a node may not know of it what the
            // one that is gone knew.
            Event::Incoming(Packet::ConnAck(_)) => {
                // Fails only where the event loop is gone, and that is ours.
                let _ = client.subscribe(&filter, QoS::AtLeastOnce).await;
            }
            // A cluster that elects a leader refuses what it takes a moment later.
            Event::Incoming(Packet::SubAck(answer))
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) =>
            {
                tokio::time::sleep(AGAIN).await;
                let _ = client.subscribe(&filter, QoS::AtLeastOnce).await;
            }
            Event::Incoming(Packet::SubAck(_)) => subscribed.notify_one(),
            Event::Incoming(Packet::Publish(publish)) => {
                match serde_json::from_slice::<events::Event>(&publish.payload) {
                    Ok(event) => ledger.heard(&event),
                    Err(error) => log::error!("{}: {error}", publish.topic),
                }
            }
            _ => {}
        }
    }
}
