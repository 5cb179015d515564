//! The page beside the pipeline: what it is started with, and what it orders.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use serde_json::json;
use tokio::sync::mpsc;

use super::shared::Shared;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::home_assistant::About;
use crate::preview::server::{Start, start};
use crate::preview::trial::PageOrder;
use crate::preview::{Settings, SettingsStore};
use crate::tracks::grouping::Grouping;

/// What the daemon hears of the page.
pub(super) struct Page {
    /// None while the page is off.
    orders: Option<mpsc::UnboundedReceiver<PageOrder>>,
}

impl Page {
    /// Starts it, if the settings give it an address.
    pub(super) fn start(
        config: &Config,
        about: &About,
        grouping: &Grouping,
        tls: Option<Arc<ServerConfig>>,
        store: Arc<dyn SettingsStore>,
        state_dir: Option<PathBuf>,
        shared: &Shared,
    ) -> Result<Self> {
        let (Some(address), Some(live)) = (config.preview.address(), &shared.live) else {
            return Ok(Self { orders: None });
        };
        let mut hosts = config.preview.hosts.clone();
        hosts.extend(own_names(&nodename()));
        let orders = start(Start {
            settings: config.preview.clone(),
            address,
            live: Arc::clone(live),
            tls,
            hosts,
            clock: Arc::clone(&shared.clock),
            store,
            state_dir,
            tunable: config.tunable(),
            told: grouping.clone(),
            about: json!({
                "device": about.topics.device().as_str(),
                "name": config.home_assistant.device_name,
                "camera": config.camera.name,
                "version": env!("CARGO_PKG_VERSION"),
                "classes": about.classes,
                "needs_token": config.preview.needs_token(),
            }),
        });
        let orders = orders
            .map_err(|error| Error::caused(Kind::Internal, "cannot start the page", error))?;
        Ok(Self { orders: Some(orders) })
    }

    /// The next order; for ever waiting while the page is off.
    pub(super) async fn order(&mut self) -> PageOrder {
        if let Some(orders) = &mut self.orders
            && let Some(order) = orders.recv().await
        {
            return order;
        }
        // A page that is gone orders nothing more; the daemon goes on without it.
        self.orders = None;
        std::future::pending().await
    }
}

/// This machine's name, with its domain where its owner has written one into /etc/hostname.
fn nodename() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The names of a machine, first the one that it has with mDNS: a single label and `.local`
/// (RFC 6762, section 3), whatever its domain.
fn own_names(nodename: &str) -> [String; 3] {
    let label = nodename.split('.').next().unwrap_or_default();
    [format!("{label}.local"), label.to_owned(), nodename.to_owned()]
}

/// Where a browser elsewhere finds the page; none where only this machine does.
pub(super) fn link(settings: &Settings) -> Option<String> {
    let address = settings.address().filter(|address| !address.ip().is_loopback())?;
    let [mdns, ..] = own_names(&nodename());
    let host = match settings.hosts.first() {
        Some(host) => host.clone(),
        None if address.ip().is_unspecified() => mdns,
        None if address.is_ipv6() => format!("[{}]", address.ip()),
        None => address.ip().to_string(),
    };
    Some(format!("{}://{host}:{}/", settings.scheme(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_one_label_with_mdns_whatever_its_domain() {
        assert_eq!(own_names("door.home.lan"), ["door.local", "door", "door.home.lan"]);
        assert_eq!(own_names("door.local")[0], "door.local");
        assert_eq!(own_names("door"), ["door.local", "door", "door"]);
    }

    #[test]
    fn home_assistant_is_given_an_address_that_others_reach() {
        let at = |listen: &str, hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
            link(&Settings { listen: listen.into(), hosts, ..Settings::default() })
        };
        assert_eq!(at("", &[]), None);
        assert_eq!(at("127.0.0.1:80", &["door.lan"]), None);
        assert_eq!(at("10.0.0.7:81", &[]).as_deref(), Some("http://10.0.0.7:81/"));
        assert_eq!(at("[fd00::7]:81", &[]).as_deref(), Some("http://[fd00::7]:81/"));
        assert_eq!(at("0.0.0.0:81", &["door.lan"]).as_deref(), Some("http://door.lan:81/"));
        assert!(at("0.0.0.0:81", &[]).is_some_and(|url| url.ends_with(".local:81/")));
    }
}
