//! The running daemon: threads, mailbox, counters.

pub mod counters;
pub mod mailbox;
