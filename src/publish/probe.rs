//! Tries the broker as this device would use it, without being this device: another
//! client id, no last will, nothing retained. A daemon that runs is not disturbed.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::mqttbytes::v4::SubscribeReasonCode;
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS, TlsConfiguration, Transport,
};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use super::access::Access;
use super::client::{Lost, Received, Trouble, random};
use super::discovery::About;
use super::payload::OFFLINE;
use super::settings::Settings;
use super::topics::{Name, Topics};
use super::url::BrokerUrl;

/// For each step: a broker across the world answers within a second.
const STEP: Duration = Duration::from_secs(5);

/// How long the broker may take to tell what it keeps and to give back what we sent.
const LISTEN: Duration = Duration::from_secs(2);

/// The step at which a broker could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its name could not be turned into an address.
    Resolve,
    /// Nothing answered at that address.
    Connect,
    /// The encryption could not be agreed on, or a certificate did not convince.
    Tls,
    /// The broker did not let us in.
    Login,
}

/// Where and why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub step: Step,
    /// What was seen, and what to do.
    pub reason: String,
}

/// What the broker let us do and what it told.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Filters that the broker refused to let us hear.
    pub refused: Vec<String>,
    /// Whether something that we wrote to a topic of this device came back.
    pub echoed: bool,
    pub messages: Vec<Received>,
}

/// Resolves the broker's name and opens a connection, without a word of MQTT.
pub async fn reach(broker: &BrokerUrl) -> Result<SocketAddr, Stopped> {
    let stop = |step, reason: String| Stopped { step, reason };
    let found = timeout(STEP, lookup_host((broker.host.as_str(), broker.port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(stop(Step::Resolve, error.to_string())),
        Err(_) => return Err(stop(Step::Resolve, "no name server answers".to_owned())),
    };
    let mut reason = "it has no address".to_owned();
    for address in addresses {
        match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(address),
            Ok(Err(error)) => reason = Lost::from(error).to_string(),
            Err(_) => reason = format!("{address} does not answer (a firewall, another network?)"),
        }
    }
    Err(stop(Step::Connect, reason))
}

/// Logs in, listens where the device listens and writes where it may write.
pub async fn visit(
    settings: &Settings,
    broker: &BrokerUrl,
    access: &Access,
    about: &About,
) -> Result<Heard, Stopped> {
    let (requests, mut eventloop) = AsyncClient::new(options(settings, broker, access), 32);
    let accepted = timeout(STEP, eventloop.poll()).await;
    let silent = "the broker does not answer: is it one?".to_owned();
    accepted.map_err(|_| Stopped { step: Step::Login, reason: silent })?.map_err(stopped)?;
    let mut visit = Visit { requests, heard: Heard::default(), asked: Vec::new(), answered: 0 };
    visit.listen(&mut eventloop, about).await?;
    // A courtesy: without it the broker logs an error.
    let _ = visit.requests.try_disconnect();
    let _ = timeout(STEP, async { while eventloop.poll().await.is_ok() {} }).await;
    Ok(visit.heard)
}

fn options(settings: &Settings, broker: &BrokerUrl, access: &Access) -> MqttOptions {
    // At most 23 characters, which every broker must take (MQTT 3.1.1, 3.1.3.1).
    let id = format!("doctor-{:08x}", (random() * f64::from(u32::MAX)) as u32);
    let mut options = MqttOptions::new(id, broker.host.clone(), broker.port);
    let largest = settings.max_packet_bytes;
    options.set_clean_session(true).set_max_packet_size(largest, largest);
    if !settings.username.is_empty() {
        let password = access.password.clone().unwrap_or_default();
        options.set_credentials(&settings.username, password);
    }
    if let Some(tls) = &access.tls {
        let tls = TlsConfiguration::Rustls(tls.clone());
        options.set_transport(Transport::tls_with_config(tls));
    }
    options
}

fn stopped(error: rumqttc::ConnectionError) -> Stopped {
    let lost = Lost::from(error);
    let step = match lost.trouble() {
        Trouble::Tls => Step::Tls,
        Trouble::Login => Step::Login,
        Trouble::Network => Step::Connect,
    };
    Stopped { step, reason: lost.to_string() }
}

/// What is written to see whether it comes back: that a camera which does not exist is
/// not available. It is not retained, and nobody waits for that camera.
fn echo_topic(topics: &Topics) -> String {
    let camera = Name::new(super::topics::DOCTOR).expect("letters");
    topics.camera_availability(&camera)
}

struct Visit {
    requests: AsyncClient,
    heard: Heard,
    /// Filters in the order of their requests, with the packet id once it has left.
    asked: Vec<(String, Option<u16>)>,
    answered: usize,
}

impl Visit {
    async fn listen(&mut self, eventloop: &mut EventLoop, about: &About) -> Result<(), Stopped> {
        let topics = &about.topics;
        let [cameras, _] = topics.of_any_camera();
        let mut filters = vec![topics.command(), topics.status(), cameras];
        if about.settings.enabled {
            filters.extend([about.settings.birth_topic.clone(), about.topic()]);
        }
        for filter in filters {
            // The queue holds all of them.
            let _ = self.requests.try_subscribe(&filter, QoS::AtLeastOnce);
            self.asked.push((filter, None));
        }
        let echo = echo_topic(topics);
        let mut end = Instant::now() + STEP;
        let mut written = false;
        while let Ok(event) = timeout_at(end, eventloop.poll()).await {
            self.note(event.map_err(stopped)?, &echo);
            if !written && self.answered == self.asked.len() {
                // Only now: else the answer might be missed.
                let _ = self.requests.try_publish(&echo, QoS::AtLeastOnce, false, OFFLINE);
                (written, end) = (true, Instant::now() + LISTEN);
            }
        }
        Ok(())
    }

    fn note(&mut self, event: Event, echo: &str) {
        match event {
            Event::Outgoing(Outgoing::Subscribe(id)) => {
                if let Some(next) = self.asked.iter_mut().find(|(_, sent)| sent.is_none()) {
                    next.1 = Some(id);
                }
            }
            Event::Incoming(Packet::SubAck(ack)) => {
                self.answered += 1;
                let asked = self.asked.iter().find(|(_, sent)| *sent == Some(ack.pkid));
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    self.heard.refused.extend(asked.map(|(filter, _)| filter.clone()));
                }
            }
            Event::Incoming(Packet::Publish(publish)) if publish.topic == echo => {
                self.heard.echoed = true;
            }
            Event::Incoming(Packet::Publish(publish)) => self.heard.messages.push(Received {
                topic: publish.topic,
                payload: publish.payload.to_vec(),
                retained: publish.retain,
            }),
            _ => {}
        }
    }
}
