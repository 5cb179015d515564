//! Why there is no connection, in words that lead to the remedy.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use rustls::AlertDescription;
use rustls::pki_types::UnixTime;

use super::refusal::{Refusal, Why};
use crate::clock::rfc3339;
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
    #[error(
        "the broker stopped answering; over a link so slow that one message takes longer than \
         twice mqtt.keep_alive_s, raise that"
    )]
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
    match error {
        // rustls adds the time at which it looked, and a fault that lasts would be another at
        // every try.
        Error::InvalidCertificate(Certificate::ExpiredContext { not_after, .. }) => {
            format!("{remedy} (it was valid until {})", written(*not_after))
        }
        Error::InvalidCertificate(Certificate::NotValidYetContext { not_before, .. }) => {
            format!("{remedy} (it is valid from {})", written(*not_before))
        }
        _ => format!("{remedy} ({error})"),
    }
}

/// The end of the year 9999, after which X.509 has no dates (RFC 5280, 4.1.2.5).
const LAST_DATE: u64 = 253_402_300_799;

fn written(time: UnixTime) -> String {
    rfc3339(UNIX_EPOCH + Duration::from_secs(time.as_secs().min(LAST_DATE)))
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

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error};

    use super::*;

    /// It was told at every try, as another fault each time.
    #[test]
    fn a_certificate_that_is_out_of_date_is_one_fault_whenever_it_is_looked_at() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expired = |time| {
            let (time, not_after) = (at(time), at(1_580_515_200));
            tls_trouble(&Error::InvalidCertificate(CertificateError::ExpiredContext {
                time,
                not_after,
            }))
        };
        assert_eq!(expired(1_700_000_000), expired(1_700_000_001));
        assert!(expired(1_700_000_000).ends_with("until 2020-02-01T00:00:00.000Z)"));
        let early = |time| {
            let (time, not_before) = (at(time), at(u64::MAX));
            tls_trouble(&Error::InvalidCertificate(CertificateError::NotValidYetContext {
                time,
                not_before,
            }))
        };
        assert_eq!(early(1), early(2));
    }
}
