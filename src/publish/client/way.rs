//! The way to the broker and who we are to it.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};

use super::super::settings::{Settings, Version};
use super::super::topics::Topics;
use super::super::url::BrokerUrl;

/// Everything that a connection needs, whichever protocol it speaks.
#[derive(Clone)]
pub(in crate::publish) struct Way {
    pub(super) url: BrokerUrl,
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) device: String,
    pub(super) login: Option<(String, String)>,
    tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) keep_alive: Duration,
    pub(super) max_packet: usize,
    /// Topic of the last will, on which we also say `offline` before we leave.
    pub(super) last_will: Option<String>,
    pub(super) reconnect_max: Duration,
}

impl Way {
    pub fn new(
        settings: &Settings,
        url: BrokerUrl,
        version: Version,
        topics: &Topics,
        password: Option<String>,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Self {
        let device = topics.device().to_string();
        let client_id = if settings.client_id.is_empty() {
            format!("expressiond-{device}")
        } else {
            settings.client_id.clone()
        };
        let login = (!settings.username.is_empty())
            .then(|| (settings.username.clone(), password.unwrap_or_default()));
        Self {
            url,
            version,
            client_id,
            device,
            login,
            tls,
            keep_alive: Duration::from_secs(u64::from(settings.keep_alive_s)),
            max_packet: settings.max_packet_bytes,
            last_will: Some(topics.availability()),
            reconnect_max: Duration::from_secs(settings.reconnect_max_s),
        }
    }

    /// For somebody who only looks: the device must not seem gone when he leaves.
    pub(super) fn of_a_visitor(self, client_id: String) -> Self {
        Self { client_id, last_will: None, ..self }
    }

    /// Plain only when nothing else was asked for.
    pub(super) fn transport(&self) -> Transport {
        match &self.tls {
            Some(tls) => Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))),
            None => Transport::tcp(),
        }
    }
}
