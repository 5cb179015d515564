//! The page on which a person sees what the camera sees and tunes it, and the numbers for
//! those who supervise. Off unless `preview.listen` names an address.
//!
//! The pipeline knows [`live::Live`] and nothing of HTTP; the server runs on a thread of
//! its own and takes only copies. `docs/design/preview.md` says who may see what and why.

mod answer;
mod assets;
pub(crate) mod camera_tuning;
mod connections;
pub mod first_run;
pub mod gate;
pub(crate) mod live;
mod metrics;
mod patience;
mod picture;
pub(crate) mod server;
mod service;
mod sessions;
pub mod settings;
mod store;
mod stream;
mod tls;
pub mod token;
pub(crate) mod trial;
pub mod tunable;
mod tune;
mod viewers;
mod what_if;

pub use picture::shown;
pub use settings::Settings;
pub use store::{Origin, Permit, Refused, Saved, SettingsStore, Undone};
pub use tls::server_config;
