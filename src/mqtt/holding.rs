//! What a running process holds and no other may have, so that settings that want something
//! else are tried before it ends.

use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "embedded-broker")]
use super::embedded::free_port;
use super::error::StartError;
use super::settings::Settings;
use super::url::BrokerUrl;
use crate::clock::{Clock, SystemClock};
use crate::outbox::{Outbox, OutboxSettings};

/// The folder of the outbox, and the port of the broker inside.
#[derive(Clone, Debug)]
pub struct Holding {
    folder: Option<PathBuf>,
    outbox: OutboxSettings,
    /// Of the broker inside, 0: any; none where the broker is another's.
    port: Option<u16>,
}

impl Holding {
    /// Of whoever starts with these settings and keeps its state in this folder.
    pub fn of(settings: &Settings, state_dir: Option<&Path>) -> Self {
        let inside = settings.url.brokers().is_ok_and(|brokers| brokers.is_empty());
        Self {
            folder: state_dir.map(Path::to_owned),
            outbox: settings.outbox.clone(),
            port: inside.then_some(settings.embedded_port),
        }
    }

    /// At 0 the broker inside was given one of the free ports: the one that it is reached at.
    #[must_use]
    pub fn at(self, brokers: &[BrokerUrl]) -> Self {
        let port = self.port.and(brokers.first()).map(|broker| broker.port);
        Self { port, ..self }
    }

    /// Takes it for a moment, but for what `held` has and will let go of.
    ///
    /// # Errors
    ///
    /// Those of a start that could not have it.
    pub fn try_after(&self, held: &Self) -> Result<(), StartError> {
        if let Some(folder) = self.folder.as_deref().filter(|folder| !held.has(folder)) {
            Outbox::open(self.outbox.clone(), folder, SystemClock.now_with_sleep())?;
        }
        #[cfg(feature = "embedded-broker")]
        if let Some(port) = self.port.filter(|_| self.port != held.port) {
            free_port(port)?;
        }
        Ok(())
    }

    /// The folder that `held` has and this lets go of.
    #[must_use]
    pub fn folder_left<'a>(&self, held: &'a Self) -> Option<&'a Path> {
        held.folder.as_deref().filter(|folder| !self.has(folder))
    }

    /// The folder that it keeps its state in.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Whether it is our folder, by whichever way.
    fn has(&self, folder: &Path) -> bool {
        let own = self.folder.as_deref();
        own.is_some_and(|own| {
            own == folder
                || fs::canonicalize(own)
                    .is_ok_and(|own| fs::canonicalize(folder).is_ok_and(|folder| own == folder))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_not_tried_and_everything_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, link) = (folder.path().join("ours"), folder.path().join("link"));
        let settings = Settings::default();
        let _outbox =
            Outbox::open(settings.outbox.clone(), &ours, SystemClock.now()).expect("opens");
        std::os::unix::fs::symlink(&ours, &link).expect("a link");
        let held = Holding::of(&settings, Some(&ours));
        let tried = |folder: &Path| Holding::of(&settings, Some(folder)).try_after(&held);
        assert!(tried(&ours).is_ok() && tried(&link).is_ok());
        assert!(tried(&folder.path().join("new")).is_ok());
        let left =
            |folder: &Path| Holding::of(&settings, Some(folder)).folder_left(&held).is_some();
        assert!(!left(&ours) && !left(&link) && left(&folder.path().join("new")));
        // A file is no folder; and of another process the outbox is locked.
        std::fs::write(folder.path().join("file"), "").expect("written");
        assert!(matches!(tried(&folder.path().join("file")), Err(StartError::Journal(_))));
        let nothing = Holding::of(&settings, None);
        let other = Holding::of(&settings, Some(&ours)).try_after(&nothing);
        assert!(matches!(other, Err(StartError::Journal(_))), "{other:?}");
    }

    #[cfg(feature = "embedded-broker")]
    #[test]
    fn a_port_that_somebody_else_has_is_none_for_the_broker_inside() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let embedded_port = taken.local_addr().expect("bound").port();
        let inside = Holding::of(&Settings { embedded_port, ..Settings::default() }, None);
        let url = "mqtt://127.0.0.1:1".into();
        let elsewhere = Holding::of(&Settings { url, ..Settings::default() }, None);
        assert!(matches!(inside.try_after(&elsewhere), Err(StartError::Broker(_))));
        assert!(inside.try_after(&inside).is_ok());
        assert!(elsewhere.try_after(&inside).is_ok());
        // Of port 0 it is known which it became: that one is ours, and no other.
        let any = Holding::of(&Settings::default(), None);
        let given = |port| any.clone().at(&[BrokerUrl::on_loopback(port)]);
        assert!(inside.try_after(&given(embedded_port)).is_ok());
        assert!(matches!(inside.try_after(&given(1)), Err(StartError::Broker(_))));
    }
}
