//! Encrypted and vouched for, or no connection at all.

use std::fs;

use expressiond::mqtt::protocol::Version;
use expressiond::mqtt::settings::Settings;
use expressiond::mqtt::tls::MinimumVersion;
use expressiond::publish::Publisher;

use crate::access::{PASSWORD, write_passwords};
use crate::certificates::{Authority, Issued, text};
use crate::fake::{accept, listen};
use crate::mosquitto::Mosquitto;
use crate::observer::Observer;
use crate::ports::free_port;
use crate::support::{
    VERSIONS, begin, camera, event, first_sightings, publisher, settings, speaking, until,
};

pub fn listener(authority: &Authority, server: &Issued, more: &str) -> String {
    let (ca, cert, key) = (text(&authority.ca()), text(&server.cert), text(&server.key));
    format!("cafile {ca}\ncertfile {cert}\nkeyfile {key}\nallow_anonymous true\n{more}")
}

fn tls_settings(port: u16, authority: &Authority) -> Settings {
    tls_settings_in(Version::Auto, port, authority)
}

fn tls_settings_in(version: Version, port: u16, authority: &Authority) -> Settings {
    let mut settings = speaking(version, port);
    settings.url = format!("mqtts://localhost:{port}").into();
    settings.tls.ca_file = text(&authority.ca());
    settings
}

/// Why there is no connection.
async fn refusal(settings: Settings) -> String {
    let (publisher, _received) = publisher(settings);
    let stats = until(&publisher, "a refusal", |stats| stats.last_error.is_some()).await;
    assert_eq!(stats.delivered, 0, "something got through");
    publisher.shutdown().await;
    stats.last_error.expect("just seen")
}

async fn assert_delivers(settings: Settings) {
    let (publisher, _received) = publisher(settings);
    publisher.publish_event(&camera(), "1", &event(1, 1)).expect("taken");
    until(&publisher, "delivery", |stats| stats.waiting == 0).await;
    publisher.shutdown().await;
}

#[tokio::test]
async fn a_private_authority_is_enough() {
    let authority = Authority::new("Our CA");
    let server = authority.issue("broker", "DNS:localhost,IP:127.0.0.1");
    let broker = Mosquitto::with(&listener(&authority, &server, ""));
    for version in VERSIONS {
        for minimum in [MinimumVersion::Tls12, MinimumVersion::Tls13] {
            let mut settings = tls_settings_in(version, broker.port, &authority);
            settings.tls.min_version = minimum;
            assert_delivers(settings).await;
        }
    }
    let mut by_address = tls_settings(broker.port, &authority);
    by_address.url = format!("mqtts://127.0.0.1:{}", broker.port).into();
    assert_delivers(by_address).await;
}

#[tokio::test]
async fn what_arrives_through_tls_is_what_was_sent() {
    let authority = Authority::new("Our CA");
    let server = authority.issue("broker", "DNS:localhost");
    let plain = free_port();
    let more = format!("listener {plain} 127.0.0.1\n");
    let broker = Mosquitto::with(&listener(&authority, &server, &more));
    let observer = Observer::at(plain).await;
    let (publisher, _received) = publisher(tls_settings(broker.port, &authority));
    publisher.publish_event(&camera(), "1", &event(1, 7)).expect("taken");
    observer.until("the event", |seen| first_sightings(seen, 1) == [7]).await;
    publisher.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_cannot_prove_itself_is_refused_with_the_reason() {
    let authority = Authority::new("Our CA");
    let stranger = Authority::new("Somebody");
    let old = authority.issue_until("old", "DNS:localhost", "200201000000Z");
    let elsewhere = authority.issue("elsewhere", "DNS:elsewhere.example");
    let foreign = stranger.issue("foreign", "DNS:localhost");
    for (server, expected) in [
        (&old, "has expired"),
        (&elsewhere, "for another name than mqtt.url"),
        (&foreign, "check mqtt.tls.ca_file"),
    ] {
        let broker = Mosquitto::with(&listener(&authority, server, ""));
        for version in VERSIONS {
            let reason = refusal(tls_settings_in(version, broker.port, &authority)).await;
            assert!(reason.contains(expected), "{reason}");
        }
    }
    // The system's authorities do not know ours.
    let server = authority.issue("broker", "DNS:localhost");
    let broker = Mosquitto::with(&listener(&authority, &server, ""));
    let mut public = tls_settings(broker.port, &stranger);
    assert!(refusal(public.clone()).await.contains("check mqtt.tls.ca_file"));
    public.tls.ca_file = String::new();
    assert!(refusal(public).await.contains("check mqtt.tls.ca_file"));
}

#[tokio::test]
async fn a_broker_without_tls_is_refused() {
    let authority = Authority::new("Our CA");
    let broker = Mosquitto::start();
    let (listening, port) = listen();
    let reason = refusal(tls_settings(broker.port, &authority)).await;
    assert!(reason.contains("mqtts://"), "{reason}");
    // Not even towards somebody who would take plain text.
    let first = std::thread::spawn(move || {
        let mut bytes = [0; 3];
        let mut peer = accept(&listening);
        std::io::Read::read_exact(&mut peer, &mut bytes).expect("its first bytes");
        bytes
    });
    let (publisher, _received) = publisher(tls_settings(port, &authority));
    let bytes = tokio::task::spawn_blocking(|| first.join().expect("read")).await.expect("joined");
    // A handshake record (RFC 8446, 5.1), not MQTT's CONNECT (0x10).
    assert_eq!(bytes[..2], [0x16, 0x03]);
    publisher.shutdown().await;
}

#[tokio::test]
async fn a_client_certificate_opens_and_its_lack_is_named() {
    let authority = Authority::new("Our CA");
    let stranger = Authority::new("Somebody");
    let server = authority.issue("broker", "DNS:localhost");
    let device = authority.issue("d1", "DNS:d1");
    let foreign = stranger.issue("d1", "DNS:d1");
    let broker = Mosquitto::with(&listener(&authority, &server, "require_certificate true\n"));
    for version in VERSIONS {
        let without = tls_settings_in(version, broker.port, &authority);
        let with = |client: &Issued| {
            let mut settings = without.clone();
            settings.tls.cert_file = text(&client.cert);
            settings.tls.key_file = text(&client.key);
            settings
        };
        assert_delivers(with(&device)).await;
        for settings in [without.clone(), with(&foreign)] {
            let reason = refusal(settings).await;
            assert!(reason.contains("mqtt.tls.cert_file"), "{reason}");
        }
    }
}

/// OpenSSL's own configuration keeps this Mosquitto from TLS 1.3.
#[tokio::test]
async fn a_broker_with_old_tls_only_is_refused_where_new_is_wanted() {
    let authority = Authority::new("Our CA");
    let server = authority.issue("broker", "DNS:localhost");
    let folder = tempfile::tempdir().expect("temporary folder");
    let limit = folder.path().join("openssl.cnf");
    fs::write(
        &limit,
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n\
         [tls]\nMaxProtocol = TLSv1.2\n",
    )
    .expect("write");
    let lines = listener(&authority, &server, "");
    let broker = Mosquitto::in_environment(&lines, &[("OPENSSL_CONF", &limit)]);
    let mut settings = tls_settings(broker.port, &authority);
    assert_delivers(settings.clone()).await;
    settings.tls.min_version = MinimumVersion::Tls13;
    let reason = refusal(settings).await;
    assert!(reason.contains("mqtt.tls.min_version"), "{reason}");
}

/// The two commonest certificates at home, which clients on OpenSSL take.
#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_taken_where_it_is_named() {
    const LATER: &str = "491231000000Z";
    let authority = Authority::new("Our CA");
    let own = authority.self_signed_until("own", "DNS:localhost", LATER);
    let serve = |own: &Issued| {
        let (cert, key) = (text(&own.cert), text(&own.key));
        Mosquitto::with(&format!("certfile {cert}\nkeyfile {key}\nallow_anonymous true\n"))
    };
    let broker = serve(&own);
    let named = |version: Version, port: u16, own: &Issued| {
        let mut settings = tls_settings_in(version, port, &authority);
        settings.tls.ca_file = text(&own.cert);
        settings
    };
    for version in VERSIONS {
        for minimum in [MinimumVersion::Tls12, MinimumVersion::Tls13] {
            let mut settings = named(version, broker.port, &own);
            settings.tls.min_version = minimum;
            assert_delivers(settings).await;
        }
    }
    // Beside others, and after a byte order mark.
    let marked = [b"\xef\xbb\xbf", &fs::read(authority.ca()).expect("there")[..]].concat();
    let both = [&marked[..], &fs::read(&own.cert).expect("there")].concat();
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("both.crt");
    fs::write(&file, both).expect("write");
    let mut settings = tls_settings(broker.port, &authority);
    settings.tls.ca_file = text(&file);
    assert_delivers(settings).await;

    // Not where another is named, under another name, or when it is over.
    let stranger = tls_settings(broker.port, &authority);
    let reason = refusal(stranger).await;
    assert!(reason.contains("mqtt.tls.ca_file"), "{reason}");
    let mut by_address = named(Version::Auto, broker.port, &own);
    by_address.url = format!("mqtts://127.0.0.1:{}", broker.port).into();
    let reason = refusal(by_address).await;
    assert!(reason.contains("for another name than mqtt.url"), "{reason}");
    let old = authority.self_signed_until("old", "DNS:localhost", "200201000000Z");
    let broker = serve(&old);
    let reason = refusal(named(Version::Auto, broker.port, &old)).await;
    assert!(reason.contains("has expired"), "{reason}");
}

#[tokio::test]
async fn a_certificate_of_version_1_is_refused_with_the_remedy() {
    let authority = Authority::new("Our CA");
    let server = authority.issue_version_1("localhost");
    let broker = Mosquitto::with(&listener(&authority, &server, ""));
    let reason = refusal(tls_settings(broker.port, &authority)).await;
    assert!(reason.contains("version 1") && reason.contains("subjectAltName"), "{reason}");
}

/// A broker behind a shared address needs the name to choose its certificate by.
#[tokio::test]
async fn the_broker_is_told_which_name_is_meant() {
    let authority = Authority::new("Our CA");
    let (listening, port) = listen();
    let name = std::thread::spawn(move || {
        let mut peer = accept(&listening);
        let mut acceptor = rustls::server::Acceptor::default();
        loop {
            acceptor.read_tls(&mut peer).expect("its first bytes");
            if let Some(accepted) = acceptor.accept().map_err(|(error, _)| error).expect("TLS") {
                return accepted.client_hello().server_name().map(str::to_owned);
            }
        }
    });
    let (publisher, _received) = publisher(tls_settings(port, &authority));
    let name = tokio::task::spawn_blocking(|| name.join().expect("read")).await.expect("joined");
    assert_eq!(name.as_deref(), Some("localhost"));
    publisher.shutdown().await;
}

const SYSTEM_PORT: &str = "EXPRESSIOND_TEST_SYSTEM_PORT";

#[tokio::test]
#[ignore = "the child process of the test below"]
async fn child_that_trusts_the_system() {
    let port: u16 = std::env::var(SYSTEM_PORT).expect("set").parse().expect("a number");
    let mut settings = settings(port);
    settings.url = format!("mqtts://localhost:{port}").into();
    assert_delivers(settings).await;
}

/// With no `ca_file`, whom the system trusts is trusted; here OpenSSL's variable says
/// whom that is.
#[tokio::test]
async fn an_authority_of_the_system_is_enough() {
    let authority = Authority::new("A public CA");
    let server = authority.issue("broker", "DNS:localhost");
    let broker = Mosquitto::with(&listener(&authority, &server, ""));
    let child = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "tls::child_that_trusts_the_system", "--ignored", "--nocapture"])
        .env(SYSTEM_PORT, broker.port.to_string())
        .env("SSL_CERT_FILE", authority.ca())
        .env_remove("SSL_CERT_DIR")
        .output()
        .expect("runs");
    let words = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && words.contains("1 passed"), "{words}");
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start() {
    let authority = Authority::new("Our CA");
    let device = authority.issue("d1", "DNS:d1");
    let other = authority.issue("d2", "DNS:d2");
    let start = |change: &dyn Fn(&mut Settings)| {
        let mut settings = tls_settings(1, &authority);
        change(&mut settings);
        Publisher::start(begin(settings)).map(drop).expect_err("refused").to_string()
    };
    let absent = start(&|s| s.tls.ca_file = "/absent/ca.crt".into());
    assert!(absent.contains("mqtt.tls.ca_file: cannot use /absent/ca.crt"), "{absent}");
    let wrong_key = start(&|s| {
        s.tls.cert_file = text(&device.cert);
        s.tls.key_file = text(&other.key);
    });
    assert!(wrong_key.contains("does not fit mqtt.tls.cert_file"), "{wrong_key}");
    // What `openssl x509 -req` makes without extensions.
    let old = authority.issue_version_1("d3");
    let version_1 = start(&|s| {
        s.tls.cert_file = text(&old.cert);
        s.tls.key_file = text(&old.key);
    });
    assert!(
        version_1.contains("mqtt.tls.cert_file") && version_1.contains("version 1"),
        "{version_1}"
    );
    let no_key = start(&|s| {
        s.tls.cert_file = text(&device.cert);
        s.tls.key_file = text(&device.cert);
    });
    assert!(no_key.contains("mqtt.tls.key_file"), "{no_key}");
}

#[tokio::test]
async fn a_user_and_a_password_from_a_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let users = folder.path().join("users");
    write_passwords(&users, &["device"]);
    let broker =
        Mosquitto::with(&format!("allow_anonymous false\npassword_file {}\n", text(&users)));
    let with = |password: &str| {
        let mut settings = settings(broker.port);
        let file = folder.path().join(password);
        fs::write(&file, format!("{password}\n")).expect("write");
        settings.username = "device".into();
        settings.password_file = text(&file);
        settings
    };
    assert_delivers(with(PASSWORD)).await;
    let old = Settings { version: Version::V311, ..with("wrong") };
    for settings in [with("wrong"), old, settings(broker.port)] {
        let reason = refusal(settings).await;
        assert!(reason.contains("check mqtt.username and mqtt.password_file"), "{reason}");
        assert!(!reason.contains("wrong"), "the secret is in the reason: {reason}");
    }
}
