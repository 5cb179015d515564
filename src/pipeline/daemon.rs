//! The whole program while it runs: starts the threads, listens to signals and
//! commands, ends in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::capture::{Capture, CaptureState, Delivery};
use super::counters::Counters;
use super::inference::{Inference, Orders, View};
use super::mailbox::Mailbox;
use super::plan::{Plan, settled};
use super::reporter::Reporter;
use super::stop::Stop;
use super::watcher::{Numbers, Watcher};
use crate::alarm::Alarm;
use crate::attention::Attention;
use crate::attention::pace::Pace;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::contract::in_force::Author;
use crate::contract::tuning::Tuning;
use crate::control::changes::Changes;
use crate::control::command::Command;
use crate::control::inbox;
use crate::control::inbox::ControlMessages;
use crate::detector::Detector;
use crate::error::{Error, Kind, Result};
use crate::events::{Origin, Recorder, system_randomness};
use crate::name::Name;
use crate::pixels::frame::Frame;
use crate::publish::{Publisher, Start};
use crate::source;
use crate::tracks::Tracker;

/// How often the daemon looks at itself.
const LOOK: Duration = Duration::from_secs(1);

/// What the daemon ended for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A signal, a command, or the end of recorded pictures.
    Finished,
    /// The settings changed and are fit: start again with them.
    Reload,
}

/// Reads and tries the settings that the next start would use.
pub type Rehearsal = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// Runs until a signal, a command, or the end of recorded pictures.
pub async fn daemon(plan: Plan, gallery: Option<PathBuf>, rehearse: Rehearsal) -> Result<Ending> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (publisher, control) = connect(&plan, &clock)?;
    let Plan { config, detector, about, camera, state_dir, .. } = plan;
    let (broker, device) = (publisher.broker(), publisher.topics().device());
    log::info!("broker: {broker}; mosquitto_sub -v -t '{}/{device}/#'", config.mqtt.base_topic);
    let signals = Signals::new()?;
    let (model, refused) = (detector.info().id.clone(), detector.refused().to_vec());
    let groups = about.topics.groups().to_vec();
    let changes = Changes::load(settled(&config), config.snapshots.enabled, groups, state_dir);
    let threads = start(&config, detector, gallery.clone(), &publisher, &camera, &clock, &changes)?;
    let counters = Arc::clone(&threads.counters);
    let hot_c = config.pace.hot_c;
    let numbers = numbers(&changes);
    let mut watcher =
        Watcher::new(publisher.clone(), counters, clock, camera, model, hot_c, numbers);
    watcher.refused_models = refused;
    watcher.service.ready();
    let mut program = Program { threads, watcher, control, signals, changes, rehearse };
    let wanted = program.attend().await;
    let ending = program.end(&publisher, wanted).await;
    farewell(&program.threads.counters, &publisher, gallery.as_deref());
    Ok(ending)
}

/// The threads and what is shared with them.
struct Threads {
    stop: Arc<Stop>,
    mailbox: Arc<Mailbox<Frame>>,
    counters: Arc<Counters>,
    capture: watch::Receiver<CaptureState>,
    paused: watch::Sender<bool>,
    /// Becomes true when the inference thread has told everything.
    done: watch::Receiver<bool>,
    tuning: watch::Sender<Tuning>,
    snapshot: watch::Sender<Option<Duration>>,
    view: watch::Receiver<View>,
    strained: watch::Sender<bool>,
}

struct Program {
    threads: Threads,
    watcher: Watcher,
    control: ControlMessages,
    signals: Signals,
    changes: Changes,
    rehearse: Rehearsal,
}

/// What was changed, for the status.
fn numbers(changes: &Changes) -> Numbers {
    let groups = changes.groups().iter().map(Name::to_string).collect();
    Numbers { groups, runtime: changes.tuning(), in_force: changes.in_force() }
}

impl Program {
    /// Until something says to end.
    async fn attend(&mut self) -> Ending {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut done = self.threads.done.clone();
        loop {
            tokio::select! {
                _ = look.tick() => self.look(),
                _ = done.wait_for(|done| *done) => return Ending::Finished,
                Some(command) = self.control.commands.recv() => match command {
                    Command::Restart {} => return Ending::Finished,
                    other => self.obey(other),
                },
                _ = self.signals.reload.recv() => if self.may_reload().await {
                    return Ending::Reload;
                },
                name = self.signals.stop.next() => {
                    log::info!("{name}: stopping");
                    return Ending::Finished;
                }
            }
        }
    }

    /// Whether the settings that are there now are fit to start again with. Refused
    /// ones change nothing: the daemon goes on as it was.
    async fn may_reload(&mut self) -> bool {
        log::info!("SIGHUP: reading the settings again");
        self.watcher.service.reloading();
        let rehearse = Arc::clone(&self.rehearse);
        // The model's self-test takes seconds on a slow board; meanwhile this thread
        // keeps the broker's connection alive.
        let outcome = tokio::task::spawn_blocking(move || rehearse()).await;
        let refused = match outcome {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        log::error!(message_id = Alarm::SettingsRefused.id();
            "the new settings are refused, the old ones stay: {refused}");
        self.watcher.service.ready();
        false
    }

    fn look(&mut self) {
        self.hear_groups();
        let capture = self.threads.capture.borrow().clone();
        let view = *self.threads.view.borrow();
        let strained = self.watcher.look(&capture, view);
        self.threads.strained.send_replace(strained);
    }

    /// Carries out a command that does not end the program, and shows it at once.
    fn obey(&mut self, command: Command) {
        match command {
            Command::Pause {} => self.changes.pause(true),
            Command::Resume {} => self.changes.pause(false),
            Command::Set { threshold, max_fps, snapshots } => {
                self.changes.set(threshold, max_fps, snapshots);
            }
            Command::Identify {} => self.watcher.identify(),
            Command::Snapshot {} => self.snapshot(),
            Command::Restart {} => unreachable!("ends the program, in attend"),
        }
        self.enforce();
        self.look();
    }

    /// Takes over what groups have said since the last look: once a second at most,
    /// however often they say it, because each change is a write to the card.
    fn hear_groups(&mut self) {
        // An error means that the inbox is gone: the program is ending.
        if !self.control.groups.has_changed().unwrap_or(false) {
            return;
        }
        let heard = self.control.groups.borrow_and_update().clone();
        if self.changes.hear(heard) {
            log::info!("a group said something else; now in force: {}", self.changes.in_force());
            self.enforce();
        }
    }

    /// Tells everybody what counts now.
    fn enforce(&mut self) {
        self.watcher.numbers = numbers(&self.changes);
        let in_force = &self.watcher.numbers.in_force;
        self.threads.tuning.send_replace(in_force.tuning());
        self.threads.paused.send_replace(in_force.paused.value);
        if !in_force.snapshots.value {
            // Also the picture that was asked for just before.
            self.threads.snapshot.send_if_modified(|asked| asked.take().is_some());
        }
    }

    /// Asks for the next picture, if its owner lets pictures out.
    fn snapshot(&self) {
        let snapshots = self.changes.in_force().snapshots;
        let refused = if !snapshots.value && snapshots.from == Author::File {
            "snapshots.enabled is false in the settings file"
        } else if !snapshots.value {
            "a command holds pictures back; set snapshots to true"
        } else if *self.threads.paused.borrow() {
            "paused, the camera is closed"
        } else {
            let now = self.watcher.clock.now().monotonic;
            self.threads.snapshot.send_replace(Some(now));
            return;
        };
        self.watcher.publisher.count_refused_command();
        log::warn!("no snapshot: {refused}");
    }

    /// Stops the threads, lets them tell what they know, says goodbye to the broker.
    async fn end(&mut self, publisher: &Publisher, wanted: Ending) -> Ending {
        self.threads.stop.stop();
        if wanted == Ending::Finished {
            self.watcher.service.stopping();
            // Not waiting for a capture thread that waits for a frame; its camera is
            // closed with the process.
            self.threads.mailbox.close();
        }
        let mut done = self.threads.done.clone();
        let finish = async {
            // An error means the thread is gone already.
            let _ = done.wait_for(|done| *done).await;
            publisher.shutdown().await;
        };
        tokio::select! {
            () = finish => wanted,
            name = self.signals.stop.next() => {
                log::warn!("{name} while ending: stopping at once");
                Ending::Finished
            }
        }
    }
}

/// What a person at a terminal wants to know at the end.
fn farewell(counters: &Counters, publisher: &Publisher, gallery: Option<&Path>) {
    let (frames, sent) = (counters.read(), publisher.stats());
    log::info!(
        "looked at {} frames ({} broken); {} messages delivered to {}, {} events wait",
        frames.detected,
        frames.bad,
        sent.delivered,
        publisher.broker(),
        sent.waiting
    );
    if let Some(folder) = gallery {
        log::info!("annotated pictures of the events: {}", folder.display());
    }
}

/// Starts the publisher and announces the device.
fn connect(plan: &Plan, clock: &Arc<dyn Clock>) -> Result<(Publisher, ControlMessages)> {
    let about = plan.about.clone();
    let start = Start {
        settings: plan.config.mqtt.clone(),
        device: about.topics.device().clone(),
        credentials: plan.credentials.clone(),
        state_dir: plan.state_dir.clone(),
        subscriptions: inbox::subscriptions(&about),
        clock: Arc::clone(clock),
    };
    let (publisher, received) = Publisher::start(start)?;
    let control = inbox::start(publisher.clone(), received, about, Arc::clone(clock));
    Ok((publisher, control))
}

fn start(
    config: &Config,
    detector: Detector,
    gallery: Option<PathBuf>,
    publisher: &Publisher,
    camera: &Name,
    clock: &Arc<dyn Clock>,
    changes: &Changes,
) -> Result<Threads> {
    let mailbox = Arc::new(Mailbox::new(Frame::empty(clock.now())));
    let (stop, counters) = (Arc::new(Stop::default()), Arc::new(Counters::default()));
    let (state, capture_state) = watch::channel(CaptureState::Opening);
    let (finished, done) = watch::channel(false);
    let (view_in, view) = watch::channel(View::default());
    let (strain, strained) = watch::channel(false);
    let in_force = changes.in_force();
    let (pause, paused) = watch::channel(in_force.paused.value);
    let (tuning_in, tuning) = watch::channel(in_force.tuning());
    let (snapshot_in, snapshot) = watch::channel(None);
    let orders = Orders { tuning, snapshot, largest_packet: config.mqtt.max_packet_bytes };
    let info = detector.info();
    let origin = Origin {
        device: publisher.topics().device().to_string(),
        camera: camera.to_string(),
        model: info.id.clone(),
        classes: info.classes.clone(),
    };
    let input = info.input;
    let pace = (!config.camera.is_recorded()).then(|| Pace::new(config.pace.clone()));
    let reporter = Reporter::new(
        camera.clone(),
        info.classes.clone(),
        Tracker::new(config.tracking.clone(), config.expression.clone(), info.classes.len()),
        Recorder::new(origin, system_randomness()),
        publisher.clone(),
    );
    let inference = Inference {
        attention: Attention::new(detector, pace),
        reporter,
        mailbox: Arc::clone(&mailbox),
        counters: Arc::clone(&counters),
        clock: Arc::clone(clock),
        view: view_in,
        strained,
        orders,
        gallery,
    };
    let settings = config.camera.clone();
    let opening = Arc::clone(clock);
    let capture = Capture {
        camera: camera.clone(),
        open: Box::new(move || source::open(&settings, input, Arc::clone(&opening))),
        delivery: if config.camera.is_recorded() { Delivery::Every } else { Delivery::Newest },
        mailbox: Arc::clone(&mailbox),
        counters: Arc::clone(&counters),
        state,
        view: view.clone(),
        paused,
        stop: Arc::clone(&stop),
        clock: Arc::clone(clock),
    };
    spawn("inference", move || {
        inference.run();
        finished.send_replace(true);
    })?;
    spawn("capture", move || capture.run())?;
    Ok(Threads {
        stop,
        mailbox,
        counters,
        capture: capture_state,
        paused: pause,
        done,
        tuning: tuning_in,
        snapshot: snapshot_in,
        view,
        strained: strain,
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(|error| {
        Error::caused(Kind::Internal, format!("cannot start thread {name}"), error)
    })
}

/// The signals that the daemon obeys.
struct Signals {
    stop: StopSignals,
    reload: Signal,
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Error::caused(Kind::Internal, "cannot listen for signals", error))
        };
        let stop = StopSignals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        };
        Ok(Self { stop, reload: listen(SignalKind::hangup())? })
    }
}

impl StopSignals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
