//! What the daemon will do, checked as far as that is possible before it does anything.

use std::path::PathBuf;

use crate::config::Config;
use crate::detector::Detector;
use crate::error::{Error, Kind, Result};
use crate::publish::access::Access;
use crate::publish::credentials::Credentials;
use crate::publish::discovery::About;
use crate::publish::identity::MACHINE_ID;
use crate::publish::runtime::Tuning;
use crate::publish::topics::{Name, Topics};

/// Settings whose every part has been tried: the model, names, passwords, keys.
pub struct Plan {
    pub config: Config,
    pub detector: Detector,
    /// The device and its camera, as Home Assistant is told of them.
    pub about: About,
    pub camera: Name,
    /// Where the outbox and a pause survive; `None` where there is no such place.
    pub state_dir: Option<PathBuf>,
    pub credentials: Credentials,
}

impl Plan {
    /// # Errors
    ///
    /// What only the owner can mend: a refused model, an impossible name, a password
    /// or certificate that cannot be read. A missing camera or broker is none.
    pub fn make(config: Config) -> Result<Self> {
        let detector = Detector::load(&config.model)?;
        let environment = |name: &str| std::env::var(name).ok();
        let state_dir = config.device.state_dir(environment);
        let device = config
            .device
            .resolve(MACHINE_ID.as_ref(), state_dir.as_deref())
            .map_err(|error| Error::caused(Kind::Config, "device.id", error))?;
        let topics = Topics::new(&config.mqtt.base_topic, device)
            .map_err(|error| wrong("mqtt.base_topic", &error))?;
        let camera =
            Name::camera(&*config.camera.name).map_err(|error| wrong("camera.name", &error))?;
        let credentials =
            Credentials { folder: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) };
        Access::read(&config.mqtt, &credentials)?;
        let about = About {
            settings: config.home_assistant.clone(),
            topics,
            cameras: vec![camera.clone()],
            classes: detector.info().classes.clone(),
            settled: Tuning {
                threshold: Some(config.tracking.start_confidence),
                max_fps: Some(config.pace.max_fps),
            },
            snapshots: config.snapshots.enabled,
        };
        Ok(Self { config, detector, about, camera, state_dir, credentials })
    }
}

fn wrong(key: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Config, format!("{key} {why}"))
}
