//! The subcommands, one file each.

pub mod completions;
pub mod detect;
