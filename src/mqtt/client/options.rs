//! Who we are to the broker and what we expect of it.

use std::sync::Arc;
use std::time::Duration;

use crate::mqtt::access::Access;
use crate::mqtt::message::Labels;
use crate::mqtt::protocol::Version;
use crate::mqtt::settings::Settings;

/// What the broker says for us when the connection breaks, and we before we leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastWill {
    pub topic: String,
    pub payload: Vec<u8>,
}

/// Everything that a connection needs, whichever protocol it speaks.
#[derive(Clone)]
pub(in crate::mqtt) struct ConnectOptions {
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) labels: Labels,
    pub(super) login: Option<(String, String)>,
    /// Plain only when nothing else was asked for.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) keep_alive: Duration,
    pub(super) max_packet: usize,
    pub(super) last_will: Option<LastWill>,
    pub(super) reconnect_max: Duration,
}

impl ConnectOptions {
    /// Without a last will, and with the device's own client id.
    pub(crate) fn new(
        settings: &Settings,
        version: Version,
        labels: Labels,
        access: Access,
    ) -> Self {
        let client_id = settings.client_id(&labels.device);
        let login = (!settings.username.is_empty())
            .then(|| (settings.username.clone(), access.password.unwrap_or_default()));
        Self {
            version,
            client_id,
            labels,
            login,
            tls: access.tls,
            keep_alive: Duration::from_secs(u64::from(settings.keep_alive_s)),
            max_packet: settings.max_packet_bytes,
            last_will: None,
            reconnect_max: Duration::from_secs(settings.reconnect_max_s),
        }
    }

    pub(crate) fn with_last_will(self, last_will: LastWill) -> Self {
        Self { last_will: Some(last_will), ..self }
    }

    /// For somebody who only looks: two clients of one id would throw each other out.
    pub(super) fn with_client_id(self, client_id: String) -> Self {
        Self { client_id, ..self }
    }
}
