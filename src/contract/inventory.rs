//! What a device is made of, for whoever rolls out: one retained document for each.
//! Schema: `docs/ref/inventory.schema.json`.

use serde::Serialize;

/// Version of the payload; rises when a reader must change.
pub const INVENTORY_SCHEMA: u32 = 1;

/// Which program, model and settings a device has, and what it could not take over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// [`INVENTORY_SCHEMA`].
    pub schema: u32,
    /// When this became so, RFC 3339 in UTC.
    pub time: String,
    /// Version of the program that runs.
    pub version: String,
    /// Version of the package on the disk; none where it is no package.
    pub package: Option<String>,
    /// The processor's kind, as Rust names it: `aarch64`, `arm`, `x86_64`.
    pub architecture: &'static str,
    /// The model that runs, `name@version+sha`.
    pub model: Option<String>,
    /// The settings files, the environment and the command line taken together.
    pub settings: SettingsDigest,
    /// The groups that it belongs to.
    pub groups: Vec<String>,
    /// What failed to be upgraded and why, one for each kind at most; empty when all is
    /// well.
    pub failed: Vec<FailedUpgrade>,
}

/// Settings without their values, some of which are nobody else's business.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SettingsDigest {
    /// The same for the same settings: SHA-256 of what differs from the defaults, its first
    /// 16 digits.
    pub digest: String,
    /// Keys that differ from the defaults.
    pub changed: Vec<String>,
}

/// One upgrade that did not come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedUpgrade {
    /// Of what.
    pub what: Upgraded,
    /// Why, and what runs or looks closely instead.
    pub message: String,
}

/// What can be upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Upgraded {
    /// The package `expressiond`.
    Package,
    /// The model.
    Model,
    /// The settings.
    Settings,
}
