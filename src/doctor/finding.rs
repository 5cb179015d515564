//! What one check found, and all of them together.

use serde::Serialize;

use crate::contract::payload::ReasonCode;
use crate::error::Kind;

/// Version of [`Diagnosis`]'s layout; rises when a reader must change.
pub const SCHEMA_VERSION: u32 = 1;

/// What is looked at, in this order: causes before what they cause.
/// `docs/ref/doctor.md` describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Files, environment and command line: no mistake in any setting.
    Settings,
    /// Password, keys and certificates can be read and used, and not by everybody.
    Credentials,
    /// TensorFlow Lite, and whether XNNPACK runs.
    Library,
    /// Checksum, layout and self-test of the model.
    Model,
    /// This user and the service may open the video devices.
    Permissions,
    /// The camera opens and shows something.
    Camera,
    /// The state folder can be written and has room.
    State,
    /// The broker's name is known and something answers at its port.
    Broker,
    /// The certificates convince both sides.
    Tls,
    /// The broker accepts user and password.
    Login,
    /// The broker lets this device write its topics and read its commands.
    Topics,
    /// Home Assistant was told of this device.
    HomeAssistant,
    /// The wall clock is set and kept.
    Clock,
    /// Heat, throttling and weak power.
    Board,
    /// The unit with these settings runs, and what it says of itself.
    Service,
}

impl Check {
    /// Each once, in the order in which they are made.
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
    /// As it should be.
    Ok,
    /// Could not be checked, or need not be.
    Skipped,
    /// Works, but less well than it could.
    Warning,
    /// Does not work; the remedy is named.
    Problem,
}

impl Verdict {
    /// Each once, the mildest first.
    pub const ALL: [Verdict; 4] =
        [Verdict::Ok, Verdict::Skipped, Verdict::Warning, Verdict::Problem];

    /// The name in the report, for a person and for a script.
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
    /// Which check it was.
    pub check: Check,
    /// How it ended.
    pub verdict: Verdict,
    /// The same code as in the status topic, where it has one for this.
    pub reason: Option<ReasonCode>,
    /// What was seen.
    pub message: String,
    /// What to do; none where there is nothing to do.
    pub remedy: Option<String>,
    /// Decides the exit code if this is the first problem; none for anything milder.
    #[serde(skip)]
    pub kind: Option<Kind>,
}

impl Finding {
    /// All is well; `message` says what was seen.
    pub(crate) fn ok(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, message.into(), None)
    }

    /// It was not checked; `why` says why not.
    pub(crate) fn skipped(check: Check, why: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, why.into(), None)
    }

    /// It works, but less well than it could.
    pub(crate) fn warning(
        check: Check,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Warning, message.into(), Some(remedy.into()))
    }

    /// It does not work; `kind` gives the exit code.
    pub(crate) fn problem(
        check: Check,
        kind: Kind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let finding = Self::new(check, Verdict::Problem, message.into(), Some(remedy.into()));
        Self { kind: Some(kind), ..finding }
    }

    /// With the status topic's code for it.
    pub(crate) fn because(self, reason: ReasonCode) -> Self {
        Self { reason: Some(reason), ..self }
    }

    fn new(check: Check, verdict: Verdict, message: String, remedy: Option<String>) -> Self {
        Self { check, verdict, reason: None, message, remedy, kind: None }
    }
}

/// All findings together. Schema: `docs/ref/doctor.schema.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// When the checks ended, RFC 3339 in UTC.
    pub time: String,
    /// Version of this program.
    pub version: String,
    /// The device's id in topics; none while the settings are wrong.
    pub device: Option<String>,
    /// The worst of all.
    pub verdict: Verdict,
    /// What the command ends with: that of the first problem, 0 without one.
    pub exit_code: u8,
    /// One for each [`Check`], in their order.
    pub checks: Vec<Finding>,
}

impl Diagnosis {
    pub(crate) fn new(time: String, device: Option<String>, checks: Vec<Finding>) -> Self {
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
        let report = |checks| Diagnosis::new(String::new(), None, checks);
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
