//! What the daemon will do, checked as far as that is possible before it does anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;

use super::page;
use crate::board;
use crate::config::Config;
use crate::config::layers::Layers;
use crate::contract::topics::Topics;
use crate::contract::tuning::Tuning;
use crate::control::in_force::Settled;
use crate::control::overrides::{self, Overrides};
use crate::detector::ModelInfo;
use crate::detector::networks::Networks;
use crate::error::{Error, Kind, Result};
use crate::home_assistant::{About, Hardware, Page};
use crate::identity::{self, MACHINE_ID};
use crate::mqtt::Holding;
use crate::mqtt::access::Access;
use crate::mqtt::credentials::Credentials;
use crate::name::Name;
use crate::preview;
use crate::tracks::grouping::Grouping;
use crate::zones;

/// Settings whose every part has been tried: the model, names, passwords, keys.
pub struct Plan {
    /// All settings.
    pub config: Config,
    /// The model, loaded and tested, with what looks closely.
    pub networks: Networks,
    /// What its classes are told as.
    pub grouping: Grouping,
    /// The device and its camera, as Home Assistant is told of them.
    pub about: About,
    /// Its name in topics.
    pub camera: Name,
    /// Where the outbox and a pause survive; `None` where there is no such place.
    pub state_dir: Option<PathBuf>,
    /// Where passwords, keys and certificates are.
    pub credentials: Credentials,
    /// What the page needs for https; none for plain http.
    pub page_tls: Option<Arc<ServerConfig>>,
}

impl Plan {
    /// Of settings and the layers that they came from.
    ///
    /// # Errors
    ///
    /// What only the owner can mend: a refused model, an impossible name, a password
    /// or certificate that cannot be read. A missing camera or broker is none.
    pub fn make(config: Config, layers: &Layers) -> Result<Self> {
        // The model last: it takes seconds and most of the memory, and settings may be refused
        // again and again while the daemon runs.
        let Surroundings { state_dir, identity, credentials, page_tls } =
            Surroundings::of(&config)?;
        let networks = Networks::load(&config.model)?;
        let Identity { topics, camera } = identity;
        let grouping = grouping(&config, layers, networks.info())?;
        let about = about(&config, topics, &camera, grouping.told());
        Ok(Self { config, networks, grouping, about, camera, state_dir, credentials, page_tls })
    }
}

/// What settings name outside of themselves but for the model: found, read and tried, in
/// milliseconds where the model takes seconds.
pub struct Surroundings {
    state_dir: Option<PathBuf>,
    identity: Identity,
    credentials: Credentials,
    page_tls: Option<Arc<ServerConfig>>,
}

impl Surroundings {
    /// # Errors
    ///
    /// As [`Plan::make`], but for the model.
    pub fn of(config: &Config) -> Result<Self> {
        let state_dir = config.device.state_dir();
        let identity = Identity::of(config, state_dir.as_deref())?;
        let credentials = Credentials::of_the_environment();
        Access::read(&config.mqtt, &credentials)?;
        let page_tls = preview::server_config(&config.preview, &credentials)
            .map_err(|error| Error::new(Kind::Config, error.to_string()))?;
        Ok(Self { state_dir, identity, credentials, page_tls })
    }
}

/// What a daemon with these settings takes hold of.
pub fn holding(config: &Config) -> Holding {
    Holding::of(&config.mqtt, config.device.state_dir().as_deref())
}

/// Tries whether a reload could go on with what these settings take hold of, after what is `held`.
///
/// # Errors
///
/// Those of a start that could not have it; or a pause, or whatever else commands and groups have
/// said, would be forgotten with the folder that it is kept in.
pub fn try_after(config: &Config, held: &Holding) -> Result<()> {
    let next = holding(config);
    if let Some(left) = next.folder_left(held) {
        let (kept, folder) = (left.join(overrides::FILE), next.folder());
        if Overrides::would_be_forgotten(left, folder) {
            let words = format!(
                "is another: a pause, or what commands and groups have said, is kept in {} and \
                 would be forgotten: copy that file into the new folder, or start the daemon anew \
                 to go on without",
                kept.display()
            );
            return Err(wrong("device.state_dir", &words));
        }
    }
    Ok(next.try_after(held)?)
}

/// Says where events stay behind that wait, when a reload goes on with these settings.
pub fn tell_what_stays(config: &Config, held: &Holding) {
    if let Some(left) = holding(config).folder_left(held) {
        log::warn!(
            "device.state_dir is another: events that wait in {} are sent when it is used again",
            left.display()
        );
    }
}

/// What is announced with these settings, for whoever has no right to their secrets: outside of
/// the service there are none. `state_dir` is where its id may be kept.
///
/// # Errors
///
/// As [`Plan::make`], but for passwords and certificates; or the device has no id yet.
pub fn announced(config: &Config, layers: &Layers, state_dir: Option<&Path>) -> Result<About> {
    let identity = Identity::known(config, state_dir)?;
    let Identity { topics, camera } =
        identity.ok_or_else(|| Error::new(Kind::Config, Identity::NONE_YET))?;
    let networks = Networks::load(&config.model)?;
    let grouping = grouping(config, layers, networks.info())?;
    Ok(about(config, topics, &camera, grouping.told()))
}

/// Who we are to the broker.
pub struct Identity {
    /// Those of the device.
    pub topics: Topics,
    /// Its name in topics.
    pub camera: Name,
}

impl Identity {
    /// Why there is none where nothing is wrong.
    pub const NONE_YET: &str = "this device has no id yet: it gets one at its first start, unless \
                                device.id has one";

    /// # Errors
    ///
    /// Names that cannot be part of a topic, or a device without any.
    pub fn of(config: &Config, state_dir: Option<&Path>) -> Result<Self> {
        let device = config.device.resolve(MACHINE_ID.as_ref(), state_dir).map_err(nameless)?;
        Self::named(config, device)
    }

    /// The same for whoever only asks: none where the device gets its id at its first start.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn known(config: &Config, state_dir: Option<&Path>) -> Result<Option<Self>> {
        let device = config.device.known(MACHINE_ID.as_ref(), state_dir).map_err(nameless)?;
        device.map(|device| Self::named(config, device)).transpose()
    }

    fn named(config: &Config, device: Name) -> Result<Self> {
        let groups = config.device.groups().map_err(|error| wrong("device.groups", &error))?;
        let topics = Topics::new(&config.mqtt.base_topic, device)
            .map_err(|error| wrong("mqtt.base_topic", &error))?
            .with_groups(groups);
        let camera =
            Name::camera(&*config.camera.name).map_err(|error| wrong("camera.name", &error))?;
        Ok(Self { topics, camera })
    }
}

fn nameless(error: identity::Error) -> Error {
    // The folder cannot keep it now and may be able to later.
    let keep = matches!(error, identity::Error::Keep { .. });
    let kind = if keep { Kind::Output } else { Kind::Config };
    Error::caused(kind, "device.id", error)
}

/// What the classes of this model are told as.
///
/// # Errors
///
/// [`Kind::Config`]: groups that do not fit the model, or a binary sensor for what is not told.
pub fn grouping(config: &Config, layers: &Layers, model: &ModelInfo) -> Result<Grouping> {
    let of_model = |why: String| format!("{why} (model {})", model.id);
    let grouping = Grouping::resolve(&config.expression.groups, &model.classes, &model.groups)
        .map_err(|why| layers.mistake("expression.groups", of_model(why)))?;
    let sensors = config.home_assistant.check_sensors(grouping.told());
    sensors.map_err(|why| layers.mistake("home_assistant.binary_sensors", of_model(why)))?;
    Ok(grouping)
}

/// What is announced of a device that tells these expressions.
pub fn about(config: &Config, topics: Topics, camera: &Name, classes: &[String]) -> About {
    About {
        settings: config.home_assistant.clone(),
        topics,
        cameras: vec![camera.clone()],
        classes: classes.to_vec(),
        snapshots: config.snapshots.enabled,
        zones: config.zone.clone(),
        page: config.preview.address().map(|_| Page { url: page::link(&config.preview) }),
        hardware: Hardware { model: board::model(), serial: board::serial() },
    }
}

/// What the settings file says where nothing was changed at run time.
pub fn settled(config: &Config) -> Settled {
    let tuning = Tuning::given(&config.tracking, &config.pace);
    let zones = config.zone.iter().map(|zone| (zone.name.clone(), zone.enabled)).collect();
    let masks = config.zone.iter().filter(|zone| zone.kind == zones::Kind::Mask);
    let masks = masks.map(|zone| zone.name.clone()).collect();
    Settled { tuning, snapshots: config.snapshots.enabled, zones, masks }
}

fn wrong(key: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Config, format!("{key} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_forget_a_pause_reads_where_it_is_kept_and_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let mut config = Config::default();
        let held = Holding::of(&config.mqtt, Some(&old));
        Overrides { paused: true, ..Overrides::default() }.save(&old).expect("saved");
        config.device.state_dir = new.to_string_lossy().into_owned();
        let words = try_after(&config, &held).expect_err("refused").to_string();
        let kept = old.join(overrides::FILE);
        assert!(words.contains("device.state_dir is another"), "{words}");
        assert!(words.contains(&format!("is kept in {}", kept.display())), "{words}");
        std::fs::create_dir(&new).expect("made");
        std::fs::copy(&kept, new.join(overrides::FILE)).expect("copied");
        try_after(&config, &held).expect("taken");
    }

    #[test]
    fn settings_that_are_refused_cost_no_model() {
        let mut config = Config::default();
        config.device.id = "test".into();
        config.model.path = "/nowhere/model.tflite".into();
        let refused = |config: &Config| {
            let plan = Plan::make(config.clone(), &Layers::default());
            plan.err().expect("refused").to_string()
        };
        assert!(refused(&config).contains("model.tflite"));
        config.mqtt.url = "mqtt://127.0.0.1:1".into();
        config.mqtt.username = "device".into();
        config.mqtt.password_file = "/nowhere/password".into();
        let words = refused(&config);
        assert!(words.contains("/nowhere/password"), "{words}");
        config.camera.name = "a/b".into();
        assert!(refused(&config).contains("camera.name"));
    }
}
