//! The running daemon: threads, mailbox, counters.
