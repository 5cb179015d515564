//! Who may come in. Pure: headers and the time come in as arguments.
//!
//! Three kinds of visitor are kept out. A page of another site, whose browser would send
//! our cookie along: `Origin` and `Sec-Fetch-Site` tell (CSRF). A page whose name suddenly
//! means our address: `Host` still names it (DNS rebinding). And whoever lacks the token.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::sessions::{SESSION, Session, Sessions};
use super::token::TokenHash;
use crate::token_bucket::TokenBucket;

/// Wrong tokens of one address that are answered at once, and then in a minute.
const MOST_ATTEMPTS: u32 = 10;
/// Wrong tokens are counted for so many addresses at once. An attacker who has more guesses
/// faster, and in vain: a token is one of 2^160. A limit that all addresses share would only
/// keep the owner out.
const MOST_ADDRESSES: usize = 64;
/// Wrong tokens that the journal tells at once, and then in a minute, of all addresses together:
/// who has many could fill it.
const MOST_LINES: u32 = 30;

/// What a request says of itself; `None` where a header is absent or no text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// `Host` (RFC 9110, 7.2).
    pub host: Option<&'a str>,
    /// `Origin` (RFC 6454).
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site` (W3C Fetch Metadata).
    pub fetch_site: Option<&'a str>,
    /// `Authorization`; only `Bearer` is read.
    pub authorization: Option<&'a str>,
    /// `Cookie`.
    pub cookie: Option<&'a str>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The name is not one of this device.
    Host,
    /// Another site's page asks.
    CrossSite,
    /// Without token, or with one that is over.
    Token,
    /// Too many wrong tokens: wait.
    TooMany,
}

/// What is asked of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: what holds no secret.
    Open,
    /// The token, and no other site behind it.
    Read,
    /// The same, and proof that the page itself asks.
    Change,
}

/// Knows the token, the names of this device and who has logged in.
#[derive(Debug)]
pub struct Gate {
    token: Option<TokenHash>,
    hosts: Vec<String>,
    scheme: &'static str,
    port: u16,
    sessions: Sessions,
    /// Of addresses from which wrong tokens came lately.
    attempts: BTreeMap<IpAddr, TokenBucket>,
    /// What the journal may be told of them.
    lines: TokenBucket,
}

impl Gate {
    /// `hosts` are the names besides addresses and `localhost`; `port` is the one that is
    /// listened on.
    pub fn new(
        token: Option<TokenHash>,
        hosts: Vec<String>,
        scheme: &'static str,
        port: u16,
    ) -> Self {
        Self {
            token,
            hosts,
            scheme,
            port,
            sessions: Sessions::default(),
            attempts: BTreeMap::new(),
            lines: TokenBucket::new(MOST_LINES, Duration::ZERO),
        }
    }

    /// Also who has logged in at an earlier start.
    pub(super) fn with_sessions(self, sessions: Sessions) -> Self {
        Self { sessions, ..self }
    }

    /// Lets a request in or says why not. `now` is on the monotonic clock.
    ///
    /// # Errors
    ///
    /// The first of the reasons, in the order of [`Refusal`].
    pub fn admit(
        &mut self,
        wanted: Wanted,
        from: &Credentials,
        peer: IpAddr,
        now: Duration,
    ) -> Result<(), Refusal> {
        let host = from.host.filter(|host| self.knows(host)).ok_or(Refusal::Host)?;
        if wanted == Wanted::Open {
            return Ok(());
        }
        if !matches!(from.fetch_site, None | Some("same-origin" | "none")) {
            return Err(Refusal::CrossSite);
        }
        if wanted == Wanted::Change {
            self.is_our_page(from.origin, host)?;
        }
        if self.token.is_none() || self.session_of(from, now).is_some() {
            return Ok(());
        }
        match from.authorization.and_then(bearer) {
            Some(token) => self.check(token, peer, now),
            None => Err(Refusal::Token),
        }
    }

    /// The cookie of a new session for whoever has the token.
    ///
    /// # Errors
    ///
    /// The token is wrong, too many were, or another site's page asks.
    pub fn log_in(
        &mut self,
        token: &str,
        from: &Credentials,
        peer: IpAddr,
        now: Duration,
    ) -> Result<String, Refusal> {
        let host = from.host.filter(|host| self.knows(host)).ok_or(Refusal::Host)?;
        self.is_our_page(from.origin, host)?;
        self.check(token, peer, now)?;
        let session = self.sessions.begin(now);
        Ok(self.cookie(&session, SESSION, from))
    }

    /// What the journal tells of a log-in that was just refused. Only of a token that was
    /// compared: whatever else whoever reaches the port sends costs it no line.
    pub(super) fn news(
        &mut self,
        refused: Refusal,
        peer: IpAddr,
        now: Duration,
    ) -> Option<&'static str> {
        if refused != Refusal::Token || !self.lines.allow(now) {
            return None;
        }
        Some(match self.has_to_wait(peer, now) {
            true => "a wrong token, of which it has sent too many: the next ones are not looked at",
            false => "a wrong token",
        })
    }

    /// Ends the session whose cookie came, and takes the cookie back.
    pub fn log_out(&mut self, from: &Credentials) -> String {
        if let Some(session) = self.own_value(from) {
            self.sessions.end(session);
        }
        self.cookie("", Duration::ZERO, from)
    }

    /// Those who have logged in.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The session whose cookie came, while it lasts.
    pub(super) fn session_of(&self, from: &Credentials, now: Duration) -> Option<Session> {
        self.sessions.find(self.own_value(from)?, now)
    }

    /// Whether that session lasts still.
    pub(super) fn knows_session(&self, session: &Session, now: Duration) -> bool {
        self.sessions.knows(session, now)
    }

    /// The value of the cookie that is ours.
    fn own_value<'a>(&self, from: &Credentials<'a>) -> Option<&'a str> {
        value_of(from.cookie?, &self.cookie_name(from))
    }

    /// With the port by which the browser asks, as cookies know no ports (RFC 6265, 8.5): those of
    /// two daemons at one name are kept apart, also where tunnels to two machines begin there and
    /// both listen on the same port.
    fn cookie_name(&self, from: &Credentials) -> String {
        let port = from.host.and_then(parts_of).and_then(|(_, port)| port.parse().ok());
        format!("expressiond_{}", port.unwrap_or(self.port))
    }

    /// Of the scheme by which the browser asks: before us there may be a proxy.
    fn cookie(&self, value: &str, age: Duration, from: &Credentials) -> String {
        let encrypted = from.origin.is_some_and(|origin| origin.starts_with("https://"));
        let secure = if encrypted { "; Secure" } else { "" };
        format!(
            "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
            self.cookie_name(from),
            age.as_secs()
        )
    }

    /// Where a proxy ends TLS, the page is https's and we are not; never the other way round.
    fn is_our_page(&self, origin: Option<&str>, host: &str) -> Result<(), Refusal> {
        let name = |scheme: &str| origin?.strip_prefix(scheme)?.strip_prefix("://");
        let mut names = [self.scheme, "https"].into_iter().filter_map(name);
        let same = names.any(|name| name.eq_ignore_ascii_case(host));
        if same { Ok(()) } else { Err(Refusal::CrossSite) }
    }

    /// An address is never another site's name, so it is always known.
    fn knows(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether too many wrong tokens came from this address lately.
    fn has_to_wait(&self, peer: IpAddr, now: Duration) -> bool {
        self.attempts.get(&peer).is_some_and(|rate| !rate.clone().allow(now))
    }

    /// Compares a token, if this address may still try.
    fn check(&mut self, token: &str, peer: IpAddr, now: Duration) -> Result<(), Refusal> {
        let Some(known) = self.token else { return Ok(()) };
        self.attempts.retain(|_, rate| !rate.has_rested(now));
        if self.has_to_wait(peer, now) {
            return Err(Refusal::TooMany);
        }
        if known.matches(token) {
            return Ok(());
        }
        if self.attempts.len() >= MOST_ADDRESSES && !self.attempts.contains_key(&peer) {
            self.attempts.pop_first();
        }
        self.attempts
            .entry(peer)
            .or_insert_with(|| TokenBucket::new(MOST_ATTEMPTS, now))
            .allow(now);
        Err(Refusal::Token)
    }
}

/// The name in a `Host` header, without port and without the brackets of an IPv6 address.
pub fn name_of(host: &str) -> Option<&str> {
    parts_of(host).map(|(name, _)| name)
}

/// Name and port in a `Host` header; no port is empty text.
fn parts_of(host: &str) -> Option<(&str, &str)> {
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let (name, rest) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = rest.strip_prefix(':').or(rest.is_empty().then_some(""))?;
    (!name.is_empty() && is_port(port)).then_some((name, port))
}

/// The token of `Authorization: Bearer ...` (RFC 6750).
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of the cookie called `name` (RFC 6265, 4.2).
pub fn value_of<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
