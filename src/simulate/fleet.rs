//! The devices: each is what a board runs, except for its camera.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::broker::FleetBroker;
use super::ledger::Ledger;
use super::options::{BASE, LIMIT, Options};
use super::visits::{CLASSES, FRAME, GROUPS, Visits};
use crate::attention::Findings;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::changes::Changes;
use crate::control::inbox::{self, ControlMessages};
use crate::error::{Error, Kind, Result};
use crate::events::Event;
use crate::mqtt::credentials::Credentials;
use crate::pipeline::plan::{Identity, about, settled};
use crate::pipeline::reporter::Reporter;
use crate::pipeline::shared::Shared;
use crate::pipeline::state::{CaptureState, Open, Orders, View};
use crate::pipeline::watcher::{Subject, Watcher};
use crate::publish::{Publisher, Start};
use crate::random::jitter;
use crate::tracks::grouping::{Grouping, Groups};
use crate::zones;

/// Frames that are looked at while something happens: five a second.
const FRAME_TIME: Duration = Duration::from_millis(200);

/// How often a device's status is checked, as in the daemon.
const LOOK: Duration = Duration::from_secs(1);

const MODEL: &str = "simulated@0+0";

/// All simulated devices, each a task, and their connections.
pub(crate) struct Fleet {
    publishers: Vec<Publisher>,
    stop: watch::Sender<bool>,
    devices: JoinSet<()>,
}

impl Fleet {
    /// Starts every device at once, as after a power cut.
    pub(crate) fn start(
        options: &Options,
        broker: &FleetBroker,
        ledger: &Arc<Ledger>,
    ) -> Result<Self> {
        let (stop, stopping) = watch::channel(false);
        let (mut publishers, mut devices) = (Vec::new(), JoinSet::new());
        for number in 0..options.devices {
            let device = Device::start(number, options, broker, Arc::clone(ledger))?;
            publishers.push(device.reporter.publisher().clone());
            devices.spawn(device.live(stopping.clone()));
        }
        Ok(Self { publishers, stop, devices })
    }

    /// Waits until each device had its `nth` connection, at most [`LIMIT`]; the times from
    /// `since` until then.
    pub(crate) async fn connected(&self, nth: u64, since: Instant) -> Result<Vec<Duration>> {
        let mut missing: Vec<&Publisher> = self.publishers.iter().collect();
        let mut times = Vec::with_capacity(missing.len());
        loop {
            missing.retain(|publisher| {
                let stats = publisher.stats();
                let there = stats.connected && stats.connections >= nth;
                times.extend(there.then(|| since.elapsed()));
                !there
            });
            let Some(first) = missing.first() else { return Ok(times) };
            if since.elapsed() > LIMIT {
                let why = first.stats().last_error.unwrap_or_else(|| "no answer".to_owned());
                let text = format!("{} devices do not connect: {why}", missing.len());
                return Err(Error::new(Kind::Unavailable, text));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Devices that are connected now.
    pub(crate) fn connected_now(&self) -> usize {
        self.publishers.iter().filter(|publisher| publisher.stats().connected).count()
    }

    /// Why devices are not connected now, and how many for each reason.
    pub(crate) fn troubles(&self) -> BTreeMap<String, usize> {
        let away = self.publishers.iter().map(Publisher::stats).filter(|stats| !stats.connected);
        let mut counts = BTreeMap::new();
        for stats in away {
            let why = stats.last_error.unwrap_or_else(|| "no answer".to_owned());
            *counts.entry(why).or_default() += 1;
        }
        counts
    }

    /// Connections at each address of the broker, in the order of their names.
    pub(crate) fn at_each_address(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for broker in self.publishers.iter().filter_map(|publisher| publisher.stats().broker) {
            *counts.entry(broker).or_default() += 1;
        }
        counts
    }

    /// Events that wait in all outboxes.
    pub(crate) fn waiting(&self) -> usize {
        self.publishers.iter().map(|publisher| publisher.stats().waiting).sum()
    }

    /// Ends the devices' tasks: faces that are still seen leave.
    pub(crate) async fn rest(&mut self) {
        self.stop.send_replace(true);
        while self.devices.join_next().await.is_some() {}
    }

    /// Closes the devices' connections in order, with `offline` said before.
    pub(crate) async fn shutdown(self) {
        let mut ending = JoinSet::new();
        for publisher in self.publishers {
            ending.spawn(async move { publisher.shutdown().await });
        }
        while ending.join_next().await.is_some() {}
    }
}

struct Device {
    reporter: Reporter,
    watcher: Watcher,
    shared: Arc<Shared>,
    visits: Visits,
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    /// Kept so that the device stays subscribed as a real one is; commands do nothing.
    _control: ControlMessages,
}

impl Device {
    fn start(
        number: usize,
        options: &Options,
        broker: &FleetBroker,
        ledger: Arc<Ledger>,
    ) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = config(number, broker);
        let Identity { topics, camera } = Identity::of(&config, None)?;
        let device = topics.device().clone();
        let grouping = grouping(&config)?;
        let about = about(&config, topics, &camera, grouping.told());
        let start = Start {
            settings: config.mqtt.clone(),
            device: device.clone(),
            state_dir: options.state_dir.as_ref().map(|folder| folder.join(device.as_str())),
            credentials: Credentials::default(),
            subscriptions: inbox::subscriptions(&about),
            clock: Arc::clone(&clock),
            jitter: if options.jitter { jitter } else { || 0.0 },
        };
        let (publisher, received) = Publisher::start(start)?;
        let control = inbox::start(publisher.clone(), received, about, Arc::clone(&clock));
        let reporter = Reporter::of(&config, MODEL, CLASSES.len(), &grouping, &camera, &publisher);
        let shared = Shared::new(Arc::clone(&clock), Orders::default(), None);
        shared.capture.send_replace(CaptureState::Running(Open::default()));
        let now = clock.now().monotonic;
        shared.frames.send_if_modified(|frames| frames.read(now));
        let subject = Subject {
            camera,
            model: MODEL.to_owned(),
            refused_models: Vec::new(),
            hot_c: config.pace.hot_c,
        };
        let state = Changes::load(settled(&config), Vec::new(), None).state();
        let watcher = Watcher::new(publisher, Arc::clone(&shared), subject, state);
        let visits = Visits::new(number as u64, options.every, clock.now().monotonic);
        Ok(Self { reporter, watcher, shared, visits, clock, ledger, _control: control })
    }

    async fn live(mut self, mut stop: watch::Receiver<bool>) {
        // Boards were not started at the same instant: each checks at another part of the
        // second, or all states would be published at once.
        let offset = self.visits.begins().subsec_nanos();
        let mut look = interval_at(Instant::now() + Duration::from_nanos(offset.into()), LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Also ends when the sender is dropped, which is an error: the fleet is gone.
                _ = stop.wait_for(|stop| *stop) => break,
                _ = look.tick() => self.look(),
                () = sleep(self.until_next_frame()) => {
                    let now = self.clock.now();
                    let faces = self.visits.faces(now.monotonic);
                    let events = self.reporter.see(now, &Findings::of_all(faces, FRAME));
                    self.enter(&events);
                }
            }
        }
        let events = self.reporter.end(self.clock.now());
        self.enter(&events);
    }

    /// A frame every [`FRAME_TIME`] while faces are followed; none until the next visit
    /// otherwise.
    fn until_next_frame(&self) -> Duration {
        let until_visit = self.visits.begins().saturating_sub(self.clock.now().monotonic);
        if self.reporter.tracker.is_busy() { FRAME_TIME } else { until_visit.max(FRAME_TIME) }
    }

    fn look(&mut self) {
        let view = View { faces: self.reporter.faces(), ..View::default() };
        self.shared.view.send_replace(view);
        self.watcher.look();
    }

    fn enter(&self, events: &[Event]) {
        events.iter().for_each(|event| self.ledger.made(event));
    }
}

/// What the classes of the simulated model are told as.
fn grouping(config: &Config) -> Result<Grouping> {
    let classes = CLASSES.map(str::to_owned);
    let groups = &config.expression.groups;
    Grouping::resolve(groups, &classes, &BTreeMap::new())
        .map_err(|why| Error::new(Kind::Internal, format!("expression.groups {why}")))
}

/// The default settings, below topics of their own.
fn config(number: usize, broker: &FleetBroker) -> Config {
    let mut config = Config::default();
    config.device.id = format!("device-{number:04}");
    config.mqtt.url = broker.url.clone();
    config.mqtt.base_topic = BASE.to_owned();
    config.home_assistant.discovery_prefix = format!("{BASE}/homeassistant");
    config.home_assistant.birth_topic = format!("{BASE}/homeassistant/status");
    config.expression.groups = Groups::Named(GROUPS.map(str::to_owned).to_vec());
    // Somebody who comes walks through one or the other: events and states have zones.
    let half = |name: &str, left: f32, right: f32| zones::Settings {
        name: name.to_owned(),
        kind: zones::Kind::Count,
        points: vec![[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]],
        enabled: true,
    };
    config.zone = vec![half("left", 0.0, 0.5), half("right", 0.5, 1.0)];
    config
}
