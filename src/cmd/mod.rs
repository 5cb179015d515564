//! The subcommands, one file each.

pub mod cameras;
pub mod completions;
pub mod detect;
pub mod model;
