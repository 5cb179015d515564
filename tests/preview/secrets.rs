//! Who is not let in.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use crate::daemon::http::{Live, ask, ended, get, open};
use crate::daemon::{LIMIT, Running};
use crate::start;

fn token() -> (String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_expressiond")).arg("preview-token").output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let token = said.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.starts_with("token_hash = \"sha256:") && !line.contains(&token), "{line}");
    (token, line)
}

/// Every path that the one place that knows all of them knows, but for those that anybody may
/// see: a new one is guarded, or named here.
fn guarded_paths() -> BTreeSet<&'static str> {
    let source = include_str!("../../src/preview/service.rs");
    let (program, _tests) = source.split_once("#[cfg(test)]").unwrap();
    let open = ["/login", "/healthz", "/readyz"];
    let quoted = program.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with('/') && !open.contains(text)).collect()
}

#[test]
fn without_the_token_there_is_nothing_to_see() {
    let (token, line) = token();
    let setup = start(&line);
    let device = &setup.device;
    let port = device.port;
    let origin = format!("http://127.0.0.1:{port}");
    let guarded = guarded_paths();
    assert!(guarded.len() > 10, "{guarded:?}");
    for (path, method) in guarded.iter().flat_map(|p| ["GET", "HEAD", "POST"].map(|m| (p, m))) {
        let answer = open(port, method, path, &[("Origin", &origin)], "{}").1;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    // What everybody may know; the page has to ask for what it shows.
    assert_eq!(get(port, "/").status, 200);
    assert_eq!(get(port, "/healthz").status, 200);
    assert!([200, 503].contains(&get(port, "/readyz").status));

    let log_in = |token: &str| ask(port, "POST", "/login", &[("Origin", &origin)], token);
    assert_eq!(log_in("0123456789").status, 401);
    let answer = log_in(&token);
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(ask(port, "GET", "/api/settings", &[("Cookie", cookie)], "").status, 200);
    // Beside one that another program on the same host has set.
    let both = format!("place=Küche; {cookie}");
    assert_eq!(ask(port, "GET", "/api/settings", &[("Cookie", &both)], "").status, 200);
    Live::watch(port, &[("Cookie", cookie)]).until("picture", |_| true);
    let bearer = format!("Bearer {token}");
    assert_eq!(ask(port, "GET", "/metrics", &[("Authorization", &bearer)], "").status, 200);

    // Guessing ends soon, and with it the right token from there.
    let statuses: Vec<u16> = (0..12).map(|_| log_in("guess").status).collect();
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(log_in(&token).status, 429);
    let stays = ask(port, "GET", "/api/settings", &[("Cookie", cookie)], "");
    assert_eq!(stays.status, 200, "the session stays");
}

/// The cookie of a session.
fn log_in(port: u16, token: &str) -> String {
    let origin = format!("http://127.0.0.1:{port}");
    let answer = ask(port, "POST", "/login", &[("Origin", &origin)], token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn whoever_logs_out_sees_no_more() {
    let (token, line) = token();
    let setup = start(&line);
    let port = setup.device.port;
    let (cookie, other) = (log_in(port, &token), log_in(port, &token));
    let mut live = Live::watch(port, &[("Cookie", &cookie)]);
    let mut others = Live::watch(port, &[("Cookie", &other)]);
    let bearer = format!("Bearer {token}");
    let mut script = Live::watch(port, &[("Authorization", &bearer)]);
    live.until("picture", |_| true);
    let origin = format!("http://127.0.0.1:{port}");
    let headers = [("Origin", &*origin), ("Cookie", &*cookie)];
    assert_eq!(ask(port, "POST", "/logout", &headers, "").status, 200);
    live.ends();
    others.until("state", |state| state["watching"] == 2);
    script.until("state", |state| state["watching"] == 2);
}

#[test]
fn a_new_start_knows_who_was_logged_in_and_who_has_logged_out() {
    let (token, line) = token();
    let setup = start(&line);
    let port = setup.device.port;
    let (stays, gone) = (log_in(port, &token), log_in(port, &token));
    let origin = format!("http://127.0.0.1:{port}");
    let with = |path: &str, cookie: &str, body: &str| {
        ask(port, "POST", path, &[("Origin", &origin), ("Cookie", cookie)], body)
    };
    assert_eq!(with("/logout", &gone, "").status, 200);
    let named = r#"{"home_assistant.device_name":"Hall"}"#;
    assert_eq!(with("/api/setup/save", &stays, named).status, 200);
    // Port 0 is another one after the new start, and the cookie's name tells ports apart.
    let again = setup.device.listens();
    let asks = |cookie: &str| {
        let id = cookie.split_once('=').unwrap().1;
        let cookie = format!("expressiond_{again}={id}");
        ask(again, "GET", "/api/settings", &[("Cookie", &cookie)], "").status
    };
    assert_eq!((asks(&stays), asks(&gone)), (200, 401));
    let kept = setup.folder.path().join("state/page-sessions.json");
    let text = std::fs::read_to_string(kept).unwrap();
    assert!(!text.contains(stays.split_once('=').unwrap().1), "{text}");
}

#[test]
fn behind_a_proxy_that_ends_tls_the_page_works_and_its_cookie_stays_encrypted() {
    let (token, line) = token();
    let setup = start(&format!("hosts = [\"door.example\"]\n{line}"));
    let port = setup.device.port;
    let with = |path: &str, more: &[(&str, &str)], body: &str| {
        let passed_on = [("Host", "door.example"), ("Origin", "https://door.example")];
        ask(port, "POST", path, &[&passed_on, more].concat(), body)
    };
    let answer = with("/login", &[], &token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(with("/api/try", &[("Cookie", pair)], "{}").status, 200);
}

#[test]
fn other_sites_and_other_names_are_turned_away() {
    let setup = start("");
    let device = &setup.device;
    let port = device.port;
    let with = |method: &str, path: &str, headers: &[(&str, &str)]| {
        ask(port, method, path, headers, "{}").status
    };
    let ours = format!("http://127.0.0.1:{port}");
    let evil = ("Origin", "http://evil.example");
    assert_eq!(with("GET", "/", &[("Host", "evil.example")]), 421);
    assert_eq!(with("GET", "/healthz", &[("Host", "evil.example")]), 421);
    assert_eq!(with("GET", "/", &[("Host", "localhost")]), 200);
    assert_eq!(with("POST", "/api/try", &[]), 403);
    assert_eq!(with("POST", "/api/try", &[evil]), 403);
    assert_eq!(with("POST", "/api/setup/save", &[evil]), 403);
    assert_eq!(with("POST", "/login", &[evil]), 403);
    let cross = [("Origin", &*ours), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(with("POST", "/api/try", &cross), 403);
    // A link, as Home Assistant has one, opens the page; what it shows is asked for by itself.
    for site in ["cross-site", "same-site"] {
        assert_eq!(with("GET", "/", &[("Sec-Fetch-Site", site)]), 200, "{site}");
        assert_eq!(with("GET", "/api/live", &[("Sec-Fetch-Site", site)]), 403, "{site}");
        assert_eq!(with("GET", "/api/settings", &[("Sec-Fetch-Site", site)]), 403, "{site}");
    }
    assert_eq!(with("POST", "/api/try", &[("Origin", &ours)]), 200);
    // Two that differ: who knows which one a proxy has looked at.
    assert_eq!(with("GET", "/", &[("Host", "localhost"), ("Host", "evil.example")]), 421);
}

#[test]
fn an_open_address_without_a_token_is_refused_before_anything_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["check-config", "--set", "preview.listen=0.0.0.0:8080"])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        message.contains("preview.token_hash") && message.contains("preview-token"),
        "{message}"
    );
}

#[test]
fn with_a_certificate_it_speaks_https_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (file("page.crt"), file("page.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-subj", "/CN=localhost", "-keyout", &key, "-out", &cert])
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed by `make setup`");
    assert!(made.success());
    let setup = start(&format!("cert_file = {cert:?}\nkey_file = {key:?}\n"));
    let port = setup.device.port;
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(request.as_bytes()).unwrap();
    let mut stdout = client.stdout.take().unwrap();
    let _client = Running(client);
    let (tell, heard) = channel();
    std::thread::spawn(move || tell.send(std::io::read_to_string(&mut stdout)));
    let text = heard.recv_timeout(LIMIT).expect("it ends").unwrap();
    drop(stdin);
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("alive\n"), "{text}");
    // Plain text is no handshake: the connection ends without an answer.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.write_all(request.as_bytes()).unwrap();
    let rest = ended(&mut plain);
    assert!(!rest.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&rest));
    // A key that is another's is told before anything runs, with its setting.
    let other = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["run", "--config"])
        .arg(&setup.device.settings)
        .args(["--set", &format!("preview.key_file={cert}")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut other = Running(other);
    assert_eq!(other.code(), Some(78));
    let words = std::io::read_to_string(other.0.stderr.take().unwrap()).unwrap();
    assert!(words.contains("preview.key_file"), "{words}");
}
