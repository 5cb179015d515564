//! What one check found, and all of them together.

use serde::Serialize;

use crate::contract::payload::ReasonCode;
use crate::error::Kind;

/// Version of the report; rises when a reader must change.
pub const SCHEMA_VERSION: u32 = 1;

/// What is looked at, in this order: causes before what they cause.
/// `docs/ref/doctor.md` describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    Settings,
    Credentials,
    Library,
    Model,
    Permissions,
    Camera,
    State,
    Broker,
    Tls,
    Login,
    Topics,
    HomeAssistant,
    Clock,
    Board,
    Service,
}

impl Check {
    pub const ALL: [Check; 15] = [
        Check::Settings,
        Check::Credentials,
        Check::Library,
        Check::Model,
        Check::Permissions,
        Check::Camera,
        Check::State,
        Check::Broker,
        Check::Tls,
        Check::Login,
        Check::Topics,
        Check::HomeAssistant,
        Check::Clock,
        Check::Board,
        Check::Service,
    ];

    /// The name in the report, for a person and for a script.
    pub const fn name(self) -> &'static str {
        match self {
            Check::Settings => "settings",
            Check::Credentials => "credentials",
            Check::Library => "library",
            Check::Model => "model",
            Check::Permissions => "permissions",
            Check::Camera => "camera",
            Check::State => "state",
            Check::Broker => "broker",
            Check::Tls => "tls",
            Check::Login => "login",
            Check::Topics => "topics",
            Check::HomeAssistant => "home_assistant",
            Check::Clock => "clock",
            Check::Board => "board",
            Check::Service => "service",
        }
    }
}

/// How a check ended, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Could not be checked, or need not be.
    Skipped,
    /// Works, but less well than it could.
    Warning,
    /// Does not work; the remedy is named.
    Problem,
}

impl Verdict {
    pub const ALL: [Verdict; 4] =
        [Verdict::Ok, Verdict::Skipped, Verdict::Warning, Verdict::Problem];

    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Skipped => "skipped",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: Check,
    pub verdict: Verdict,
    /// The same code as in the status topic, where it has one for this.
    pub reason: Option<ReasonCode>,
    /// What was seen.
    pub message: String,
    /// What to do; none where there is nothing to do.
    pub remedy: Option<String>,
    /// What a problem makes of the exit code.
    #[serde(skip)]
    pub kind: Option<Kind>,
}

impl Finding {
    pub fn ok(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, message.into(), None)
    }

    pub fn skipped(check: Check, why: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, why.into(), None)
    }

    pub fn warning(check: Check, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, message.into(), Some(remedy.into()))
    }

    pub fn problem(
        check: Check,
        kind: Kind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let finding = Self::new(check, Verdict::Problem, message.into(), Some(remedy.into()));
        Self { kind: Some(kind), ..finding }
    }

    /// With the status topic's code for it.
    pub fn because(self, reason: ReasonCode) -> Self {
        Self { reason: Some(reason), ..self }
    }

    fn new(check: Check, verdict: Verdict, message: String, remedy: Option<String>) -> Self {
        Self { check, verdict, reason: None, message, remedy, kind: None }
    }
}

/// All that was found. Schema: `docs/ref/doctor.schema.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub schema: u32,
    /// When it was looked, RFC 3339 in UTC.
    pub time: String,
    /// Version of this program.
    pub version: String,
    /// The device's id in topics; none while the settings are wrong.
    pub device: Option<String>,
    /// The worst of all.
    pub verdict: Verdict,
    /// What the command ends with.
    pub exit_code: u8,
    pub checks: Vec<Finding>,
}

impl Report {
    pub fn new(time: String, device: Option<String>, checks: Vec<Finding>) -> Self {
        let verdict = checks.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
        let exit_code = first_problem(&checks).map_or(0, |(_, kind)| kind.exit_code());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { schema: SCHEMA_VERSION, time, version, device, verdict, exit_code, checks }
    }

    /// The problem that decides how the command ends: the first, since later ones
    /// mostly follow from it.
    pub fn first_problem(&self) -> Option<(&Finding, Kind)> {
        first_problem(&self.checks)
    }
}

fn first_problem(checks: &[Finding]) -> Option<(&Finding, Kind)> {
    checks.iter().find_map(|finding| Some((finding, finding.kind?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_problem_decides_and_warnings_do_not() {
        let wrong = |check, kind| Finding::problem(check, kind, "m", "r");
        let report = |checks| Report::new(String::new(), None, checks);
        let fine = vec![Finding::ok(Check::Settings, "m"), Finding::warning(Check::Tls, "m", "r")];
        assert_eq!((report(fine.clone()).verdict, report(fine).exit_code), (Verdict::Warning, 0));
        let checks = vec![
            Finding::skipped(Check::Settings, "m"),
            wrong(Check::Model, Kind::Model),
            wrong(Check::Broker, Kind::Unavailable),
        ];
        assert_eq!(
            (report(checks.clone()).verdict, report(checks).exit_code),
            (Verdict::Problem, 70)
        );
    }

    #[test]
    fn names_are_those_of_the_report() {
        for check in Check::ALL {
            assert_eq!(serde_json::to_value(check).expect("a string"), check.name());
        }
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).expect("a string"), verdict.name());
        }
    }
}
