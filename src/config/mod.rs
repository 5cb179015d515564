//! Settings: layers, checks, and where each value came from.

pub mod layers;
