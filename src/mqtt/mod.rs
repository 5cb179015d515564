//! From a message to a broker, without losing it and without waiting for it.
//!
//! This knows MQTT and nothing of what is said in it. [`handle`] is what callers hold:
//! it never blocks. Behind it stand the [`queue`] (what goes next), the [`outbox`](crate::outbox)
//! (events until they are acknowledged), the [`client`] (one task that owns the
//! connection) and, when no broker is configured, the `embedded` one in this process.

pub(crate) mod access;
mod admission;
pub(crate) mod client;
pub mod credentials;
#[cfg(feature = "embedded-broker")]
pub mod embedded;
mod error;
pub(crate) mod handle;
mod holding;
pub mod message;
pub mod protocol;
pub mod queue;
pub mod received;
mod retained;
pub mod settings;
mod shared;
pub mod stats;
mod storing;
pub mod tls;
pub(crate) mod url;
pub mod urls;

#[doc(hidden)]
pub use client::wire::read_pieces;
pub use error::StartError;
pub use holding::Holding;
pub use settings::Settings;
