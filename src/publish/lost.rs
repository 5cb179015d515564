//! Why there is no connection, in words that lead to the remedy.

use std::io;

use rumqttc::mqttbytes;
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use rumqttc::{ConnectionError, StateError, TlsError};
use rustls::AlertDescription;

/// Why a connection failed or broke.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("{}", explain(.0))]
    Connection(Box<ConnectionError>),
    #[error("the request queue of the MQTT client was full")]
    Queue,
}

/// What has to be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Network,
    Tls,
    /// User, password or client id.
    Login,
}

impl Lost {
    pub fn trouble(&self) -> Trouble {
        let Self::Connection(error) = self else { return Trouble::Network };
        match &**error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword
                | ConnectReturnCode::NotAuthorized
                | ConnectReturnCode::BadClientId,
            ) => Trouble::Login,
            ConnectionError::Tls(TlsError::Io(error)) | ConnectionError::Io(error)
                if tls_error(error).is_none() =>
            {
                Trouble::Network
            }
            ConnectionError::Tls(_) | ConnectionError::Io(_) => Trouble::Tls,
            ConnectionError::MqttState(
                StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)),
            ) if tls_error(error).is_some() => Trouble::Tls,
            _ => Trouble::Network,
        }
    }

    /// Whether somebody sent us more than we read: a subscription brought it, and
    /// would bring it again.
    pub fn by_oversized_message(&self) -> bool {
        let Self::Connection(error) = self else { return false };
        matches!(
            **error,
            ConnectionError::MqttState(StateError::Deserialization(
                mqttbytes::Error::PayloadSizeLimitExceeded(_)
            ))
        )
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        ConnectionError::Io(error).into()
    }
}

impl From<ConnectionError> for Lost {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(Box::new(error))
    }
}

fn explain(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => refused(*code).to_owned(),
        ConnectionError::Io(error) => io_trouble(error),
        ConnectionError::Tls(TlsError::Io(error)) => io_trouble(error),
        ConnectionError::Tls(error) => format!("TLS: {error}"),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            "no answer in time: check that mqtt.url is an MQTT broker and that it can be reached"
                .to_owned()
        }
        ConnectionError::MqttState(state) => broken(state),
        other => other.to_string(),
    }
}

fn refused(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            "the broker refused user or password: check mqtt.username and mqtt.password_file"
        }
        ConnectReturnCode::BadClientId => {
            "the broker refused the client id: set another mqtt.client_id"
        }
        ConnectReturnCode::RefusedProtocolVersion => {
            "the broker does not speak MQTT 3.1.1: use another broker or listener"
        }
        _ => "the broker is not available now",
    }
}

/// The two commonest reasons, neither of which MQTT 3.1.1 can tell.
const CUT: &str = "the broker cut the connection. If it always does: does one side want TLS \
     and the other not (mqtt://, mqtts://)? Has another client the same mqtt.client_id?";

/// rustls hides its reasons inside I/O errors, also long after the handshake: with
/// TLS 1.3 a refused client certificate arrives as an alert with the first bytes.
fn io_trouble(error: &io::Error) -> String {
    match (tls_error(error), error.kind()) {
        (Some(tls), _) => tls_trouble(tls),
        (None, io::ErrorKind::ConnectionRefused) => {
            "nothing listens there: is the broker running, is the port in mqtt.url right?".into()
        }
        (
            None,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe,
        ) => CUT.into(),
        (None, _) => error.to_string(),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
}

fn tls_trouble(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    use rustls::Error;
    let remedy = match error {
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
            "the broker's certificate is for another name than mqtt.url: \
             use the name in the certificate"
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

fn broken(state: &StateError) -> String {
    match state {
        StateError::AwaitPingResp => "the broker stopped answering".into(),
        StateError::ConnectionAborted => CUT.into(),
        StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(size)) => format!(
            "a message of {size} bytes arrived, more than mqtt.max_packet_bytes: \
             find who writes to this device's topics"
        ),
        StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)) => {
            io_trouble(error)
        }
        other => other.to_string(),
    }
}
