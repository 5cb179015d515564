//! One log, two readers: journald with structured fields, or a terminal.

use std::fmt::Display;
use std::io::Write;

use log::kv::{Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use serde::{Deserialize, Serialize};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::alarm::Alarm;
use crate::error::{Error, Kind};
use crate::printable;

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
    /// What ends the daemon or loses something.
    Error,
    /// What works less well than it could.
    Warn,
    /// Events, and what begins and ends.
    Info,
    /// Also what is told for each frame.
    Debug,
    /// Also what libraries tell.
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
/// (`JOURNAL_STREAM`, systemd.exec(5)), else readable lines on standard error. Both
/// pass the same [`Filter`].
pub fn start(settings: &Settings) {
    let level = LevelFilter::from(settings.level);
    let sink = journal().unwrap_or_else(terminal);
    match log::set_boxed_logger(Box::new(Filter::new(sink, level))) {
        Ok(()) => log::set_max_level(level),
        Err(_) => log::debug!("a log is running already"),
    }
}

fn journal() -> Option<Box<dyn Log>> {
    if !connected_to_journal() {
        return None;
    }
    let journal = JournalLog::new().ok()?;
    Some(Box::new(journal.with_syslog_identifier("expressiond".to_owned())))
}

fn terminal() -> Box<dyn Log> {
    let logger = env_logger::Builder::new()
        // Filter has decided already.
        .filter_level(LevelFilter::Trace)
        .format(|out, record| {
            write!(out, "{:<5} {}", record.level(), printable::lines(&record.args().to_string()))?;
            record.key_values().visit(&mut Pairs(out)).map_err(std::io::Error::other)?;
            writeln!(out)
        })
        .build();
    Box::new(logger)
}

/// Lets through to the sink what its owner asked for: records of this program up to
/// `level`, and of the libraries only warnings and errors.
///
/// The broker inside tells every packet, part of it as errors: without this filter it
/// filled the journal with 40 records for each of ours.
pub struct Filter<S> {
    sink: S,
    level: LevelFilter,
}

impl<S: Log> Filter<S> {
    /// Records of this program are let through up to `level`.
    pub fn new(sink: S, level: LevelFilter) -> Self {
        Self { sink, level }
    }
}

impl<S: Log> Log for Filter<S> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= most(metadata.target(), self.level) && self.sink.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.sink.log(record);
        }
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

/// The program's own targets: its crates and their modules.
const OWN: &str = "expressiond";

/// Targets that are never shown. `rumqttd` is the broker inside; `tracing::span` is where
/// the crate `tracing` tells the beginning and end of a span, with the span's level, which
/// in rumqttd is error.
const SILENT: [&str; 2] = ["rumqttd", "tracing::span"];

/// The most detailed level of a target that is shown at `level`.
fn most(target: &str, level: LevelFilter) -> LevelFilter {
    let within = |root: &str| {
        target.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if within(OWN) {
        level
    } else if SILENT.into_iter().any(within) {
        LevelFilter::Off
    } else {
        level.min(LevelFilter::Warn)
    }
}

/// Tells a person of a fault, at standard error; it may name what commands a terminal. Where
/// that cannot be written nobody hears of it, which is no reason to end in another way:
/// `eprintln!` would panic.
pub fn tell(fault: impl Display) {
    let fault = printable::lines(&fault.to_string());
    let _ = writeln!(std::io::stderr(), "expressiond: {fault}");
}

/// Tells the error that ends the program: on a terminal one line for a person, in the
/// journal a record with fields (`EXIT_CODE`, and `MESSAGE_ID` of a refused model).
pub fn fatal(error: &Error) {
    let to_journal = log::max_level() != LevelFilter::Off && connected_to_journal();
    let exit_code = error.kind().exit_code();
    match error.kind() {
        Kind::Model if to_journal => {
            log::error!(message_id = Alarm::ModelRefused.id(), exit_code; "{error}");
        }
        _ if to_journal => log::error!(exit_code; "{error}"),
        _ => tell(error),
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
        let value = printable::line(&value.to_string());
        write!(self.0, " {key}={value}").map_err(|_| log::kv::Error::msg("cannot write"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_heard_when_something_goes_wrong_and_the_broker_inside_never() {
        for (target, shown) in [
            ("expressiond", LevelFilter::Debug),
            ("expressiond::source::v4l2", LevelFilter::Debug),
            ("expressiond_other", LevelFilter::Warn),
            ("rumqttc::v5::state", LevelFilter::Warn),
            ("rumqttd", LevelFilter::Off),
            ("rumqttd::router::routing", LevelFilter::Off),
            ("tracing::span", LevelFilter::Off),
            ("tracing::span::active", LevelFilter::Off),
        ] {
            assert_eq!(most(target, LevelFilter::Debug), shown, "{target}");
        }
        assert_eq!(most("rustls", LevelFilter::Error), LevelFilter::Error);
    }
}
