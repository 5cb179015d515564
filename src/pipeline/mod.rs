//! The running daemon: threads, mailbox, counters.

mod alarms;
mod availability;
mod camera_log;
pub mod capture;
pub mod counters;
pub mod daemon;
pub mod frame_health;
mod heartbeat;
pub mod inference;
pub mod mailbox;
pub mod plan;
pub mod rate;
pub mod reporter;
pub mod shared;
pub mod signals;
pub mod state;
pub mod status;
pub mod status_line;
pub mod stop;
pub mod strain;
pub mod suspend;
mod threads;
pub mod watcher;
