//! The daemon itself: whether it runs, and what it says of itself.

use serde_json::Value;

use super::ends::end;
use super::finding::{Check, Finding, Verdict};
use super::installed::Unit;
use super::running::Running;
use crate::config::instance::plain;
use crate::contract::payload::ReasonCode;

/// Whether the daemon runs; `status` is its retained status topic, where one was read.
pub(crate) fn service(
    unit: Option<&Unit>,
    running: Option<&Running>,
    status: Option<&Value>,
) -> Finding {
    let finding = match (unit, running) {
        // Another daemon has the folder for state, and may be why this one does not come up.
        (Some(unit), Some(running)) if running.who != unit.name && unit.is_failing() => {
            let mut finding = down(unit);
            finding.message += &format!("; {} runs with these settings", running.who);
            finding
        }
        (_, Some(running)) => alive(unit.filter(|unit| unit.name == running.who), running),
        (Some(unit), None) => down(unit),
        (None, None) if status.is_some() => {
            Finding::skipped(Check::Service, "no service here has these settings")
        }
        (None, None) => Finding::skipped(
            Check::Service,
            "no service here has these settings, and no daemon runs with them",
        ),
    };
    match status {
        Some(status) => with_reasons(finding, status),
        None => finding,
    }
}

/// A daemon that runs.
fn alive(unit: Option<&Unit>, running: &Running) -> Finding {
    let restarts = unit.map_or(0, |unit| unit.restarts);
    let status = running.status.as_deref().unwrap_or("it runs");
    let message = format!("{}: {status}", running.who);
    if let Some(unit) = unit.filter(|unit| !unit.starts_at_boot) {
        let remedy = format!("sudo systemctl enable {}", quoted(&unit.name));
        let message = format!("{message}; it will not run after a restart of the machine");
        return Finding::warning(Check::Service, message, remedy);
    }
    if restarts == 0 {
        return Finding::ok(Check::Service, message);
    }
    let message = format!("{message}; systemd has restarted it {restarts} times");
    let remedy = format!("journalctl -u {} says why it ended", quoted(&running.who));
    Finding::warning(Check::Service, message, remedy)
}

/// A unit without a process.
fn down(unit: &Unit) -> Finding {
    let name = &unit.name;
    if unit.waits && unit.exit_code == 0 && ["inactive", "activating"].contains(&&*unit.active) {
        let message = format!("{name} waits for its turn: systemd does something else first");
        let remedy = "systemctl list-jobs shows what that is; nothing if it passes";
        return Finding::warning(Check::Service, message, remedy);
    }
    if let (true, Some(other)) = (unit.active == "inactive", unit.others.first()) {
        let message = format!("{name} does not run; {} does", unit.others.join(", "));
        let remedy = match other.strip_prefix("expressiond@") {
            Some(other) => format!("add --instance {}", plain(other.trim_end_matches(".service"))),
            None => "leave out --instance".to_owned(),
        };
        return Finding::warning(Check::Service, message, remedy);
    }
    if unit.active == "inactive" {
        let (message, remedy) = (
            format!("{name} does not run"),
            format!("sudo systemctl enable --now {}", quoted(name)),
        );
        return Finding::warning(Check::Service, message, remedy);
    }
    let end = end(unit);
    let message = format!("{name} is {} ({}), {}", unit.active, unit.sub, end.words);
    let more = end.remedy.map_or(String::new(), |more| format!("; {more}"));
    let remedy = format!("journalctl -u {} -n 20 says why{more}", quoted(name));
    Finding::problem(Check::Service, end.kind, message, remedy)
}

/// A unit's name as a shell takes it: those that systemd escapes have backslashes.
fn quoted(unit: &str) -> String {
    if unit.contains('\\') { format!("'{unit}'") } else { unit.to_owned() }
}

/// What the daemon gives as reasons on its status topic, the first fault's code with it.
fn with_reasons(mut finding: Finding, status: &Value) -> Finding {
    let reasons: Vec<&Value> = status["reasons"].as_array().into_iter().flatten().collect();
    let words = |reason: &&Value| {
        let (code, message) = (reason["code"].as_str()?, reason["message"].as_str()?);
        Some(format!("{code} ({message})"))
    };
    let told: Vec<String> = reasons.iter().filter_map(words).collect();
    if told.is_empty() {
        finding.message += "; its status topic says that all is well";
        return finding;
    }
    finding.message += &format!("; its status topic says {}", told.join(", "));
    // Nobody in the picture is not a fault, and excuses none.
    let fault = reasons.iter().find(|reason| reason["code"] != ReasonCode::NoFace.name());
    let first = &fault.unwrap_or(&reasons[0])["code"];
    finding.reason = ReasonCode::ALL.into_iter().find(|code| *first == code.name());
    if finding.verdict == Verdict::Ok && fault.is_some() {
        finding.verdict = Verdict::Warning;
        finding.remedy = Some("docs/guide/troubleshoot.md has a remedy for each reason".to_owned());
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use serde_json::json;

    fn unit(active: &str, exit_code: u8) -> Unit {
        let (name, active) = ("expressiond.service".to_owned(), active.to_owned());
        Unit { name, active, exit_code, starts_at_boot: true, ..Unit::default() }
    }

    #[test]
    fn a_service_that_failed_ends_doctor_with_the_same_code() {
        let failed = service(Some(&unit("failed", 78)), None, None);
        assert_eq!(failed.kind, Some(Kind::Config));
        assert!(failed.message.contains("(config)"), "{failed:?}");
        let idle = service(Some(&unit("inactive", 0)), None, None);
        assert_eq!((idle.verdict, idle.kind), (Verdict::Warning, None));
        let others = vec!["expressiond@door.service".to_owned()];
        let beside = service(Some(&Unit { others, ..unit("inactive", 0) }), None, None);
        assert_eq!(beside.remedy.as_deref(), Some("add --instance door"));
    }

    #[test]
    fn a_service_that_another_daemon_keeps_down_is_what_is_told() {
        let by_hand = Running { who: "a daemon started by hand (process 7)".into(), status: None };
        let failing = Unit { restarts: 214, sub: "auto-restart".into(), ..unit("activating", 74) };
        let found = service(Some(&failing), Some(&by_hand), None);
        assert_eq!(found.kind, Some(Kind::Output), "{found:?}");
        assert!(found.message.ends_with("(process 7) runs with these settings"), "{found:?}");
        // What systemd knows of a unit that was stopped says nothing of that daemon.
        let stopped = Unit { restarts: 214, ..unit("inactive", 0) };
        assert_eq!(service(Some(&stopped), Some(&by_hand), None).verdict, Verdict::Ok);
    }

    #[test]
    fn a_unit_that_has_yet_to_start_is_not_to_be_enabled() {
        for active in ["inactive", "activating"] {
            let waiting = Unit { waits: true, ..unit(active, 0) };
            let found = service(Some(&waiting), None, None);
            assert_eq!(found.verdict, Verdict::Warning, "{found:?}");
            assert!(found.message.contains("waits for its turn"), "{found:?}");
            assert!(found.remedy.is_some_and(|remedy| remedy.contains("list-jobs")));
        }
        let failing = Unit { waits: true, ..unit("activating", 74) };
        assert_eq!(service(Some(&failing), None, None).kind, Some(Kind::Output));
    }

    #[test]
    fn a_name_that_systemd_escapes_passes_a_shell() {
        let name = r"expressiond@Cam\xc2\xae.service".to_owned();
        let idle = service(Some(&Unit { name, ..unit("inactive", 0) }), None, None);
        let remedy = idle.remedy.expect("a remedy");
        assert_eq!(remedy, r"sudo systemctl enable --now 'expressiond@Cam\xc2\xae.service'");
        let others = vec![r"expressiond@Cam\xc2\xae.service".to_owned()];
        let beside = service(Some(&Unit { others, ..unit("inactive", 0) }), None, None);
        assert_eq!(beside.remedy.as_deref(), Some("add --instance Cam®"));
    }

    #[test]
    fn what_systemd_could_not_prepare_has_its_remedy() {
        let found = service(Some(&unit("failed", 243)), None, None);
        assert!(found.remedy.is_some_and(|remedy| remedy.contains("LoadCredential=")));
    }

    #[test]
    fn what_the_status_topic_says_is_passed_on() {
        let running = Running { who: "expressiond.service".into(), status: Some("fine".into()) };
        let says = |reasons: Value| {
            let status = json!({ "reasons": reasons });
            service(Some(&unit("active", 0)), Some(&running), Some(&status))
        };
        assert_eq!(says(json!([])).verdict, Verdict::Ok);
        let once = Unit { starts_at_boot: false, ..unit("active", 0) };
        assert_eq!(service(Some(&once), Some(&running), None).verdict, Verdict::Warning);
        let nobody = says(json!([{ "code": "no_face", "message": "nobody" }]));
        assert_eq!((nobody.verdict, nobody.reason), (Verdict::Ok, Some(ReasonCode::NoFace)));
        let hot = [
            json!({ "code": "throttled", "message": "hot" }),
            json!({ "code": "no_face", "message": "nobody" }),
        ];
        // Daemons of before told them in the other order.
        for reasons in [json!([hot[0], hot[1]]), json!([hot[1], hot[0]])] {
            let hot = says(reasons);
            assert_eq!((hot.verdict, hot.reason), (Verdict::Warning, Some(ReasonCode::Throttled)));
        }
        let dark = says(json!([{ "code": "dark", "message": "too dark" }]));
        assert_eq!((dark.verdict, dark.reason), (Verdict::Warning, Some(ReasonCode::Dark)));
    }
}
