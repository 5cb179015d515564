//! The running daemon: threads, mailbox, counters.

pub mod capture;
pub mod counters;
pub mod mailbox;
pub mod stop;
