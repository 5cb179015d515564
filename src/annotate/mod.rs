//! Pictures with boxes and labels drawn on them, for people.

pub mod drawing;
pub mod gallery;
pub mod snapshot;

pub use drawing::{Mark, draw, make_folder};
