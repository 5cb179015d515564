//! What we are told: commands to this device, settings of its groups, and what is in
//! force of all that.

pub(crate) mod changes;
pub mod command;
pub mod groups;
pub mod in_force;
pub mod inbox;
mod object;
pub mod overrides;
pub mod switches;
