//! Faces over time: stable ids and smoothed expressions.
