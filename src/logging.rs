//! One log, two readers: journald with structured fields, or a terminal.

use std::io::Write;

use log::LevelFilter;
use log::kv::{Key, Value, VisitSource};
use serde::{Deserialize, Serialize};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::alarm::Alarm;
use crate::error::{Error, Kind};

/// The `[log]` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `error`, `warn`, `info`, `debug` or `trace`; nothing is logged per frame
    /// below `debug`. Default `info`.
    pub level: Level,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: Level::Info }
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => LevelFilter::Error,
            Level::Warn => LevelFilter::Warn,
            Level::Info => LevelFilter::Info,
            Level::Debug => LevelFilter::Debug,
            Level::Trace => LevelFilter::Trace,
        }
    }
}

/// Starts the log: to journald when systemd connected our standard error to it
/// (`JOURNAL_STREAM`, systemd.exec(5)), else readable lines on standard error.
pub fn start(settings: &Settings) {
    let level = LevelFilter::from(settings.level);
    // The MQTT library tells every packet; only what goes wrong is ours to show.
    let foreign = level.min(LevelFilter::Warn);
    if connected_to_journal() {
        let journal = JournalLog::new()
            .map(|log| log.with_syslog_identifier("expressiond".to_owned()))
            .and_then(|log| log.install().map_err(std::io::Error::other));
        if journal.is_ok() {
            log::set_max_level(level);
            return;
        }
    }
    let started = env_logger::Builder::new()
        .filter_level(foreign)
        // its spans arrive as errors, one for every packet
        .filter_module("rumqttd", LevelFilter::Off)
        .filter_module("expressiond", level)
        .format(|out, record| {
            write!(out, "{:<5} {}", record.level(), record.args())?;
            record.key_values().visit(&mut Pairs(out)).map_err(std::io::Error::other)?;
            writeln!(out)
        })
        .try_init();
    if started.is_err() {
        log::debug!("a log is running already");
    }
}

/// The reason why the program ends, for a person at a terminal; where the log goes to
/// the journal, with fields.
pub fn last_words(error: &Error) {
    let to_journal = log::max_level() != LevelFilter::Off && connected_to_journal();
    let exit_code = error.kind().exit_code();
    match error.kind() {
        Kind::Model if to_journal => {
            log::error!(message_id = Alarm::ModelRefused.id(), exit_code; "{error}");
        }
        _ if to_journal => log::error!(exit_code; "{error}"),
        _ => eprintln!("expressiond: {error}"),
    }
}

/// For the journal alone: nobody at a terminal wants 32 digits.
const JOURNAL_ONLY: &str = "message_id";

/// Writes the structured fields behind the words, as `key=value`.
struct Pairs<'a, W: Write>(&'a mut W);

impl<'kvs, W: Write> VisitSource<'kvs> for Pairs<'_, W> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        if key.as_str() == JOURNAL_ONLY {
            return Ok(());
        }
        write!(self.0, " {key}={value}").map_err(|_| log::kv::Error::msg("cannot write"))
    }
}
