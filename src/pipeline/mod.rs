//! The running daemon: threads, mailbox, counters.

mod alarms;
mod availability;
mod camera_log;
pub(crate) mod capture;
pub(crate) mod clock_step;
mod composition;
pub(crate) mod counters;
pub mod daemon;
pub(crate) mod frame_health;
mod heartbeat;
pub(crate) mod inference;
pub mod mailbox;
mod page;
pub mod plan;
pub(crate) mod rate;
pub(crate) mod reporter;
pub(crate) mod shared;
mod shutdown;
pub mod signals;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod status_line;
pub(crate) mod stop;
pub(crate) mod strain;
pub(crate) mod suspend;
mod threads;
pub(crate) mod watcher;
