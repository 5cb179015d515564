//! https, where its owner gives a certificate.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;

use super::settings::Settings;
use crate::mqtt::credentials::Credentials;
use crate::mqtt::tls::{TlsError, certificates, misfit, private_key};

/// What https needs; none for plain http.
///
/// # Errors
///
/// A file cannot be read or used, or the two do not fit: the key and the remedy.
pub fn server_config(
    settings: &Settings,
    credentials: &Credentials,
) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    if settings.cert_file.is_empty() {
        return Ok(None);
    }
    let chain = certificates("preview.cert_file", &settings.cert_file, credentials)?;
    let key = private_key("preview.key_file", &settings.key_file, credentials)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    config.map(|config| Some(Arc::new(config))).map_err(|error| {
        let cert = ("preview.cert_file", &*settings.cert_file);
        misfit(cert, ("preview.key_file", &settings.key_file), &error)
    })
}
