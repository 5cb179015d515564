//! The address of a broker: `mqtt://host[:port]`, or `mqtts://` with TLS, or `ws://` and
//! `wss://` for MQTT inside WebSockets (MQTT 3.1.1 and 5, section 6).
//!
//! Read by hand: the crate `url` brings some twenty others with Unicode's tables for host
//! names in other scripts, and would still leave user, path and port to be refused here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// IANA's port for MQTT.
pub(crate) const PLAIN_PORT: u16 = 1883;

/// Addresses in `mqtt.url` at most: a list is for the nodes of one cluster.
pub(super) const MOST: usize = 16;

/// Where most brokers expect WebSockets, for an address without a path.
const USUAL_PATH: &str = "/mqtt";

/// Where a broker listens and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Path and query of WebSockets; none: MQTT is spoken at once.
    pub web_socket: Option<String>,
}

/// Why an address was refused; reads as the end of "mqtt.url ...".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It begins with another scheme or none.
    #[error(
        "must begin with mqtt:// or mqtts:// (TLS), or for WebSockets ws:// or wss:// (TLS), \
         for example mqtt://broker.lan:1883"
    )]
    Scheme,
    /// It holds a user or password.
    #[error(
        "must not hold a user or password: use mqtt.username and mqtt.password_file, \
         so that neither ends up in a log"
    )]
    Credentials,
    /// Something follows host and port.
    #[error("must be a host and an optional port, without a path (only ws:// and wss:// have one)")]
    Path,
    /// There is no host, or an impossible one.
    #[error("needs a host name or address after ://")]
    Host,
    /// What stands for the port is none. It is not told: it may be a password.
    #[error(
        "has a port that is none: a number from 1 to 65535 is needed; user and password are \
         mqtt.username and mqtt.password_file"
    )]
    Port,
    /// The same password would be sent in plain text as soon as TLS does not answer.
    #[error(
        "has addresses with TLS and others without: begin all with mqtts:// or wss://, or none"
    )]
    Mixed,
    /// Too many addresses.
    #[error("has {0} addresses, {MOST} are allowed: one name may have many")]
    Many(usize),
}

impl BrokerUrl {
    /// A broker on this machine, in plain text.
    #[cfg(any(feature = "embedded-broker", feature = "simulate"))]
    pub(crate) fn on_loopback(port: u16) -> Self {
        let host = std::net::Ipv4Addr::LOCALHOST.to_string();
        Self { host, port, tls: false, web_socket: None }
    }

    /// Whether what is sent never leaves this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Scheme, and the port that IANA gives it.
    const fn scheme(tls: bool, web_socket: bool) -> (&'static str, u16) {
        match (tls, web_socket) {
            (false, false) => ("mqtt", PLAIN_PORT),
            (true, false) => ("mqtts", 8883),
            (false, true) => ("ws", 80),
            (true, true) => ("wss", 443),
        }
    }
}

impl FromStr for BrokerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(UrlError::Scheme)?;
        // Schemes are the same in capitals (RFC 3986, 3.1).
        let (tls, web_socket) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => (false, false),
            "mqtts" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => return Err(UrlError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') || (!web_socket && path.contains('@')) {
            return Err(UrlError::Credentials);
        }
        let web_socket = match (web_socket, path) {
            (false, "" | "/") => None,
            (true, "") => Some(USUAL_PATH.to_owned()),
            // What may stand in an address (RFC 3986, 3.3); a fragment never reaches a server.
            (true, path)
                if path.starts_with('/')
                    && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#') =>
            {
                Some(path.to_owned())
            }
            _ => return Err(UrlError::Path),
        };
        let (host, port) = split_port(authority)?;
        // A comma separates addresses.
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == ',';
        if host.is_empty() || host.contains(odd) {
            return Err(UrlError::Host);
        }
        let port = match port {
            None => Self::scheme(tls, web_socket.is_some()).1,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(UrlError::Port),
                Ok(number) => number,
            },
        };
        Ok(Self { host: host.to_owned(), port, tls, web_socket })
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

impl BrokerUrl {
    /// Host and port as they stand in a URL (RFC 3986, section 3.2).
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, _) = Self::scheme(self.tls, self.web_socket.is_some());
        let path = self.web_socket.as_deref().unwrap_or_default();
        // Behind the question mark a cloud's token may stand, which belongs in no log.
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        write!(f, "{scheme}://{}{path}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(host: &str, port: u16, tls: bool) -> BrokerUrl {
        BrokerUrl { host: host.to_owned(), port, tls, web_socket: None }
    }

    fn socket(host: &str, port: u16, tls: bool, path: &str) -> BrokerUrl {
        BrokerUrl { web_socket: Some(path.to_owned()), ..url(host, port, tls) }
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
            ("ws://broker.lan", socket("broker.lan", 80, false, "/mqtt")),
            ("WSS://broker.lan/", socket("broker.lan", 443, true, "/")),
            ("wss://[fd00::1]:8084/ws?a=b", socket("fd00::1", 8084, true, "/ws?a=b")),
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
            ("mqtt://broker.lan?x", UrlError::Path),
            ("ws://broker.lan/a b", UrlError::Path),
            ("ws://broker.lan/a#b", UrlError::Path),
            ("wss://me:secret@broker.lan/mqtt", UrlError::Credentials),
            ("mqtt://", UrlError::Host),
            ("ws:///mqtt", UrlError::Host),
            ("mqtt://a,b", UrlError::Host),
            ("mqtt://fd00::1", UrlError::Host),
            ("mqtt://broker.lan:0", UrlError::Port),
            ("mqtt://broker.lan:70000", UrlError::Port),
            ("mqtt://broker.lan:hunter2", UrlError::Port),
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

    #[test]
    fn a_token_in_the_query_is_not_printed() {
        let url: BrokerUrl = "wss://cloud.example/mqtt?token=secret".parse().expect("right");
        assert_eq!(url.to_string(), "wss://cloud.example:443/mqtt");
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_back_what_it_prints(
            scheme in "mqtts?|wss?",
            text in ".{0,40}",
        ) {
            if let Ok(mut url) = format!("{scheme}://{text}").parse::<BrokerUrl>() {
                let path = url.web_socket.take();
                url.web_socket = path.map(|path| path.split('?').next().unwrap_or("").to_owned());
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}
