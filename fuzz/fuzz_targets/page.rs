//! What a browser may send to the page: headers, a camera, and JSON that changes settings. Without
//! the token nothing opens, and where there is none our own page alone changes anything;
//! whatever is accepted is possible and reads back.
#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use expressiond::preview::first_run::read_chosen;
use expressiond::preview::gate::{Credentials, Gate, Wanted, name_of};
use expressiond::preview::token::TokenHash;
use expressiond::preview::tunable::{Tunable, is_tunable, read_changes};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    headers(&String::from_utf8_lossy(data));
    if let Ok(path) = read_chosen(data) {
        let text = serde_json::to_vec(&serde_json::json!({ "path": path })).expect("JSON");
        assert_eq!(read_chosen(&text), Ok(path));
    }
    let Ok(changes) = read_changes(data, is_tunable) else { return };
    let settings = Tunable::default();
    let Ok(changed) = settings.with(&changes) else { return };
    let again = changed.with(&changed.values()).expect("its own values are possible");
    assert_eq!(again, changed);
});

/// One header a line.
fn headers(text: &str) {
    let mut lines = text.lines();
    let from = Credentials {
        host: lines.next(),
        origin: lines.next(),
        fetch_site: lines.next(),
        authorization: lines.next(),
        cookie: lines.next(),
    };
    if let Some(name) = from.host.and_then(name_of) {
        assert!(!name.is_empty());
    }
    let hash = TokenHash::parse(&format!("sha256:{}", "0".repeat(64))).expect("a hash");
    let (peer, now) = (IpAddr::from([192, 0, 2, 1]), Duration::ZERO);
    let mut gate = Gate::new(Some(hash), vec!["door.local".into()], "http", 80);
    for wanted in [Wanted::Read, Wanted::Change] {
        assert!(gate.admit(wanted, &from, peer, now).is_err(), "it opened without the token");
    }
    assert!(gate.log_in(text, &from, peer, now).is_err(), "it opened without the token");
    let mut gate = Gate::new(None, vec!["door.local".into()], "http", 80);
    if gate.admit(Wanted::Change, &from, peer, now).is_ok() {
        let (host, origin) = (from.host.unwrap_or_default(), from.origin.unwrap_or_default());
        let is_ours = |scheme| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"));
        assert!(is_ours("http") || is_ours("https"), "another site's page changed something");
    }
}
