use proptest::prelude::*;

use super::*;
use crate::preview::token::Token;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const NOW: Duration = Duration::from_secs(100);

fn gate(token: Option<&Token>) -> Gate {
    Gate::new(token.map(Token::hash), vec!["door.local".into()], "http", 8080)
}

fn from(host: &str) -> Credentials<'_> {
    Credentials { host: Some(host), ..Credentials::default() }
}

#[test]
fn a_name_that_is_not_ours_is_refused_as_in_dns_rebinding() {
    let mut gate = gate(None);
    for ours in ["127.0.0.1:8080", "[::1]:8080", "localhost", "DOOR.local:8080", "10.0.0.7"] {
        assert_eq!(gate.admit(Wanted::Read, &from(ours), PEER, NOW), Ok(()), "{ours}");
    }
    for theirs in
        ["evil.example", "127.0.0.1.evil.example", "", ":80", "[::1", "a:b:c", "1.2.3.4:x"]
    {
        let refused = gate.admit(Wanted::Open, &from(theirs), PEER, NOW);
        assert_eq!(refused, Err(Refusal::Host), "{theirs}");
    }
    let none = gate.admit(Wanted::Open, &Credentials::default(), PEER, NOW);
    assert_eq!(none, Err(Refusal::Host));
}

#[test]
fn another_sites_page_changes_nothing() {
    let mut gate = gate(None);
    let page = |origin, fetch_site| Credentials { origin, fetch_site, ..from("127.0.0.1:8080") };
    let ours = page(Some("http://127.0.0.1:8080"), Some("same-origin"));
    assert_eq!(gate.admit(Wanted::Change, &ours, PEER, NOW), Ok(()));
    for (origin, site) in [
        (None, None),
        (Some("null"), None),
        (Some("http://evil.example"), None),
        (Some("https://127.0.0.1"), None),
        (Some("ftp://127.0.0.1:8080"), None),
        (Some("http://127.0.0.1"), Some("same-site")),
        (Some("http://127.0.0.1:8080"), Some("cross-site")),
    ] {
        let refused = gate.admit(Wanted::Change, &page(origin, site), PEER, NOW);
        assert_eq!(refused, Err(Refusal::CrossSite), "{origin:?} {site:?}");
    }
    let embedded = page(None, Some("cross-site"));
    assert_eq!(gate.admit(Wanted::Read, &embedded, PEER, NOW), Err(Refusal::CrossSite));
    assert_eq!(gate.admit(Wanted::Open, &embedded, PEER, NOW), Ok(()), "a link");
}

#[test]
fn the_token_opens_a_session_that_ends() {
    let token = Token::random();
    let mut gate = gate(Some(&token));
    let page = Credentials { origin: Some("http://door.local"), ..from("door.local") };
    assert_eq!(gate.admit(Wanted::Read, &page, PEER, NOW), Err(Refusal::Token));
    let cookie = gate.log_in(&token.to_string(), &page, PEER, NOW).expect("the token");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = format!("other=1; {}", cookie.split(';').next().expect("a pair"));
    let with = Credentials { cookie: Some(&pair), ..page };
    assert_eq!(gate.admit(Wanted::Change, &with, PEER, NOW), Ok(()));
    let later = NOW + SESSION;
    assert_eq!(gate.admit(Wanted::Read, &with, PEER, later), Err(Refusal::Token));
    let bearer = format!("Bearer {token}");
    let scrape = Credentials { authorization: Some(&bearer), ..from("door.local") };
    assert_eq!(gate.admit(Wanted::Read, &scrape, PEER, later), Ok(()));
}

/// Whoever reaches the port writes in it as much as they like else, and what the owner looks for
/// is gone with the oldest lines.
#[test]
fn no_flood_of_refused_log_ins_fills_the_journal() {
    let token = Token::random();
    let mut gate = gate(Some(&token));
    let page = Credentials { origin: Some("http://door.local"), ..from("door.local") };
    let mut told = |of: &Credentials, peer: IpAddr| {
        let refused = gate.log_in("wrong", of, peer, NOW).expect_err("wrong");
        gate.news(refused, peer, NOW)
    };
    let lines: Vec<&str> = (0..1000).filter_map(|_| told(&page, PEER)).collect();
    assert_eq!(lines.len(), MOST_ATTEMPTS as usize);
    let waits = |line: &&str| line.contains("too many");
    assert_eq!(lines.iter().position(waits), Some(lines.len() - 1), "{lines:?}");
    let other = Credentials { origin: Some("http://evil.example"), ..page };
    for of in [other, from("door.local"), from("evil.example"), Credentials::default()] {
        assert_eq!(told(&of, PEER), None);
    }
    let many = (0..1000).map(|number: u32| IpAddr::V4(number.into()));
    let lines = lines.len() + many.filter_map(|peer| told(&page, peer)).count();
    assert_eq!(lines, MOST_LINES as usize, "also from many addresses");
}

#[test]
fn logging_out_ends_the_session_itself() {
    let token = Token::random();
    let mut gate = gate(Some(&token));
    let page = Credentials { origin: Some("http://door.local"), ..from("door.local") };
    let cookie = gate.log_in(&token.to_string(), &page, PEER, NOW).expect("the token");
    let pair = cookie.split(';').next().expect("a pair");
    let with = Credentials { cookie: Some(pair), ..page };
    let session = gate.session_of(&with, NOW).expect("logged in");
    assert!(gate.knows_session(&session, NOW) && !gate.knows_session(&session, NOW + SESSION));
    assert!(gate.log_out(&with).contains("Max-Age=0"));
    assert!(!gate.knows_session(&session, NOW), "whoever watches is seen off");
    assert_eq!(gate.admit(Wanted::Read, &with, PEER, NOW), Err(Refusal::Token));
}

#[test]
fn a_proxy_may_end_tls_and_no_plain_page_asks_a_daemon_that_has_it() {
    let token = Token::random();
    let own = |scheme| Gate::new(Some(token.hash()), vec!["door.lan".into()], scheme, 8080);
    let page = |origin| Credentials { origin: Some(origin), ..from("door.lan") };
    for (scheme, origin, secure) in [
        ("http", "https://door.lan", true),
        ("http", "http://door.lan", false),
        ("https", "https://Door.lan", true),
    ] {
        let (mut gate, page) = (own(scheme), page(origin));
        let cookie = gate.log_in(&token.to_string(), &page, PEER, NOW).expect("the token");
        assert_eq!(cookie.ends_with("; Secure"), secure, "{origin}: {cookie}");
        let with = Credentials { cookie: Some(&cookie), ..page };
        assert_eq!(gate.admit(Wanted::Change, &with, PEER, NOW), Ok(()), "{origin}");
        assert_eq!(gate.log_out(&with).ends_with("; Secure"), secure, "{origin}");
    }
    for (scheme, origin) in [("https", "http://door.lan"), ("http", "https://evil.example")] {
        let refused = own(scheme).log_in("", &page(origin), PEER, NOW);
        assert_eq!(refused, Err(Refusal::CrossSite), "{origin}");
    }
}

/// The browser is on a machine where two tunnels begin, at ports of their own.
#[test]
fn two_daemons_with_one_port_behind_tunnels_do_not_log_each_other_out() {
    let token = Token::random();
    let tunnels = ["localhost:9001", "localhost:9002"];
    let origins = tunnels.map(|host| format!("http://{host}"));
    let mut gates = [gate(Some(&token)), gate(Some(&token))];
    let page = |at: usize| Credentials { origin: Some(&origins[at]), ..from(tunnels[at]) };
    let mut cookies = [0, 1].map(|at| {
        let cookie = gates[at].log_in(&token.to_string(), &page(at), PEER, NOW).expect("let in");
        cookie.split(';').next().expect("a pair").to_owned()
    });
    assert!(cookies[0].starts_with("expressiond_9001="), "{cookies:?}");
    assert!(cookies[1].starts_with("expressiond_9002="), "{cookies:?}");
    let both = cookies.join("; ");
    let with = |at: usize| Credentials { cookie: Some(&both), ..page(at) };
    for at in [0, 1] {
        assert_eq!(gates[at].admit(Wanted::Read, &with(at), PEER, NOW), Ok(()), "{at}");
    }
    cookies[0] = gates[0].log_out(&with(0));
    assert!(cookies[0].starts_with("expressiond_9001=;"), "{cookies:?}");
    assert_eq!(gates[0].admit(Wanted::Read, &with(0), PEER, NOW), Err(Refusal::Token));
    assert_eq!(gates[1].admit(Wanted::Read, &with(1), PEER, NOW), Ok(()), "the other's stays");
    // At the scheme's own port, which no browser names, it is ours.
    let cookie = gates[0].log_in(&token.to_string(), &proxied(), PEER, NOW).expect("let in");
    assert!(cookie.starts_with("expressiond_8080="), "{cookie}");
}

fn proxied() -> Credentials<'static> {
    Credentials { origin: Some("https://door.local"), ..from("door.local") }
}

#[test]
fn guessing_is_slow_and_does_not_keep_the_owner_out() {
    let token = Token::random();
    let mut gate = gate(Some(&token));
    let page = Credentials { origin: Some("http://door.local"), ..from("door.local") };
    let outcomes: Vec<_> =
        (0..20).map(|_| gate.log_in("guess", &page, PEER, NOW).expect_err("wrong")).collect();
    assert_eq!(outcomes[0], Refusal::Token);
    assert_eq!(outcomes[19], Refusal::TooMany);
    let right = token.to_string();
    assert_eq!(gate.log_in(&right, &page, PEER, NOW), Err(Refusal::TooMany));
    let owner = IpAddr::from([192, 0, 2, 2]);
    assert!(gate.log_in(&right, &page, owner, NOW).is_ok());
    let minute = NOW + Duration::from_secs(60);
    assert!(gate.log_in(&right, &page, PEER, minute).is_ok());
}

#[test]
fn wrong_tokens_from_ever_so_many_addresses_keep_nobody_else_out() {
    let token = Token::random();
    let mut gate = gate(Some(&token));
    let page = Credentials { origin: Some("http://door.local"), ..from("door.local") };
    for number in 0..500u16 {
        let [high, low] = number.to_be_bytes();
        let peer = IpAddr::from([10, 0, high, low]);
        assert_eq!(gate.log_in("guess", &page, peer, NOW), Err(Refusal::Token), "{peer}");
    }
    assert_eq!(gate.attempts.len(), MOST_ADDRESSES);
    assert!(gate.log_in(&token.to_string(), &page, PEER, NOW).is_ok());
    let bearer = format!("Bearer {token}");
    let scrape = Credentials { authorization: Some(&bearer), ..from("door.local") };
    assert_eq!(gate.admit(Wanted::Read, &scrape, PEER, NOW), Ok(()));
    // Nor is anybody counted for ever.
    let minute = NOW + Duration::from_secs(60);
    assert_eq!(gate.log_in("guess", &page, PEER, minute), Err(Refusal::Token));
    assert_eq!(gate.attempts.len(), 1);
}

/// Names of this device more often than any text, which is hardly ever one.
fn hosts() -> impl Strategy<Value = String> {
    prop_oneof!["door\\.local(:[0-9]{0,5})?", Just("127.0.0.1".to_owned()), ".*"]
}

/// Beginnings and continuations of `right`, all of it in another place, and any text.
fn nearly(right: &str, cut: usize, more: &str) -> String {
    match cut {
        0 => format!("{more}{right}"),
        1 => format!("{right}{more}x"),
        2 => more.to_owned(),
        _ => right.chars().rev().skip(cut - 2).collect::<Vec<_>>().into_iter().rev().collect(),
    }
}

proptest! {
    #[test]
    fn nothing_but_the_token_or_its_session_opens(
        host in hosts(),
        cut in (0usize..60, 0usize..80),
        more in ("[^; ]{0,9}", ".*"),
        names in prop_oneof!["expressiond_8080=", "expressiond_80=", ".*"],
        scheme in prop_oneof!["[Bb]earer ", "Basic ", ".*"],
    ) {
        let token = Token::random();
        let mut gate = gate(Some(&token));
        let page = Credentials { origin: Some("http://door.local"), ..from("door.local") };
        let cookie = gate.log_in(&token.to_string(), &page, PEER, NOW).expect("the token");
        let session = cookie.split(['=', ';']).nth(1).expect("a value");
        let (wrong, other) = (nearly(&token.to_string(), cut.0, &more.1), nearly(session, cut.1, &more.0));
        prop_assume!(wrong.trim() != token.to_string() && other != session);
        let (cookie, authorization) = (format!("{names}{other}"), format!("{scheme}{wrong}"));
        let asked = Credentials {
            cookie: Some(&cookie),
            authorization: Some(&authorization),
            origin: Some("http://door.local"),
            ..from(&host)
        };
        for wanted in [Wanted::Read, Wanted::Change] {
            prop_assert!(gate.admit(wanted, &asked, PEER, NOW).is_err(), "{asked:?}");
        }
        prop_assert!(gate.log_in(&wrong, &asked, PEER, NOW).is_err(), "{asked:?}");
    }

    #[test]
    fn what_is_changed_without_a_token_is_changed_by_our_own_page(
        host in hosts(),
        other in hosts(),
        own in any::<bool>(),
        scheme in prop_oneof!["https?://", "HTTP://", ".*"],
        fetch_site in prop::option::of(prop_oneof!["same-origin", "none", "cross-site", ".*"]),
    ) {
        let origin = format!("{scheme}{}", if own { &host } else { &other });
        let asked = Credentials {
            origin: Some(&origin),
            fetch_site: fetch_site.as_deref(),
            ..from(&host)
        };
        let ours = ["http", "https"].map(|scheme| format!("{scheme}://{}", host.to_lowercase()));
        let is_known = name_of(&host).is_some_and(|name| {
            let name = name.to_lowercase();
            ["door.local", "localhost"].contains(&&*name) || name.parse::<IpAddr>().is_ok()
        });
        let is_same_site = [None, Some("same-origin"), Some("none")].contains(&asked.fetch_site);
        let lower = origin.strip_prefix("http").map(|rest| format!("http{}", rest.to_lowercase()));
        let is_ours = is_known && is_same_site && lower.is_some_and(|lower| ours.contains(&lower));
        prop_assert_eq!(gate(None).admit(Wanted::Change, &asked, PEER, NOW).is_ok(), is_ours);
    }
}
