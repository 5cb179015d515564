//! Passwords and certificates: what the daemon could not use, and what does not convince.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Device;
use crate::access::{PASSWORD, write_passwords};
use crate::certificates::{Authority, Issued, text};
use crate::mosquitto::Mosquitto;
use crate::ports::free_port;
use crate::running::output;
use crate::support::url;
use crate::tls::listener;

#[test]
fn a_password_that_is_wrong_or_missing() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    write_passwords(&users, &["d1"]);
    let lines = format!("allow_anonymous false\npassword_file {}\n", text(&users));
    let broker = Mosquitto::with(&lines);
    let device = Device::new(&url(broker.port), "username = \"d1\"\npassword_file = \"p\"\n");
    let with_password = |password: &str| {
        std::fs::write(device.file("secret"), password).unwrap();
        let file = format!("mqtt.password_file={}", text(&device.file("secret")));
        device.examine(&["--set", &file])
    };
    with_password("wrong").ends_with(77, "login", "user or password are not accepted");
    with_password(PASSWORD).is("login", "ok", "user d1");
    // Whatever the umask of these tests; what is written again keeps its mode.
    std::fs::set_permissions(device.file("secret"), Permissions::from_mode(0o644)).unwrap();
    with_password(PASSWORD).is("credentials", "warning", "everybody");
    let absent = device.examine(&["--set", "mqtt.password_file=/absent/password"]);
    absent.ends_with(78, "credentials", "/absent/password");
    absent.is("broker", "ok", "answers");
}

/// What ends the daemon at its start is a problem, also where the broker is away.
#[test]
fn certificates_that_the_daemon_could_not_use() {
    let authority = Authority::new("Our CA");
    let (one, other) = (authority.issue("one", "DNS:one"), authority.issue("other", "DNS:other"));
    let old = authority.issue_version_1("old");
    let nonsense = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(nonsense.path(), "nonsense").unwrap();
    let page = |cert: &Path, key: &Path| {
        let more = format!(
            "[preview]\nlisten = \"127.0.0.1:18787\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
            text(cert),
            text(key)
        );
        Device::new(&url(free_port()), &more)
    };
    let absent = Path::new("/absent/page");
    for (cert, key, words) in [
        (absent, &*one.key, "preview.cert_file: cannot read /absent/page"),
        (&one.cert, absent, "preview.key_file: cannot read /absent/page"),
        (nonsense.path(), &one.key, "preview.cert_file: cannot use"),
        (&one.cert, nonsense.path(), "preview.key_file: cannot use"),
        (&one.cert, &other.key, "it does not fit preview.cert_file"),
        (&old.cert, &old.key, "version 1"),
    ] {
        let device = page(cert, key);
        device.examine(&[]).ends_with(78, "credentials", words);
        let told = output(&mut device.command("run", &[]));
        assert_eq!(told.status.code(), Some(78), "{told:?}");
    }
    let report = page(&one.cert, &one.key).examine(&[]);
    report.is("credentials", "ok", "preview.cert_file, preview.key_file");
    report.ends_with(69, "broker", "nothing listens there");

    let tls = format!("[mqtt.tls]\nca_file = \"{}\"\n", text(nonsense.path()));
    let device = Device::new(&format!("mqtts://127.0.0.1:{}", free_port()), &tls);
    device.examine(&[]).ends_with(78, "credentials", "mqtt.tls.ca_file: cannot use");
}

#[test]
fn certificates_that_do_not_convince() {
    let (ours, stranger) = (Authority::new("Our CA"), Authority::new("Somebody"));
    let good = ours.issue("broker", "DNS:localhost");
    let old = ours.issue_until("old", "DNS:localhost", "200201000000Z");
    let elsewhere = ours.issue("elsewhere", "DNS:elsewhere.example");
    let serve = |cert: &Issued| Mosquitto::with(&listener(&ours, cert, ""));
    let examine = |broker: &Mosquitto, ca: &Authority| {
        let tls = format!("[mqtt.tls]\nca_file = \"{}\"\n", text(&ca.ca()));
        Device::new(&format!("mqtts://localhost:{}", broker.port), &tls).examine(&[])
    };
    let broker = serve(&good);
    examine(&broker, &ours).is("tls", "ok", "for localhost");
    examine(&broker, &ours).is("topics", "ok", "d1");
    examine(&broker, &stranger).ends_with(78, "tls", "check mqtt.tls.ca_file");
    examine(&serve(&old), &ours).ends_with(78, "tls", "has expired");
    examine(&serve(&elsewhere), &ours).ends_with(78, "tls", "another name than mqtt.url");
    // One that speaks no TLS.
    let plain = Mosquitto::start();
    let report = examine(&plain, &ours);
    assert_eq!(report.0["verdict"], "problem", "{:#}", report.0);
}
