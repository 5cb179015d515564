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

#[test]
fn logging_out_ends_the_session_itself() {
    let token = Token::random();
    let mut gate = gate(Some(&token));
    let page = Credentials { origin: Some("http://door.local"), ..from("door.local") };
    let cookie = gate.log_in(&token.to_string(), &page, PEER, NOW).expect("the token");
    let pair = cookie.split(';').next().expect("a pair");
    let with = Credentials { cookie: Some(pair), ..page };
    let session = gate.session_of(Some(pair), NOW).expect("logged in");
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

proptest::proptest! {
    #[test]
    fn no_header_is_too_strange(host in ".*", cookie in ".*", authorization in ".*") {
        let token = Token::random();
        let mut gate = gate(Some(&token));
        let from = Credentials {
            host: Some(&host),
            cookie: Some(&cookie),
            authorization: Some(&authorization),
            ..Credentials::default()
        };
        proptest::prop_assert!(gate.admit(Wanted::Read, &from, PEER, NOW).is_err());
    }
}
