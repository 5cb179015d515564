//! Why there is no connection, in words that lead to the remedy.

use std::io;
use std::net::SocketAddr;

use rustls::AlertDescription;

use super::refusal::{Refusal, Why};
use crate::mqtt::tls::verifier;

/// Why a connection failed or broke, whichever protocol it spoke.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("the name {host} is not known: {reason}")]
    Name { host: String, reason: String },
    #[error("{0} does not answer (a firewall, another network?)")]
    Unreachable(SocketAddr),
    #[error("{}", io_trouble(.0))]
    Io(io::Error),
    #[error("TLS: {0}")]
    Tls(String),
    #[error(
        "WebSocket: {0}: check the path in mqtt.url, which is what the broker's listener for \
         WebSockets wants (often /mqtt or /ws)"
    )]
    WebSocket(String),
    /// The commonest reasons, none of which MQTT 3.1.1 can tell.
    #[error(
        "the broker cut the connection. If it always does: does one side want TLS \
         and the other not (mqtt://, mqtts://)? Has another client the same mqtt.client_id? \
         Does it speak the mqtt.version that is set?"
    )]
    Cut,
    #[error("no answer in time: check that mqtt.url is an MQTT broker")]
    NoAnswer,
    #[error("what answers there does not speak MQTT: check mqtt.url")]
    NotABroker,
    #[error("the broker sent a packet that none may send (0x{0:02x})")]
    Malformed(u8),
    #[error("the broker stopped answering")]
    Silent,
    /// As a node of a cluster does that has lost its disk or its majority.
    #[error("the broker answers, and acknowledges nothing that it is sent: is its disk full?")]
    Unacknowledged,
    #[error("the broker refused the connection: {0}")]
    Refused(Refusal),
    #[error("the broker ended the connection: {0}")]
    Ended(Refusal),
}

/// The step at which a broker could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its name could not be turned into an address.
    Resolve,
    /// Nothing answered at that address.
    Connect,
    /// The encryption could not be agreed on, or a certificate did not convince.
    Tls,
    /// The broker did not let us in.
    Login,
    /// The broker would let us in, but lacks something that we need, or is busy.
    Refused,
}

impl ConnectionError {
    pub(super) fn step(&self) -> Step {
        match self {
            Self::Name { .. } => Step::Resolve,
            Self::Refused(Refusal { why: Why::Login | Why::ClientId, .. }) => Step::Login,
            Self::Refused(_) | Self::Ended(_) => Step::Refused,
            Self::Tls(_) => Step::Tls,
            Self::Io(error) if tls_error(error).is_some() => Step::Tls,
            _ => Step::Connect,
        }
    }

    /// Whether the broker ended the connection over the size of something that we sent.
    pub(super) fn by_packet_size(&self) -> bool {
        matches!(self, Self::Ended(Refusal { why: Why::TooLarge, .. }))
    }

    /// Whether a broker that does not speak the protocol would answer a CONNECT like
    /// this: with its own CONNACK (MQTT 3.1.1, 3.1.2.2), by hanging up, or not at all.
    pub(super) fn may_be_the_protocol(&self) -> bool {
        let refused = matches!(self, Self::Refused(Refusal { why: Why::Protocol, .. }));
        refused || matches!(self, Self::Cut | Self::NoAnswer | Self::NotABroker)
    }
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let cut = matches!(error.kind(), ConnectionReset | UnexpectedEof | BrokenPipe);
        if cut && tls_error(&error).is_none() { Self::Cut } else { Self::Io(error) }
    }
}

/// rustls hides its reasons inside I/O errors, also long after the handshake: with
/// TLS 1.3 a refused client certificate arrives as an alert with the first bytes.
fn io_trouble(error: &io::Error) -> String {
    match (tls_error(error), error.kind()) {
        (Some(tls), _) => tls_trouble(tls),
        (None, io::ErrorKind::ConnectionRefused) => {
            "nothing listens there: is the broker running, is the port in mqtt.url right?".into()
        }
        (None, _) => error.to_string(),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn tls_trouble(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    use rustls::Error;
    let remedy = match error {
        error if verifier::is_version_1(error) => {
            "the broker's certificate is of X.509 version 1, which names no host: make one of \
             version 3 with a subjectAltName (docs/guide/secure.md, \"TLS\")"
        }
        error if verifier::is_authority(error) => {
            "the broker shows the certificate of an authority: name that very certificate in \
             mqtt.tls.ca_file, or let the authority issue one for the broker"
        }
        Error::InvalidCertificate(Certificate::UnknownIssuer) => {
            "the broker's certificate is not from an authority that we trust: \
             check mqtt.tls.ca_file"
        }
        Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "the broker's certificate has expired, or the clock of this device is wrong"
        }
        Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => "the broker's certificate is not valid yet, or the clock of this device is wrong",
        Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => {
            "the broker's certificate is for another name than mqtt.url: use the name in the \
             certificate (its subjectAltName; the common name is not read)"
        }
        Error::AlertReceived(alert) if about_client_certificate(*alert) => {
            "the broker did not accept this device's certificate, or wants one: \
             check mqtt.tls.cert_file and mqtt.tls.key_file"
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the broker speaks no TLS version that mqtt.tls.min_version allows"
        }
        Error::PeerIncompatible(_) => {
            "the broker speaks no TLS version or cipher that mqtt.tls.min_version allows"
        }
        Error::InvalidMessage(_) => {
            "no TLS is spoken at that port: check mqtt.url (8883 is usual for mqtts://)"
        }
        _ => return format!("TLS: {error}"),
    };
    format!("{remedy} ({error})")
}

fn about_client_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    [
        Alert::CertificateRequired,
        Alert::BadCertificate,
        Alert::UnknownCA,
        Alert::CertificateExpired,
        Alert::CertificateUnknown,
        Alert::UnsupportedCertificate,
        Alert::HandshakeFailure,
    ]
    .contains(&alert)
}
