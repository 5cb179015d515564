//! `mqtt.url`: one address, or several of which any will do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::url::{BrokerUrl, MOST, UrlError};

/// Addresses as they are written: one text, a list of texts, or, where only text is
/// possible (the environment, `--set`), several that commas separate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct BrokerUrls(Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "an address or a list of addresses is needed")]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl From<Written> for BrokerUrls {
    fn from(written: Written) -> Self {
        match written {
            Written::One(text) => text.into(),
            Written::Several(texts) => Self(texts),
        }
    }
}

impl From<BrokerUrls> for Written {
    fn from(urls: BrokerUrls) -> Self {
        match <[String; 1]>::try_from(urls.0) {
            Ok([one]) => Self::One(one),
            Err(none) if none.is_empty() => Self::One(String::new()),
            Err(several) => Self::Several(several),
        }
    }
}

impl From<String> for BrokerUrls {
    fn from(text: String) -> Self {
        // A list as TOML and JSON write it, where it arrives as text.
        if text.trim_start().starts_with('[')
            && let Ok(texts) = serde_json::from_str(&text)
        {
            return Self(texts);
        }
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        Self(texts.map(str::to_owned).collect())
    }
}

impl From<&str> for BrokerUrls {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl BrokerUrls {
    /// The brokers, each once, in the order in which they are written; none when nothing
    /// is.
    ///
    /// # Errors
    ///
    /// One of them is no address, or they do not belong together.
    pub fn brokers(&self) -> Result<Vec<BrokerUrl>, UrlError> {
        let mut brokers: Vec<BrokerUrl> = Vec::with_capacity(self.0.len());
        for text in &self.0 {
            let broker: BrokerUrl = text.parse()?;
            if !brokers.contains(&broker) {
                brokers.push(broker);
            }
        }
        if brokers.len() > MOST {
            return Err(UrlError::Many(brokers.len()));
        }
        if brokers.iter().any(|broker| broker.tls) && !brokers.iter().all(|broker| broker.tls) {
            return Err(UrlError::Mixed);
        }
        Ok(brokers)
    }

    /// As they are written, but for what follows a question mark: a cloud's token may, which
    /// belongs in no log.
    pub fn without_queries(&self) -> Self {
        let shown = |text: &String| match text.split_once('?') {
            Some((address, _)) => format!("{address}?..."),
            None => text.clone(),
        };
        Self(self.0.iter().map(shown).collect())
    }
}

/// Several addresses in a sentence.
pub(crate) struct Listed<'a>(pub &'a [BrokerUrl]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, broker) in self.0.iter().enumerate() {
            let before = if number == 0 { "" } else { ", " };
            write!(f, "{before}{broker}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> BrokerUrls {
        serde_json::from_str(json).expect("text or a list")
    }

    #[test]
    fn one_or_several_and_back() {
        for (json, expected) in [
            ("\"\"", ""),
            ("[]", ""),
            ("\"mqtt://a\"", "mqtt://a:1883"),
            ("[\"mqtt://a\"]", "mqtt://a:1883"),
            ("[\"mqtt://a\",\"mqtt://b\"]", "mqtt://a:1883, mqtt://b:1883"),
            ("\"mqtt://a, mqtt://b,\"", "mqtt://a:1883, mqtt://b:1883"),
            ("\"[\\\"mqtt://a\\\", \\\"mqtt://b\\\"]\"", "mqtt://a:1883, mqtt://b:1883"),
            ("[\"mqtt://a\",\"mqtt://a:1883\"]", "mqtt://a:1883"),
        ] {
            let urls = read(json);
            let brokers = urls.brokers().expect(json);
            assert_eq!(Listed(&brokers).to_string(), expected, "{json}");
            assert_eq!(read(&serde_json::to_string(&urls).expect("text")), urls, "{json}");
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        assert_eq!(read("[\"mqtt://a\",\"mqtts://b\"]").brokers(), Err(UrlError::Mixed));
        assert_eq!(read("[\"ws://a\",\"mqtts://b\"]").brokers(), Err(UrlError::Mixed));
        assert!(read("[\"wss://a\",\"mqtts://b\"]").brokers().is_ok());
        assert_eq!(read("[\"mqtt://a\",\"b\"]").brokers(), Err(UrlError::Scheme));
        let many: Vec<String> = (0..=MOST).map(|number| format!("mqtt://b{number}")).collect();
        assert_eq!(BrokerUrls(many).brokers(), Err(UrlError::Many(MOST + 1)));
        assert!(serde_json::from_str::<BrokerUrls>("5").is_err());
    }
}
