//! Who is not let in.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::daemon::http::{Live, ask, get, post};
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

#[test]
fn without_the_token_there_is_nothing_to_see() {
    let (token, line) = token();
    let setup = start(&line);
    let device = &setup.device;
    let port = device.port;
    for path in ["/api/live", "/api/settings", "/metrics"] {
        assert_eq!(get(port, path).status, 401, "{path}");
    }
    for path in ["/api/try", "/api/save", "/api/undo", "/api/setup", "/api/setup/test"] {
        assert_eq!(post(port, path, &json!({})).status, 401, "{path}");
    }
    // What everybody may know; the page has to ask for what it shows.
    assert_eq!(get(port, "/").status, 200);
    assert_eq!(get(port, "/healthz").status, 200);
    assert!([200, 503].contains(&get(port, "/readyz").status));

    let origin = format!("http://127.0.0.1:{port}");
    let log_in = |token: &str| ask(port, "POST", "/login", &[("Origin", &origin)], token);
    assert_eq!(log_in("0123456789").status, 401);
    let answer = log_in(&token);
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(ask(port, "GET", "/api/settings", &[("Cookie", cookie)], "").status, 200);
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
    let answer = client.wait_with_output().unwrap();
    drop(stdin);
    let text = String::from_utf8_lossy(&answer.stdout);
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("alive\n"), "{text}");
    // Plain text is no handshake: the connection ends without an answer.
    let mut plain = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.set_read_timeout(Some(crate::daemon::LIMIT)).unwrap();
    plain.write_all(request.as_bytes()).unwrap();
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut rest);
    assert!(!rest.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&rest));
    // A key that is another's is told before anything runs, with its setting.
    let other = Command::new(env!("CARGO_BIN_EXE_expressiond"))
        .args(["run", "--config"])
        .arg(&setup.device.settings)
        .args(["--set", &format!("preview.key_file={cert}")])
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&other.stderr).contains("preview.key_file"));
}
