//! The running daemon: threads, mailbox, counters.

pub mod alarms;
pub mod board;
pub mod capture;
mod changes;
pub mod counters;
pub mod daemon;
pub mod dusk;
pub mod gallery;
pub mod inference;
pub mod lookout;
pub mod mailbox;
pub mod pace;
pub mod plan;
pub mod slumber;
pub mod snapshot;
pub mod status;
pub mod stop;
pub mod teller;
pub mod watcher;
