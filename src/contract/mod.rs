//! What the world may rely on: topics and payloads, and the data in them.
//! `docs/ref/mqtt.md` and the schemas beside it are tested against this.

pub mod in_force;
pub mod inventory;
pub mod payload;
pub mod topics;
pub mod tuning;
