//! TLS to the broker: what is asked for is what happens, or there is no
//! connection. Nothing here falls back to plain text.

pub(super) mod verifier;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use self::verifier::Verifier;
use super::credentials::{Credentials, without_mark};
use crate::limits::{Mistake, pair};

/// The oldest protocol that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MinimumVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

/// Section `[mqtt.tls]`: in force when `mqtt.url` begins with `mqtts://` or `wss://`. File
/// names are looked up in systemd's `$CREDENTIALS_DIRECTORY` first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// PEM file of the authorities that may vouch for the broker, or of the broker's own
    /// certificate. Default: empty, which takes the system's.
    pub ca_file: String,
    /// PEM file with this device's certificate. Default: empty, none.
    pub cert_file: String,
    /// PEM file with the key of that certificate. Default: empty, none.
    pub key_file: String,
    /// Oldest protocol version, `"1.2"` or `"1.3"`. Default: `"1.2"`.
    pub min_version: MinimumVersion,
    /// Protocols to offer (ALPN, RFC 7301), as some clouds want at port 443: `["mqtt"]`.
    /// Each of 1 to 255 bytes. Default: none.
    pub alpn: Vec<String>,
}

impl Settings {
    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key in `[mqtt]` of the first that is not, and what it must be.
    pub fn check(&self, tls: bool) -> Result<(), Mistake> {
        if !tls && *self != Self::default() {
            let remedy =
                "has settings, but mqtt.url does not ask for TLS: begin it with mqtts:// or wss://";
            return Err(("tls", remedy.into()));
        }
        if self.alpn.iter().any(|name| !(1..=255).contains(&name.len())) {
            return Err(("tls.alpn", "must be names of 1 to 255 bytes".into()));
        }
        pair("mqtt", ("tls.cert_file", &self.cert_file), ("tls.key_file", &self.key_file))
    }
}

/// Why TLS cannot be set up. There is no connection then.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("{key}: cannot use {path}: {reason}")]
    File {
        /// The setting that names it.
        key: &'static str,
        /// Where it was looked for.
        path: String,
        /// What is wrong with it, and the remedy where there is one.
        reason: String,
    },
    /// `mqtt.tls.ca_file` is empty, and the system trusts nobody.
    #[error(
        "the system has no certificate authorities: install ca-certificates, \
         or set mqtt.tls.ca_file"
    )]
    NoSystemAuthorities,
    /// The versions and ciphers cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// Everything that the connection needs, read from the files.
pub(super) fn client_config(
    settings: &Settings,
    credentials: &Credentials,
) -> Result<Arc<ClientConfig>, TlsError> {
    let versions: &[_] = match settings.min_version {
        MinimumVersion::Tls12 => &[&TLS13, &TLS12],
        MinimumVersion::Tls13 => &[&TLS13],
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::Setup)?;
    let builder = if settings.ca_file.is_empty() {
        builder.with_root_certificates(system_authorities()?)
    } else {
        let named = certificates("mqtt.tls.ca_file", &settings.ca_file, credentials)?;
        let roots = Arc::new(authorities(&settings.ca_file, &named)?);
        let by_authority = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let by_authority = by_authority.map_err(|error| TlsError::File {
            key: "mqtt.tls.ca_file",
            path: settings.ca_file.clone(),
            reason: error.to_string(),
        })?;
        // "Dangerous" is a verifier of one's own: this one accepts one certificate more,
        // which the owner has named.
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(by_authority, named)))
    };
    let mut config = if settings.cert_file.is_empty() {
        builder.with_no_client_auth()
    } else {
        let (chain, private) = client_certificate(settings, credentials)?;
        builder.with_client_auth_cert(chain, private).map_err(|error| {
            let cert = ("mqtt.tls.cert_file", &*settings.cert_file);
            misfit(cert, ("mqtt.tls.key_file", &settings.key_file), &error)
        })?
    };
    config.alpn_protocols = settings.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    Ok(Arc::new(config))
}

/// Why a certificate of ours and its key cannot be used, each by its setting and its file.
pub(crate) fn misfit(
    cert: (&'static str, &str),
    key: (&'static str, &str),
    error: &rustls::Error,
) -> TlsError {
    let ((key, path), reason) = if verifier::is_version_1(error) {
        let remedy = "it is of X.509 version 1: make one of version 3 \
                      (docs/guide/secure.md, \"TLS\")";
        (cert, remedy.to_owned())
    } else {
        (key, format!("it does not fit {}: {error}", cert.0))
    };
    TlsError::File { key, path: path.to_owned(), reason }
}

/// This device's certificate and its key.
fn client_certificate(
    settings: &Settings,
    credentials: &Credentials,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates("mqtt.tls.cert_file", &settings.cert_file, credentials)?;
    let private = private_key("mqtt.tls.key_file", &settings.key_file, credentials)?;
    Ok((chain, private))
}

fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // What the system's store holds and rustls cannot read is left out.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoSystemAuthorities) } else { Ok(roots) }
}

fn authorities(
    path: &str,
    certificates: &[CertificateDer<'static>],
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| TlsError::File {
            key: "mqtt.tls.ca_file",
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// The key in the PEM file that the setting `key` names.
pub(crate) fn private_key(
    key: &'static str,
    name: &str,
    credentials: &Credentials,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let path = credentials.path(name);
    let text = read(key, &path, credentials)?;
    PrivateKeyDer::from_pem_slice(without_mark(&text)).map_err(|error| unusable(key, &path, &error))
}

/// The certificates in the PEM file that the setting `key` names, at least one.
pub(crate) fn certificates(
    key: &'static str,
    name: &str,
    credentials: &Credentials,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = credentials.path(name);
    let text = read(key, &path, credentials)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(without_mark(&text))
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(key, &path, &error))?;
    if !found.is_empty() {
        return Ok(found);
    }
    // DER begins with a SEQUENCE of two bytes of length (X.690, 8.9).
    if text.starts_with(&[0x30, 0x82]) {
        let path = path.display().to_string();
        let reason = format!(
            "it is in binary form (DER): convert it with `openssl x509 -inform der -in {path} \
             -out {path}.pem`"
        );
        return Err(TlsError::File { key, path, reason });
    }
    Err(unusable(key, &path, &pem::Error::NoItemsFound))
}

fn read(key: &'static str, path: &Path, credentials: &Credentials) -> Result<Vec<u8>, TlsError> {
    let explained = |error| pem::Error::Io(credentials.explained(path, error));
    fs::read(path).map_err(|error| unusable(key, path, &explained(error)))
}

fn unusable(key: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::NoItemsFound => "it holds no PEM block of the right kind".to_owned(),
        pem::Error::Io(error) => error.to_string(),
        other => format!("{other:?}"),
    };
    TlsError::File { key, path: path.display().to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_client_certificate_is_refused() {
        let half = Settings { cert_file: "device.crt".into(), ..Settings::default() };
        assert_eq!(half.check(true).expect_err("refused").0, "tls.cert_file");
        let half = Settings { key_file: "device.key".into(), ..Settings::default() };
        assert_eq!(half.check(true).expect_err("refused").0, "tls.key_file");
    }

    #[test]
    fn tls_settings_without_tls_are_refused() {
        let lost = Settings { ca_file: "ca.crt".into(), ..Settings::default() };
        assert_eq!(lost.check(false).expect_err("refused").0, "tls");
        assert_eq!(Settings::default().check(false), Ok(()));
    }

    #[test]
    fn the_protocols_of_alpn_are_offered() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let offering = Settings { alpn: vec!["mqtt".into()], ..Settings::default() };
        assert_eq!(offering.check(true), Ok(()));
        let nameless = Settings { alpn: vec![String::new()], ..offering.clone() };
        assert_eq!(nameless.check(true).expect_err("refused").0, "tls.alpn");
        let credentials = Credentials { folder: Some(folder.path().to_owned()) };
        match client_config(&offering, &credentials) {
            Ok(config) => assert_eq!(config.alpn_protocols, [b"mqtt"]),
            // A machine that trusts nobody has nothing to offer them with.
            Err(error) => assert!(matches!(error, TlsError::NoSystemAuthorities), "{error}"),
        }
    }

    #[test]
    fn a_file_without_certificates_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("ca.crt");
        fs::write(&path, "not a certificate").expect("write");
        for name in [path.clone(), folder.path().join("absent")] {
            let name = name.display().to_string();
            let settings = Settings { ca_file: name.clone(), ..Settings::default() };
            let error = client_config(&settings, &Credentials::default()).expect_err("refused");
            let text = error.to_string();
            assert!(text.contains("mqtt.tls.ca_file") && text.contains(&name), "{text}");
        }
    }
}
