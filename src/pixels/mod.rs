//! Camera pixels and the way from them into the detector's input tensor.
//!
//! A frame is never turned into a full-size RGB picture on its way to the
//! detector: [`planes`] says where its samples lie, [`sampling`] shrinks them row by
//! row into the input's size, and only what arrives there becomes RGB.

mod error;
mod format;
pub mod frame;
pub mod jpeg;
pub mod letterbox;
pub mod markers;
pub mod planes;
pub mod preprocess;
pub mod rgb;
mod sampling;
pub mod scan;
pub mod scene;
pub mod tensor;
mod unpack;

pub use error::PixelError;
