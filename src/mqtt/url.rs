//! The address of a broker: `mqtt://host[:port]` or `mqtts://host[:port]`.
//!
//! Read by hand: the crate `url` brings some twenty others with Unicode's tables for host
//! names in other scripts, and would still leave user, path and port to be refused here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// IANA's port for MQTT.
pub(crate) const PLAIN_PORT: u16 = 1883;
/// IANA's port for MQTT over TLS.
pub(crate) const TLS_PORT: u16 = 8883;

/// Where a broker listens and whether the way there is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
}

/// Why an address was refused; reads as the end of "mqtt.url ...".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It begins with another scheme or none.
    #[error("must begin with mqtt:// or mqtts:// (TLS), for example mqtt://broker.lan:1883")]
    Scheme,
    /// It holds a user or password.
    #[error(
        "must not hold a user or password: use mqtt.username and mqtt.password_file, \
         so that neither ends up in a log"
    )]
    Credentials,
    /// Something follows host and port.
    #[error("must be a host and an optional port, without a path")]
    Path,
    /// There is no host, or an impossible one.
    #[error("needs a host name or address after ://")]
    Host,
    /// This is no port.
    #[error("has the port '{0}': a number from 1 to 65535 is needed")]
    Port(String),
}

impl BrokerUrl {
    /// Whether what is sent never leaves this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for BrokerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(UrlError::Scheme)?;
        // Schemes are the same in capitals (RFC 3986, 3.1).
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('@') {
            return Err(UrlError::Credentials);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(UrlError::Path);
        }
        let (host, port) = split_port(rest)?;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(UrlError::Host);
        }
        let port = match port {
            None if tls => TLS_PORT,
            None => PLAIN_PORT,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(UrlError::Port(port.to_owned())),
                Ok(number) => number,
            },
        };
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

/// Splits `host[:port]`; an IPv6 address stands in brackets (RFC 3986, 3.2.2).
fn split_port(text: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(UrlError::Host),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(UrlError::Host),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(host: &str, port: u16, tls: bool) -> BrokerUrl {
        BrokerUrl { host: host.to_owned(), port, tls }
    }

    #[test]
    fn reads_what_people_write() {
        for (text, expected) in [
            ("mqtt://broker.lan", url("broker.lan", 1883, false)),
            ("mqtts://broker.lan", url("broker.lan", 8883, true)),
            ("MQTT://Broker.lan", url("Broker.lan", 1883, false)),
            ("Mqtts://broker.lan:8884 ", url("broker.lan", 8884, true)),
            ("mqtt://10.0.0.2:2883/", url("10.0.0.2", 2883, false)),
            ("mqtts://[fd00::1]:8884", url("fd00::1", 8884, true)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        for (text, expected) in [
            ("broker.lan", UrlError::Scheme),
            ("http://broker.lan", UrlError::Scheme),
            ("mqtt://me:secret@broker.lan", UrlError::Credentials),
            ("mqtt://broker.lan/path", UrlError::Path),
            ("mqtt://", UrlError::Host),
            ("mqtt://fd00::1", UrlError::Host),
            ("mqtt://broker.lan:0", UrlError::Port("0".into())),
            ("mqtt://broker.lan:70000", UrlError::Port("70000".into())),
        ] {
            assert_eq!(text.parse::<BrokerUrl>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn knows_what_stays_on_this_machine() {
        for (host, expected) in
            [("localhost", true), ("127.0.0.1", true), ("::1", true), ("10.0.0.1", false)]
        {
            assert_eq!(url(host, 1883, false).is_loopback(), expected, "{host}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_back_what_it_prints(text in ".{0,40}") {
            if let Ok(url) = format!("mqtt://{text}").parse::<BrokerUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}
