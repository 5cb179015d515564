//! The broker, step by step: reached, encrypted, logged in, allowed; and whether Home
//! Assistant is there.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::finding::{Check, Finding, Verdict};
use crate::config::Config;
use crate::contract::payload::{OFFLINE, STATUS_STALE};
use crate::error::Kind;
use crate::home_assistant::{About, BIRTH};
use crate::mqtt::access::Access;
use crate::mqtt::client::error::Step;
use crate::mqtt::client::probe::{self, Reached, Stopped, Visited, Visitor, reach, visit};
use crate::mqtt::credentials::Credentials;
use crate::mqtt::url::BrokerUrl;

const STEPS: [Check; 5] =
    [Check::Broker, Check::Tls, Check::Login, Check::Topics, Check::HomeAssistant];

/// What the broker was asked, and the status that it keeps of this device.
pub(super) struct Examined {
    pub findings: Vec<Finding>,
    /// What a daemon said of itself within the last minutes.
    pub status: Option<Value>,
}

/// Findings for each of [`STEPS`]. Without `credentials`, and with the words why, the broker is
/// only reached. Of several addresses each is examined; it is a problem where none can be used.
pub(super) async fn broker(
    config: &Config,
    credentials: Result<&Credentials, &'static str>,
    about: &About,
) -> Examined {
    // Checked with the settings.
    let brokers = config.mqtt.url.brokers().unwrap_or_default();
    let mut all = Vec::with_capacity(brokers.len());
    // One after the other: they may be nodes of one cluster, to which two visitors with the
    // same client id are one.
    for url in brokers {
        let examined = address(config, credentials, about, &url).await;
        all.push((url, examined));
    }
    together(all)
}

/// The first that works, or else the first; what the others lack stands in the line of
/// the broker, since each check is told once.
fn together(mut all: Vec<(BrokerUrl, Examined)>) -> Examined {
    let problem = |examined: &Examined| {
        let mut findings = examined.findings.iter();
        findings.find(|finding| finding.verdict == Verdict::Problem).cloned()
    };
    if all.is_empty() {
        return Examined { findings: inside(), status: None };
    }
    let best = all.iter().position(|(_, examined)| problem(examined).is_none());
    let (_, mut examined) = all.remove(best.unwrap_or(0));
    // It is the first in every list (`STEPS`).
    let mut broker = examined.findings.remove(0);
    for (url, other) in all {
        match problem(&other) {
            None => broker.message += &format!("; {url} could be used as well"),
            Some(problem) => {
                let message = format!("{}; {url} could not: {}", broker.message, problem.message);
                broker = match broker.verdict {
                    Verdict::Problem => Finding { message, ..broker },
                    _ => {
                        Finding::warning(Check::Broker, message, problem.remedy.unwrap_or_default())
                    }
                };
            }
        }
    }
    examined.findings.insert(0, broker);
    examined
}

/// One address, step by step.
async fn address(
    config: &Config,
    credentials: Result<&Credentials, &'static str>,
    about: &About,
    url: &BrokerUrl,
) -> Examined {
    let without = |findings| Examined { findings, status: None };
    let hosts = match reach(url).await {
        Ok(hosts) => hosts,
        Err(stopped) => return without(unreachable(url, &stopped)),
    };
    let mut findings = vec![Finding::ok(Check::Broker, answers(url, &hosts))];
    let credentials = match credentials {
        Ok(credentials) => credentials,
        Err(why) => return without(with_the_rest(findings, why)),
    };
    let access = match Access::read(&config.mqtt, credentials) {
        Ok(access) => access,
        Err(error) => {
            let remedy = "mend the file that is named; docs/guide/secure.md";
            let check = if url.tls { Check::Tls } else { Check::Login };
            if check == Check::Login {
                findings.push(no_tls(&config.mqtt.username, url));
            }
            findings.push(Finding::problem(check, Kind::Config, error.to_string(), remedy));
            return without(with_the_rest(findings, "without these files there is no login"));
        }
    };
    match visit(&config.mqtt, url, &access, visitor(about)).await {
        Ok(visited) => {
            findings.push(encrypted(&config.mqtt.username, url));
            findings.push(Finding::ok(Check::Login, format!("accepted as {}", user(config))));
            findings.push(topics(&visited, about));
            findings.push(home_assistant(&visited, about, config.mqtt.max_packet_bytes));
            Examined { findings, status: kept_status(&visited, about) }
        }
        Err(stopped) => without(turned_away(findings, config, about, url, &stopped)),
    }
}

/// Which of the hosts behind the name are there. That one of several is not is no fault:
/// many names have an IPv6 address at which nobody listens.
fn answers(url: &BrokerUrl, hosts: &[Reached]) -> String {
    let listed = |answering: bool| {
        let hosts = hosts.iter().filter(|(_, stopped)| stopped.is_none() == answering);
        hosts.map(|(address, _)| address.to_string()).collect::<Vec<_>>().join(", ")
    };
    match listed(false).as_str() {
        "" => format!("{url} answers ({})", listed(true)),
        silent => format!("{url} answers ({}; not {silent})", listed(true)),
    }
}

/// Listens where the device listens, and writes what does no harm: that a camera which
/// does not exist is not available. It is not retained, and nobody waits for that camera.
fn visitor(about: &About) -> Visitor {
    let topics = &about.topics;
    let [cameras, _] = topics.of_any_camera();
    let mut filters = vec![topics.command(), topics.status(), cameras];
    if about.settings.enabled {
        filters.extend([about.settings.birth_topic.clone(), about.topic()]);
    }
    Visitor { labels: topics.labels(), filters, echo: (topics.trial(), OFFLINE.to_vec()) }
}

fn inside() -> Vec<Finding> {
    if !cfg!(feature = "embedded-broker") {
        let message = "mqtt.url is empty, and this build has no broker inside";
        let remedy = "set mqtt.url, for example mqtt://broker.lan";
        let findings = vec![Finding::problem(Check::Broker, Kind::Config, message, remedy)];
        return with_the_rest(findings, "a broker comes first");
    }
    let message = "mqtt.url is empty: a broker inside the daemon, on this machine only";
    let remedy = "set mqtt.url to the broker of your home, for example mqtt://broker.lan";
    let findings = vec![Finding::warning(Check::Broker, message, remedy)];
    with_the_rest(findings, "the broker is inside")
}

fn unreachable(url: &BrokerUrl, stopped: &Stopped) -> Vec<Finding> {
    let (message, remedy) = match stopped.step {
        Step::Resolve if is_multicast(&url.host) => (
            stopped.reason.clone(),
            "names in .local need multicast DNS here (`sudo apt install libnss-mdns`, which brings \
             avahi-daemon); or the broker's IP address in mqtt.url",
        ),
        Step::Resolve => (
            stopped.reason.clone(),
            "check the name in mqtt.url and the network (`getent hosts NAME`)",
        ),
        _ => (
            format!("{url}: {}", stopped.reason),
            "start the broker, open its port, or correct mqtt.url",
        ),
    };
    let findings = vec![Finding::problem(Check::Broker, Kind::Unavailable, message, remedy)];
    with_the_rest(findings, "the broker must be reached first")
}

/// Whether a name is one of multicast DNS, which no name server knows (RFC 6762, 3).
fn is_multicast(host: &str) -> bool {
    host.trim_end_matches('.').to_ascii_lowercase().ends_with(".local")
}

/// The TCP connection stood, and then it did not go on.
fn turned_away(
    mut findings: Vec<Finding>,
    config: &Config,
    about: &About,
    url: &BrokerUrl,
    stopped: &Stopped,
) -> Vec<Finding> {
    let reason = stopped.reason.clone();
    match stopped.step {
        Step::Tls => {
            let remedy = "docs/guide/secure.md, \"TLS\"";
            findings.push(Finding::problem(Check::Tls, Kind::Config, reason, remedy));
        }
        Step::Login => {
            findings.push(encrypted(&config.mqtt.username, url));
            let client_id = probe::client_id(&config.mqtt, about.topics.device().as_str());
            let message = format!("as {}, client id {client_id}: {reason}", user(config));
            let remedy = "docs/guide/secure.md, \"User and password\"";
            findings.push(Finding::problem(Check::Login, Kind::Permission, message, remedy));
        }
        Step::Refused => {
            findings.push(encrypted(&config.mqtt.username, url));
            let remedy = "docs/ref/mqtt.md, \"What the broker must do\"";
            findings.push(Finding::problem(Check::Login, Kind::Unavailable, reason, remedy));
        }
        Step::Resolve | Step::Connect => {
            let remedy = "is it an MQTT broker, and is TLS wanted there or not?";
            findings[0] = Finding::problem(Check::Broker, Kind::Unavailable, reason, remedy);
        }
    }
    with_the_rest(findings, "what comes before it must work first")
}

fn user(config: &Config) -> String {
    match config.mqtt.username.as_str() {
        "" => "anonymous".to_owned(),
        name => format!("user {name}"),
    }
}

fn encrypted(username: &str, url: &BrokerUrl) -> Finding {
    if !url.tls {
        return no_tls(username, url);
    }
    let message = format!(
        "the broker's certificate is valid, for {}, and from an authority that \
                           is trusted",
        url.host
    );
    Finding::ok(Check::Tls, message)
}

fn no_tls(username: &str, url: &BrokerUrl) -> Finding {
    if username.is_empty() || url.is_loopback() {
        return Finding::skipped(Check::Tls, "mqtt.url does not ask for it");
    }
    let message = "the password goes over the network in plain text";
    Finding::warning(Check::Tls, message, "mqtts:// in mqtt.url; docs/guide/secure.md, \"TLS\"")
}

/// MQTT 3.1.1 has no way to refuse a message, so a broker acknowledges what it throws
/// away: only what comes back was allowed.
fn topics(visited: &Visited, about: &About) -> Finding {
    let remedy = "the broker's access list must allow what `expressiond discovery` prints; \
                  docs/ref/mqtt.md, \"Rights\"";
    let problem = |message| Finding::problem(Check::Topics, Kind::Permission, message, remedy);
    let command = about.topics.command();
    if visited.refused.contains(&command) {
        return problem(format!("the broker does not let this device read {command}"));
    }
    if !visited.echoed {
        let [cameras, _] = about.topics.of_any_camera();
        return problem(format!(
            "what was written below {} did not come back: the broker does not let this device \
             write there, or read {cameras}",
            about.topics.availability().trim_end_matches("availability")
        ));
    }
    let device = about.topics.device();
    Finding::ok(Check::Topics, format!("device {device} may write its topics and read {command}"))
}

fn home_assistant(visited: &Visited, about: &About, largest: usize) -> Finding {
    let settings = &about.settings;
    if !settings.enabled {
        return Finding::skipped(Check::HomeAssistant, "switched off (home_assistant.enabled)");
    }
    if let Err(refused) = about.check_size(largest) {
        return Finding::warning(Check::HomeAssistant, refused.to_string(), refused.remedy());
    }
    if visited.refused.contains(&settings.birth_topic) {
        let message = format!("the broker does not let this device read {}", settings.birth_topic);
        let remedy = "allow it, or Home Assistant hears nothing after a restart of its own";
        return Finding::warning(Check::HomeAssistant, message, remedy);
    }
    if visited.refused.contains(&about.topic()) {
        let message = format!("the broker does not let this device read {}", about.topic());
        let remedy = "allow it (deploy/mosquitto/fleet.acl), or what an earlier run announced \
                      cannot be removed";
        return Finding::warning(Check::HomeAssistant, message, remedy);
    }
    let message =
        |topic: &str| visited.messages.iter().rev().find(|message| message.topic == topic);
    let birth = message(&settings.birth_topic).map(|birth| birth.payload == BIRTH);
    let announced = message(&about.topic()).is_some_and(|kept| !kept.payload.is_empty());
    let shown = &settings.birth_topic;
    match (birth, announced) {
        (Some(false), _) => Finding::warning(
            Check::HomeAssistant,
            format!("it says on {shown} that it is away"),
            "start Home Assistant; the device is announced again by itself",
        ),
        (Some(true), true) => Finding::ok(
            Check::HomeAssistant,
            format!("it is there ({shown}); this device is announced"),
        ),
        (None, true) => Finding::ok(
            Check::HomeAssistant,
            format!(
                "this device is announced; whether Home Assistant listens is not visible \
                     ({shown} keeps no message, as is usual)"
            ),
        ),
        (_, false) => Finding::warning(
            Check::HomeAssistant,
            format!("the broker keeps no announcement of this device on {}", about.topic()),
            "the daemon announces it when it runs; if it does, the access list keeps it from that",
        ),
    }
}

/// The retained status, unless it is older than a daemon that runs would leave it.
fn kept_status(visited: &Visited, about: &About) -> Option<Value> {
    let topic = about.topics.status();
    let kept = visited.messages.iter().rev().find(|message| message.topic == topic)?;
    let status: Value = serde_json::from_slice(&kept.payload).ok()?;
    let time = humantime::parse_rfc3339(status["time"].as_str()?).ok()?;
    let age = SystemTime::now().duration_since(time).unwrap_or(Duration::ZERO);
    (age <= STATUS_STALE).then_some(status)
}

/// Steps that were not come to are named, too.
pub(super) fn with_the_rest(mut findings: Vec<Finding>, why: &str) -> Vec<Finding> {
    for check in STEPS {
        if findings.iter().all(|finding| finding.check != check) {
            findings.push(Finding::skipped(check, why));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_name_server_knows_has_its_remedy() {
        let stopped = Stopped { step: Step::Resolve, reason: "not known".into() };
        for (url, multicast) in [
            ("mqtt://homeassistant.local", true),
            ("mqtts://Broker.LOCAL:8884", true),
            ("mqtt://broker.lan", false),
            ("mqtt://local", false),
        ] {
            let url = url.parse::<BrokerUrl>().expect("valid");
            let found = unreachable(&url, &stopped);
            let remedy = found[0].remedy.as_deref().unwrap_or_default();
            assert_eq!(remedy.contains("libnss-mdns"), multicast, "{url}: {remedy}");
            assert_eq!(found.len(), STEPS.len());
        }
    }
}
