//! From an event to a broker, without losing it and without waiting for it.
//!
//! [`Publisher`] is the handle that everybody else holds: it never blocks. Behind
//! it stand the [`queue`] (what goes next), the [`outbox`] (events until they are
//! acknowledged), the [`client`] (one task that owns the connection) and, when no
//! broker is configured, the [`broker`] inside the process. The contract with the
//! world is in [`topics`] and `docs/ref/mqtt.md`.

pub mod access;
#[cfg(feature = "embedded-broker")]
pub mod broker;
pub mod client;
pub mod command;
pub mod credentials;
pub mod discovery;
mod door;
pub mod groups;
pub mod identity;
pub mod inbox;
pub mod message;
pub mod outbox;
pub mod payload;
mod publisher;
pub mod queue;
mod retained;
pub mod runtime;
pub mod settings;
mod stats;
pub mod tls;
pub mod topics;
pub mod url;

pub use client::{Received, Subscriptions, probe};
pub use publisher::{Publisher, Start, StartError};
pub use settings::Settings;
