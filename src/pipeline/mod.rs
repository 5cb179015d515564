//! The running daemon: threads, mailbox, counters.

pub mod alarms;
pub mod capture;
pub mod counters;
pub mod daemon;
pub mod inference;
pub mod mailbox;
pub mod plan;
pub mod rate;
pub mod reporter;
pub mod status;
pub mod strain;
pub mod stop;
pub mod suspend;
pub mod watcher;
