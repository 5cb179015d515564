//! What it takes to get into the broker, read and checked before anything starts.

use std::sync::Arc;

use rustls::ClientConfig;

use super::credentials::Credentials;
use super::error::StartError;
use super::settings::Settings;
use super::tls;
use super::url::BrokerUrl;

#[derive(Clone)]
pub(crate) struct Access {
    /// Any will do; none: the broker inside.
    pub(super) brokers: Vec<BrokerUrl>,
    pub(super) password: Option<String>,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Access {
    /// Reads the password, keys and certificates that the settings name.
    pub(crate) fn read(settings: &Settings, credentials: &Credentials) -> Result<Self, StartError> {
        let brokers = settings.url.brokers()?;
        if brokers.is_empty() && !cfg!(feature = "embedded-broker") {
            return Err(StartError::NoBroker);
        }
        let password = credentials.secret("mqtt.password_file", &settings.password_file)?;
        let tls = brokers.iter().any(|broker| broker.tls);
        let tls = tls.then(|| tls::client_config(&settings.tls, credentials)).transpose()?;
        Ok(Self { brokers, password, tls })
    }
}
