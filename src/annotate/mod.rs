//! Pictures with boxes and labels drawn on them, for people.

pub(crate) mod drawing;
pub(crate) mod gallery;
pub(crate) mod snapshot;

pub use drawing::{Mark, Shows, draw, make_folder, save};
