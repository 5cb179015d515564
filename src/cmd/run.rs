//! `expressiond run`: the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::discovery;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, ConfigArgs};
use crate::detector::Detector;
use crate::error::{Error, Kind, Result};
use crate::events::{Origin, Recorder, system_randomness};
use crate::logging;
use crate::pipeline::capture::{Capture, CaptureState, Delivery};
use crate::pipeline::counters::Counters;
use crate::pipeline::inference::Inference;
use crate::pipeline::mailbox::Mailbox;
use crate::pipeline::stop::Stop;
use crate::pipeline::watcher::Watcher;
use crate::pixels::frame::Frame;
use crate::publish::command::Command;
use crate::publish::credentials::Credentials;
use crate::publish::discovery::About;
use crate::publish::runtime::Runtime;
use crate::publish::topics::Name;
use crate::publish::{Publisher, Received, Start, inbox};
use crate::source;
use crate::tracks::Tracker;

/// Watch the camera and publish expression events until stopped.
///
/// A camera or broker that is missing is waited for; a wrong configuration (exit
/// code 78) or a refused model (70) is not. Without mqtt.url a broker is started
/// inside, on 127.0.0.1 only: subscribe with mosquitto_sub -v -t 'expressiond/#'.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Keep an annotated picture of every event in this folder
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
}

/// How often the daemon looks at itself.
const LOOK: Duration = Duration::from_secs(1);

pub fn run(args: &Args) -> Result<()> {
    let (config, layers) = config::load(&args.config)?;
    logging::start(&config.log);
    for file in layers.files() {
        log::info!("settings: {}", file.display());
    }
    if let Some(folder) = &args.annotate {
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::caused(
                Kind::Output,
                format!("cannot make the folder {}", folder.display()),
                error,
            )
        })?;
    }
    let detector = Detector::load(&config.model)?;
    let info = detector.info();
    log::info!(
        "model: {} ({}), {} threads, XNNPACK {}",
        info.id,
        info.input,
        info.threads,
        if info.xnnpack { "on" } else { "off" }
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused(Kind::Internal, "cannot start the runtime", error))?;
    runtime.block_on(daemon(config, detector, args.annotate.clone()))
}

/// The threads and what is shared with them.
struct Threads {
    stop: Arc<Stop>,
    counters: Arc<Counters>,
    capture: watch::Receiver<CaptureState>,
    /// Becomes true when the inference thread has told everything.
    done: watch::Receiver<bool>,
    /// How many faces are followed.
    faces: watch::Receiver<usize>,
}

async fn daemon(config: Config, detector: Detector, gallery: Option<PathBuf>) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let camera = Name::camera(&*config.camera.name)
        .map_err(|error| Error::new(Kind::Config, format!("camera.name {error}")))?;
    let state_dir = config.device.state_dir(|name| std::env::var(name).ok());
    let about =
        discovery::about(&config, discovery::device(&config)?, detector.info().classes.clone())?;
    let (publisher, received) = publisher(&config, &about, state_dir.clone(), Arc::clone(&clock))?;
    log::info!(
        "broker: {}, topics below {}",
        publisher.broker(),
        publisher.topics().availability()
    );
    let mut signals = Signals::new()?;
    let model = detector.info().id.clone();
    let mut commands = inbox::start(publisher.clone(), received, about, Arc::clone(&clock));
    let threads = start(&config, detector, gallery.clone(), &publisher, &camera, &clock)?;
    let mut runtime = state_dir.as_deref().map(Runtime::load).unwrap_or_default();
    threads.stop.pause(runtime.paused);
    let counters = Arc::clone(&threads.counters);
    let mut watcher = Watcher::new(publisher.clone(), counters, clock, camera, model);
    watcher.service.ready();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut done = threads.done.clone();
    loop {
        tokio::select! {
            _ = look.tick() => {
                let capture = threads.capture.borrow().clone();
                watcher.look(&capture, *threads.faces.borrow());
            }
            _ = done.wait_for(|done| *done) => break,
            Some(command) = commands.recv() => match command {
                Command::Pause {} => pause(true, &threads, &mut runtime, state_dir.as_deref()),
                Command::Resume {} => pause(false, &threads, &mut runtime, state_dir.as_deref()),
                Command::Restart {} => {
                    log::info!("restart: stopping");
                    break;
                }
            },
            name = signals.next() => {
                log::info!("{name}: stopping");
                break;
            }
        }
    }
    watcher.service.stopping();
    threads.stop.stop();
    tokio::select! {
        // The inference thread may have events to tell yet.
        () = finish(&mut done, &publisher) => {}
        name = signals.next() => log::warn!("{name} again: stopping at once"),
    }
    farewell(&threads.counters, &publisher, gallery.as_deref());
    Ok(())
}

/// Closes or opens the camera and keeps that for the next run.
fn pause(paused: bool, threads: &Threads, runtime: &mut Runtime, state_dir: Option<&Path>) {
    threads.stop.pause(paused);
    runtime.paused = paused;
    if let Some(Err(error)) = state_dir.map(|folder| runtime.save(folder)) {
        log::error!("the pause will not survive a restart: {error}");
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

async fn finish(done: &mut watch::Receiver<bool>, publisher: &Publisher) {
    // An error means the thread is gone already.
    let _ = done.wait_for(|done| *done).await;
    publisher.shutdown().await;
}

fn publisher(
    config: &Config,
    about: &About,
    state_dir: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> Result<(Publisher, mpsc::Receiver<Received>)> {
    let start = Start {
        settings: config.mqtt.clone(),
        device: about.topics.device().clone(),
        credentials: Credentials {
            folder: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        },
        state_dir,
        subscriptions: inbox::subscriptions(about),
        clock,
    };
    Ok(Publisher::start(start)?)
}

fn start(
    config: &Config,
    detector: Detector,
    gallery: Option<PathBuf>,
    publisher: &Publisher,
    camera: &Name,
    clock: &Arc<dyn Clock>,
) -> Result<Threads> {
    let mailbox = Arc::new(Mailbox::new(Frame::empty(clock.now())));
    let (stop, counters) = (Arc::new(Stop::default()), Arc::new(Counters::default()));
    let (state, capture_state) = watch::channel(CaptureState::Opening);
    let (finished, done) = watch::channel(false);
    let (faces_in, faces) = watch::channel(0);
    let info = detector.info();
    let origin = Origin {
        device: publisher.topics().device().to_string(),
        camera: camera.to_string(),
        model: info.id.clone(),
        classes: info.classes.clone(),
    };
    let class_count = info.classes.len();
    let inference = Inference {
        camera: camera.clone(),
        detector,
        tracker: Tracker::new(config.tracking.clone(), config.expression.clone(), class_count),
        recorder: Recorder::new(origin, system_randomness()),
        publisher: publisher.clone(),
        mailbox: Arc::clone(&mailbox),
        counters: Arc::clone(&counters),
        clock: Arc::clone(clock),
        faces: faces_in,
        gallery,
    };
    let settings = config.camera.clone();
    let opening = Arc::clone(clock);
    let capture = Capture {
        open: Box::new(move || source::open(&settings, Arc::clone(&opening))),
        delivery: if config.camera.is_recorded() { Delivery::Every } else { Delivery::Newest },
        mailbox: Arc::clone(&mailbox),
        counters: Arc::clone(&counters),
        state,
        stop: Arc::clone(&stop),
        clock: Arc::clone(clock),
    };
    spawn("inference", move || {
        inference.run();
        finished.send_replace(true);
    })?;
    spawn("capture", move || capture.run())?;
    Ok(Threads { stop, counters, capture: capture_state, done, faces })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(|error| {
        Error::caused(Kind::Internal, format!("cannot start thread {name}"), error)
    })
}

/// The signals that stop the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Error::caused(Kind::Internal, "cannot listen for signals", error))
        };
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: listen(terminate)?, interrupt: listen(interrupt)? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
