//! TLS to the broker: what is asked for is what happens, or there is no
//! connection. Nothing here falls back to plain text.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use super::credentials::Credentials;

/// The oldest protocol that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MinimumVersion {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

/// Section `[mqtt.tls]`: in force when `mqtt.url` begins with `mqtts://`. File
/// names are looked up in systemd's `$CREDENTIALS_DIRECTORY` first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// PEM file of the authorities that may vouch for the broker. Default: empty,
    /// which takes the system's.
    pub ca_file: String,
    /// PEM file with this device's certificate. Default: empty, none.
    pub cert_file: String,
    /// PEM file with the key of that certificate. Default: empty, none.
    pub key_file: String,
    /// Oldest protocol version, `"1.2"` or `"1.3"`. Default: `"1.2"`.
    pub min_version: MinimumVersion,
}

impl Settings {
    /// Impossible values: the key and what to do.
    pub fn check(&self, tls: bool) -> Result<(), (&'static str, String)> {
        if !tls && *self != Self::default() {
            let remedy = "has settings, but mqtt.url does not ask for TLS: begin it with mqtts://";
            return Err(("mqtt.tls", remedy.into()));
        }
        match (self.cert_file.is_empty(), self.key_file.is_empty()) {
            (true, false) => {
                Err(("mqtt.tls.cert_file", "must be set with mqtt.tls.key_file".into()))
            }
            (false, true) => {
                Err(("mqtt.tls.key_file", "must be set with mqtt.tls.cert_file".into()))
            }
            _ => Ok(()),
        }
    }
}

/// Why TLS cannot be set up. There is no connection then.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{key}: cannot use {path}: {reason}")]
    File { key: &'static str, path: String, reason: String },
    #[error(
        "the system has no certificate authorities: install ca-certificates, \
         or set mqtt.tls.ca_file"
    )]
    NoSystemAuthorities,
    #[error("mqtt.tls.cert_file and mqtt.tls.key_file do not fit: {0}")]
    Client(rustls::Error),
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
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots(settings, credentials)?);
    if settings.cert_file.is_empty() {
        return Ok(Arc::new(builder.with_no_client_auth()));
    }
    let chain = certificates("mqtt.tls.cert_file", &settings.cert_file, credentials)?;
    let path = credentials.path(&settings.key_file);
    let key = PrivateKeyDer::from_pem_file(&path)
        .map_err(|error| unusable("mqtt.tls.key_file", &path, &error))?;
    builder.with_client_auth_cert(chain, key).map(Arc::new).map_err(TlsError::Client)
}

fn roots(settings: &Settings, credentials: &Credentials) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if settings.ca_file.is_empty() {
        // What the system's store holds and rustls cannot read is left out.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoSystemAuthorities);
        }
        return Ok(roots);
    }
    let key = "mqtt.tls.ca_file";
    for certificate in certificates(key, &settings.ca_file, credentials)? {
        roots.add(certificate).map_err(|error| TlsError::File {
            key,
            path: settings.ca_file.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn certificates(
    key: &'static str,
    name: &str,
    credentials: &Credentials,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = credentials.path(name);
    let found: Vec<_> = CertificateDer::pem_file_iter(&path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(key, &path, &error))?;
    if found.is_empty() {
        return Err(unusable(key, &path, &pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn unusable(key: &'static str, path: &std::path::Path, error: &pem::Error) -> TlsError {
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
        assert_eq!(half.check(true).expect_err("refused").0, "mqtt.tls.key_file");
    }

    #[test]
    fn tls_settings_without_tls_are_refused() {
        let lost = Settings { ca_file: "ca.crt".into(), ..Settings::default() };
        assert_eq!(lost.check(false).expect_err("refused").0, "mqtt.tls");
        assert_eq!(Settings::default().check(false), Ok(()));
    }

    #[test]
    fn a_file_without_certificates_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("ca.crt");
        std::fs::write(&path, "not a certificate").expect("write");
        for name in [path.clone(), folder.path().join("absent")] {
            let name = name.display().to_string();
            let settings = Settings { ca_file: name.clone(), ..Settings::default() };
            let error = client_config(&settings, &Credentials::default()).expect_err("refused");
            let text = error.to_string();
            assert!(text.contains("mqtt.tls.ca_file") && text.contains(&name), "{text}");
        }
    }
}
