//! The `[preview]` section.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::token::TokenHash;
use crate::limits::{Mistake, pair, within};

/// Section `[preview]`: a page with the live picture, and metrics. Off by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port, such as `127.0.0.1:8080` (this machine only) or `0.0.0.0:8080`
    /// (the network; needs `token_hash`). Default: empty, off.
    pub listen: String,
    /// What `expressiond preview-token` prints beside the token: `sha256:` and 64 digits.
    /// Default: empty, no password, which only an address of this machine may have.
    pub token_hash: String,
    /// Names by which browsers reach this device besides its addresses, its host name and
    /// its `.local` name; others are refused. The first is the one that Home Assistant links
    /// to. Default: none.
    pub hosts: Vec<String>,
    /// Pictures per second for whoever watches, 0.1 to 30. Default: 5.
    pub max_fps: f32,
    /// How many may watch at once, 1 to 32. Default: 4.
    pub max_viewers: usize,
    /// PEM file with the certificate for https; a relative name is looked up in systemd's
    /// `$CREDENTIALS_DIRECTORY` first. Default: empty, plain http.
    pub cert_file: String,
    /// PEM file with the key of that certificate. Default: empty, none.
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: String::new(),
            token_hash: String::new(),
            hosts: Vec::new(),
            max_fps: 5.0,
            max_viewers: 4,
            cert_file: String::new(),
            key_file: String::new(),
        }
    }
}

impl Settings {
    /// Where to listen; none while it is off or the address is none.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// Whether whoever calls needs the token.
    pub fn needs_token(&self) -> bool {
        !self.token_hash.is_empty()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.cert_file.is_empty() { "http" } else { "https" }
    }

    /// Whether every value is possible.
    ///
    /// # Errors
    ///
    /// The key of the first that is not, and what it must be.
    pub fn check(&self) -> Result<(), Mistake> {
        let address = self.address();
        if !self.listen.is_empty() && address.is_none() {
            let words = "must be an address and a port, as in 127.0.0.1:8080 or [::1]:8080";
            return Err(("listen", format!("is '{}', it {words}", self.listen)));
        }
        if self.needs_token() {
            TokenHash::parse(&self.token_hash).map_err(|why| ("token_hash", why.to_owned()))?;
        } else if address.is_some_and(|address| !address.ip().is_loopback()) {
            let words = "preview.token_hash is empty: whoever reaches it would see the camera. Run \
                         `expressiond preview-token`, or listen on 127.0.0.1";
            return Err(("listen", format!("is '{}', and {words}", self.listen)));
        }
        pair("preview", ("cert_file", &self.cert_file), ("key_file", &self.key_file))?;
        within("max_fps", self.max_fps, 0.1, 30.0)?;
        within("max_viewers", self.max_viewers, 1, 32)?;
        let is_name = |name: &String| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        match self.hosts.iter().find(|name| !is_name(name)) {
            Some(name) => Err(("hosts", format!("lists '{name}', which is no host name"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: Settings) -> &'static str {
        settings.check().expect_err("refused").0
    }

    #[test]
    fn nobody_on_the_network_sees_the_camera_without_a_token() {
        assert_eq!(Settings::default().check(), Ok(()));
        let at = |listen: &str| Settings { listen: listen.into(), ..Settings::default() };
        for local in ["127.0.0.1:0", "127.8.8.8:80", "[::1]:8080"] {
            assert_eq!(at(local).check(), Ok(()), "{local}");
        }
        for open in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(refused(at(open)), "listen", "{open}");
        }
        let token_hash = format!("sha256:{}", "0".repeat(64));
        assert_eq!(Settings { token_hash, ..at("0.0.0.0:80") }.check(), Ok(()));
    }

    #[test]
    fn impossible_settings_name_their_key() {
        let set = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            refused(settings)
        };
        assert_eq!(set(|s| s.listen = "8080".into()), "listen");
        assert_eq!(set(|s| s.listen = "localhost:8080".into()), "listen");
        assert_eq!(set(|s| s.token_hash = "hunter2".into()), "token_hash");
        assert_eq!(set(|s| s.cert_file = "a.pem".into()), "cert_file");
        assert_eq!(set(|s| s.key_file = "a.pem".into()), "key_file");
        assert_eq!(set(|s| s.max_fps = 0.0), "max_fps");
        assert_eq!(set(|s| s.max_viewers = 0), "max_viewers");
        assert_eq!(set(|s| s.hosts = vec!["a b".into()]), "hosts");
    }
}
