//! Which settings a device has, without saying what they are.

use sha2::{Digest, Sha256};

use super::Config;
use super::keys::flatten;
use crate::contract::inventory::SettingsDigest;
use crate::hexadecimal::hexadecimal;

/// Of what differs from the defaults, so that it is the same for the same settings, also
/// when a later version has more keys.
pub fn digest(config: &Config) -> SettingsDigest {
    // Both are tables: `Config` is a struct of sections.
    let rows = |config: &Config| {
        toml::Table::try_from(config).map(|table| flatten(&table, "")).unwrap_or_default()
    };
    let defaults = rows(&Config::default());
    let mut changed: Vec<_> =
        rows(config).into_iter().filter(|row| !defaults.contains(row)).collect();
    changed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut hash = Sha256::new();
    for (key, value) in &changed {
        hash.update(format!("{key} = {value}\n"));
    }
    let digest = hexadecimal(&hash.finalize()[..8]);
    SettingsDigest { digest, changed: changed.into_iter().map(|(key, _)| key).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_settings_have_the_same_digest_and_no_value_is_told() {
        let mut one = Config::default();
        assert_eq!(digest(&one).changed, Vec::<String>::new());
        one.mqtt.username = "somebody".into();
        one.device.id = "d1".into();
        assert_eq!(digest(&one).changed, ["device.id", "mqtt.username"]);
        assert_eq!(digest(&one), digest(&one.clone()));
        assert_eq!(digest(&one).digest.len(), 16);
        let other = Config { device: one.device.clone(), ..Config::default() };
        assert_ne!(digest(&one).digest, digest(&other).digest);
    }
}
