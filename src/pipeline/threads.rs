//! The threads of the daemon: started together, waited for, and joined.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::capture::Capture;
use super::inference::Inference;
use super::reporter::Reporter;
use super::shared::Shared;
use crate::annotate::gallery::Gallery;
use crate::attention::pace::Pace;
use crate::attention::{Attention, Relief};
use crate::config::Config;
use crate::detector::networks::Networks;
use crate::error::{Error, Kind, Result};
use crate::name::Name;
use crate::publish::Publisher;
use crate::source;
use crate::tracks::grouping::Grouping;

/// What the threads work with.
pub(super) struct Setup<'a> {
    pub config: &'a Config,
    pub networks: Networks,
    /// What its classes are told as.
    pub grouping: Grouping,
    pub camera: &'a Name,
    pub publisher: &'a Publisher,
    /// Where pictures of events are kept, if their owner wants that.
    pub gallery: Option<PathBuf>,
}

/// Both threads while they run.
pub(super) struct Threads {
    /// Ends when its source has ended or [`Shared::stop`] says so.
    pub capture: Thread,
    /// Ends when the mailbox is closed and everything is told.
    pub inference: Thread,
}

impl Threads {
    pub(super) fn start(setup: Setup, shared: &Arc<Shared>) -> Result<Self> {
        let Setup { config, networks, grouping, camera, publisher, gallery } = setup;
        let (settings, clock) = (config.camera.clone(), Arc::clone(&shared.clock));
        let distance = config.attention.farthest_face;
        let needed = distance.needed(settings.orientation());
        let capture = Capture {
            camera: camera.clone(),
            open: Box::new(move |wanted| {
                source::open(&settings, needed, Arc::clone(&clock), wanted)
            }),
            shared: Arc::clone(shared),
        };
        let info = networks.info();
        let reporter =
            Reporter::of(config, &info.id, info.classes.len(), &grouping, camera, publisher);
        let pace = Pace::new(config.pace.clone());
        let mut attention = Attention::new(networks, distance, Some(pace))?;
        attention.set_masks(&reporter.masks());
        let inference = Inference {
            pace: config.pace.clone(),
            relief: Some(Relief::default()),
            attention,
            reporter,
            shared: Arc::clone(shared),
            gallery: gallery.map(Gallery::open).transpose()?,
        };
        Ok(Self {
            inference: Thread::spawn("inference", move || inference.run())?,
            capture: Thread::spawn("capture", move || capture.run())?,
        })
    }
}

/// A thread whose end can be waited for from asynchronous code.
pub(super) struct Thread {
    name: &'static str,
    /// None once joined.
    handle: Option<JoinHandle<()>>,
    /// Its other side is dropped when the thread ends, also by a panic.
    running: watch::Receiver<()>,
}

impl Thread {
    fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self> {
        let (alive, running) = watch::channel(());
        let handle = Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _alive = alive;
                work();
            })
            .map_err(|error| {
                Error::caused(Kind::Internal, format!("cannot start thread {name}"), error)
            })?;
        Ok(Self { name, handle: Some(handle), running })
    }

    /// Waits for the thread's end. May be dropped half way and called again.
    ///
    /// # Errors
    ///
    /// Its panic; told once.
    pub(super) async fn ended(&mut self) -> Result<()> {
        // Nothing is ever sent: this ends when the other side is dropped.
        while self.running.changed().await.is_ok() {}
        let Some(handle) = self.handle.take() else { return Ok(()) };
        // What runs after `alive` is dropped ends at once.
        handle.join().map_err(|_| {
            let name = self.name;
            Error::new(
                Kind::Panic,
                format!("thread {name} panicked: a fault of this program; the log says where"),
            )
        })
    }

    /// The same, but no longer than `limit`: what hangs is left behind. Says whether it ended.
    ///
    /// # Errors
    ///
    /// Its panic; told once.
    pub(super) async fn ended_within(&mut self, limit: Duration) -> Result<bool> {
        let name = self.name;
        let ended = timeout(limit, self.ended()).await.map(|ended| ended.map(|()| true));
        ended.unwrap_or_else(|_| {
            log::warn!("thread {name} did not end within {} s and is left behind", limit.as_secs());
            Ok(false)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_end_is_waited_for_and_a_panic_becomes_an_error() {
        let (go, gone) = channel::<()>();
        let mut thread =
            Thread::spawn("test", move || assert!(gone.recv().is_err())).expect("started");
        let early = tokio::time::timeout(Duration::from_millis(1), thread.ended()).await;
        assert!(early.is_err(), "it still runs");
        let left = thread.ended_within(Duration::from_millis(1)).await;
        assert!(!left.expect("no panic"), "it is left behind");
        drop(go);
        let ended = tokio::time::timeout(LIMIT, thread.ended()).await.expect("in time");
        ended.expect("no panic");
        assert!(thread.ended_within(LIMIT).await.expect("no panic"), "it has ended");

        let mut thread = Thread::spawn("test", || panic!("on purpose")).expect("started");
        let ended = tokio::time::timeout(LIMIT, thread.ended()).await.expect("in time");
        let error = ended.expect_err("a panic");
        assert_eq!(error.kind(), Kind::Panic);
        assert!(error.to_string().contains("thread test panicked"), "{error}");
        thread.ended().await.expect("told once");
    }
}
