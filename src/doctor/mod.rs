//! Why is nothing happening? Everything that the daemon needs, checked one after the
//! other as the daemon would meet it, without disturbing one that runs.
//! `docs/ref/doctor.md` describes the checks.

mod board;
mod broker;
mod camera;
mod ends;
mod files;
pub mod finding;
mod handed_over;
mod installed;
mod running;
mod service;
pub mod table;

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use crate::clock::rfc3339;
use crate::config;
use crate::config::layers::Layers;
use crate::config::{Config, Sources};
use crate::contract::payload::ReasonCode;
use crate::control::overrides::Overrides;
use crate::detector::networks::Networks;
use crate::error::{Error, Kind, Result};
use crate::home_assistant::About;
use crate::mqtt::credentials::Credentials;
use crate::mqtt::url::BrokerUrl;
use crate::pipeline::plan::{Identity, about, grouping};
use crate::runtime;
use crate::tracks::grouping::Grouping;
use crate::zones::{Kind as ZoneKind, Zones};
use broker::Examined;
use finding::{Check, Diagnosis, Finding, Verdict};
use installed::Unit;
use running::Running;

/// Makes every check and hands each finding to `tell` as it is made.
///
/// # Errors
///
/// [`Kind::Internal`]: a fault of this program. What is wrong with the device is a finding.
pub fn examine(sources: &Sources, mut tell: impl FnMut(&Finding)) -> Result<Diagnosis> {
    let mut examination = Examination {
        unit: Unit::find(sources.file(), sources.instance.as_deref()),
        findings: Vec::new(),
        tell: &mut tell,
    };
    let device = match config::load(sources) {
        Ok((config, layers)) => {
            examination.add(settings(&layers, &config));
            examination.all(config, &layers)?
        }
        Err(error) => {
            examination.without_settings(&error);
            None
        }
    };
    let Examination { findings, .. } = examination;
    Ok(Diagnosis::new(rfc3339(SystemTime::now()), device, findings))
}

/// The broker alone, as these settings reach it. Only brokers that are `known` are told the
/// password: whoever may try an address would else have it sent to one of his own.
///
/// # Errors
///
/// Names that cannot be part of a topic; a fault of this program.
pub fn try_broker(config: &Config, known: &[BrokerUrl]) -> Result<Vec<Finding>> {
    let state_dir = config.device.state_dir();
    let Identity { topics, camera } = Identity::of(config, state_dir.as_deref())?;
    let about = about(config, topics, &camera, &[]);
    let brokers = config.mqtt.url.brokers().unwrap_or_default();
    let secret = !config.mqtt.password_file.is_empty();
    let credentials = Credentials::of_the_environment();
    let credentials = if secret && !brokers.iter().all(|broker| known.contains(broker)) {
        Err("the password is sent to the broker of the settings alone: save this one first")
    } else {
        Ok(&credentials)
    };
    Ok(ask_broker(config, credentials, &about)?.findings)
}

fn ask_broker(
    config: &Config,
    credentials: std::result::Result<&Credentials, &'static str>,
    about: &About,
) -> Result<Examined> {
    let runtime = runtime::current_thread()?;
    let examined = runtime.block_on(broker::broker(config, credentials, about));
    // Dropped, it would wait for a name server that does not answer.
    runtime.shutdown_background();
    Ok(examined)
}

struct Examination<'a> {
    unit: Option<Unit>,
    findings: Vec<Finding>,
    tell: &'a mut dyn FnMut(&Finding),
}

impl Examination<'_> {
    fn add(&mut self, finding: Finding) {
        (self.tell)(&finding);
        self.findings.push(finding);
    }

    /// Everything after the settings; the device's id, if it has one.
    fn all(&mut self, mut config: Config, layers: &Layers) -> Result<Option<String>> {
        let mut named = files::named(&mut config);
        if let Some(unit) = &self.unit {
            named.iter_mut().for_each(|(_, name)| unit.place(name));
        }
        let named = named.map(|(key, name)| (key, name.clone()));
        let credentials = Credentials::of_the_environment();
        let state_dir = state_dir_of(self.unit.as_ref(), &config);
        let running = Running::find(self.unit.as_ref(), state_dir.as_deref());
        let secrets = files::credentials(&config, &named, &credentials, self.unit.as_ref());
        let readable = matches!(secrets.verdict, Verdict::Ok | Verdict::Warning);
        self.add(secrets);
        let networks = self.model(&config, layers);
        let grouped =
            networks.as_ref().and_then(|networks| grouping(&config, layers, networks.info()).ok());
        let classes = grouped.map(|grouping| grouping.told().to_vec());
        self.add(files::permissions(&config, self.unit.as_ref()));
        let kept = state_dir.as_deref().map_or(Ok(Overrides::default()), Overrides::read);
        self.add(camera::camera(&config, networks, running.as_ref(), kept.as_ref()));
        let unreadable = kept.as_ref().err();
        self.add(files::state(&config, state_dir.as_deref(), unreadable, self.unit.as_ref()));
        let (device, status) = match Identity::known(&config, state_dir.as_deref()) {
            Ok(Some(Identity { topics, camera })) => {
                let about = about(&config, topics, &camera, &classes.unwrap_or_default());
                let credentials =
                    readable.then_some(&credentials).ok_or("the files with secrets come first");
                let examined = ask_broker(&config, credentials, &about)?;
                examined.findings.into_iter().for_each(|finding| self.add(finding));
                (Some(about.topics.device().to_string()), examined.status)
            }
            identity => {
                let first = match identity {
                    Err(error) if is_forbidden(&error) => {
                        let (kind, why) = (error.kind(), error.to_string());
                        files::denied(Check::Broker, self.unit.as_ref(), kind, why, SET_ID)
                    }
                    Err(error) => {
                        Finding::problem(Check::Broker, error.kind(), error.to_string(), SET_ID)
                    }
                    Ok(_) => Finding::skipped(Check::Broker, Identity::NONE_YET),
                };
                let rest = broker::with_the_rest(vec![first], "the device needs an id first");
                rest.into_iter().for_each(|finding| self.add(finding));
                (None, None)
            }
        };
        self.add(board::clock());
        self.add(board::board(config.pace.hot_c, self.unit.as_ref()));
        self.add(service::service(self.unit.as_ref(), running.as_ref(), status.as_ref()));
        Ok(device)
    }

    /// What can be told without settings.
    fn without_settings(&mut self, error: &Error) {
        let remedy = "mend what is named; docs/ref/config.md lists every key, and `expressiond \
                      check-config` tells whether all is right";
        self.add(Finding::problem(Check::Settings, error.kind(), error.to_string(), remedy));
        let later = Check::ALL.into_iter().skip(1);
        for check in later.take_while(|check| *check != Check::Clock) {
            self.add(Finding::skipped(check, "the settings must be right first"));
        }
        self.add(board::clock());
        self.add(board::board(Config::default().pace.hot_c, self.unit.as_ref()));
        let running = Running::find(self.unit.as_ref(), None);
        self.add(service::service(self.unit.as_ref(), running.as_ref(), None));
    }

    /// The library by the model that runs on it.
    fn model(&mut self, config: &Config, layers: &Layers) -> Option<Networks> {
        let begun = Instant::now();
        let loaded = Networks::load(&config.model);
        let took = begun.elapsed().as_secs_f32();
        let with_xnnpack = loaded.as_ref().map_or(true, |networks| networks.info().xnnpack);
        self.add(library(with_xnnpack));
        match loaded {
            Ok(mut networks) => {
                networks.set_masks(&Zones::new(&config.zone).masks());
                let told = grouping(config, layers, networks.info());
                self.add(sound_model(&networks, took, told));
                Some(networks)
            }
            Err(error) => {
                let remedy = "copy the model and its .json again; an empty model.path takes the \
                              model that came with the program";
                let finding =
                    Finding::problem(Check::Model, Kind::Model, error.to_string(), remedy);
                self.add(finding.because(ReasonCode::ModelRefused));
                None
            }
        }
    }
}

/// The folder for state of the daemon with these settings: the service's, where it is one.
pub fn state_dir(sources: &Sources, config: &Config) -> Option<PathBuf> {
    let unit = Unit::find(sources.file(), sources.instance.as_deref());
    state_dir_of(unit.as_ref(), config)
}

fn state_dir_of(unit: Option<&Unit>, config: &Config) -> Option<PathBuf> {
    match unit.and_then(|unit| unit.state_dir.clone()) {
        Some(folder) if config.device.state_dir.is_empty() => Some(folder),
        _ => config.device.state_dir(),
    }
}

const SET_ID: &str = "set device.id";

/// Whether it is that this user may not do something.
fn is_forbidden(error: &Error) -> bool {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let mut errors = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    errors.any(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// What runs the networks; without XNNPACK by the kernels of the library itself.
fn library(with_xnnpack: bool) -> Finding {
    let version = tflitec::tf_lite_version();
    if with_xnnpack {
        return Finding::ok(Check::Library, format!("TensorFlow Lite {version}, XNNPACK runs"));
    }
    if cfg!(target_arch = "arm") {
        let message = format!("TensorFlow Lite {version} (this build has no XNNPACK)");
        return Finding::ok(Check::Library, message);
    }
    let message = format!("TensorFlow Lite {version} without XNNPACK: several times slower");
    let remedy = "XNNPACK needs /sys/devices/system/cpu/{possible,present}: does a sandbox or \
                  container hide them?";
    Finding::warning(Check::Library, message, remedy)
}

/// Networks that run, and what is `told` of their classes.
fn sound_model(networks: &Networks, took: f32, told: Result<Grouping>) -> Finding {
    let (info, refused) = (networks.info(), networks.refused());
    let told = match told {
        Ok(told) => told,
        Err(error) => {
            let remedy = "docs/ref/config.md has expression.groups and \
                          home_assistant.binary_sensors; `expressiond model show` lists the \
                          model's classes and groups";
            return Finding::problem(Check::Model, error.kind(), error.to_string(), remedy);
        }
    };
    let tested = if info.self_tested {
        "checksum right, self-test passed"
    } else {
        "it brings no self-test"
    };
    let mut message = format!(
        "{} ({}): {tested} in {took:.1} s; faces are looked at closely by {}",
        info.id,
        info.input,
        networks.closely()
    );
    if told.told() != info.classes {
        message += &format!("; tells {}", told.told().join(", "));
    }
    if refused.is_empty() {
        return Finding::ok(Check::Model, message);
    }
    message += &format!("; refused: {}", refused.join("; "));
    let remedy = "docs/guide/upgrade.md tells how models are signed and replaced";
    Finding::warning(Check::Model, message, remedy).because(ReasonCode::ModelRefused)
}

fn settings(layers: &Layers, config: &Config) -> Finding {
    let files: Vec<String> = layers.files().map(|file| file.display().to_string()).collect();
    let assigned = layers.assigned();
    if files.is_empty() && assigned.is_empty() {
        return Finding::ok(Check::Settings, "no file: the built-in defaults are in force");
    }
    if files.is_empty() {
        let message = format!(
            "no file: the environment or the command line set {}; the rest are built-in defaults",
            assigned.join(", ")
        );
        return Finding::ok(Check::Settings, message);
    }
    let zone = |zone: &crate::zones::Settings| match (zone.kind, zone.enabled) {
        (ZoneKind::Count, true) => zone.name.clone(),
        (ZoneKind::Mask, true) => format!("{} (masked)", zone.name),
        (_, false) => format!("{} (off)", zone.name),
    };
    let zones: Vec<String> = config.zone.iter().map(zone).collect();
    let zones =
        if zones.is_empty() { String::new() } else { format!("; zones: {}", zones.join(", ")) };
    Finding::ok(Check::Settings, format!("right: {}{zones}", files.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_what_else_sets_values_is_named() {
        let told = |layers: &Layers| settings(layers, &Config::default()).message;
        let foreign = ("EXPRESSIOND_PORT".into(), "tcp://10.0.0.1".into());
        let none = Layers::default().with_environment([foreign].into_iter());
        assert!(told(&none).contains("the built-in defaults are in force"), "{}", told(&none));
        let variable = ("EXPRESSIOND__MQTT__URL".into(), "mqtt://secret".into());
        let some = none
            .with_environment([variable].into_iter())
            .with_override("camera.source", "secret")
            .with_override("mqtt.url", "secret");
        let message = told(&some);
        assert!(message.contains("set camera.source, mqtt.url;"), "{message}");
        assert!(!message.contains("in force") && !message.contains("secret"), "{message}");
    }
}
