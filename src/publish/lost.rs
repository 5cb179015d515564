//! Why there is no connection, in words that lead to the remedy.

use std::io;

use rumqttc::mqttbytes;
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use rumqttc::{ConnectionError, StateError};

/// Why a connection failed or broke.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("{}", explain(.0))]
    Connection(Box<ConnectionError>),
    #[error("the request queue of the MQTT client was full")]
    Queue,
}

impl From<ConnectionError> for Lost {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(Box::new(error))
    }
}

fn explain(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => refused(*code).to_owned(),
        ConnectionError::Io(error) => unreachable_broker(error),
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

fn unreachable_broker(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there: is the broker running, is the port in mqtt.url right?".into()
        }
        _ => error.to_string(),
    }
}

fn broken(state: &StateError) -> String {
    match state {
        StateError::AwaitPingResp => "the broker stopped answering".into(),
        StateError::ConnectionAborted => {
            "the broker closed the connection (another client with the same mqtt.client_id \
             does that, too)"
                .into()
        }
        StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(size)) => format!(
            "a message of {size} bytes arrived, more than mqtt.max_packet_bytes: \
             find who writes to this device's topics"
        ),
        StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)) => {
            error.to_string()
        }
        other => other.to_string(),
    }
}
