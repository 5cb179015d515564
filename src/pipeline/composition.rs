//! What this device is made of, told once and again when it changes.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::clock_step::Since;
use super::plan::Plan;
use crate::clock::{Moment, rfc3339};
use crate::config::Config;
use crate::config::digest::digest;
use crate::contract::inventory::{FailedUpgrade, INVENTORY_SCHEMA, Inventory, Upgraded};
use crate::package::Package;
use crate::preview::tunable::Tunable;

/// How often dpkg is asked. The first time so long after the start, too: it is dpkg that
/// starts this program after an upgrade, and it calls the package unfinished until then.
const LOOK: Duration = Duration::from_secs(300);

/// Our package as dpkg has it, told when that changes. Its list is some megabytes, read on a
/// thread that nobody waits for.
pub(super) fn watch_package() -> watch::Receiver<Option<Package>> {
    let (tell, seen) = watch::channel(None);
    tokio::spawn(async move {
        while !tell.is_closed() {
            sleep(LOOK).await;
            if let Ok(package) = spawn_blocking(Package::on_this_machine).await {
                tell.send_if_modified(|last| std::mem::replace(last, package.clone()) != package);
            }
        }
    });
    seen
}

/// Of which the inventory is made.
#[derive(Clone, Debug)]
pub(super) struct Composition {
    pub model: String,
    /// Models that were refused, why, and what does their work.
    pub refused_models: Vec<String>,
    /// Those in force.
    pub settings: Config,
    /// Why new settings were refused.
    pub refused_settings: Option<String>,
    pub groups: Vec<String>,
    /// As dpkg was last asked.
    pub package: Option<Package>,
    /// When the last of it became so.
    pub since: Since,
}

/// Version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Composition {
    /// At the start: dpkg was not asked yet.
    pub(super) fn of(plan: &Plan, now: Moment) -> Self {
        let (networks, groups) = (&plan.networks, plan.about.topics.groups());
        Self {
            model: networks.info().id.clone(),
            refused_models: networks.refused(),
            settings: plan.config.clone(),
            refused_settings: None,
            groups: groups.iter().map(ToString::to_string).collect(),
            package: None,
            since: Since::new(now),
        }
    }

    /// The page has saved these, and they are in force.
    pub(super) fn retune(&mut self, tunable: Tunable) {
        self.settings = std::mem::take(&mut self.settings).with_tunable(tunable);
    }

    pub(super) fn inventory(&self) -> Inventory {
        let failed = |what, message| FailedUpgrade { what, message };
        let package = self.package.as_ref().and_then(package_trouble);
        let models = (!self.refused_models.is_empty()).then(|| self.refused_models.join("; "));
        let settings = self.refused_settings.as_ref();
        Inventory {
            schema: INVENTORY_SCHEMA,
            time: rfc3339(self.since.wall),
            version: VERSION.to_owned(),
            package: self.package.as_ref().map(|package| package.version.clone()),
            architecture: std::env::consts::ARCH,
            model: Some(self.model.clone()),
            settings: digest(&self.settings),
            groups: self.groups.clone(),
            failed: [
                package.map(|why| failed(Upgraded::Package, why)),
                models.map(|why| failed(Upgraded::Model, why)),
                settings.map(|why| failed(Upgraded::Settings, format!("{why}; the old ones stay"))),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }
}

fn package_trouble(package: &Package) -> Option<String> {
    let Package { version, unfinished } = package;
    match unfinished {
        Some(why) => Some(format!("{version}: {why}; {VERSION} runs")),
        None if package.holds(VERSION) => None,
        None => Some(format!("{version} is installed, and {VERSION} still runs: restart it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::at;

    fn composition() -> Composition {
        Composition {
            model: "m@1+00".into(),
            refused_models: Vec::new(),
            settings: Config::default(),
            refused_settings: None,
            groups: vec!["hall".into()],
            package: Some(Package { version: format!("{VERSION}-1"), unfinished: None }),
            since: Since::new(at(0)),
        }
    }

    #[test]
    fn what_failed_is_told_with_its_reason() {
        let failed = |composition: Composition| {
            let failed = composition.inventory().failed;
            failed.into_iter().map(|failed| (failed.what, failed.message)).collect::<Vec<_>>()
        };
        assert_eq!(failed(composition()), []);
        assert_eq!(failed(Composition { package: None, ..composition() }), []);
        let newer = Package { version: "99.0-1".into(), unfinished: None };
        let all = Composition {
            refused_models: vec!["n: blind; m@1+00 runs instead".into()],
            refused_settings: Some("e.toml:1: no".into()),
            package: Some(newer.clone()),
            ..composition()
        };
        let [
            (Upgraded::Package, package),
            (Upgraded::Model, model),
            (Upgraded::Settings, settings),
        ] = &failed(all)[..]
        else {
            panic!("one of each")
        };
        assert!(package.contains("99.0-1 is installed"), "{package}");
        assert_eq!(model, "n: blind; m@1+00 runs instead");
        assert_eq!(settings, "e.toml:1: no; the old ones stay");
        let half = Package { unfinished: Some("dpkg left it half-configured".into()), ..newer };
        let [(_, message)] = &failed(Composition { package: Some(half), ..composition() })[..]
        else {
            panic!("one")
        };
        assert!(message.contains("half-configured"), "{message}");
    }
}
