//! Why there can be no connection before any was tried.

use super::credentials::Unreadable;
#[cfg(feature = "embedded-broker")]
use super::embedded::EmbeddedBrokerError;
use super::tls::TlsError;
use super::url::UrlError;
use crate::error::{Error, Kind};
use crate::outbox::JournalError;

/// Why a client could not be started. A broker that is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `mqtt.url` is no address of a broker.
    #[error("mqtt.url {0}")]
    Url(#[from] UrlError),
    /// The file with the password cannot be read.
    #[error(transparent)]
    Secret(#[from] Unreadable),
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The outbox cannot be kept on disk.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no room for another thread.
    #[error("cannot start the thread that keeps the outbox: {0}")]
    Thread(std::io::Error),
    /// Neither is a broker configured nor is there one inside.
    #[error(
        "mqtt.url is empty and this build has no broker inside: \
         set mqtt.url, for example mqtt://127.0.0.1:1883"
    )]
    NoBroker,
    /// The broker inside could not be started.
    #[cfg(feature = "embedded-broker")]
    #[error(transparent)]
    Broker(#[from] EmbeddedBrokerError),
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            #[cfg(feature = "embedded-broker")]
            StartError::Broker(_) => Kind::Unavailable,
            StartError::Journal(_) => Kind::Output,
            StartError::Thread(_) => Kind::Internal,
            _ => Kind::Config,
        };
        Error::new(kind, error.to_string())
    }
}
