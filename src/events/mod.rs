//! What is told to the world: one type, one schema.
