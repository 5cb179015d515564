//! The subcommands, one file each.

pub mod bench;
pub mod cameras;
pub mod check_config;
pub mod completions;
pub mod detect;
pub mod discovery;
pub mod doctor;
pub mod evaluate;
pub mod model;
pub mod run;
#[cfg(feature = "simulate")]
pub mod simulate;
